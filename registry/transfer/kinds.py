"""What can stand in a line: one declaration for each kind, in the order in which kinds refer to each other.

Import, export and the documentation follow from that.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from db.codes import (
    ArtifactKind,
    DatasetRole,
    DesiredState,
    Phase,
    PricedResource,
    RunStatus,
    SpecialValue,
    TaskType,
)
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
    ModelVersion,
    Price,
    Project,
    ResourceSample,
    Run,
    RunMetric,
    Runtime,
    Signature,
    Team,
    VersionMetric,
)
from registry.catalog import datasets
from registry.facts import dataset_facts, runtimes, signatures
from registry.facts.content_rows import digest_of
from registry.files import artifacts
from registry.kernel import inputs
from registry.kernel.errors import InvalidValue
from registry.serving import deployments
from registry.tracking import metrics, prices, resources, runs
from registry.transfer import fields as read
from registry.transfer.declaring import Field, Kind, Values, text, to
from registry.transfer.fields import Path
from storage.names import safe_content_type

NAME: Final = Field("name", read.name(), "name", required=True, editable=True)
SCOPE_NAME: Final = Field("name", read.scope_name, "name", required=True, editable=True)
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
    """Reads the values of a line as one input object, as `registry.facts.content_rows` keeps it."""

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
    return values | dataset_facts.stored_profile(read.thing(dataset_facts.DatasetProfile, given, ()))


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
    values |= artifacts.path_columns(values["path"])
    if "sha256" in values:
        values["sha256"] = artifacts.clean_sha256(values["sha256"])
    values["content_type"] = safe_content_type(values.get("content_type"))
    return values


def _price_time(value: Any, path: Path) -> datetime:
    return prices.clean_moment(read.time(value, path), path)


def _price(values: Values) -> Values:
    if "valid_to" in values and values["valid_to"] <= values["valid_from"]:
        raise InvalidValue("A price ends after it began.", ("validTo",))
    return values


def _plain_text(value: Any, path: Path) -> str:
    return read.text_of(value, path)


def _web_address(value: Any, path: Path) -> str | None:
    return inputs.web_address(read.text_of(value, path), path)


def _alias(value: Any, path: Path) -> str:
    return inputs.new_alias_name(read.text_of(value, path), path)


KINDS: Final[tuple[Kind, ...]] = (
    Kind(Team, (SCOPE_NAME,), ("name",)),
    Kind(Project, (to("team", "Team", "team_id"), SCOPE_NAME, DESCRIPTION), ("team_id", "name")),
    Kind(Environment, (NAME, DESCRIPTION, TAGS), ("name",)),
    Kind(
        Price,
        (
            Field("resource", read.choice(PricedResource), "resource", required=True),
            Field("hardware", read.name(), "hardware"),
            Field(
                "amount",
                lambda value, path: prices.clean_amount(read.exact(value, path)),
                "amount",
                required=True,
                write="{:f}".format,
            ),
            Field(
                "currency",
                lambda value, path: prices.clean_currency(read.text_of(value, path)),
                "currency",
                required=True,
            ),
            Field("validFrom", _price_time, "valid_from", required=True),
            Field("validTo", _price_time, "valid_to", editable=True),
        ),
        ("resource", "hardware", "valid_from", "valid_to"),
        check=_price,
        order=("valid_from", "created_at"),
    ),
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
        check=_content(dataset_facts.DatasetSchema, dataset_facts.stored_schema),
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
            DESCRIPTION,
            Field("externalUrl", _web_address, "external_url", editable=True),
            Field("status", read.choice(RunStatus), "status", editable=True),
            PARAMETERS,
            TAGS,
            Field("startedAt", read.moment, "started_at"),
            Field("endedAt", read.moment, "ended_at", editable=True),
            Field(
                "heartbeatTimeoutSeconds",
                read.whole(runs.MIN_HEARTBEAT_S, runs.MAX_HEARTBEAT_S),
                "heartbeat_timeout_seconds",
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
            SCOPE_NAME,
            Field("framework", _plain_text, "framework", required=True),
            Field("task", read.choice(TaskType), "task", editable=True),
            DESCRIPTION,
            TAGS,
        ),
        ("project_id", "name"),
    ),
    Kind(
        ModelVersion,
        (
            to("model", "Model", "model_id"),
            Field("label", read.name(inputs.MAX_LABEL), "label", required=True),
            DESCRIPTION,
            to("run", "Run", "run_id", required=False),
            to("baseVersion", "ModelVersion", "base_version_id", required=False),
            to("signature", "Signature", "signature_id", required=False),
            to("runtime", "Runtime", "runtime_id", required=False),
            PARAMETERS,
            TAGS,
        ),
        ("model_id", "label"),
        order=("number",),
    ),
    Kind(
        Artifact,
        (
            to("run", "Run", "run_id", required=False),
            to("version", "ModelVersion", "version_id", required=False),
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
            to("version", "ModelVersion", "version_id", brings=("model_id",)),
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
        (to("version", "ModelVersion", "version_id"), *POINT),
        ("version_id", "phase", "name", "step"),
        check=_point,
        points=True,
    ),
    Kind(
        Alias,
        (
            to("version", "ModelVersion", "version_id", editable=True, brings=("model_id",)),
            Field("name", _alias, "name", required=True),
        ),
        ("model_id", "name"),
    ),
)  # fmt: skip

BY_NAME: Final = {kind.title: kind for kind in KINDS}
