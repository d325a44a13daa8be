"""What changed in an event, in the words of the graph: its names, global ids, and values as its scalars are sent.

Events are stored with the columns of their tables, as they were hashed. They are translated when they are read, by the
graph and for webhooks alike, from the declaration of the table and the few exceptions below.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, Column, DateTime, Numeric, Uuid

from db.base import Tenant, columns
from db.belonging import KINDS, kind_beside
from db.tables import (
    AutomationFiring,
    AutomationRule,
    DatasetProfile,
    ModelVersion,
    PromotionPolicy,
    PromotionRequest,
    PromotionReview,
    Run,
    Runtime,
    Transition,
    WebhookDelivery,
)
from resolvers import ids
from resolvers.moments import sent_moment

_TOO_LARGE: Final = {"sha256", "columns"}
"""The keys of an image that was too large to store: see `registry.kernel.rows`."""

Convert = Callable[[Any, Mapping[str, Any]], Any]
"""A value as it is stored to a value as it is sent, given the image that it stands in."""


class Word(NamedTuple):
    """A column in the words of the graph."""

    name: str
    convert: Convert


def shown_image(kind: str, image: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Translate one side of an event about a thing of this kind; None stays None.

    One that was too large to store is its `sha256` and the names of its `fields`.
    """
    if image is None:
        return None
    if image.keys() == _TOO_LARGE:
        fields = sorted(_word(kind, column).name for column in image["columns"])
        return {"sha256": image["sha256"], "fields": fields}
    words = ((_word(kind, column), value) for column, value in image.items())
    return {word.name: None if value is None else word.convert(value, image) for word, value in words}


def field_names(kind: str, image: Mapping[str, Any] | None) -> list[str]:
    """The names of the fields in one side of an event, also where the side was too large to store."""
    stored = (image or {}).keys()
    stored_names = (image or {})["columns"] if stored == _TOO_LARGE else stored
    return [_word(kind, column).name for column in stored_names]


def _global_id(kind: str) -> Convert:
    return lambda value, _: ids.encode(kind, UUID(value))


def _beside(column: str) -> Convert:
    """The id of a row of the kind that stands beside it in the image."""

    def convert(value: Any, image: Mapping[str, Any]) -> Any:
        kind = str(image[kind_beside(column)])
        return ids.encode(kind if kind in KINDS else kind.capitalize(), UUID(value))

    return convert


def _moment(value: Any, _: Any) -> str:
    return sent_moment(datetime.fromisoformat(value))


def _text(value: Any, _: Any) -> str:
    return str(value)


def _decimal(value: Any, _: Any) -> str:
    return f"{Decimal(value):f}"


def _pairs(key: str) -> Convert:
    """An object with names that people chose, as a list of pairs."""
    return lambda value, _: [{key: name, "value": value[name]} for name in sorted(value)]


def _entries(**special: Convert) -> Convert:
    """Objects with names of ours, at any depth; `special` converts the values of these names."""

    def convert(value: Any, image: Any) -> Any:
        if isinstance(value, list):
            return [convert(one, image) for one in value]
        if not isinstance(value, dict):
            return value
        return {
            _camel(name): special[name](one, image) if one is not None and name in special else convert(one, image)
            for name, one in value.items()
        }

    return convert


def _packages(value: Any, _: Any) -> Any:
    return [{"name": name, "version": value[name]} for name in sorted(value)]


_COUNTS: Final = dict.fromkeys(("count", "null_count", "distinct_count"), _text)
_EXCEPTIONS: Final[Mapping[tuple[type[Tenant] | None, str], Word]] = {
    (None, "tags"): Word("tags", _pairs("key")),
    (Run, "parameters"): Word("parameters", _pairs("name")),
    (ModelVersion, "parameters"): Word("parameters", _pairs("name")),
    (ModelVersion, "metrics"): Word("metrics", _entries(step=_text, measured_at=_moment)),
    (Runtime, "packages"): Word("packages", _packages),
    (Runtime, "hardware"): Word("hardware", _entries(memory_bytes=_text)),
    (DatasetProfile, "columns"): Word("columns", _entries(**_COUNTS)),
    (PromotionPolicy, "only_project_id"): Word("projectId", _global_id("Project")),
    (WebhookDelivery, "redelivery_of"): Word("redeliveryOfId", _global_id("WebhookDelivery")),
    (None, "org_id"): Word("organizationId", _global_id("Organization")),
    (None, "cursor_seq"): Word("cursorSequence", _text),
}
"""What the declaration of a table does not say, by table, or for all of them, and by column."""

_BESIDES: Final[Mapping[str, type[Tenant]]] = {
    "transition_id": Transition,
    "cause_id": Transition,
    "undone_id": Transition,
    "request_id": PromotionRequest,
    "review_id": PromotionReview,
    "automation_rule_id": AutomationRule,
    "firing_id": AutomationFiring,
    "version_id": ModelVersion,
}
"""References that events hold besides the columns of the table that they are about."""


@cache
def _word(kind: str, column: str) -> Word:
    """How a column of a table is called and written in the graph. What this release does not know stays as it is."""
    table = KINDS.get(kind)
    for key in ((table, column), (None, column)):
        if key in _EXCEPTIONS:
            return _EXCEPTIONS[key]
    declared = _declared(table, column)
    name = _camel(column)
    if declared is None:
        other = _BESIDES.get(column)
        return Word(name, _entries() if other is None else _global_id(other.__name__))
    if isinstance(declared.type, Uuid):
        name = name if column.endswith("id") else f"{name}Id"
        return Word(name, _beside(column) if (to := _referred(kind, declared)) is None else _global_id(to))
    by_type: list[tuple[type, Convert]] = [(DateTime, _moment), (BigInteger, _text), (Numeric, _decimal)]
    return Word(name, next((convert for type_, convert in by_type if isinstance(declared.type, type_)), _entries()))


def _declared(table: type[Tenant] | None, column: str) -> Column[Any] | None:
    """The column that is meant. Events of a rule also hold what it did, a row of another table."""
    tables: list[type[Tenant]] = [] if table is None else [table]
    if table is AutomationRule:
        tables.append(AutomationFiring)
    return next((one for table in tables for one in columns(table) if one.name == column), None)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _referred(kind: str, column: Column[Any]) -> str | None:
    """The kind of the row that an id refers to; None where a column beside it says that."""
    if column.name == "id":
        return kind
    named = {key.column.table.name for key in column.foreign_keys if key.column.name == "id"}
    return next((name for name, table in KINDS.items() if table.__tablename__ in named), None)
