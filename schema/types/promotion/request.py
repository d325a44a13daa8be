"""Requests for promotion, their reviews, and the checks that other systems report."""

from datetime import datetime
from typing import Annotated, Any

import strawberry

from db import tables
from db.codes import RequestState, ReviewDecision, Role, Stage
from registry.catalog import checks
from registry.kernel.access import Action
from registry.kernel.errors import Conflict, GateFailed, InvalidValue, NotFound, StaleRevision
from registry.promotion import requests, reviews
from resolvers.context import Info
from resolvers.ids import decode_as
from resolvers.promotion import plans
from schema.building.edges import all_of, many, one, read
from schema.building.mutations import change
from schema.building.node import RowNode
from schema.types.promotion.gate import GateVerdict


@strawberry.type(description="Somebody asks for a version to go to a stage or to get an alias.")
class PromotionRequest(RowNode):
    """See `db.tables.PromotionRequest`."""

    table = tables.PromotionRequest

    stage: Stage | None = strawberry.field(description="Where it is to go; null for an alias.")
    alias: str | None = strawberry.field(description="The alias it is to get; null for a stage.")
    state: RequestState = strawberry.field(description="What became of it.")
    target_revision: int = strawberry.field(description="The revision of the slot or the alias when it was asked.")
    digest: str = strawberry.field(description="The digest of the version when it was asked.")
    reason: str | None = strawberry.field(description="Why, in the words of whoever asked.")
    outcome: str | None = strawberry.field(description="Why it ended; null while it is open.")
    created_at: datetime = strawberry.field(description="When it was asked.")
    expires_at: datetime = strawberry.field(description="Until when it can be completed.")
    closed_at: datetime | None = strawberry.field(description="When it ended; null while it is open.")

    model = one(tables.Model, "model_id", required=True, description="The model.")
    version = one(tables.ModelVersion, "version_id", required=True, description="The version.")
    created_by = one(tables.Principal, "created_by", required=True, description="Who asked.")
    reviews = many(tables.PromotionReview, "request_id", description="Its reviews, latest first.")
    transition = one(
        tables.Transition, "id", child_key="request_id",
        description="What came of it, where it was completed and was about a stage.",
    )  # fmt: skip
    alias_revision = one(
        tables.AliasRevision, "id", child_key="request_id",
        description="What came of it, where it was completed and was about an alias.",
    )  # fmt: skip


@strawberry.type(description="What somebody decided about a request.")
class PromotionReview(RowNode):
    """See `db.tables.PromotionReview`."""

    table = tables.PromotionReview

    decision: ReviewDecision = strawberry.field(description="What was decided.")
    comment: str | None = strawberry.field(description="Why.")
    role: Role = strawberry.field(description="The role that the reviewer had.")
    digest: str = strawberry.field(description="The digest of the version that was reviewed.")
    created_at: datetime = strawberry.field(description="When it was decided.")

    request = one(tables.PromotionRequest, "request_id", required=True, description="The request.")
    created_by = one(tables.Principal, "created_by", required=True, description="Who decided.")


@strawberry.type(description="What another system found out about a version with these contents.")
class VersionCheck(RowNode):
    """See `db.tables.VersionCheck`."""

    table = tables.VersionCheck

    name: str = strawberry.field(description="Which check.")
    digest: str = strawberry.field(description="The digest of the version that was checked.")
    passed: bool = strawberry.field(description="Whether it passed.")
    summary: str | None = strawberry.field(description="What was found, for people.")
    url: str | None = strawberry.field(description="Where to read more: text that this server never opens.")
    created_at: datetime = strawberry.field(description="When it was reported.")

    version = one(tables.ModelVersion, "version_id", required=True, description="The version.")
    created_by = one(tables.Principal, "created_by", required=True, description="Who reported it.")


@strawberry.type(description="What would happen if a version were promoted now: a dry run, of the same code.")
class PromotionPlan:
    """See `resolvers.promotion.plans.Plan`."""

    stage: Stage | None = strawberry.field(description="Where it would go; null for an alias.")
    alias: str | None = strawberry.field(description="The alias it would get; null for a stage.")
    is_possible: bool = strawberry.field(
        description="Whether a promotion would be done: the way and every gate are open."
    )
    obstacle: str | None = strawberry.field(
        description="Why no gate matters: what keeps this version from going there at all; null for nothing."
    )
    is_permitted: bool = strawberry.field(description="Whether you may promote it there yourself.")
    is_automatic: bool = strawberry.field(description="Whether a request would complete by itself.")
    revision: int = strawberry.field(description="Of the slot or the alias now: send it as `expectedRevision`.")
    digest: str = strawberry.field(description="Of the version now: checks are to be reported for it.")
    verdicts: list[GateVerdict] = strawberry.field(
        description="What every gate says now, in the order of the policy.", metadata={"rows": 1}
    )
    version = one(tables.ModelVersion, "version_id", required=True, description="The version.")
    displaces = one(tables.ModelVersion, "displaced_id", description="What is there now and would make way.")
    policy = one(tables.PromotionPolicy, "policy_id", description="The policy; null for none.")
    request = one(
        tables.PromotionRequest,
        "request_id",
        description="The open request for it; null for none.",
    )


async def _plan(
    info: Info,
    version: Annotated[strawberry.ID, strawberry.argument(description="Which version.")],
    to: Annotated[
        Stage | None, strawberry.argument(description="STAGING or PRODUCTION. Give either this or `alias`.")
    ] = None,
    alias: Annotated[str | None, strawberry.argument(description="An alias of the model.")] = None,
) -> Any:
    return await plans.plan(info.context, decode_as("ModelVersion", version, "version"), to, alias)


@strawberry.type
class RequestQuery:
    """The reads of requests."""

    promotion_plan = read(
        _plan, PromotionPlan | None, rows=20,
        description="What every gate says of a version that is to go to a stage or get an alias, with what would open"
        " it; null where there is no such version for you.",
    )  # fmt: skip
    promotion_requests = all_of(tables.PromotionRequest, description="All requests for promotion, newest first.")


@strawberry.type
class RequestMutation:
    """The changes of requests."""

    request_promotion = change(
        requests.ask, "requestPromotion", PromotionRequest, tables.PromotionRequest,
        errors=[NotFound, InvalidValue, Conflict, StaleRevision],
        description="Asks for a version to go to the next stage or to get an alias, whether or not all gates are open.",
    )  # fmt: skip
    review_promotion = change(
        reviews.review, "reviewPromotion", PromotionRequest, tables.PromotionRequest, action=Action.REVIEW,
        errors=[NotFound, InvalidValue, Conflict],
        description="Approves or rejects a request for promotion. The last approval that is needed may complete it.",
    )  # fmt: skip
    complete_promotion = change(
        requests.complete, "completePromotion", PromotionRequest, tables.PromotionRequest,
        errors=[NotFound, InvalidValue, Conflict, StaleRevision, GateFailed],
        description="Does what a request asks for, once every gate is open.",
    )  # fmt: skip
    withdraw_promotion = change(
        requests.withdraw, "withdrawPromotion", PromotionRequest, tables.PromotionRequest,
        errors=[NotFound, InvalidValue, Conflict], description="Takes a request for promotion back.",
    )  # fmt: skip
    report_check = change(
        checks.report, "reportCheck", VersionCheck, tables.VersionCheck,
        errors=[NotFound, InvalidValue, Conflict],
        description="Takes what another system, such as a test pipeline, found out about a version.",
    )  # fmt: skip
