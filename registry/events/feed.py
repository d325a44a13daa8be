"""The feed delivered: one tailer for each process, a bounded ring for each organization that is followed, and readers.

A reader is a place in the feed. It takes what is in the ring and reads the database where it lags behind that, at its
own speed: a slow one holds up nobody and fills no memory.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any, Final, TypeAlias
from uuid import UUID

import structlog
from sqlalchemy import ARRAY, BigInteger, Uuid, bindparam, text

from db.base import utc_now
from db.errors import told
from db.session import Database
from registry.events import event_log
from registry.events.event_log import EVERY_EVENT, Cursor, Filter, StoredEvent, Stream
from registry.kernel.faults import refusal_of

log = structlog.get_logger(__name__)

RING_EVENTS: Final = 2_048
RING_BYTES: Final = 16 * 1024 * 1024
"""What the bodies in one ring may add up to: events that are as long as they may be would fill 128 MiB."""
POLL_S: Final = 1.0
BOOKMARK_S: Final = 30.0
_PULLED: Final = 500
"""How many events of one organization are pulled at once."""
_SLICE: Final = 100
"""How many organizations are pulled in one statement."""
_AT_ONCE: Final = 2_000
"""How many events one statement pulls at most; half as many after one that failed, until they arrive."""
_PAGE: Final = 100
_SCANNED: Final = 5_000
"""How many events a reader behind the ring looks at in one statement, whether it wants them or not."""
_PAGING: Final = 2
"""How many readers of a process may read the database at once: requests need its connections as well."""
_KNOWN_MODELS: Final = 100_000

_NEWS = text("""
    select c.org_id, s.epoch, s.head_seq, s.floor_seq, e.seq, e.at, e.kind, e.subject, e.actor, e.body,
           e.model_id, e.project_id, e.hash
      from unnest(:orgs, :places) as c(org_id, place)
      join ev.stream s on s.org_id = c.org_id
      left join lateral (
             select * from ev.event where org_id = c.org_id and seq > c.place order by seq limit :pulled
           ) e on true
     order by c.org_id, e.seq
""").bindparams(bindparam("orgs", type_=ARRAY(Uuid)), bindparam("places", type_=ARRAY(BigInteger)))


@dataclass(frozen=True)
class Bookmark:
    """A place in the feed up to which everything was told: a reader goes on from here, whatever its filter."""

    cursor: Cursor
    at: datetime


Message: TypeAlias = StoredEvent | Bookmark
Listener: TypeAlias = Callable[[UUID, Sequence[StoredEvent]], None]
Also: TypeAlias = Callable[[StoredEvent], bool]


class Ring:
    """The newest events of one organization, `first` to `last`, none missing, for all its readers in this process."""

    def __init__(self, stream: Stream) -> None:
        self.readers = 0
        self.begun = 0
        """How often it was begun: a reader that finds another number asks the database whether its place still is."""
        self.moved = asyncio.Event()
        self.begin(stream)

    def begin(self, stream: Stream) -> None:
        """Be empty, behind the newest event."""
        self.epoch, self.first, self.last, self.bytes = stream.epoch, stream.head_seq + 1, stream.head_seq, 0
        self._slots: list[StoredEvent | None] = [None] * RING_EVENTS
        self.begun += 1
        self._announce()

    def extend(self, found: Sequence[StoredEvent]) -> bool:
        """Take the events that follow; False, and nothing is taken, where one is missing or of other numbers."""
        if [(one.epoch, one.seq) for one in found] != [(self.epoch, self.last + n) for n in range(1, len(found) + 1)]:
            return False
        for event in found:
            if event.seq - self.first >= RING_EVENTS:
                self._drop_first()
            self._slots[event.seq % RING_EVENTS] = event
            self.last = event.seq
            self.bytes += len(event.text)
            while self.bytes > RING_BYTES and self.first < self.last:
                self._drop_first()
        self._announce()
        return True

    def stir(self, quiet_s: float) -> None:
        """Have the readers look whether a bookmark is due, where nothing has moved for so long."""
        if monotonic() - self._moved_at_s >= quiet_s:
            self._announce()

    def after(self, seq: int, limit: int) -> list[StoredEvent] | None:
        """Up to `limit` events behind `seq`, in order; None where the ring begins later."""
        if seq + 1 < self.first:
            return None
        places = range(seq + 1, min(seq + limit, self.last) + 1)
        return [event for place in places if (event := self._slots[place % RING_EVENTS]) is not None]

    def _drop_first(self) -> None:
        oldest = self._slots[self.first % RING_EVENTS]
        self._slots[self.first % RING_EVENTS] = None
        self.bytes -= 0 if oldest is None else len(oldest.text)
        self.first += 1

    def _announce(self) -> None:
        self._moved_at_s = monotonic()
        moved, self.moved = self.moved, asyncio.Event()
        moved.set()


def _always(_: StoredEvent) -> bool:
    return True


@dataclass(frozen=True)
class _Choice:
    """Which events a reader gets."""

    filter: Filter
    also: Also
    everything: bool


class Feed:
    """The feeds that this process follows. `run` has to be running for what is new to arrive.

    `database` is that of the requests, for readers behind their ring; `aside` has a connection of its own for the
    tailer, which so does not wait for requests. It looks by itself every `poll_s`, and a reader who gets nothing for
    `bookmark_s` gets a bookmark.
    """

    def __init__(
        self, database: Database, aside: Database, *, poll_s: float = POLL_S, bookmark_s: float = BOOKMARK_S
    ) -> None:
        self.readers = 0
        """How many readers there are."""
        self.listeners: list[Listener] = []
        """Called with the new events of each organization that is followed, and with none where it begins to be or
        some may have been missed. They may not fail."""
        self._database = database
        self._aside = aside
        self._poll_s, self._bookmark_s = poll_s, bookmark_s
        self._rings: dict[UUID, Ring] = {}
        self._woken: set[UUID] = set()
        self._due = asyncio.Event()
        self._paging = asyncio.Semaphore(_PAGING)
        self._projects: dict[UUID, UUID] = {}
        self._delivered = 0
        self._at_once = _AT_ONCE
        self._age_s = 0.0
        self._looked_at = 0.0

    @property
    def lag_s(self) -> float:
        """How old the newest events were when they arrived here, or for how long none could be asked for."""
        if not self._rings:
            return 0.0
        return max(self._age_s, asyncio.get_running_loop().time() - self._looked_at - self._poll_s)

    def take_delivered(self) -> int:
        """How many events were given to readers since this was last asked."""
        delivered, self._delivered = self._delivered, 0
        return delivered

    def wake(self, org_ids: Collection[UUID] | None) -> None:
        """Look at once for what is new of some organizations, or, without any, of all that are followed."""
        self._woken.update(self._rings if org_ids is None else self._rings.keys() & set(org_ids))
        if self._woken:
            self._due.set()

    def told(self, org_id: UUID) -> None:
        """`wake` for one organization."""
        self.wake((org_id,))

    async def run(self) -> None:
        """Look for what is new until canceled: when woken, and every `poll_s` of all that are followed."""
        loop = asyncio.get_running_loop()
        poll_at, failed = loop.time(), False
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(poll_at):
                    await self._due.wait()
            if loop.time() >= poll_at:
                poll_at = loop.time() + self._poll_s
                self._woken.update(self._rings)
                for ring in self._rings.values():
                    ring.stir(self._bookmark_s / 10)
            self._due.clear()
            woken, self._woken = self._woken, set()
            try:
                await self._pull(woken)
                failed, self._at_once = False, min(_AT_ONCE, self._at_once * 2)
            except Exception as error:
                if refusal_of(error) is None:
                    log.error("feed.failed", reason=told(error))
                elif not failed:
                    log.warning("feed.waiting", reason=told(error))
                failed, self._at_once = True, max(_SLICE, self._at_once // 2)
                # What was missed is found by the next look at all of them.
                await asyncio.sleep(max(0.0, poll_at - loop.time()))

    async def follow(
        self, org_id: UUID, after: Cursor | None = None, filter: Filter = EVERY_EVENT, also: Also = _always
    ) -> AsyncGenerator[Message, None]:
        """What happened behind `after` and then what happens, in order, each event once, until closed.

        Without `after` it begins now, with a bookmark at once. A bookmark also follows some `bookmark_s` of silence.
        `also` is a further condition on the events that `filter` passes.

        Raises: CursorReset, CursorExpired, at once or when the reader lags so far; DatabaseUnavailable, PoolExhausted.
        """
        stream = await self._stream(org_id)
        place = stream.head if after is None else Cursor(stream.epoch, stream.after(after))
        choice = _Choice(filter, also, filter == EVERY_EVENT and also is _always)
        return self._messages(stream, place, choice, begins_now=after is None)

    async def _messages(
        self, stream: Stream, place: Cursor, choice: _Choice, *, begins_now: bool
    ) -> AsyncGenerator[Message, None]:
        with self._joined(stream) as ring:
            if begins_now:
                yield Bookmark(place, utc_now())
            begun, silent_until = ring.begun, monotonic() + self._bookmark_s
            while True:
                moved = ring.moved
                if ring.begun != begun:
                    begun = ring.begun
                    (await self._stream(stream.org_id)).after(place)
                found, place = await self._next(ring, stream.org_id, place, choice)
                for event in found:
                    self._delivered += 1
                    yield event
                if found:
                    silent_until = monotonic() + self._bookmark_s
                if ring.last > place.seq:
                    # It catches up and waits for nothing: others have their turn.
                    await asyncio.sleep(0)
                else:
                    # Without a time-out of its own, which costs as much as all the rest: `run` stirs a quiet ring.
                    await moved.wait()
                if monotonic() >= silent_until:
                    yield Bookmark(place, utc_now())
                    silent_until = monotonic() + self._bookmark_s

    async def close(self) -> None:
        """Close the connection of the tailer."""
        await self._aside.close()

    @contextmanager
    def _joined(self, stream: Stream) -> Iterator[Ring]:
        ring = self._rings.get(stream.org_id)
        if ring is None:
            ring = self._rings[stream.org_id] = Ring(stream)
            self._announce(stream.org_id, ())
        ring.readers += 1
        self.readers += 1
        try:
            yield ring
        finally:
            self.readers -= 1
            ring.readers -= 1
            if ring.readers == 0:
                del self._rings[stream.org_id]

    async def _next(self, ring: Ring, org_id: UUID, place: Cursor, choice: _Choice) -> tuple[list[StoredEvent], Cursor]:
        """The next events that are chosen, and the place up to which all were looked at."""
        found = ring.after(place.seq, _PAGE) if ring.epoch == place.epoch else None
        if found is None:
            return await self._page(org_id, place, choice)
        if choice.everything:
            return found, found[-1].cursor if found else place
        await self._learn(org_id, found, choice.filter)
        chosen = [one for one in found if choice.filter.matches(one, self._projects) and choice.also(one)]
        return chosen, found[-1].cursor if found else place

    async def _page(self, org_id: UUID, place: Cursor, choice: _Choice) -> tuple[list[StoredEvent], Cursor]:
        """The same from the database. Raises: CursorReset, CursorExpired."""
        async with self._paging:
            snapshot = self._database.new_snapshot(org_id)
            try:
                stream = await event_log.stream_of(snapshot, org_id)
                seq, end = stream.after(place), min(place.seq + _SCANNED, stream.head_seq)
                found = await event_log.page(snapshot, org_id, seq, choice.filter, limit=_PAGE, before_seq=end + 1)
            finally:
                await snapshot.close()
        reached = found[-1].cursor if len(found) == _PAGE else Cursor(stream.epoch, end)
        return [one for one in found if choice.also(one)], reached

    async def _stream(self, org_id: UUID) -> Stream:
        async with self._paging:
            snapshot = self._database.new_snapshot(org_id)
            try:
                return await event_log.stream_of(snapshot, org_id)
            finally:
                await snapshot.close()

    async def _learn(self, org_id: UUID, found: Sequence[StoredEvent], filter: Filter) -> None:
        """Know the projects of the models of events, where a filter asks for them."""
        if filter.project_id is None:
            return
        unknown = {one.model_id for one in found if one.project_id is None and one.model_id is not None}
        unknown -= self._projects.keys()
        if not unknown:
            return
        async with self._paging:
            snapshot = self._database.new_snapshot(org_id)
            try:
                known = await event_log.projects_of(snapshot, org_id, unknown)
            finally:
                await snapshot.close()
        if len(self._projects) + len(known) > _KNOWN_MODELS:
            self._projects.clear()
        self._projects.update(known)

    async def _pull(self, org_ids: Collection[UUID]) -> None:
        """Take what is new into the rings, in a statement for each slice of them: what one brought stays."""
        left = list(org_ids)
        while left:
            some, left = left[:_SLICE], left[_SLICE:]
            asked = {one: ring for one in some if (ring := self._rings.get(one)) is not None}
            if asked:
                await self._pull_slice(asked, min(_PULLED, self._at_once // len(asked)))
        self._looked_at = asyncio.get_running_loop().time()

    async def _pull_slice(self, asked: Mapping[UUID, Ring], pulled: int) -> None:
        async with self._aside.as_worker() as connection:
            places = [ring.last for ring in asked.values()]
            rows = (await connection.execute(_NEWS, {"orgs": list(asked), "places": places, "pulled": pulled})).all()
        by_org: dict[UUID, list[Any]] = {}
        for row in rows:
            by_org.setdefault(row.org_id, []).append(row)
        for org_id, news in by_org.items():
            self._take(org_id, asked[org_id], news, pulled)

    def _announce(self, org_id: UUID, found: Sequence[StoredEvent]) -> None:
        for listener in self.listeners:
            listener(org_id, found)

    def _take(self, org_id: UUID, ring: Ring, news: Sequence[Any], pulled: int) -> None:
        stream = Stream(org_id, *news[0][1:4])
        found = [StoredEvent(*(org_id, *row[4:], stream.epoch)) for row in news if row.seq is not None]
        if ring.epoch != stream.epoch or ring.last > stream.head_seq or not ring.extend(found):
            # Restored from a backup, or a number is missing: readers go on from the database, which tells them.
            log.error("feed.gap", epoch_is_new=ring.epoch != stream.epoch, after=ring.last, head=stream.head_seq)
            ring.begin(stream)
            self._announce(org_id, ())
            return
        if found:
            self._announce(org_id, found)
            self._age_s = max(0.0, (utc_now() - found[0].at).total_seconds())
        if len(found) == pulled:
            self.told(org_id)
