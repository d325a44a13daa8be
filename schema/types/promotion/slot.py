"""Slots, what they held, and how versions went from stage to stage."""

from datetime import datetime

import strawberry

from db import tables
from db.codes import Stage, TransitionKind
from registry.kernel.access import Action
from registry.kernel.errors import Conflict, GateFailed, InvalidValue, NotFound, StaleRevision
from registry.promotion import promotions, rollback
from resolvers.pages.paging import Order
from schema.building.edges import all_of, one
from schema.building.mutations import change
from schema.building.node import RowNode
from schema.types.interfaces import Authored
from schema.types.promotion.gate import verdicts


@strawberry.type(description="A version went from one stage to another: when, why, and by whom it was sent.")
class Transition(Authored):
    """See `db.tables.Transition`."""

    table = tables.Transition

    number: int = strawberry.field(
        description="1, 2, 3 … in its model, without gaps, in the order in which it happened."
    )
    kind: TransitionKind = strawberry.field(description="Why it went.")
    from_stage: Stage = strawberry.field(description="Where it was.")
    to_stage: Stage = strawberry.field(description="Where it went.")
    reason: str | None = strawberry.field(description="Why, in the words of whoever sent it.")
    digest: str | None = strawberry.field(description="The digest of the version then; null where no gate was asked.")
    policy_revision: int | None = strawberry.field(description="The revision of the policy that held; null for none.")
    created_at: datetime = strawberry.field(description="When it happened.")
    verdicts = verdicts()

    model = one(tables.Model, "model_id", required=True, description="The model.")
    version = one(tables.ModelVersion, "version_id", required=True, description="The version that went.")
    created_by = one(tables.Principal, "created_by", required=True, description="Who sent it.")
    cause = one(
        tables.Transition, "cause_id",
        description="For what was displaced: the promotion or rollback that took its place.",
    )  # fmt: skip
    displaced = one(
        tables.Transition, "id", child_key="cause_id",
        description="What made way for it, if anything did: the transition of that version.",
    )  # fmt: skip
    undone = one(
        tables.Transition, "undone_id",
        description="For a rollback: the transition that it takes back, where the slot was not empty.",
    )  # fmt: skip
    request = one(
        tables.PromotionRequest, "request_id",
        description="The request that it completed, with its reviews; null for none.",
    )  # fmt: skip
    automation_rule = one(
        tables.AutomationRule, "automation_rule_id",
        description="The rule that sent it, in the name of who set the rule; null where somebody did.",
    )  # fmt: skip
    policy = one(tables.PromotionPolicy, "policy_id", description="The policy that held, if any.")
    undone_by = one(tables.Transition, "id", child_key="undone_id", description="The rollback that took it back.")


@strawberry.type(description="What a slot held from one revision on.")
class SlotRevision(RowNode):
    """See `db.tables.SlotRevision`."""

    table = tables.SlotRevision

    stage: Stage = strawberry.field(description="STAGING or PRODUCTION.")
    revision: int = strawberry.field(description="1 is the first thing that it held.")
    valid_from: datetime = strawberry.field(description="From when on it held this.")
    valid_to: datetime | None = strawberry.field(description="Until when; null for what it holds now.")

    model = one(tables.Model, "model_id", required=True, description="The model.")
    version = one(tables.ModelVersion, "version_id", description="The version; null for nothing.")
    transition = one(tables.Transition, "transition_id", required=True, description="What brought it to this.")


@strawberry.type
class PromotionQuery:
    """The reads of the history of stages."""

    transitions = all_of(
        tables.Transition, order=Order("created_at"),
        description="How versions of all models went from stage to stage, latest first.",
    )  # fmt: skip
    slot_history = all_of(
        tables.SlotRevision, order=Order("valid_from"),
        description="What the slots of all models held and hold, latest first."
        " `where: {stage: PRODUCTION, at: …}` is what was in production at a time.",
    )  # fmt: skip


@strawberry.type
class PromotionMutation:
    """The changes of stages."""

    promote_version = change(
        promotions.promote, tables.Transition, action=Action.PROMOTE_TO_STAGING,
        errors=[NotFound, InvalidValue, Conflict, StaleRevision, GateFailed],
        description="Puts a version into STAGING or, from there, into PRODUCTION; what was there becomes ARCHIVED.",
    )  # fmt: skip
    demote_version = change(
        promotions.demote, tables.Transition, action=Action.PROMOTE_TO_STAGING,
        errors=[NotFound, InvalidValue, Conflict, StaleRevision],
        description="Sends a version one stage back: from PRODUCTION to STAGING, or from there to DEVELOPMENT.",
    )  # fmt: skip
    archive_version = change(
        promotions.archive, tables.Transition,
        errors=[NotFound, InvalidValue, Conflict, StaleRevision],
        description="Takes a version out of use, from any stage. No rollback brings it back.",
    )  # fmt: skip
    reactivate_version = change(
        promotions.reactivate, tables.Transition, action=Action.PROMOTE_TO_STAGING,
        errors=[NotFound, InvalidValue, Conflict],
        description="Sends an archived version back to DEVELOPMENT, from where it can be promoted again.",
    )  # fmt: skip
    roll_back_model = change(
        rollback.roll_back, tables.Transition, action=Action.ROLL_BACK,
        errors=[NotFound, InvalidValue, Conflict, StaleRevision, GateFailed],
        description="Puts the last good version, or one that you name, back into PRODUCTION or STAGING, in one step.",
    )  # fmt: skip
