"""Experiments, their runs, and what was measured of runs and versions."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, Numeric, PrimaryKeyConstraint, text
from sqlmodel import Field

from db.base import Deletable, Json, Name, Row, Tenant, Time, code, unique_while_live, utc_now, within
from db.codes import Phase, PricedResource, RunStatus, SpecialValue


class Experiment(Deletable, table=True):
    """Runs that belong together because they answer one question."""

    __tablename__ = "experiment"
    belongs_to = ("project_id",)
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
    belongs_to = ("project_id",)
    __table_args__ = (
        within("project_id", "project"),
        within("experiment_id", "experiment"),
        within("parent_run_id", "run"),
        within("runtime_id", "runtime"),
        within("created_by", "principal"),
        CheckConstraint("(status = 'RUNNING') = (ended_at is null)", name="ended"),
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
    description: str | None = None
    external_url: str | None = None
    status: RunStatus = Field(default=RunStatus.RUNNING, sa_type=code(RunStatus))
    parameters: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    started_at: datetime = Field(default_factory=utc_now, sa_type=Time)
    ended_at: datetime | None = Field(default=None, sa_type=Time)
    heartbeat_at: datetime = Field(default_factory=utc_now, sa_type=Time, sa_column_kwargs={"info": {"derived": True}})
    heartbeat_timeout_seconds: int | None = None
    tags: dict[str, str] = Field(default_factory=dict, sa_type=Json)
    runtime_id: UUID | None = None
    created_by: UUID


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
    belongs_to = ("run_id",)
    __table_args__ = (
        PrimaryKeyConstraint("org_id", "run_id", "phase", "name", "step"),
        within("run_id", "run"),
        CheckConstraint("(value is null) = (special is not null)", name="value"),
    )

    run_id: UUID


class VersionMetric(MetricPoint, table=True):
    """A metric of a version."""

    __tablename__ = "version_metric"
    belongs_to = ("version_id",)
    __table_args__ = (
        PrimaryKeyConstraint("org_id", "version_id", "phase", "name", "step"),
        within("version_id", "model_version"),
        CheckConstraint("(value is null) = (special is not null)", name="value"),
    )

    version_id: UUID


class ResourceSample(Tenant, table=True):
    """What a run used of its machine at a moment. Bytes of disk and network are counted from the start of the run."""

    __tablename__ = "resource_sample"
    belongs_to = ("run_id",)
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
