"""The events of things, page by page, for many things in one statement."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    FromClause,
    Select,
    Text,
    and_,
    any_,
    cast,
    func,
    literal,
    select,
    true,
    union,
)

from db.base import Row
from db.tables import Model, Organization, Project
from registry.events import event_log
from registry.events.event_log import EVENT, STREAM, Cursor, StoredEvent
from registry.kernel.errors import TooExpensive
from resolvers.events.event_feed import EventPage
from resolvers.loading.loaders import MAX_ROWS
from resolvers.loading.shapes import Reading, column_of, own
from resolvers.loading.visibility import visible_events
from resolvers.pages.paging import PageArgs
from resolvers.pages.statements import parents


@dataclass(frozen=True)
class EventList:
    """The events of each thing of a table, at or after `since` and before `until`. Reads how many there are.

    Those of a model or a project are about it and what belongs to it, those of the organization are all; anything else
    is the subject of its events. `kinds` are whole ones; none stands for all.
    """

    table: type[Row]
    kinds: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None

    async def read(self, reading: Reading, keys: list[UUID]) -> list[int]:
        """Count the events of all things in one statement."""
        key = parents().c.key
        numbers = self.numbers(key, await self.conditions(reading))
        counted = select(key, func.count()).select_from(key.table.join(numbers, true())).group_by(key)
        found = {row[0]: row[1] for row in await reading.rows(counted, {"keys": keys})}
        return [found.get(one, 0) for one in keys]

    async def conditions(self, reading: Reading) -> list[ColumnElement[bool]]:
        """The conditions on EVENT that do not depend on the thing."""
        where = [EVENT.c.org_id == reading.org_id, *visible_events()]
        if self.kinds:
            where.append(EVENT.c.kind == any_(literal(sorted(self.kinds), ARRAY(Text))))
        if self.since is not None or self.until is not None:
            stream = await event_log.stream_of(reading, reading.org_id)
            if self.since is not None:
                where.append(EVENT.c.seq >= await event_log.first_at(reading, stream, self.since))
            if self.until is not None:
                where.append(EVENT.c.seq < await event_log.first_at(reading, stream, self.until))
        return where

    def numbers(
        self,
        key: ColumnElement[UUID],
        where: Sequence[ColumnElement[bool]],
        limit: int | None = None,
        *,
        last: bool = False,
    ) -> FromClause:
        """The numbers of the events of the thing `key`, for a lateral join: all, or the first or last `limit`."""

        def some(whose: ColumnElement[bool], of: FromClause) -> Select[int]:
            found = select(EVENT.c.seq).where(*where, whose).correlate(of)
            return found if limit is None else _limited(found, EVENT.c.seq, limit, last=last)

        if self.table is Project:
            return self._of_project(key, some, limit, last=last)
        about = {Model: EVENT.c.model_id, Organization: EVENT.c.org_id}.get(self.table)
        subject = EVENT.c.subject == literal(f"{self.table.__name__}:") + cast(key, Text)
        return some(subject if about is None else about == key, key.table).lateral("number")

    def _of_project(
        self,
        key: ColumnElement[UUID],
        some: Callable[[ColumnElement[bool], FromClause], Select[int]],
        limit: int | None,
        *,
        last: bool,
    ) -> FromClause:
        """Those that name the project and those of each of its models, each found by its index."""
        within = own(Model), column_of(Model, "project_id") == key
        model = select(column_of(Model, "id").label("id")).where(*within).correlate(key.table).lateral("model")
        of_model = some(EVENT.c.model_id == model.c.id, model).lateral("of_model")
        of_itself = some(EVENT.c.project_id == key, key.table).lateral("of_itself")
        both = union(select(of_itself.c.seq), select(of_model.c.seq).select_from(model.join(of_model, true())))
        found = both.lateral("either")
        numbers = select(found.c.seq)
        return (numbers if limit is None else _limited(numbers, found.c.seq, limit, last=last)).lateral("number")


@dataclass(frozen=True)
class EventPages:
    """A window of the events of each thing, oldest first. `count` finds how many events the whole list has."""

    events: EventList
    asked: PageArgs
    count: Callable[[UUID], Awaitable[int]] = field(compare=False)

    async def read(self, reading: Reading, keys: list[UUID]) -> list[EventPage]:
        """Read the windows of all things in one statement. Raises: CursorReset, CursorExpired, TooExpensive."""
        if len(keys) * self.asked.size > MAX_ROWS:
            raise TooExpensive(len(keys) * self.asked.size, MAX_ROWS)
        last, where = self.asked.backward, await self.events.conditions(reading)
        if self.asked.cursor is not None:
            stream = await event_log.stream_of(reading, reading.org_id)
            place = stream.after(Cursor.parse(self.asked.cursor))
            where.append(EVENT.c.seq < place if last else EVENT.c.seq > place)
        key, shown = parents().c.key, EVENT.alias("shown")
        # One more than the page holds, to know whether there is more.
        numbers = self.events.numbers(key, where, self.asked.size + 1, last=last)
        source = (
            key.table.join(numbers, true())
            .join(shown, and_(shown.c.org_id == reading.org_id, shown.c.seq == numbers.c.seq))
            .join(STREAM, STREAM.c.org_id == shown.c.org_id)
        )
        statement = select(key, *shown.c, STREAM.c.epoch).select_from(source).order_by(key, shown.c.seq)
        found = defaultdict(list)
        for owner, *row in await reading.rows(statement, {"keys": keys}):
            found[owner].append(StoredEvent(*row))
        return [self._window(found[one], partial(self.count, one)) for one in keys]

    def _window(self, events: list[StoredEvent], count: Callable[[], Awaitable[int]]) -> EventPage:
        size, beyond = self.asked.size, self.asked.cursor is not None
        more = len(events) > size
        if self.asked.backward:
            return EventPage(events[-size:] if size else [], beyond, more, count)
        return EventPage(events[:size], more, beyond, count)


def _limited(found: Select[int], seq: ColumnElement[int], limit: int, *, last: bool) -> Select[int]:
    return found.order_by(seq.desc() if last else seq).limit(limit)
