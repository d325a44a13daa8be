"""Tables, one class each, in dependency order: the data of the whole product at a glance."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Numeric,
    PrimaryKeyConstraint,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlmodel import Field

from db.base import SCHEMA, Deletable, Json, Name, Row, Tenant, Time, code, unique_while_live, utc_now, within
from db.codes import (
    ArtifactKind,
    ArtifactState,
    DatasetRole,
    DesiredState,
    Health,
    JobKind,
    LineageKind,
    ObservedState,
    Phase,
    PricedResource,
    PrincipalKind,
    Role,
    RunStatus,
    ScopeKind,
    SearchKind,
    SpecialValue,
    Stage,
    TaskType,
    UploadState,
)

_TAKES_ITS_PATH = text("state not in ('QUARANTINED', 'ABANDONED') and deleted_at is null")


def _version_of_model(column: str) -> ForeignKeyConstraint:
    """`column` refers to a version of the row's own model."""
    found = (f"{SCHEMA}.version.{name}" for name in ("org_id", "model_id", "id"))
    return ForeignKeyConstraint(["org_id", "model_id", column], list(found))


class Organisation(Row, table=True):
    """The tenant. Its id is its `org_id`."""

    __tablename__ = "organisation"
    __table_args__ = (CheckConstraint("id = org_id", name="is_its_own"),)

    name: str = Field(sa_type=Name, unique=True)


class Team(Deletable, table=True):
    """People who own projects together."""

    __tablename__ = "team"
    __table_args__ = (unique_while_live("team", "name"),)

    name: str = Field(sa_type=Name)


class Project(Deletable, table=True):
    """Where models, runs and datasets live."""

    __tablename__ = "project"
    __table_args__ = (within("team_id", "team"), unique_while_live("project", "team_id", "name"))

    team_id: UUID
    name: str = Field(sa_type=Name)
    description: str | None = None


class Principal(Row, table=True):
    """Somebody or something that acts."""

    __tablename__ = "principal"
    __table_args__ = (UniqueConstraint("org_id", "name"),)

    kind: PrincipalKind = Field(sa_type=code(PrincipalKind))
    name: str = Field(sa_type=Name)


class ApiToken(Row, table=True):
    """A token of a principal: only the SHA-256 of it is kept."""

    __tablename__ = "api_token"
    __table_args__ = (within("principal_id", "principal"), Index(None, "org_id", "principal_id", "id"))

    principal_id: UUID
    name: str = Field(sa_type=Name)
    token_hash: bytes = Field(unique=True, repr=False, sa_column_kwargs={"info": {"secret": True}})
    last_four: str
    expires_at: datetime = Field(sa_type=Time)
    revoked_at: datetime | None = Field(default=None, sa_type=Time)
    last_used_at: datetime | None = Field(default=None, sa_type=Time)


class RoleBinding(Row, table=True):
    """A principal has a role in a scope."""

    __tablename__ = "role_binding"
    __table_args__ = (
        within("principal_id", "principal"),
        UniqueConstraint("org_id", "principal_id", "role", "scope_kind", "scope_id"),
    )

    principal_id: UUID
    role: Role = Field(sa_type=code(Role))
    scope_kind: ScopeKind = Field(sa_type=code(ScopeKind))
    scope_id: UUID


class Content(Row):
    """Facts that many things share and nobody changes: one row for each digest in an organisation."""

    digest: str


class Signature(Content, table=True):
    """What versions take and give."""

    __tablename__ = "signature"
    __table_args__ = (UniqueConstraint("org_id", "digest"),)

    inputs: list[dict[str, Any]] = Field(sa_type=Json)
    outputs: list[dict[str, Any]] = Field(sa_type=Json)
    parameters: list[dict[str, Any]] = Field(sa_type=Json)
    features: list[dict[str, Any]] = Field(sa_type=Json)


class Runtime(Content, table=True):
    """What runs and versions were made with. `packages` are versions by name."""

    __tablename__ = "runtime"
    __table_args__ = (UniqueConstraint("org_id", "digest"),)

    python_version: str | None = None
    packages: dict[str, str] = Field(sa_type=Json)
    image: str | None = None
    repository: str | None = None
    commit: str | None = None
    hardware: dict[str, Any] | None = Field(default=None, sa_type=Json)


class DatasetSchema(Content, table=True):
    """Which columns dataset versions have."""

    __tablename__ = "dataset_schema"
    __table_args__ = (UniqueConstraint("org_id", "digest"),)

    columns: list[dict[str, Any]] = Field(sa_type=Json)


class Model(Deletable, table=True):
    """A named line of versions."""

    __tablename__ = "model"
    __table_args__ = (
        within("project_id", "project"),
        within("owner_id", "principal"),
        within("created_by", "principal"),
        unique_while_live("model", "project_id", "name"),
        Index(None, "org_id", "project_id", "id"),
        Index(None, "org_id", "name", "id"),
        Index(None, "org_id", "updated_at", "id"),
    )

    project_id: UUID
    name: str = Field(sa_type=Name)
    framework: str
    task: TaskType | None = Field(default=None, sa_type=code(TaskType))
    description: str | None = None
    tags: dict[str, str] = Field(default_factory=dict, sa_type=Json)
    version_count: int = Field(default=0, sa_column_kwargs={"info": {"derived": True}})
    owner_id: UUID | None = None
    created_by: UUID
    updated_at: datetime = Field(default_factory=utc_now, sa_type=Time, sa_column_kwargs={"info": {"derived": True}})


class Dataset(Deletable, table=True):
    """A named line of dataset versions."""

    __tablename__ = "dataset"
    __table_args__ = (
        within("project_id", "project"),
        within("created_by", "principal"),
        unique_while_live("dataset", "project_id", "name"),
        Index(None, "org_id", "project_id", "id"),
    )

    project_id: UUID
    name: str = Field(sa_type=Name)
    description: str | None = None
    tags: dict[str, str] = Field(default_factory=dict, sa_type=Json)
    created_by: UUID
    updated_at: datetime = Field(default_factory=utc_now, sa_type=Time, sa_column_kwargs={"info": {"derived": True}})


class DatasetVersion(Deletable, table=True):
    """The exact data behind a digest."""

    __tablename__ = "dataset_version"
    __table_args__ = (
        within("dataset_id", "dataset"),
        within("schema_id", "dataset_schema"),
        within("created_by", "principal"),
        unique_while_live("dataset_version", "dataset_id", "digest"),
        Index(None, "org_id", "dataset_id", "id"),
        Index(None, "org_id", "schema_id", "id"),
    )

    dataset_id: UUID
    digest: str
    description: str | None = None
    source: str | None = None
    row_count: int | None = Field(default=None, sa_type=BigInteger)
    schema_id: UUID | None = None
    tags: dict[str, str] = Field(default_factory=dict, sa_type=Json)
    created_by: UUID


class DatasetProfile(Row, table=True):
    """What was counted in a dataset version, column by column."""

    __tablename__ = "dataset_profile"
    __table_args__ = (
        within("dataset_version_id", "dataset_version"),
        UniqueConstraint("org_id", "dataset_version_id"),
    )

    dataset_version_id: UUID
    row_count: int | None = Field(default=None, sa_type=BigInteger)
    columns: list[dict[str, Any]] = Field(sa_type=Json)


class Experiment(Deletable, table=True):
    """Runs that belong together because they answer one question."""

    __tablename__ = "experiment"
    __table_args__ = (
        within("project_id", "project"),
        within("created_by", "principal"),
        unique_while_live("experiment", "project_id", "name"),
        Index(None, "org_id", "project_id", "id"),
    )

    project_id: UUID
    name: str = Field(sa_type=Name)
    description: str | None = None
    tags: dict[str, str] = Field(default_factory=dict, sa_type=Json)
    created_by: UUID
    updated_at: datetime = Field(default_factory=utc_now, sa_type=Time, sa_column_kwargs={"info": {"derived": True}})


class Run(Deletable, table=True):
    """One execution that trained or evaluated something."""

    __tablename__ = "run"
    __table_args__ = (
        within("project_id", "project"),
        within("experiment_id", "experiment"),
        within("parent_run_id", "run"),
        within("runtime_id", "runtime"),
        within("created_by", "principal"),
        Index(None, "org_id", "project_id", "id"),
        Index(None, "org_id", "experiment_id", "id"),
        Index(None, "org_id", "experiment_id", "started_at", "id"),
        Index(None, "org_id", "started_at", "id"),
        Index(None, "org_id", "parent_run_id", "id"),
        Index(None, "org_id", "runtime_id", "id"),
    )

    project_id: UUID
    experiment_id: UUID | None = None
    parent_run_id: UUID | None = None
    name: str = Field(sa_type=Name)
    status: RunStatus = Field(default=RunStatus.RUNNING, sa_type=code(RunStatus))
    parameters: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    started_at: datetime = Field(default_factory=utc_now, sa_type=Time)
    ended_at: datetime | None = Field(default=None, sa_type=Time)
    heartbeat_at: datetime = Field(default_factory=utc_now, sa_type=Time, sa_column_kwargs={"info": {"derived": True}})
    heartbeat_timeout_s: int | None = None
    tags: dict[str, str] = Field(default_factory=dict, sa_type=Json)
    runtime_id: UUID | None = None
    created_by: UUID


class Version(Deletable, table=True):
    """One version of a model. `number` is given by the server, without gaps; `label` by the user."""

    __tablename__ = "version"
    __table_args__ = (
        within("model_id", "model"),
        within("run_id", "run"),
        within("base_version_id", "version"),
        within("signature_id", "signature"),
        within("runtime_id", "runtime"),
        within("created_by", "principal"),
        UniqueConstraint("org_id", "model_id", "id"),
        UniqueConstraint("org_id", "model_id", "number"),
        UniqueConstraint("org_id", "model_id", "label"),
        Index(None, "org_id", "run_id", "id"),
        Index(None, "org_id", "base_version_id", "id"),
        Index(None, "org_id", "signature_id", "id"),
        Index(None, "org_id", "runtime_id", "id"),
    )

    model_id: UUID
    number: int
    label: str = Field(sa_type=Name)
    description: str | None = None
    stage: Stage = Field(default=Stage.DEVELOPMENT, sa_type=code(Stage))
    run_id: UUID | None = None
    base_version_id: UUID | None = None
    signature_id: UUID | None = None
    runtime_id: UUID | None = None
    parameters: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    tags: dict[str, str] = Field(default_factory=dict, sa_type=Json)
    created_by: UUID


class Alias(Row, table=True):
    """A name of a model that points at one of its versions and can be moved to another."""

    __tablename__ = "alias"
    __table_args__ = (
        within("model_id", "model"),
        _version_of_model("version_id"),
        within("created_by", "principal"),
        UniqueConstraint("org_id", "model_id", "name"),
        Index(None, "org_id", "version_id", "id"),
    )

    model_id: UUID
    version_id: UUID
    name: str = Field(sa_type=Name)
    revision: int = 1
    created_by: UUID
    updated_at: datetime = Field(default_factory=utc_now, sa_type=Time, sa_column_kwargs={"info": {"derived": True}})


class MetricPoint(Tenant):
    """A measured value at a step. `value` is null where `special` tells what it was instead."""

    phase: Phase = Field(sa_type=code(Phase))
    name: str = Field(sa_type=Name)
    step: int = Field(sa_type=BigInteger)
    value: float | None = None
    special: SpecialValue | None = Field(default=None, sa_type=code(SpecialValue))
    measured_at: datetime = Field(sa_type=Time)


class RunMetric(MetricPoint, table=True):
    """A metric of a run."""

    __tablename__ = "run_metric"
    __table_args__ = (
        PrimaryKeyConstraint("org_id", "run_id", "phase", "name", "step"),
        within("run_id", "run"),
        CheckConstraint("(value is null) = (special is not null)", name="value"),
    )

    run_id: UUID


class VersionMetric(MetricPoint, table=True):
    """A metric of a version."""

    __tablename__ = "version_metric"
    __table_args__ = (
        PrimaryKeyConstraint("org_id", "version_id", "phase", "name", "step"),
        within("version_id", "version"),
        CheckConstraint("(value is null) = (special is not null)", name="value"),
    )

    version_id: UUID


class Environment(Deletable, table=True):
    """Where deployments run, such as `production-eu`."""

    __tablename__ = "environment"
    __table_args__ = (within("created_by", "principal"), unique_while_live("environment", "name"))

    name: str = Field(sa_type=Name)
    description: str | None = None
    tags: dict[str, str] = Field(default_factory=dict, sa_type=Json)
    created_by: UUID
    updated_at: datetime = Field(default_factory=utc_now, sa_type=Time, sa_column_kwargs={"info": {"derived": True}})


class Deployment(Deletable, table=True):
    """One version of a model in one environment: what people want of it, and what agents last saw.

    `revision` counts the changes of what is wanted. `traffic_percent` has two decimals.
    """

    __tablename__ = "deployment"
    __table_args__ = (
        within("model_id", "model"),
        within("environment_id", "environment"),
        _version_of_model("version_id"),
        _version_of_model("observed_version_id"),
        within("created_by", "principal"),
        unique_while_live("deployment", "environment_id", "name"),
        CheckConstraint("traffic_percent between 0 and 100", name="share"),
        Index(None, "org_id", "environment_id", "id"),
        Index(None, "org_id", "model_id", "id"),
        Index(None, "org_id", "version_id", "id"),
    )

    model_id: UUID
    environment_id: UUID
    name: str = Field(sa_type=Name)
    version_id: UUID
    desired_state: DesiredState = Field(default=DesiredState.RUNNING, sa_type=code(DesiredState))
    traffic_percent: float = 0.0
    endpoint: str | None = None
    tags: dict[str, str] = Field(default_factory=dict, sa_type=Json)
    revision: int = 1
    observed_state: ObservedState = Field(default=ObservedState.UNKNOWN, sa_type=code(ObservedState))
    observed_version_id: UUID | None = None
    health: Health = Field(default=Health.UNKNOWN, sa_type=code(Health))
    health_message: str | None = None
    observed_at: datetime | None = Field(default=None, sa_type=Time, sa_column_kwargs={"info": {"derived": True}})
    created_by: UUID
    updated_at: datetime = Field(default_factory=utc_now, sa_type=Time, sa_column_kwargs={"info": {"derived": True}})


class DeploymentChange(Row, table=True):
    """What a deployment was to do from one revision on, and why."""

    __tablename__ = "deployment_change"
    __table_args__ = (
        within("deployment_id", "deployment"),
        within("version_id", "version"),
        within("created_by", "principal"),
        UniqueConstraint("org_id", "deployment_id", "revision"),
    )

    deployment_id: UUID
    revision: int
    version_id: UUID
    desired_state: DesiredState = Field(sa_type=code(DesiredState))
    traffic_percent: float
    endpoint: str | None = None
    reason: str | None = None
    created_by: UUID


class DeploymentReport(Row, table=True):
    """What an agent saw of a deployment at one moment."""

    __tablename__ = "deployment_report"
    __table_args__ = (
        within("deployment_id", "deployment"),
        within("observed_version_id", "version"),
        within("created_by", "principal"),
        UniqueConstraint("org_id", "deployment_id", "created_by", "observed_at", name="deployment_report_key"),
        Index(None, "org_id", "deployment_id", "id"),
    )

    deployment_id: UUID
    observed_state: ObservedState = Field(sa_type=code(ObservedState))
    observed_version_id: UUID | None = None
    health: Health = Field(sa_type=code(Health))
    health_message: str | None = None
    observed_at: datetime = Field(sa_type=Time)
    created_by: UUID


class DeploymentMetric(Row, table=True):
    """A value measured in production. `value` is null where `special` tells what it was instead."""

    __tablename__ = "deployment_metric"
    __table_args__ = (
        within("deployment_id", "deployment"),
        UniqueConstraint("org_id", "deployment_id", "name", "measured_at"),
        CheckConstraint("(value is null) = (special is not null)", name="value"),
        Index(None, "org_id", "deployment_id", "measured_at", "id"),
    )

    deployment_id: UUID
    name: str = Field(sa_type=Name)
    value: float | None = None
    special: SpecialValue | None = Field(default=None, sa_type=code(SpecialValue))
    measured_at: datetime = Field(sa_type=Time)


class ResourceSample(Tenant, table=True):
    """What a run used of its machine at a moment. Bytes of disk and network are counted from the start of the run."""

    __tablename__ = "resource_sample"
    __table_args__ = (PrimaryKeyConstraint("org_id", "run_id", "sampled_at"), within("run_id", "run"))

    run_id: UUID
    sampled_at: datetime = Field(sa_type=Time)
    cpu_percent: float | None = None
    gpu_percent: float | None = None
    memory_bytes: int | None = Field(default=None, sa_type=BigInteger)
    gpu_memory_bytes: int | None = Field(default=None, sa_type=BigInteger)
    disk_read_bytes: int | None = Field(default=None, sa_type=BigInteger)
    disk_written_bytes: int | None = Field(default=None, sa_type=BigInteger)
    network_received_bytes: int | None = Field(default=None, sa_type=BigInteger)
    network_sent_bytes: int | None = Field(default=None, sa_type=BigInteger)


class Price(Row, table=True):
    """What an hour of a resource costs from `valid_from` until `valid_to`, on any hardware or on one."""

    __tablename__ = "price"
    __table_args__ = (
        within("created_by", "principal"),
        CheckConstraint("amount >= 0 and amount < 'Infinity'", name="amount"),
        Index(
            "price_current_key", "org_id", "resource", "hardware",
            unique=True, postgresql_where=text("valid_to is null"), postgresql_nulls_not_distinct=True,
        ),
    )  # fmt: skip

    resource: PricedResource = Field(sa_type=code(PricedResource))
    hardware: str | None = Field(default=None, sa_type=Name)
    amount: Decimal = Field(sa_type=Numeric)
    currency: str
    valid_from: datetime = Field(sa_type=Time)
    valid_to: datetime | None = Field(default=None, sa_type=Time)
    created_by: UUID


class LineageEdge(Row, table=True):
    """One thing is downstream of another, from `valid_from` until `valid_to`."""

    __tablename__ = "lineage_edge"
    __table_args__ = (
        Index(
            "lineage_edge_key", "org_id", "upstream_id", "downstream_id", "kind", "role",
            unique=True, postgresql_where=text("valid_to is null"), postgresql_nulls_not_distinct=True,
        ),
        Index(None, "org_id", "upstream_id"),
        Index(None, "org_id", "downstream_id"),
    )  # fmt: skip

    kind: LineageKind = Field(sa_type=code(LineageKind))
    role: DatasetRole | None = Field(default=None, sa_type=code(DatasetRole))
    upstream_kind: str
    upstream_id: UUID
    downstream_kind: str
    downstream_id: UUID
    valid_from: datetime = Field(default_factory=utc_now, sa_type=Time)
    valid_to: datetime | None = Field(default=None, sa_type=Time)


class Blob(Tenant, table=True):
    """Verified bytes, once in each bucket of an organisation."""

    __tablename__ = "blob"
    __table_args__ = (PrimaryKeyConstraint("org_id", "bucket", "sha256"),)

    bucket: str
    sha256: str
    size_bytes: int = Field(sa_type=BigInteger)
    object_key: str
    verified_at: datetime = Field(default_factory=utc_now, sa_type=Time)


class Artifact(Deletable, table=True):
    """A file of a run or of a version. `path` is its logical name; `bucket` and `object_key` are where its bytes are.

    The place is known once the bytes are verified, and shared by all artifacts with the same bytes in the same bucket.
    """

    __tablename__ = "artifact"
    __table_args__ = (
        within("run_id", "run"),
        within("version_id", "version"),
        within("created_by", "principal"),
        CheckConstraint("num_nonnulls(run_id, version_id) = 1", name="one_owner"),
        CheckConstraint("num_nonnulls(bucket, object_key) in (0, 2)", name="whole_place"),
        Index(
            "artifact_run_path_key", "org_id", "run_id", "folded_path",
            unique=True, postgresql_where=_TAKES_ITS_PATH,
        ),
        Index(
            "artifact_version_path_key", "org_id", "version_id", "folded_path",
            unique=True, postgresql_where=_TAKES_ITS_PATH,
        ),
        Index(None, "org_id", "run_id", "id"),
        Index(None, "org_id", "version_id", "id"),
    )  # fmt: skip

    run_id: UUID | None = None
    version_id: UUID | None = None
    kind: ArtifactKind = Field(sa_type=code(ArtifactKind))
    path: str = Field(sa_type=Name)
    folded_path: str = Field(sa_type=Name)
    content_type: str
    size_bytes: int | None = Field(default=None, sa_type=BigInteger)
    sha256: str | None = None
    state: ArtifactState = Field(sa_type=code(ArtifactState))
    bucket: str | None = Field(default=None, sa_column_kwargs={"info": {"derived": True}})
    object_key: str | None = Field(default=None, sa_column_kwargs={"info": {"derived": True}})
    external_uri: str | None = None
    failure: str | None = None
    verified_at: datetime | None = Field(default=None, sa_type=Time)
    created_by: UUID


class Upload(Row, table=True):
    """The multipart upload that brings the bytes of an artifact."""

    __tablename__ = "upload"
    __table_args__ = (within("artifact_id", "artifact"), UniqueConstraint("org_id", "artifact_id"))

    artifact_id: UUID
    bucket: str
    object_key: str
    store_upload_id: str | None = Field(default=None, repr=False, sa_column_kwargs={"info": {"secret": True}})
    part_size_bytes: int = Field(sa_type=BigInteger)
    part_count: int
    state: UploadState = Field(default=UploadState.OPEN, sa_type=code(UploadState))
    expires_at: datetime = Field(sa_type=Time)


class SearchDocument(Tenant, table=True):
    """The words of a thing, kept by triggers. `words` is null while the thing is deleted.

    `registry.search` reads it: the index on `words` is of no use under row-level security.
    """

    __tablename__ = "search_document"
    __table_args__ = (
        PrimaryKeyConstraint("org_id", "id", "kind"),
        Index(None, "org_id", "parent_id"),
        Index(None, "words", postgresql_using="gin"),
    )

    kind: SearchKind = Field(sa_type=code(SearchKind))
    id: UUID
    parent_id: UUID | None = None
    project_id: UUID | None = None
    framework: str | None = None
    stage: Stage | None = Field(default=None, sa_type=code(Stage))
    title: str
    tags: dict[str, str] = Field(default_factory=dict, sa_type=Json)
    words: str | None = Field(default=None, sa_type=TSVECTOR)


class Job(Row, table=True):
    """Work for a worker: due at `run_after`, taken while `lease_until` is in the future."""

    __tablename__ = "job"
    __table_args__ = (UniqueConstraint("org_id", "kind", "subject_id"), Index(None, "run_after"))

    kind: JobKind = Field(sa_type=code(JobKind))
    subject_id: UUID
    run_after: datetime = Field(default_factory=utc_now, sa_type=Time)
    attempts: int = 0
    lease_id: UUID | None = None
    lease_until: datetime | None = Field(default=None, sa_type=Time)
    last_error: str | None = None


class ImportKey(Tenant, table=True):
    """Which row a key of an imported file stands for, and the digest of the line that was imported last."""

    __tablename__ = "import_key"
    __table_args__ = (PrimaryKeyConstraint("org_id", "source", "kind", "key"),)

    source: str = Field(sa_type=Name)
    kind: str
    key: str = Field(sa_type=Name)
    row_id: UUID
    digest: bytes


class ImportProgress(Tenant, table=True):
    """How far an import that has not ended has come: so many bytes with this digest are in."""

    __tablename__ = "import_progress"
    __table_args__ = (PrimaryKeyConstraint("org_id", "source"),)

    source: str = Field(sa_type=Name)
    size_bytes: int = Field(sa_type=BigInteger)
    line_count: int = Field(sa_type=BigInteger)
    digest: bytes
    updated_at: datetime = Field(default_factory=utc_now, sa_type=Time)


class Idempotency(Tenant, table=True):
    """The outcome of a change, kept under the key its caller chose."""

    __tablename__ = "idempotency"
    __table_args__ = (
        PrimaryKeyConstraint("org_id", "principal_id", "key"),
        within("principal_id", "principal"),
        Index(None, "created_at"),
    )

    principal_id: UUID
    key: str
    request_hash: bytes
    outcome_id: UUID | None = None
    outcome_ids: list[UUID | None] | None = Field(default=None, sa_type=ARRAY(Uuid))
    created_at: datetime = Field(default_factory=utc_now, sa_type=Time)
