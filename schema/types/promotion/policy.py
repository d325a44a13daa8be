"""Policies: what versions have to show before they are promoted."""

from datetime import datetime

import strawberry

from db import tables
from db.codes import Stage
from registry.kernel.access import Action
from registry.kernel.errors import InvalidValue, NotFound, StaleRevision
from registry.promotion import policies
from resolvers.pages.paging import Order
from schema.building.edges import all_of, many, one
from schema.building.events import events_of
from schema.building.mutations import change
from schema.types.interfaces import Authored
from schema.types.promotion.gate import gates


@strawberry.type(
    description="What versions have to show before they go to a stage or get an alias. Of those for a model, its"
    " project and the organization the nearest holds, alone. Where none does, the files of a version must be verified."
)
class PromotionPolicy(Authored):
    """See `db.tables.PromotionPolicy`."""

    table = tables.PromotionPolicy

    stage: Stage | None = strawberry.field(description="The stage it is for; null for an alias.")
    alias: str | None = strawberry.field(description="The alias it protects; null for a stage.")
    revision: int = strawberry.field(description="1 at first; each change adds 1. Send it as `expectedRevision`.")
    is_automatic: bool = strawberry.field(
        description="Whether a request completes by itself at the moment when the last gate opens."
    )
    request_expires_seconds: int = strawberry.field(description="How many seconds a request stays open.")
    created_at: datetime = strawberry.field(description="When it was first set.")
    updated_at: datetime = strawberry.field(description="When it last changed.")
    removed_at: datetime | None = strawberry.field(description="Since when it holds no more; null while it does.")
    gates = gates()

    model = one(tables.Model, "model_id", description="The model it is for; null for more than one.")
    project = one(tables.Project, "only_project_id", description="The project it is for; null for another scope.")
    created_by = one(tables.Principal, "created_by", required=True, description="Who first set it.")
    revisions = many(
        tables.PromotionPolicyRevision, "policy_id", order=Order("revision"),
        description="What it asked for, latest revision first.",
    )  # fmt: skip
    events = events_of(tables.PromotionPolicy)


@strawberry.type(description="What a policy asked for from one revision on, and why.")
class PromotionPolicyRevision(Authored):
    """See `db.tables.PromotionPolicyRevision`."""

    table = tables.PromotionPolicyRevision

    revision: int = strawberry.field(description="1 is what it asked for first.")
    is_automatic: bool = strawberry.field(description="Whether requests completed by themselves.")
    request_expires_seconds: int = strawberry.field(description="How many seconds requests stayed open.")
    is_removal: bool = strawberry.field(
        description="Whether the policy was removed: it asks for nothing from then on, and says what it asked for last."
    )
    reason: str | None = strawberry.field(description="Why, in the words of whoever set or removed it.")
    created_at: datetime = strawberry.field(description="From when on it asked for this, or for nothing.")
    gates = gates()

    policy = one(tables.PromotionPolicy, "policy_id", required=True, description="The policy.")
    created_by = one(tables.Principal, "created_by", required=True, description="Who set or removed it.")


@strawberry.type
class PolicyQuery:
    """The reads of policies."""

    promotion_policies = all_of(tables.PromotionPolicy, description="All policies, newest first; removed ones, too.")


@strawberry.type
class PolicyMutation:
    """The changes of policies."""

    set_promotion_policy = change(
        policies.set_policy, tables.PromotionPolicy, action=Action.ADMINISTER,
        errors=[NotFound, InvalidValue, StaleRevision],
        description="Says what versions have to show before they go to a stage or get an alias, in place of what was"
        " said before for the same models.",
    )  # fmt: skip
    remove_promotion_policy = change(
        policies.remove_policy, tables.PromotionPolicy,
        action=Action.ADMINISTER, errors=[NotFound, InvalidValue, StaleRevision],
        description="Lets a policy hold no more: the next nearest does then. Its history stays, and its last revision"
        " says who removed it and why.",
    )  # fmt: skip
