"""The event feed as the graph shows it: pages of what happened, streams of what happens, and what an event is about."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from db.codes import Stage
from db.tables import Model, Principal, Project
from registry.events import event_kinds, event_log
from registry.events.event_log import Cursor, Filter, StoredEvent
from registry.events.feed import Bookmark, Message
from registry.kernel.access import Action, require
from registry.kernel.errors import Forbidden, NotFound
from registry.promotion.promotion_events import KINDS, PromotionEventKind, PromotionTold, concerns, told
from resolvers import ids
from resolvers.context import Operation
from resolvers.events.event_images import field_names, shown_image
from resolvers.loading.visibility import visible_events
from resolvers.pages.paging import PageArgs, PageEdge

# What the graph shows to administrators alone is told to them alone.
_ADMINISTERED: Final = ("api_token.",)


@dataclass(frozen=True)
class EventPage:
    """A window of the feed, oldest first, as `Page` is of a table. Its cursors are those of subscriptions.

    `count` asks for the size of the whole list, only when somebody wants it.
    """

    nodes: Sequence[StoredEvent]
    has_next: bool
    has_previous: bool
    count: Callable[[], Awaitable[int]]

    def cursor(self, nth: int) -> str:
        """The place behind the nth event of the page."""
        return str(self.nodes[nth].cursor)

    @property
    def edges(self) -> list[PageEdge[StoredEvent]]:
        """The events with their cursors."""
        return [PageEdge(node, self.cursor(nth)) for nth, node in enumerate(self.nodes)]


def wanted(kinds: Collection[str] | None, model: str | None, project: str | None, subject: str | None) -> Filter:
    """The filter that a client's arguments mean. Raises: BadInput."""
    about = None if subject is None else ids.decode(subject)
    return Filter(
        kinds=event_kinds.whole(event_kinds.checked(kinds or ())),
        model_ids=frozenset() if model is None else frozenset({ids.decode_as("Model", model, "model")}),
        project_id=None if project is None else ids.decode_as("Project", project, "project"),
        subject=None if about is None else f"{about.kind}:{about.id}",
    )


async def history(
    operation: Operation, asked: PageArgs, filter: Filter, since: datetime | None, until: datetime | None
) -> EventPage:
    """A window of what happened, at or after `since` and before `until`.

    Raises: BadInput, CursorReset, CursorExpired.
    """
    reading, org_id, seen = operation.loaders.reading, operation.actor.org_id, visible_events()
    stream = await event_log.stream_of(reading, org_id)
    place = None if asked.cursor is None else stream.after(Cursor.parse(asked.cursor))
    low = stream.floor_seq if since is None else await event_log.first_at(reading, stream, since) - 1
    high = stream.head_seq + 1 if until is None else await event_log.first_at(reading, stream, until)
    after_seq, before_seq = low, high
    if place is not None and asked.backward:
        before_seq = min(high, place)
    elif place is not None:
        after_seq = max(low, place)
    found = await event_log.page(
        reading, org_id, after_seq, filter,
        limit=asked.size + 1, before_seq=before_seq, backwards=asked.backward, visible=seen,
    )  # fmt: skip
    more, nodes = len(found) > asked.size, found[: asked.size]
    if asked.backward:
        nodes.reverse()

    async def count() -> int:
        return await event_log.count(reading, org_id, low, high, filter, seen)

    beyond = place is not None
    return EventPage(nodes, beyond if asked.backward else more, more if asked.backward else beyond, count)


async def follow(operation: Operation, after: str | None, filter: Filter, stage: Stage | None = None) -> Any:
    """What happens from now on, or behind a cursor; with a stage, what tells of it.

    Whether the actor may see it is asked for each message anew.

    Raises: Forbidden, BadInput, CursorReset, CursorExpired.
    """
    require(operation.actor, Action.READ)
    cursor = None if after is None else Cursor.parse(after)
    feed, org_id = operation.services.feed, operation.actor.org_id
    if stage is None:
        messages = await feed.follow(org_id, cursor, filter)
    else:
        messages = await feed.follow(org_id, cursor, filter, partial(concerns, stage=stage))

    async def allowed() -> AsyncIterator[Message]:
        try:
            async for message in messages:
                require(operation.actor, Action.READ)
                yield message
        finally:
            await messages.aclose()

    return allowed()


async def promotions(
    operation: Operation,
    after: str | None,
    filter: Filter,
    kinds: Collection[PromotionEventKind] | None,
    stage: Stage | None,
) -> AsyncIterator[PromotionTold | Bookmark]:
    """What happens to promotions: those of a stage are from it or to it. Raises: as `follow`."""
    chosen = replace(filter, kinds=frozenset(KINDS[kind] for kind in kinds or KINDS))
    messages = await follow(operation, after, chosen, stage)

    async def read() -> AsyncIterator[PromotionTold | Bookmark]:
        try:
            async for message in messages:
                yield told(message) if isinstance(message, StoredEvent) else message
        finally:
            await messages.aclose()

    return read()


async def known_model(operation: Operation, gid: str) -> UUID:
    """The id of a model that is there. Holds no connection afterwards. Raises: BadInput, NotFound, Forbidden."""
    require(operation.actor, Action.READ)
    model_id = ids.decode_as("Model", gid, "model")
    found = await operation.loaders.row(Model).load(model_id)
    await operation.renew()
    if found is None:
        raise NotFound("Model", ("model",))
    return model_id


def subject_of(event: StoredEvent) -> tuple[str, UUID]:
    """The kind and the id of what an event is about."""
    kind, _, row_id = event.subject.partition(":")
    return kind, UUID(row_id)


async def actor_of(event: StoredEvent | PromotionTold, operation: Operation) -> Any:
    """Who made an event; None for the operator at the command line."""
    kind, _, row_id = event.actor.partition(":")
    return await operation.loaders.row(Principal).load(UUID(row_id)) if kind == Principal.__name__ else None


async def project_of(event: StoredEvent, operation: Operation) -> Any:
    """The project of what an event is about, by its model where it says no project; None where neither is known."""
    project_id = event.project_id
    if project_id is None and event.model_id is not None:
        model = await operation.loaders.row(Model).load(event.model_id)
        project_id = None if model is None else model.project_id
    return None if project_id is None else await operation.loaders.row(Project).load(project_id)


def image_of(event: StoredEvent, side: str, operation: Operation) -> Any:
    """The changed fields `before` or `after`; None where there were none, and for who may not see them."""
    if event.kind.startswith(_ADMINISTERED):
        try:
            require(operation.actor, Action.ADMINISTER)
        except Forbidden:
            return None
    return shown_image(subject_of(event)[0], event.body.get(side))


def changed(event: StoredEvent) -> Sequence[str]:
    """The names of the fields that an event tells of, in order."""
    kind, _ = subject_of(event)
    return sorted({name for side in ("before", "after") for name in field_names(kind, event.body.get(side))})
