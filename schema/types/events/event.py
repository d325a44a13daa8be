"""Events: what happened, page by page, and what happens, live, with cursors that are good for both."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

import strawberry
from strawberry import UNSET, Parent

from db import tables
from db.codes import Stage
from registry.events import feed
from registry.events.event_log import StoredEvent
from registry.kernel.access import Action
from registry.kernel.inputs import BigInt
from resolvers import ids
from resolvers.context import Info
from resolvers.events import event_feed
from resolvers.pages.paging import DEFAULT_PAGE
from schema.building.edges import asked_window, one, read
from schema.building.events import EVENT_CONNECTION, KINDS_TEXT, SINCE_TEXT, UNTIL_TEXT
from schema.building.node import NODES, After, Before, First, Last, Node, type_of
from schema.building.scalars import ChangedFields

_AFTER = "Go on behind this cursor: nothing is missed and nothing comes twice. From now on, if absent."


def _cursor(root: Parent[Any]) -> str:
    return str(root.cursor)


def _argument(description: str) -> Any:
    return strawberry.argument(description=description)


@strawberry.interface(description="What a subscription to events delivers: an event, or a bookmark between events.")
class FeedMessage:
    """Events and bookmarks."""

    cursor: str = strawberry.field(
        resolver=_cursor,
        description="The place behind this message. Keep it, and send it as `after` to go on from here.",
    )
    at: datetime = strawberry.field(description="When it happened; of a bookmark, when it was sent.")


async def _subject(root: Parent[StoredEvent], info: Info) -> Any:
    kind, row_id = event_feed.subject_of(root)
    shown = NODES.get(kind)
    return None if shown is None else await info.context.loaders.row(shown.table).load(row_id)


def _subject_id(root: Parent[StoredEvent]) -> str:
    return ids.encode(*event_feed.subject_of(root))


async def actor(root: Parent[Any], info: Info) -> Any:
    """Who made an event."""
    return await event_feed.actor_of(root, info.context)


async def _project(root: Parent[StoredEvent], info: Info) -> Any:
    return await event_feed.project_of(root, info.context)


async def _before(root: Parent[StoredEvent], info: Info) -> Any:
    return event_feed.image_of(root, "before", info.context)


async def _after(root: Parent[StoredEvent], info: Info) -> Any:
    return event_feed.image_of(root, "after", info.context)


def _changed_fields(root: Parent[StoredEvent]) -> list[str]:
    return list(event_feed.changed(root))


def _hash(root: Parent[StoredEvent]) -> str:
    return root.hash.hex()


@strawberry.type(
    description="A change that was made. Events of an organization are numbered without gaps, in the order of the"
    " commits, and none is ever altered."
)
class Event(FeedMessage):
    """See `registry.events.event_log.StoredEvent`."""

    seq: BigInt = strawberry.field(
        name="sequence", description="Its number in the organization: 1 more than that of the event before."
    )
    kind: str = strawberry.field(
        description="What was changed and how, such as `version.created`. New kinds may come with new releases."
    )
    subject = strawberry.field(
        _subject,
        graphql_type=Node | None,
        description="What was changed, as it is now; null where it is gone or is nothing that the graph shows.",
    )
    subject_id = strawberry.field(
        _subject_id, graphql_type=strawberry.ID, description="The id of what was changed, also where it is gone."
    )
    actor = strawberry.field(
        actor, graphql_type=type_of(tables.Principal) | None, description="Who made the change; null for the operator."
    )
    before = strawberry.field(
        _before,
        graphql_type=ChangedFields | None,
        description="The changed fields before the change; null if the subject is new, or if you may not see them.",
    )
    after = strawberry.field(
        _after,
        graphql_type=ChangedFields | None,
        description="The changed fields after the change; null if the subject is gone, or if you may not see them.",
    )
    changed_fields = strawberry.field(
        _changed_fields,
        graphql_type=list[str],
        description="The names of the fields in `before` and `after`, sorted.",
        metadata={"rows": 0},
    )
    model = one(tables.Model, "model_id", description="The model it is about, where it is about one.")
    project = strawberry.field(
        _project,
        graphql_type=type_of(tables.Project) | None,
        description="The project it is about, where that is known.",
    )
    hash = strawberry.field(
        _hash,
        graphql_type=str,
        description="SHA-256 over the event and the hash of the one before, in hexadecimal: whoever keeps it can prove"
        " later that nothing before it was altered.",
    )

    @classmethod
    def is_type_of(cls, obj: Any, info: Any) -> bool:
        """Whether a message is an event."""
        return isinstance(obj, StoredEvent)


@strawberry.type(
    description="A place in the feed up to which everything was told. Sent first where a subscription begins from now,"
    " and after 30 seconds without another message: whoever follows little has a fresh cursor nevertheless."
)
class Bookmark(FeedMessage):
    """See `registry.events.feed.Bookmark`."""

    @classmethod
    def is_type_of(cls, obj: Any, info: Any) -> bool:
        """Whether a message is a bookmark."""
        return isinstance(obj, feed.Bookmark)


Kinds = Annotated[
    list[str] | None,
    _argument(KINDS_TEXT),
]
OfModel = Annotated[
    strawberry.ID | None,
    _argument(
        "Only events about the model with this id, its versions, their files and checks, its aliases and deployments."
    ),
]
OfProject = Annotated[
    strawberry.ID | None, _argument("Only events about the project with this id and what is known to be in it.")
]
OfSubject = Annotated[strawberry.ID | None, _argument("Only events about the thing with this id.")]
OfStage = Annotated[
    Stage | None,
    _argument(
        "Only events that tell of this stage: of a version that leaves or enters it, or of a request, policy or rule"
        " that is for it."
    ),
]
Resume = Annotated[str | None, _argument(_AFTER)]
Since = Annotated[datetime | None, _argument(SINCE_TEXT)]
Until = Annotated[datetime | None, _argument(UNTIL_TEXT)]


async def _history(
    info: Info,
    first: First = DEFAULT_PAGE,
    after: After = UNSET,
    last: Last = UNSET,
    before: Before = UNSET,
    kinds: Kinds = None,
    model: OfModel = None,
    project: OfProject = None,
    subject: OfSubject = None,
    since: Since = None,
    until: Until = None,
) -> Any:
    asked = asked_window(first, after or None, last if isinstance(last, int) else None, before or None)
    wanted = event_feed.wanted(kinds, model, project, subject)
    return await event_feed.history(info.context, asked, wanted, since, until)


@strawberry.type
class EventQuery:
    """The reads of events."""

    events = read(
        _history,
        EVENT_CONNECTION,
        description="What happened, oldest first; `last: 20` is the newest. Cursors are those of the subscription: read"
        " up to now, then follow behind the last cursor.",
    )


async def _events(
    info: Info,
    after: Resume = None,
    kinds: Kinds = None,
    model: OfModel = None,
    project: OfProject = None,
    subject: OfSubject = None,
    stage: OfStage = None,
) -> AsyncIterator[FeedMessage]:
    """Everything that is wanted. Raises: Forbidden, BadInput, CursorReset, CursorExpired."""
    messages: AsyncIterator[FeedMessage] = await event_feed.follow(
        info.context, after, event_feed.wanted(kinds, model, project, subject), stage
    )
    return messages


async def _model_events(
    info: Info,
    model: Annotated[strawberry.ID, _argument("The model's id.")],
    after: Resume = None,
    kinds: Kinds = None,
    stage: OfStage = None,
) -> AsyncIterator[FeedMessage]:
    """Everything about a model. Raises: Forbidden, BadInput, NotFound, CursorReset, CursorExpired."""
    wanted = event_feed.wanted(kinds, model, None, None)
    await event_feed.known_model(info.context, model)
    messages: AsyncIterator[FeedMessage] = await event_feed.follow(info.context, after, wanted, stage)
    return messages


@strawberry.type
class EventSubscription:
    """The streams of events."""

    events: AsyncIterator[FeedMessage] = strawberry.subscription(
        resolver=_events,
        description="What happens, in order and each event once, across disconnections: go on with `after`. The errors"
        " CURSOR_RESET and CURSOR_EXPIRED tell when that cannot be, with the `headCursor` to begin anew from.",
        metadata={"access": Action.READ},
    )
    model_events: AsyncIterator[FeedMessage] = strawberry.subscription(
        resolver=_model_events,
        description="What happens to a model, its versions, their files and checks, its aliases and deployments, as"
        " `events` tells it.",
        metadata={"access": Action.READ},
    )
