"""Aliases of models, and what they pointed at."""

from datetime import datetime

import strawberry

from db import tables
from db.codes import AliasRevisionKind
from registry.kernel.errors import Conflict, GateFailed, InvalidValue, NotFound, StaleRevision
from registry.promotion import alias_rollback, aliases
from resolvers.pages.paging import Order
from schema.building.edges import alike, all_of, one
from schema.building.events import events_of
from schema.building.mutations import change
from schema.building.node import RowNode
from schema.types.interfaces import Authored
from schema.types.promotion.gate import verdicts


@strawberry.type(description="A name of a model that points at one of its versions and can be moved to another.")
class Alias(Authored):
    """See `db.tables.Alias`."""

    table = tables.Alias

    name: str = strawberry.field(description="Unique in its model, such as `champion`.")
    revision: int = strawberry.field(
        description="1 at first; each move and each removal adds 1: a name that is set again after it was removed goes"
        " on with the next. Send it as `expectedRevision`."
    )
    created_at: datetime = strawberry.field(
        description="When it was first set; after a removal, when it was set again."
    )
    updated_at: datetime = strawberry.field(description="When it was last moved.")

    model = one(tables.Model, "model_id", required=True, description="The model it is a name of.")
    version = one(tables.ModelVersion, "version_id", required=True, description="The version it points at.")
    created_by = one(
        tables.Principal, "created_by", required=True,
        description="Who first set it; after a removal, who set it again.",
    )  # fmt: skip
    revisions = alike(
        tables.AliasRevision, tables.Alias, ("model_id", "name"), order=Order("revision"),
        description="What it pointed at and points at, latest first, also before it was removed and set again.",
    )  # fmt: skip
    events = events_of(tables.Alias)


@strawberry.type(description="What an alias pointed at from one revision on: when, why, and by whom it was set.")
class AliasRevision(RowNode):
    """See `db.tables.AliasRevision`."""

    table = tables.AliasRevision

    name: str = strawberry.field(description="The alias, such as `champion`.")
    revision: int = strawberry.field(
        description="1, 2, 3 … of this name in its model: each move and each removal is one, also across removals."
    )
    kind: AliasRevisionKind = strawberry.field(description="Why it came to point at this.")
    reason: str | None = strawberry.field(description="Why, in the words of whoever did it or asked for it.")
    digest: str | None = strawberry.field(
        description="The digest of the version then; null for a removal, and where it is older than this history."
    )
    policy_revision: int | None = strawberry.field(description="The revision of the policy that held; null for none.")
    valid_from: datetime = strawberry.field(description="From when on it pointed at this.")
    valid_to: datetime | None = strawberry.field(description="Until when; null for what it points at now.")
    verdicts = verdicts()

    model = one(tables.Model, "model_id", required=True, description="The model it is a name of.")
    version = one(tables.ModelVersion, "version_id", description="The version; null for nothing: it was removed.")
    created_by = one(tables.Principal, "created_by", required=True, description="Who did it.")
    request = one(
        tables.PromotionRequest, "request_id",
        description="The request that it completed, with its reviews; null for none.",
    )  # fmt: skip
    policy = one(tables.PromotionPolicy, "policy_id", description="The policy that held, if any.")


@strawberry.type
class AliasQuery:
    """The reads of the history of aliases."""

    alias_history = all_of(
        tables.AliasRevision, order=Order("valid_from"),
        description="What the aliases of all models pointed at and point at, latest first."
        " `where: {name: {equals: \"champion\"}, at: …}` is what `@champion` was at a time.",
    )  # fmt: skip


@strawberry.type
class AliasMutation:
    """The changes of aliases."""

    set_alias = change(
        aliases.point, tables.Alias,
        errors=[NotFound, InvalidValue, Conflict, StaleRevision, GateFailed],
        description="Points an alias of a model at one of its versions. A policy may protect it.",
    )  # fmt: skip
    remove_alias = change(
        aliases.remove, tables.Model,
        errors=[NotFound, InvalidValue, StaleRevision],
        description="Takes an alias from a model. Its history stays, and goes on where it is set again.",
    )  # fmt: skip
    roll_back_alias = change(
        alias_rollback.roll_back, tables.Alias,
        errors=[NotFound, InvalidValue, Conflict, StaleRevision, GateFailed],
        description="Points an alias at what it pointed at before, or at an earlier version that you name, in one step."
        " Where a policy protects it, whoever may roll back may do this.",
    )  # fmt: skip
