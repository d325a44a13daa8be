"""Models, their versions, and the aliases that point at them and pointed at them before."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field

from db.base import (
    Deletable,
    InProject,
    Json,
    Name,
    Row,
    Time,
    code,
    unique_while_live,
    utc_now,
    version_of_model,
    within,
)
from db.codes import AliasRevisionKind, Stage, TaskType


class Model(Deletable, table=True):
    """A named line of versions. `version_count` is how many were ever registered: it gives each its number."""

    __tablename__ = "model"
    belongs_to = ("project_id",)
    __table_args__ = (
        within("project_id", "project"),
        within("owner_id", "principal"),
        within("created_by", "principal"),
        unique_while_live("model", "project_id", "name"),
        Index(None, "org_id", "project_id", "id"),
        Index(None, "org_id", "owner_id", "id"),
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


class ModelVersion(InProject, Deletable, table=True):
    """One version of a model. `number` is given by the server, without gaps; `label` by the user."""

    __tablename__ = "model_version"
    noun = "version"
    belongs_to = ("model_id",)
    __table_args__ = (
        within("project_id", "project"),
        within("model_id", "model"),
        within("run_id", "run"),
        within("base_version_id", "model_version"),
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
        Index(None, "org_id", "created_by", "id"),
        Index(None, "org_id", "stage", "id"),
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


class Alias(InProject, Row, table=True):
    """A name of a model that points at one of its versions and can be moved to another.

    `revision` counts what the name pointed at in its model, also before it was removed and set again.
    """

    __tablename__ = "alias"
    belongs_to = ("model_id",)
    __table_args__ = (
        within("project_id", "project"),
        within("model_id", "model"),
        version_of_model("version_id"),
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


class AliasRevision(InProject, Row, table=True):
    """What a name of a model pointed at from `valid_from` until `valid_to`: a version, or nothing once it was removed.

    `verdicts` is what the gates of `policy_revision` said of the version with this `digest`, where a policy held.
    """

    __tablename__ = "alias_revision"
    belongs_to = ("model_id",)
    __table_args__ = (
        within("project_id", "project"),
        within("model_id", "model"),
        version_of_model("version_id"),
        within("request_id", "promotion_request"),
        within("policy_id", "promotion_policy"),
        within("created_by", "principal"),
        UniqueConstraint("org_id", "model_id", "name", "revision"),
        UniqueConstraint("org_id", "request_id"),
        Index(None, "org_id", "model_id", "valid_from", "id"),
        Index(None, "org_id", "version_id", "valid_from", "id"),
        Index(None, "org_id", "valid_from", "id"),
    )

    model_id: UUID
    name: str = Field(sa_type=Name)
    revision: int
    kind: AliasRevisionKind = Field(sa_type=code(AliasRevisionKind))
    version_id: UUID | None = None
    request_id: UUID | None = None
    policy_id: UUID | None = None
    policy_revision: int | None = None
    digest: str | None = None
    verdicts: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    reason: str | None = None
    created_by: UUID
    valid_from: datetime = Field(sa_type=Time)
    valid_to: datetime | None = Field(default=None, sa_type=Time)
