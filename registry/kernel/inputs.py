"""What callers give to the rules: markers for their documentation, small value objects, and the checks of text.

A rule declares each value it takes as `Annotated[type, Doc("…")]`; a reference to another thing is `Annotated[UUID,
Of("Model"), …]`. Every door builds its own input shape from that one declaration.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Annotated, Final, NewType
from urllib.parse import urlsplit
from uuid import UUID

from typing_extensions import Doc

from db.base import utc_now
from db.codes import DatasetRole, Phase, SpecialValue, Stage
from registry.kernel.errors import InvalidValue

MAX_NAME = 200
MAX_LABEL = 100
MAX_TEXT = 10_000
MAX_REASON = 2_000
MAX_TAGS = 100
MAX_TAG_KEY = 100
MAX_TAG_VALUE = 1_000
MAX_PARAMETERS = 1_000
MAX_PARAMETER_TEXT = 6_000
MAX_METRICS = 1_000
MAX_STEP = 2**63 - 1
MAX_URI = 2_000
MAX_MARKS = 30
_PRINTABLE = re.compile(r"[!-~]+")
_STAGE_NAMES = frozenset(stage.casefold() for stage in Stage)
OLDEST = datetime(1970, 1, 1, tzinfo=UTC)
CLOCK_SKEW = timedelta(minutes=5)
"""How far the clock of a client may be ahead."""

ParameterValue = NewType("ParameterValue", object)
"""Text, a finite number, true or false."""

BigInt = NewType("BigInt", int)
"""A whole number of up to 64 bits."""


@dataclass(frozen=True)
class Of:
    """Marks an id: the kind of thing it is the id of."""

    kind: str


@dataclass(frozen=True)
class OneOf:
    """Marks a value that is of one of several kinds: callers name the kind and give its settings."""

    name: str
    kinds: Mapping[str, type]


class Keep(Enum):
    """The value of an argument that was not given, where null means something else."""

    KEEP = "KEEP"


KEEP: Final = Keep.KEEP

TeamId = Annotated[UUID, Of("Team")]
ProjectId = Annotated[UUID, Of("Project")]
ModelId = Annotated[UUID, Of("Model")]
VersionId = Annotated[UUID, Of("ModelVersion")]
RunId = Annotated[UUID, Of("Run")]
ExperimentId = Annotated[UUID, Of("Experiment")]
DatasetId = Annotated[UUID, Of("Dataset")]
DatasetVersionId = Annotated[UUID, Of("DatasetVersion")]
PrincipalId = Annotated[UUID, Of("Principal")]
ArtifactId = Annotated[UUID, Of("Artifact")]
PriceId = Annotated[UUID, Of("Price")]
EnvironmentId = Annotated[UUID, Of("Environment")]
DeploymentId = Annotated[UUID, Of("Deployment")]
WebhookId = Annotated[UUID, Of("Webhook")]
WebhookDeliveryId = Annotated[UUID, Of("WebhookDelivery")]

Reason = Annotated[str | None, Doc(f"Why, for those who look back; at most {MAX_REASON} characters.")]
RequiredReason = Annotated[str, Doc(f"What is wrong, for those who look back; 1 to {MAX_REASON} characters.")]


@dataclass(frozen=True)
class Tag:
    """A key with a value, set by people."""

    key: Annotated[str, Doc(f"Unique among the tags of a thing; 1 to {MAX_TAG_KEY} characters.")]
    value: Annotated[str, Doc(f"At most {MAX_TAG_VALUE} characters; may be empty.")] = ""


@dataclass(frozen=True)
class Parameter:
    """A setting of a run or a version."""

    name: Annotated[str, Doc(f"Unique among the parameters of a thing; 1 to {MAX_NAME} characters.")]
    value: Annotated[
        ParameterValue, Doc(f"Text of at most {MAX_PARAMETER_TEXT} characters, a finite number or a boolean.")
    ]


@dataclass(frozen=True)
class Metric:
    """A measured value at a step. Logging the same phase, name and step again replaces it."""

    name: Annotated[str, Doc(f"What was measured, such as `accuracy`; 1 to {MAX_NAME} characters.")]
    phase: Annotated[Phase, Doc("On which data.")]
    value: Annotated[float | None, Doc("The value. Give either this or `special`.")] = None
    special: Annotated[SpecialValue | None, Doc("What was measured instead of a finite number.")] = None
    step: Annotated[BigInt, Doc("Position in the history, from 0; the latest step is the current value.")] = BigInt(0)
    measured_at: Annotated[datetime | None, Doc("When it was measured; now if absent.")] = None


@dataclass(frozen=True)
class Measurement:
    """A value measured in production. Reporting the same name and moment again replaces it."""

    name: Annotated[str, Doc(f"What was measured, such as `latency_p95_s`; 1 to {MAX_NAME} characters.")]
    value: Annotated[float | None, Doc("The value. Give either this or `special`.")] = None
    special: Annotated[SpecialValue | None, Doc("What was measured instead of a finite number.")] = None
    measured_at: Annotated[datetime | None, Doc("When it was measured; the moment of the report if absent.")] = None


@dataclass(frozen=True)
class TrafficShare:
    """How much of the traffic a deployment is to get."""

    deployment_id: Annotated[DeploymentId, Doc("Which deployment.")]
    traffic_percent: Annotated[float, Doc("0 to 100, with at most two decimals.")]


@dataclass(frozen=True)
class DatasetUse:
    """A dataset version that a run read."""

    dataset_version_id: Annotated[DatasetVersionId, Doc("The data.")]
    role: Annotated[DatasetRole, Doc("What the run did with it.")] = DatasetRole.TRAINING


# Marks that change the order in which other characters are shown: two names could look the same or lie.
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_INVISIBLE = frozenset({"Cf", "Mn", "Me", "Zs", "Zl", "Zp"})
# Letters of Tibetan that are no marks themselves and are taken apart into marks.
_OF_MARKS = "\u0f73\u0f75\u0f81"
HEAPED: Final = f"More than {MAX_MARKS} combining characters follow one another here. Remove some."


def is_heaped(value: str) -> bool:
    """Whether more than MAX_MARKS combining characters follow one another, as in no language.

    Normal form sorts them, which takes time by the square of their number: seconds for some ten thousand.
    """
    if value.isascii():
        return False
    marks = 0
    for character in value:
        marks = marks + 1 if unicodedata.combining(character) or character in _OF_MARKS else 0
        if marks > MAX_MARKS:
            return True
    return False


def normal(value: str, path: Sequence[str]) -> str:
    """A text in normal form C. Raises: InvalidValue where it is heaped."""
    if is_heaped(value):
        raise InvalidValue(HEAPED, path)
    return unicodedata.normalize("NFC", value)


def name(value: str, path: Sequence[str] = ("name",), *, max_length: int = MAX_NAME) -> str:
    """A name as it is stored: Unicode normal form C, without white space around it.

    Raises: InvalidValue when empty, invisible, too long (in code points), heaped, or with control or direction
    characters.
    """
    text = normal(value, path).strip()
    if not text or all(unicodedata.category(character) in _INVISIBLE for character in text):
        raise InvalidValue("This must hold at least one visible character.", path)
    if len(text) > max_length:
        raise InvalidValue(f"This has {len(text)} characters; at most {max_length} are allowed.", path)
    if _BIDI.search(text) or any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in text):
        raise InvalidValue("This holds control, line-break or text-direction characters. Remove them.", path)
    return text


def text(value: str | None, path: Sequence[str], *, max_length: int = MAX_TEXT) -> str | None:
    """Free text in normal form C, or None. Line breaks and tabs may stand in it, other control characters may not.

    Raises: InvalidValue.
    """
    if value is None:
        return None
    clean = normal(value, path)
    if len(clean) > max_length:
        raise InvalidValue(f"This has {len(clean)} characters; at most {max_length} are allowed.", path)
    if any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\r\t" for c in clean):
        raise InvalidValue("This holds control characters other than line breaks and tabs. Remove them.", path)
    return clean


def web_address(value: str | None, path: Sequence[str]) -> str | None:
    """The address of a page that people open, or None: `http` or `https`, with a host and without a password.

    The server never opens it. Raises: InvalidValue.
    """
    if value is None:
        return None
    if len(value) > MAX_URI:
        raise InvalidValue(f"This has {len(value)} characters; at most {MAX_URI} are allowed.", path)
    try:
        parts = urlsplit(value)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or not _PRINTABLE.fullmatch(value):
        raise InvalidValue("This is no web address. Give one such as https://ci.example.com/jobs/17.", path)
    if parts.username is not None or parts.password is not None:
        raise InvalidValue("An address that everybody can read holds no user or password. Remove it.", path)
    return value


def reason(value: str | None, path: Sequence[str] = ("reason",)) -> str | None:
    """Why something is done, as it is stored. Raises: InvalidValue."""
    return text(value, path, max_length=MAX_REASON)


def required_reason(value: str) -> str:
    """A reason that has to be given, without white space around it. Raises: InvalidValue."""
    why = reason(value.strip())
    if not why:
        raise InvalidValue("Say why: everybody who looks back will want to know.", ("reason",))
    return why


def bare_alias(value: str, path: Sequence[str] = ("name",)) -> str:
    """The name of an alias as it is looked for: people write `champion` or `@champion` and mean the same.

    Raises: InvalidValue where it is heaped, or still begins with `@`: no alias does, or it would pass for another one.
    """
    bare = normal(value, path).strip().removeprefix("@").strip()
    if bare.startswith("@"):
        raise InvalidValue("No alias begins with `@`. Write `champion` or `@champion`.", path)
    return bare


def alias_name(value: str, path: Sequence[str] = ("name",)) -> str:
    """The name of an alias as it is stored. Raises: InvalidValue."""
    return name(bare_alias(value, path), path, max_length=MAX_LABEL)


def new_alias_name(value: str, path: Sequence[str] = ("name",)) -> str:
    """The name of an alias that is to be set or protected: none that is called as a stage. Raises: InvalidValue."""
    clean = alias_name(value, path)
    if clean.casefold() in _STAGE_NAMES:
        told = f"{clean!r} is a stage, not an alias. Choose another name, or promote the version to the stage."
        raise InvalidValue(told, path)
    return clean


def address(value: str, path: Sequence[str]) -> str:
    """A URI or another address, as it was given: inert text that nobody here opens.

    Not in normal form: to other systems the two spellings of a letter are two addresses.

    Raises: InvalidValue when empty, longer than MAX_URI, or with spaces around it, control or direction characters.
    """
    if name(value, path, max_length=MAX_URI) != normal(value, path):
        raise InvalidValue("An address has no spaces around it.", path)
    return value


def moment(value: datetime, path: Sequence[str], *, oldest: datetime = OLDEST) -> datetime:
    """Return the time of an observation by a client. One up to CLOCK_SKEW ahead is stored as now.

    Raises: InvalidValue without an offset, before `oldest`, or further ahead.
    """
    if value.tzinfo is None:
        raise InvalidValue("A time needs its offset from UTC, such as 2026-03-03T12:00:00Z.", path)
    now = utc_now()
    if value < oldest:
        raise InvalidValue(f"This time is before {oldest.isoformat(timespec='seconds')}, the earliest accepted.", path)
    if value > now + CLOCK_SKEW:
        raise InvalidValue("This time is more than 5 minutes in the future. Check the clock of the client.", path)
    return min(value, now)


def tags(values: Sequence[Tag], path: Sequence[str] = ("tags",)) -> dict[str, str]:
    """Tags by key. Raises: InvalidValue when too many, twice the same key, or with text that is not allowed."""
    if len(values) > MAX_TAGS:
        raise InvalidValue(f"{len(values)} tags are more than the {MAX_TAGS} that one thing may have.", path)
    found: dict[str, str] = {}
    for place, tag in enumerate(values):
        here = (*path, str(place))
        key = name(tag.key, (*here, "key"), max_length=MAX_TAG_KEY)
        if key in found:
            raise InvalidValue(f"The key {key!r} stands here twice.", (*here, "key"))
        found[key] = text(tag.value, (*here, "value"), max_length=MAX_TAG_VALUE) or ""
    return found


def description_of(
    new_name: str | Keep,
    description: str | Keep | None = KEEP,
    new_tags: Sequence[Tag] | Keep = KEEP,
    *,
    clean_name: Callable[[str], str] = name,
) -> dict[str, object]:
    """The columns with what people say about a thing, as far as they were given. Raises: InvalidValue."""
    values: dict[str, object] = {}
    if new_name is not KEEP:
        values["name"] = clean_name(new_name)
    if description is not KEEP:
        values["description"] = text(description, ("description",))
    if new_tags is not KEEP:
        values["tags"] = tags(new_tags)
    return values


def parameters(values: Sequence[Parameter], path: Sequence[str] = ("parameters",)) -> dict[str, object]:
    """Parameters by name. Raises: InvalidValue when too many, twice the same name, or not text, finite or boolean."""
    if len(values) > MAX_PARAMETERS:
        raise InvalidValue(f"{len(values)} parameters are more than {MAX_PARAMETERS}.", path)
    found: dict[str, object] = {}
    for place, parameter in enumerate(values):
        here = (*path, str(place))
        key = name(parameter.name, (*here, "name"))
        if key in found:
            raise InvalidValue(f"The name {key!r} stands here twice.", (*here, "name"))
        found[key] = parameter_value(parameter.value, (*here, "value"))
    return found


def same(first: object, second: object) -> bool:
    """Whether two values of parameters are equal; true is not 1, though Python says so."""
    return first == second and isinstance(first, bool) == isinstance(second, bool)


def parameter_value(value: object, path: Sequence[str]) -> object:
    """The value of a parameter as it is stored. Raises: InvalidValue."""
    if isinstance(value, str):
        return text(value, path, max_length=MAX_PARAMETER_TEXT)
    if isinstance(value, bool) or (isinstance(value, int) and abs(value) <= MAX_STEP):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise InvalidValue("A parameter is text, a finite number or a boolean.", path)
