"""What can stand in a line: one declaration for each kind, in the order in which kinds refer to each other.

A kind says which table it is about, which fields a line may have, and by which columns a row is known to be the same.
Import, export and the documentation follow from that.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from db.base import Tenant
from db.codes import ArtifactKind, DatasetRole, DesiredState, Phase, RunStatus, SpecialValue, TaskType
from db.tables import (
    Alias,
    Artifact,
    Dataset,
    DatasetProfile,
    DatasetSchema,
    DatasetVersion,
    Deployment,
    Environment,
    Experiment,
    LineageEdge,
    Model,
    Project,
    ResourceSample,
    Run,
    RunMetric,
    Runtime,
    Signature,
    Team,
    Version,
    VersionMetric,
)
from registry import (
    artifacts,
    data_facts,
    datasets,
    deployments,
    inputs,
    metrics,
    resources,
    runs,
    runtimes,
    signatures,
)
from registry.contents import digest_of
from registry.errors import InvalidValue
from registry.transfer import fields as read
from registry.transfer.fields import Path, Read
from storage.names import safe_content_type

Values = dict[str, Any]


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Field:
    """A value in a line. `column` is where it is kept, `refers` the kind of thing that it names by its key.

    A line that is changed may change an `editable` one. `brings` are columns that follow from the thing named, `agrees`
    those in which both have to be the same. `write` makes what an export holds.
    """

    name: str
    read: Read = read.plain
    column: str = ""
    required: bool = False
    editable: bool = False
    refers: str | None = None
    brings: tuple[str, ...] = ()
    agrees: tuple[str, ...] = ()
    write: Callable[[Any], Any] = _same


@dataclass(frozen=True)
class Kind:
    """What a line is about. `natural` are the columns by which a row is the same thing; a kind without has only keys.

    `check` looks at the columns of a whole line and completes them. Points are data that a thing owns: they have no key
    and no event. A line has exactly one of the fields `one_of`. `order` is how an export sorts, before the id.
    """

    table: type[Tenant]
    fields: tuple[Field, ...]
    natural: tuple[str, ...] = ()
    name: str = ""
    check: Callable[[Values], Values] = _same
    points: bool = False
    one_of: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    only: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Its name in files."""
        return self.name or self.table.__name__

    @property
    def references(self) -> list[Field]:
        """Its fields that name other things."""
        return [one for one in self.fields if one.refers]


def text(name: str, column: str = "", *, required: bool = False, editable: bool = False, most: int = 0) -> Field:
    """A field of free text."""
    return Field(name, read.prose(most or inputs.MAX_TEXT), column or name, required=required, editable=editable)


def to(name: str, kind: str, column: str, *, required: bool = True, editable: bool = False, **more: Any) -> Field:
    """A field that names another thing."""
    return Field(name, _key, column, required=required, editable=editable, refers=kind, write=str, **more)


def _key(value: Any, path: Path) -> str:
    return str(read.name()(value, path))


NAME: Final = Field("name", read.name(), "name", required=True, editable=True)
DESCRIPTION: Final = text("description", editable=True)
TAGS: Final = Field("tags", read.tags, "tags", editable=True)
PARAMETERS: Final = Field("parameters", read.parameters, "parameters")
POINT: Final = (
    Field("phase", read.choice(Phase), "phase", required=True),
    Field("name", read.name(), "name", required=True),
    Field("step", read.whole(), "step"),
    Field("value", read.number, "value"),
    Field("special", read.choice(SpecialValue), "special"),
    Field("measuredAt", read.moment, "measured_at", required=True),
)


def _content(cls: type[Any], stored: Callable[[Any], Values]) -> Callable[[Values], Values]:
    """Reads the values of a line as one input object, as `registry.contents` keeps it."""

    def check(values: Values) -> Values:
        given = {read.camel(name): value for name, value in values.items()}
        kept = stored(read.thing(cls, given, ()))
        return {**kept, "digest": digest_of(kept)}

    return check


def _listed(*names: str) -> tuple[Field, ...]:
    """Fields whose values are read all together."""
    return tuple(Field(read.camel(name), read.plain, name, write=read.camelled) for name in names)


def _packages(value: Any, path: Path) -> list[dict[str, Any]]:
    return [{"name": name, "version": version} for name, version in read.object_of(value, path)]


def _profile(values: Values) -> Values:
    given = {"rowCount": values.get("row_count"), "columns": values.get("columns", [])}
    return values | data_facts.stored_profile(read.thing(data_facts.DatasetProfile, given, ()))


def _run(values: Values) -> Values:
    ended = values.get("status", RunStatus.RUNNING) != RunStatus.RUNNING
    if ended != ("ended_at" in values):
        raise InvalidValue("A run has a time when it ended if it is no longer RUNNING, and only then.", ("endedAt",))
    if ended and "started_at" not in values:
        raise InvalidValue("A run that has ended has a time when it began.", ("startedAt",))
    if ended and values["ended_at"] < values["started_at"]:
        raise InvalidValue("A run ends after it began.", ("endedAt",))
    return values


def _point(values: Values) -> Values:
    value, special = metrics.measured(values.get("value"), values.get("special"), ("value",))
    return {"step": 0, **values, "value": value, "special": special}


def _sample(values: Values) -> Values:
    return resources.stored(read.thing(resources.ResourceSample, {read.camel(k): v for k, v in values.items()}, ()), ())


def _artifact(values: Values) -> Values:
    values["path"] = artifacts.clean_path(values["path"])
    values["folded_path"] = artifacts.folded(values["path"])
    if "sha256" in values:
        values["sha256"] = artifacts.clean_sha256(values["sha256"])
    values["content_type"] = safe_content_type(values.get("content_type"))
    return values


def _plain_text(value: Any, path: Path) -> str:
    return read.text_of(value, path)


def _alias(value: Any, path: Path) -> str:
    return str(read.name(inputs.MAX_LABEL)(read.text_of(value, path).removeprefix("@"), path))


KINDS: Final[tuple[Kind, ...]] = (
    Kind(Team, (NAME,), ("name",)),
    Kind(Project, (to("team", "Team", "team_id"), NAME, DESCRIPTION), ("team_id", "name")),
    Kind(Environment, (NAME, DESCRIPTION, TAGS), ("name",)),
    Kind(
        Runtime,
        (
            *_listed("python_version"),
            Field("packages", _packages, "packages"),
            *_listed("image", "repository", "commit", "hardware"),
        ),
        ("digest",),
        check=_content(runtimes.Runtime, runtimes.stored),
    ),
    Kind(
        Signature,
        _listed("inputs", "outputs", "parameters", "features"),
        ("digest",),
        check=_content(signatures.Signature, signatures.stored),
    ),
    Kind(
        DatasetSchema,
        _listed("columns"),
        ("digest",),
        check=_content(data_facts.DatasetSchema, data_facts.stored_schema),
    ),
    Kind(Dataset, (to("project", "Project", "project_id"), NAME, DESCRIPTION, TAGS), ("project_id", "name")),
    Kind(
        DatasetVersion,
        (
            to("dataset", "Dataset", "dataset_id"),
            Field("digest", lambda value, path: datasets.check_digest(read.text_of(value, path)), "digest", True),
            DESCRIPTION,
            text("source", most=inputs.MAX_URI),
            Field("rowCount", read.whole(), "row_count"),
            to("schema", "DatasetSchema", "schema_id", required=False),
            TAGS,
        ),
        ("dataset_id", "digest"),
    ),
    Kind(
        DatasetProfile,
        (
            to("datasetVersion", "DatasetVersion", "dataset_version_id"),
            Field("rowCount", column="row_count", editable=True),
            Field("columns", column="columns", editable=True, write=read.camelled),
        ),
        ("dataset_version_id",),
        check=_profile,
    ),
    Kind(Experiment, (to("project", "Project", "project_id"), NAME, DESCRIPTION, TAGS), ("project_id", "name")),
    Kind(
        Run,
        (
            to("project", "Project", "project_id"),
            to("experiment", "Experiment", "experiment_id", required=False, agrees=("project_id",)),
            to("parentRun", "Run", "parent_run_id", required=False, agrees=("project_id",)),
            NAME,
            Field("status", read.choice(RunStatus), "status", editable=True),
            PARAMETERS,
            TAGS,
            Field("startedAt", read.moment, "started_at"),
            Field("endedAt", read.moment, "ended_at", editable=True),
            Field(
                "heartbeatTimeoutS", read.whole(runs.MIN_HEARTBEAT_S, runs.MAX_HEARTBEAT_S), "heartbeat_timeout_s"
            ),
            to("runtime", "Runtime", "runtime_id", required=False),
        ),
        check=_run,
    ),
    Kind(
        LineageEdge,
        (
            to("run", "Run", "downstream_id"),
            to("datasetVersion", "DatasetVersion", "upstream_id"),
            Field("role", read.choice(DatasetRole), "role", required=True),
        ),
        name="DatasetUse",
        points=True,
        only={"kind": ("USED",), "valid_to": (None,)},
    ),
    Kind(
        Model,
        (
            to("project", "Project", "project_id"),
            NAME,
            Field("framework", _plain_text, "framework", required=True),
            Field("task", read.choice(TaskType), "task", editable=True),
            DESCRIPTION,
            TAGS,
        ),
        ("project_id", "name"),
    ),
    Kind(
        Version,
        (
            to("model", "Model", "model_id"),
            Field("label", read.name(inputs.MAX_LABEL), "label", required=True),
            DESCRIPTION,
            to("run", "Run", "run_id", required=False),
            to("baseVersion", "Version", "base_version_id", required=False),
            to("signature", "Signature", "signature_id", required=False),
            to("runtime", "Runtime", "runtime_id", required=False),
            PARAMETERS,
            TAGS,
        ),
        ("model_id", "label"),
        order=("number",),
    ),
    Kind(
        Alias,
        (
            to("version", "Version", "version_id", editable=True, brings=("model_id",)),
            Field("name", _alias, "name", required=True),
        ),
        ("model_id", "name"),
    ),
    Kind(
        Artifact,
        (
            to("run", "Run", "run_id", required=False),
            to("version", "Version", "version_id", required=False),
            Field("path", _plain_text, "path", required=True),
            Field("artifactKind", read.choice(ArtifactKind), "kind", required=True),
            Field("contentType", _plain_text, "content_type"),
            Field("sizeBytes", read.whole(), "size_bytes"),
            Field("sha256", _plain_text, "sha256"),
            Field("uri", read.address, "external_uri", required=True),
        ),
        ("run_id", "version_id", "folded_path"),
        check=_artifact,
        one_of=("run", "version"),
        only={"state": ("AVAILABLE", "EXTERNAL")},
    ),
    Kind(
        Deployment,
        (
            to("environment", "Environment", "environment_id"),
            to("version", "Version", "version_id", brings=("model_id",)),
            Field("name", read.name(), "name", required=True),
            Field("desiredState", read.choice(DesiredState), "desired_state"),
            Field(
                "trafficPercent",
                lambda value, path: deployments.clean_percent(read.number(value, path), path),
                "traffic_percent",
            ),
            Field("endpoint", read.address, "endpoint"),
            TAGS,
        ),
        ("environment_id", "name"),
    ),
    Kind(
        RunMetric,
        (to("run", "Run", "run_id"), *POINT),
        ("run_id", "phase", "name", "step"),
        check=_point,
        points=True,
    ),
    Kind(
        ResourceSample,
        (
            to("run", "Run", "run_id"),
            Field("sampledAt", read.plain, "sampled_at", required=True),
            *_listed(*resources.MEASURES),
        ),
        ("run_id", "sampled_at"),
        check=_sample,
        points=True,
    ),
    Kind(
        VersionMetric,
        (to("version", "Version", "version_id"), *POINT),
        ("version_id", "phase", "name", "step"),
        check=_point,
        points=True,
    ),
)  # fmt: skip

BY_NAME: Final = {kind.title: kind for kind in KINDS}
