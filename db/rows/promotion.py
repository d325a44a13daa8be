"""Promotion: policies, requests and their reviews, checks, slots and the history of both."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field

from db.base import InProject, Json, MaybeInProject, Name, Row, Time, code, utc_now, version_of_model, within
from db.codes import RequestState, ReviewDecision, Role, Stage, TransitionKind


class PromotionPolicy(MaybeInProject, Row, table=True):
    """What versions have to show before they go to a stage or get an alias: all, those of a project, or of one model.

    The nearest policy holds, alone. `revision` counts what it asked for. `only_project_id` is null in those of a model.
    """

    __tablename__ = "promotion_policy"
    belongs_to = ("model_id", "only_project_id")
    __table_args__ = (
        within("project_id", "project"),
        within("only_project_id", "project"),
        within("model_id", "model"),
        within("created_by", "principal"),
        CheckConstraint("num_nonnulls(only_project_id, model_id) <= 1", name="one_scope"),
        CheckConstraint("num_nonnulls(stage, alias) = 1", name="one_target"),
        Index(
            "promotion_policy_key", "org_id", "model_id", "only_project_id", "stage", "alias",
            unique=True, postgresql_where=text("removed_at is null"), postgresql_nulls_not_distinct=True,
        ),
        Index(None, "org_id", "only_project_id", "id"),
        Index(None, "org_id", "model_id", "id"),
    )  # fmt: skip

    only_project_id: UUID | None = None
    model_id: UUID | None = None
    stage: Stage | None = Field(default=None, sa_type=code(Stage))
    alias: str | None = Field(default=None, sa_type=Name)
    revision: int = 1
    gates: list[dict[str, Any]] = Field(sa_type=Json)
    is_automatic: bool = False
    request_expires_seconds: int
    removed_at: datetime | None = Field(default=None, sa_type=Time)
    created_by: UUID
    updated_at: datetime = Field(default_factory=utc_now, sa_type=Time, sa_column_kwargs={"info": {"derived": True}})


class PromotionPolicyRevision(MaybeInProject, Row, table=True):
    """What a policy asked for from one revision on, and why; by the last one, if it is a removal, nothing any more."""

    __tablename__ = "promotion_policy_revision"
    belongs_to = ("policy_id",)
    __table_args__ = (
        within("project_id", "project"),
        within("policy_id", "promotion_policy"),
        within("created_by", "principal"),
        UniqueConstraint("org_id", "policy_id", "revision"),
    )

    policy_id: UUID
    revision: int
    gates: list[dict[str, Any]] = Field(sa_type=Json)
    is_automatic: bool
    request_expires_seconds: int
    is_removal: bool = False
    reason: str | None = None
    created_by: UUID


class PromotionRequest(InProject, Row, table=True):
    """Somebody asks for a version to go to a stage or to get an alias.

    `target_revision` is that of the slot or the alias when it was asked; `digest` is that of the version then.
    """

    __tablename__ = "promotion_request"
    belongs_to = ("model_id",)
    __table_args__ = (
        within("project_id", "project"),
        within("model_id", "model"),
        version_of_model("version_id"),
        within("created_by", "principal"),
        CheckConstraint("num_nonnulls(stage, alias) = 1", name="one_target"),
        Index(
            "promotion_request_open_key", "org_id", "version_id", "stage", "alias",
            unique=True, postgresql_where=text("state = 'OPEN'"), postgresql_nulls_not_distinct=True,
        ),
        Index(None, "org_id", "model_id", "id"),
        Index(None, "org_id", "version_id", "id"),
        Index(None, "org_id", "state", "id"),
    )  # fmt: skip

    model_id: UUID
    version_id: UUID
    stage: Stage | None = Field(default=None, sa_type=code(Stage))
    alias: str | None = Field(default=None, sa_type=Name)
    state: RequestState = Field(default=RequestState.OPEN, sa_type=code(RequestState))
    target_revision: int
    digest: str
    reason: str | None = None
    outcome: str | None = None
    expires_at: datetime = Field(sa_type=Time)
    closed_at: datetime | None = Field(default=None, sa_type=Time)
    created_by: UUID


class PromotionReview(InProject, Row, table=True):
    """What somebody decided about a request, with the role they had and the digest of the version that they saw."""

    __tablename__ = "promotion_review"
    belongs_to = ("request_id",)
    __table_args__ = (
        within("project_id", "project"),
        within("request_id", "promotion_request"),
        within("created_by", "principal"),
        UniqueConstraint("org_id", "request_id", "created_by", "decision"),
        Index(None, "org_id", "request_id", "id"),
    )

    request_id: UUID
    decision: ReviewDecision = Field(sa_type=code(ReviewDecision))
    comment: str | None = None
    role: Role = Field(sa_type=code(Role))
    digest: str
    created_by: UUID


class VersionCheck(InProject, Row, table=True):
    """What another system found out about a version whose contents had this digest."""

    __tablename__ = "version_check"
    belongs_to = ("model_id",)
    __table_args__ = (
        within("project_id", "project"),
        within("model_id", "model"),
        version_of_model("version_id"),
        within("created_by", "principal"),
        Index(None, "org_id", "version_id", "name", "id"),
        Index(None, "org_id", "version_id", "id"),
    )

    model_id: UUID
    version_id: UUID
    name: str = Field(sa_type=Name)
    digest: str
    passed: bool
    summary: str | None = None
    url: str | None = None
    created_by: UUID


class Transition(InProject, Row, table=True):
    """A version went from one stage to another. `number` counts the transitions of its model, without gaps.

    What a promotion or a rollback displaced went by a transition of its own, whose `cause_id` is that of the first.
    `undone_id` is the transition that a rollback takes back. `verdicts` is what the gates of `policy_revision` said of
    the version with this `digest`.
    """

    __tablename__ = "transition"
    belongs_to = ("model_id",)
    __table_args__ = (
        within("project_id", "project"),
        within("model_id", "model"),
        version_of_model("version_id"),
        within("cause_id", "transition"),
        within("undone_id", "transition"),
        within("request_id", "promotion_request"),
        within("policy_id", "promotion_policy"),
        within("automation_rule_id", "automation_rule"),
        within("created_by", "principal"),
        UniqueConstraint("org_id", "model_id", "number"),
        UniqueConstraint("org_id", "cause_id"),
        UniqueConstraint("org_id", "undone_id"),
        UniqueConstraint("org_id", "request_id"),
        Index(None, "org_id", "version_id", "number"),
        Index(None, "org_id", "created_at", "id"),
    )

    model_id: UUID
    number: int
    version_id: UUID
    kind: TransitionKind = Field(sa_type=code(TransitionKind))
    from_stage: Stage = Field(sa_type=code(Stage))
    to_stage: Stage = Field(sa_type=code(Stage))
    cause_id: UUID | None = None
    undone_id: UUID | None = None
    request_id: UUID | None = None
    policy_id: UUID | None = None
    policy_revision: int | None = None
    automation_rule_id: UUID | None = None
    digest: str | None = None
    verdicts: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    reason: str | None = None
    created_by: UUID


class Slot(InProject, Row, table=True):
    """The place of a model for its one version in STAGING or in PRODUCTION. `revision` counts what it held."""

    __tablename__ = "slot"
    belongs_to = ("model_id",)
    __table_args__ = (
        within("project_id", "project"),
        within("model_id", "model"),
        version_of_model("version_id"),
        within("transition_id", "transition"),
        UniqueConstraint("org_id", "model_id", "stage"),
        UniqueConstraint("org_id", "version_id"),
    )

    model_id: UUID
    stage: Stage = Field(sa_type=code(Stage))
    version_id: UUID | None = None
    revision: int = 0
    transition_id: UUID | None = None
    updated_at: datetime = Field(default_factory=utc_now, sa_type=Time)


class SlotRevision(InProject, Row, table=True):
    """What a slot held from `valid_from` until `valid_to`: a version or nothing."""

    __tablename__ = "slot_revision"
    belongs_to = ("model_id",)
    __table_args__ = (
        within("project_id", "project"),
        within("model_id", "model"),
        version_of_model("version_id"),
        within("transition_id", "transition"),
        UniqueConstraint("org_id", "model_id", "stage", "revision"),
        Index(None, "org_id", "model_id", "valid_from", "id"),
        Index(None, "org_id", "version_id", "valid_from", "id"),
        Index(None, "org_id", "valid_from", "id"),
    )

    model_id: UUID
    stage: Stage = Field(sa_type=code(Stage))
    revision: int
    version_id: UUID | None = None
    transition_id: UUID
    valid_from: datetime = Field(sa_type=Time)
    valid_to: datetime | None = Field(default=None, sa_type=Time)
