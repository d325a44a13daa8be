"""Rules that promote or roll back by themselves, and what they did."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field

from db.base import InProject, Json, Name, Row, Time, code, utc_now, version_of_model, within
from db.codes import FiringState, Stage, TriggerKind


class AutomationRule(InProject, Row, table=True):
    """What is to be done with the versions of a model by itself, and when: `trigger` with the settings that it takes.

    `stage` is the slot that it moves. `revision` counts what the rule said. It acts in the name of `set_by`.
    """

    __tablename__ = "automation_rule"
    belongs_to = ("model_id",)
    __table_args__ = (
        within("project_id", "project"),
        within("model_id", "model"),
        within("environment_id", "environment"),
        within("created_by", "principal"),
        within("set_by", "principal"),
        Index(
            "automation_rule_key", "org_id", "model_id", "name",
            unique=True, postgresql_where=text("removed_at is null"),
        ),
        Index(None, "org_id", "model_id", "id"),
    )  # fmt: skip

    model_id: UUID
    name: str = Field(sa_type=Name)
    is_enabled: bool = False
    trigger: TriggerKind = Field(sa_type=code(TriggerKind))
    stage: Stage = Field(sa_type=code(Stage))
    metric: str | None = Field(default=None, sa_type=Name)
    minimum: float | None = None
    maximum: float | None = None
    reports: int | None = None
    environment_id: UUID | None = None
    cool_down_seconds: int | None = None
    revision: int = 1
    removed_at: datetime | None = Field(default=None, sa_type=Time)
    set_by: UUID
    created_by: UUID
    updated_at: datetime = Field(default_factory=utc_now, sa_type=Time, sa_column_kwargs={"info": {"derived": True}})


class AutomationFiring(InProject, Row, table=True):
    """An automation rule acted, once for what its slot held from `slot_revision` on.

    `version_id` is what it promoted, or what it took or wanted to take out of the slot. `measured` is what it acted on,
    latest first.
    """

    __tablename__ = "automation_firing"
    belongs_to = ("model_id",)
    __table_args__ = (
        within("project_id", "project"),
        within("model_id", "model"),
        version_of_model("version_id"),
        within("rule_id", "automation_rule"),
        within("deployment_id", "deployment"),
        within("transition_id", "transition"),
        UniqueConstraint("org_id", "rule_id", "rule_revision", "slot_revision", name="automation_firing_key"),
        UniqueConstraint("org_id", "transition_id"),
        Index(None, "org_id", "rule_id", "id"),
        Index(None, "org_id", "model_id", "id"),
    )

    model_id: UUID
    rule_id: UUID
    rule_revision: int
    slot_revision: int
    version_id: UUID
    state: FiringState = Field(sa_type=code(FiringState))
    reason: str
    measured: list[str] = Field(default_factory=list, sa_type=Json)
    deployment_id: UUID | None = None
    transition_id: UUID | None = None
