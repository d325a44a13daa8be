"""Requests for promotion, their reviews, and the checks that other systems report."""

from datetime import datetime

import strawberry

from db import tables
from db.codes import RequestState, ReviewDecision, Role, Stage
from registry.catalog import checks
from registry.kernel.access import Action
from registry.kernel.errors import Conflict, GateFailed, InvalidValue, NotFound, StaleRevision
from registry.promotion import requests, reviews
from schema.building.edges import all_of, many, one
from schema.building.events import events_of
from schema.building.mutations import change
from schema.types.interfaces import Authored
from schema.types.promotion.plan import PLAN_OF_REQUEST


@strawberry.type(description="Somebody asks for a version to go to a stage or to get an alias.")
class PromotionRequest(Authored):
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
    plan = PLAN_OF_REQUEST
    events = events_of(tables.PromotionRequest)


@strawberry.type(description="What somebody decided about a request.")
class PromotionReview(Authored):
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
class VersionCheck(Authored):
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
    events = events_of(tables.VersionCheck)


@strawberry.type
class RequestQuery:
    """The reads of requests."""

    promotion_requests = all_of(tables.PromotionRequest, description="All requests for promotion, newest first.")


@strawberry.type
class RequestMutation:
    """The changes of requests."""

    request_promotion = change(
        requests.ask, tables.PromotionRequest,
        errors=[NotFound, InvalidValue, Conflict, StaleRevision],
        description="Asks for a version to go to the next stage or to get an alias, whether or not all gates are open.",
    )  # fmt: skip
    review_promotion = change(
        reviews.review, tables.PromotionRequest, action=Action.REVIEW,
        errors=[NotFound, InvalidValue, Conflict],
        description="Approves or rejects a request for promotion. The last approval that is needed may complete it.",
    )  # fmt: skip
    complete_promotion = change(
        requests.complete, tables.PromotionRequest,
        errors=[NotFound, InvalidValue, Conflict, StaleRevision, GateFailed],
        description="Does what a request asks for, once every gate is open.",
    )  # fmt: skip
    withdraw_promotion = change(
        requests.withdraw, tables.PromotionRequest,
        errors=[NotFound, InvalidValue, Conflict], description="Takes a request for promotion back.",
    )  # fmt: skip
    report_check = change(
        checks.report, tables.VersionCheck,
        errors=[NotFound, InvalidValue, Conflict],
        description="Takes what another system, such as a test pipeline, found out about a version.",
    )  # fmt: skip
