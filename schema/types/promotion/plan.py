"""What would happen if a version were promoted now."""

from typing import Annotated, Any

import strawberry
from strawberry import Parent

from db import tables
from db.codes import RequestState, Stage
from resolvers.context import Info
from resolvers.promotion import plans
from schema.building.edges import one
from schema.types.promotion.gate import GateVerdict

_WORK = {"work": 200}
"""What a plan counts in the cost of an operation: it takes about ten statements for each version."""


@strawberry.type(description="A dry run of a promotion, by the same code. It changes nothing.")
class PromotionPlan:
    """See `resolvers.promotion.plans.Plan`."""

    stage: Stage | None = strawberry.field(description="The target stage; null for an alias.")
    alias: str | None = strawberry.field(description="The alias that would point at the version; null for a stage.")
    is_possible: bool = strawberry.field(
        description="Whether the promotion would succeed: nothing is in the way and every gate is open."
    )
    obstacle: str | None = strawberry.field(
        description="Why the version cannot go there at all, whatever the gates say; null if nothing is in the way."
    )
    is_permitted: bool = strawberry.field(description="Whether you may promote it there yourself.")
    is_automatic: bool = strawberry.field(
        description="Whether a request completes automatically once the last gate opens."
    )
    revision: int = strawberry.field(
        description="The current revision of the slot or the alias. Send it as `expectedRevision`."
    )
    digest: str = strawberry.field(description="The current digest of the version: report checks for this one.")
    verdicts: list[GateVerdict] = strawberry.field(
        description="The verdict of every gate now, in the order of the policy.", metadata={"rows": 1}
    )
    version = one(tables.ModelVersion, "version_id", required=True, description="The version.")
    displaces = one(tables.ModelVersion, "displaced_id", description="The version there now, which would be replaced.")
    policy = one(tables.PromotionPolicy, "policy_id", description="The policy that applies; null for none.")
    request = one(tables.PromotionRequest, "request_id", description="The open request for it; null for none.")


@strawberry.input(description="Where a version is to go: exactly one of these.", one_of=True)
class PromotionTargetInput:
    """See `registry.promotion.targets.Target`."""

    stage: strawberry.Maybe[Stage] = strawberry.field(description="STAGING or PRODUCTION.", default=None)
    alias: strawberry.Maybe[str] = strawberry.field(
        description="The name of an alias of its model, with or without `@`.", default=None
    )


async def _of_version(
    root: Parent[Any],
    info: Info,
    target: Annotated[PromotionTargetInput, strawberry.argument(description="Where the version is to go.")],
) -> Any:
    stage = None if target.stage is None else target.stage.value
    alias = None if target.alias is None else target.alias.value
    return await plans.plan(info.context, root, plans.goal(stage, alias))


async def _of_request(root: Parent[Any], info: Info) -> Any:
    if root.state != RequestState.OPEN:
        return None
    version = await info.context.loaders.row(tables.ModelVersion).load(root.version_id)
    return await plans.plan(info.context, version, plans.goal(root.stage, root.alias))


PLAN_OF_VERSION: Any = strawberry.field(
    _of_version,
    graphql_type=PromotionPlan,
    description="What every gate says of this version on its way to a stage or an alias, and what would open it.",
    metadata=_WORK,
)
PLAN_OF_REQUEST: Any = strawberry.field(
    _of_request,
    graphql_type=PromotionPlan | None,
    description="What every gate says of it now, and what would open it; null once the request has ended.",
    metadata=_WORK,
)
