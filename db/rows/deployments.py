"""Where versions run, and what agents report from there."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
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
from db.codes import DesiredState, Health, ObservedState, SpecialValue


class Environment(Deletable, table=True):
    """Where deployments run, such as `production-eu`."""

    __tablename__ = "environment"
    __table_args__ = (within("created_by", "principal"), unique_while_live("environment", "name"))

    name: str = Field(sa_type=Name)
    description: str | None = None
    tags: dict[str, str] = Field(default_factory=dict, sa_type=Json)
    created_by: UUID
    updated_at: datetime = Field(default_factory=utc_now, sa_type=Time, sa_column_kwargs={"info": {"derived": True}})


class Deployment(InProject, Deletable, table=True):
    """One version of a model in one environment: what people want of it, and what agents last saw.

    `revision` counts the changes of what is wanted. `traffic_percent` has two decimals.
    """

    __tablename__ = "deployment"
    belongs_to = ("model_id",)
    __table_args__ = (
        within("project_id", "project"),
        within("model_id", "model"),
        within("environment_id", "environment"),
        version_of_model("version_id"),
        version_of_model("observed_version_id"),
        within("created_by", "principal"),
        unique_while_live("deployment", "environment_id", "name"),
        CheckConstraint("traffic_percent between 0 and 100", name="share"),
        Index(None, "org_id", "environment_id", "id"),
        Index(None, "org_id", "model_id", "id"),
        Index(None, "org_id", "version_id", "id"),
        Index(None, "org_id", "observed_version_id", "id"),
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


class DeploymentChange(InProject, Row, table=True):
    """What a deployment was to do from one revision on, and why."""

    __tablename__ = "deployment_change"
    belongs_to = ("deployment_id",)
    __table_args__ = (
        within("project_id", "project"),
        within("deployment_id", "deployment"),
        within("version_id", "model_version"),
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


class DeploymentReport(InProject, Row, table=True):
    """What an agent saw of a deployment at one moment."""

    __tablename__ = "deployment_report"
    belongs_to = ("deployment_id",)
    __table_args__ = (
        within("project_id", "project"),
        within("deployment_id", "deployment"),
        within("observed_version_id", "model_version"),
        within("created_by", "principal"),
        UniqueConstraint("org_id", "deployment_id", "created_by", "observed_at", name="deployment_report_key"),
        Index(None, "org_id", "deployment_id", "id"),
        Index(None, "org_id", "deployment_id", "observed_at", "id"),
        Index(
            "deployment_report_said_idx", "org_id", "deployment_id", "observed_at", "id",
            postgresql_where=text("observed_version_id is not null"),
        ),
        Index(
            "deployment_report_felt_ix", "org_id", "deployment_id", "observed_at", "id",
            postgresql_where=text("health <> 'UNKNOWN'"),
        ),
    )  # fmt: skip

    deployment_id: UUID
    observed_state: ObservedState = Field(sa_type=code(ObservedState))
    observed_version_id: UUID | None = None
    health: Health = Field(sa_type=code(Health))
    health_message: str | None = None
    observed_at: datetime = Field(sa_type=Time)
    created_by: UUID


class DeploymentMetric(Row, table=True):
    """A value measured in production. `value` is null where `special` tells what it was instead.

    `report_id` is the report that said so last; null for what was stored before reports were kept with it.
    """

    __tablename__ = "deployment_metric"
    belongs_to = ("deployment_id",)
    __table_args__ = (
        within("deployment_id", "deployment"),
        within("report_id", "deployment_report"),
        UniqueConstraint("org_id", "deployment_id", "name", "measured_at"),
        CheckConstraint("(value is null) = (special is not null)", name="value"),
        Index(None, "org_id", "deployment_id", "measured_at", "id"),
    )

    deployment_id: UUID
    report_id: UUID | None = None
    name: str = Field(sa_type=Name)
    value: float | None = None
    special: SpecialValue | None = Field(default=None, sa_type=code(SpecialValue))
    measured_at: datetime = Field(sa_type=Time)
