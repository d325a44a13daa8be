"""Events about promotions, typed: which version went from where to where, and why."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import strawberry

from db import tables
from db.codes import Stage
from registry.kernel.access import Action
from registry.promotion.promotion_events import PromotionEventKind, PromotionTold
from resolvers.context import Info
from resolvers.events import event_feed
from schema.building.edges import one
from schema.building.node import type_of
from schema.types.events.event import FeedMessage, OfModel, OfProject, OfStage, Resume, actor


@strawberry.type(description="Something that happened to a promotion: the same event as `Event`, read.")
class PromotionEvent(FeedMessage):
    """See `registry.promotion.promotion_events.PromotionTold`."""

    kind: PromotionEventKind = strawberry.field(description="What happened.")
    from_stage: Stage | None = strawberry.field(
        description="Where the version was; null where the event does not say it, or says a stage of a newer release."
    )
    to_stage: Stage | None = strawberry.field(description="Where it went or is to go; null for an alias, and likewise.")
    alias: str | None = strawberry.field(description="The alias that it is to get; null for a stage.")
    reason: str | None = strawberry.field(description="Why: the reason, a reviewer's comment, or how a request ended.")
    actor = strawberry.field(
        actor, graphql_type=type_of(tables.Principal) | None, description="Who did it; null for the operator."
    )
    model = one(tables.Model, "model_id", description="The model of the version.")
    version = one(tables.ModelVersion, "version_id", description="The version; null where it is gone.")
    transition = one(tables.Transition, "transition_id", description="How it went, with what every gate said.")
    request = one(
        tables.PromotionRequest,
        "request_id",
        description="The request, with its reviews.",
    )

    @classmethod
    def is_type_of(cls, obj: Any, info: Any) -> bool:
        """Whether a message is about a promotion."""
        return isinstance(obj, PromotionTold)


async def _promotion_events(
    info: Info,
    model: OfModel = None,
    project: OfProject = None,
    stage: OfStage = None,
    kinds: Annotated[
        list[PromotionEventKind] | None, strawberry.argument(description="Only events of these kinds.")
    ] = None,
    after: Resume = None,
) -> AsyncIterator[FeedMessage]:
    """Everything about promotions. Raises: Forbidden, BadInput, CursorReset, CursorExpired."""
    messages: Any = await event_feed.promotions(
        info.context, after, event_feed.wanted(None, model, project, None), kinds, stage
    )
    found: AsyncIterator[FeedMessage] = messages
    return found


@strawberry.type
class PromotionEventSubscription:
    """The stream of promotions."""

    promotion_events: AsyncIterator[FeedMessage] = strawberry.subscription(
        resolver=_promotion_events,
        description="What happens to promotions, as `events` tells it: each message is a `PromotionEvent` or a"
        " `Bookmark`. Cursors of `events` are good here, too.",
        metadata={"access": Action.READ},
    )
