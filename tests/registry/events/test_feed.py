"""The feed delivered: every event once and in order to every reader, whoever wrote it, however fast the reader is."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from uuid import UUID, uuid4

import asyncpg
import pytest

from db.listening import Wakeups
from db.session import Database, Event
from registry.events import event_log, feed as feeds
from registry.events.event_log import EVERY_EVENT, Cursor, Filter, StoredEvent, Stream
from registry.events.feed import BOOKMARK_S, POLL_S, Bookmark, Feed, Message, Ring
from registry.kernel.errors import CursorExpired, CursorReset
from server.following import following
from tests import services
from tests.db.ground import connect
from tests.patience import eventually, in_time
from tests.tenant import Tenant, uuid_of


@dataclass
class Process:
    """What one process has of the feed."""

    database: Database
    feed: Feed
    wakeups: Wakeups

    async def write(self, org_id: UUID, *kinds: str, body: str = "") -> None:
        async with self.database.change(org_id) as change:
            change.events += [Event(kind, "Team:1", "Principal:1", {"v": 1, "text": body}) for kind in kinds]


@asynccontextmanager
async def process(
    url: str, *, deaf: bool = False, poll_s: float = POLL_S, bookmark_s: float = BOOKMARK_S
) -> AsyncIterator[Process]:
    """A process with its own connections; a deaf one neither tells others nor hears them."""
    database, aside = (Database.connect(url, services.ROLES, pool_size=size) for size in (5, 1))
    feed = Feed(database, aside, poll_s=poll_s, bookmark_s=bookmark_s)
    wakeups = Wakeups("postgresql://nobody:x@127.0.0.1:1/nothing" if deaf else url, feed.wake)
    try:
        async with following(database, feed, wakeups):
            yield Process(database, feed, wakeups)
    finally:
        await database.close()


@pytest.fixture
async def one(database_url: str) -> AsyncIterator[Process]:
    async with process(database_url) as running:
        yield running


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The database as the role that owns the feed."""
    connection = await connect(database_url)
    await connection.execute(f"set role {services.ROLES.owner}")
    yield connection
    await connection.close()


class Reader:
    """Reads a feed in the background and keeps what it got."""

    def __init__(self, feed: Feed, org_id: UUID, after: Cursor | None = None, filter: Filter = EVERY_EVENT) -> None:
        self.got: list[Message] = []
        self._task = asyncio.create_task(self._read(feed.follow(org_id, after, filter)))

    async def _read(self, following: Awaitable[AsyncGenerator[Message, None]]) -> None:
        async for message in await following:
            self.got.append(message)

    @property
    def kinds(self) -> list[str]:
        return [one.kind for one in self.got if isinstance(one, StoredEvent)]

    async def has(self, count: int) -> "Reader":
        """Wait until it has got so many messages. Raises what ended it."""
        await eventually(lambda: len(self.got) >= count or self._task.done())
        if self._task.done():
            self._task.result()
        return self

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def failure(self) -> BaseException | None:
        async with in_time():
            (ended,) = await asyncio.gather(self._task, return_exceptions=True)
        return ended


@asynccontextmanager
async def reading(
    feed: Feed, org_id: UUID, after: Cursor | None = None, filter: Filter = EVERY_EVENT
) -> AsyncIterator[Reader]:
    """A reader that has begun: without a cursor it has its first bookmark."""
    reader = Reader(feed, org_id, after, filter)
    try:
        yield await reader.has(1 if after is None else 0)
    finally:
        await reader.close()


async def head(database: Database, org_id: UUID) -> Stream:
    snapshot = database.new_snapshot(org_id)
    stream = await event_log.stream_of(snapshot, org_id)
    await snapshot.close()
    return stream


async def test_a_reader_from_now_gets_its_place_first_and_then_what_happens(one: Process, tenant: Tenant) -> None:
    stream = await head(one.database, tenant.org_id)
    async with reading(one.feed, tenant.org_id) as reader:
        assert isinstance(reader.got[0], Bookmark)
        assert reader.got[0].cursor == stream.head
        await one.write(tenant.org_id, "a.one", "a.two")
        await reader.has(3)
        assert reader.kinds == ["a.one", "a.two"]
        assert [message.cursor.seq - stream.head_seq for message in reader.got] == [0, 1, 2]


async def test_a_reader_with_a_cursor_gets_what_it_missed_and_then_what_happens(one: Process, tenant: Tenant) -> None:
    stream = await head(one.database, tenant.org_id)
    await one.write(tenant.org_id, "a.missed", "a.too")
    async with reading(one.feed, tenant.org_id, stream.head) as reader:
        await reader.has(2)
        await one.write(tenant.org_id, "a.new")
        await reader.has(3)
        assert reader.kinds == ["a.missed", "a.too", "a.new"]


async def test_what_one_process_writes_is_read_in_another(one: Process, database_url: str, tenant: Tenant) -> None:
    async with process(database_url) as other, reading(other.feed, tenant.org_id) as reader:
        await one.write(tenant.org_id, "a.heard")
        await reader.has(2)
        assert reader.kinds == ["a.heard"]


async def test_a_process_that_is_woken_need_not_look_by_itself(one: Process, database_url: str, tenant: Tenant) -> None:
    async with process(database_url, poll_s=3600.0) as other, reading(other.feed, tenant.org_id) as reader:
        await eventually(lambda: one.wakeups.up and other.wakeups.up)
        for kind in ("a.one", "a.two", "a.three"):
            await one.write(tenant.org_id, kind)
        await reader.has(4)
        assert reader.kinds == ["a.one", "a.two", "a.three"]


async def test_a_process_that_nobody_wakes_looks_by_itself(database_url: str, one: Process, tenant: Tenant) -> None:
    async with process(database_url, deaf=True) as deaf, reading(deaf.feed, tenant.org_id) as reader:
        assert not deaf.wakeups.up
        await one.write(tenant.org_id, "a.found")
        await reader.has(2)
        assert reader.kinds == ["a.found"]


async def test_a_listener_that_is_killed_comes_back_and_looks_for_what_it_missed(
    one: Process, database_url: str, tenant: Tenant
) -> None:
    async with (
        process(database_url, deaf=True) as silent,
        process(database_url, poll_s=3600.0) as other,
        reading(other.feed, tenant.org_id) as reader,
    ):
        await eventually(lambda: other.wakeups.up)
        await silent.write(tenant.org_id, "a.missed")
        await kill_listeners(database_url)
        await eventually(lambda: reader.kinds == ["a.missed"])
        await eventually(lambda: one.wakeups.up and other.wakeups.up)
        await one.write(tenant.org_id, "a.heard")
        await reader.has(3)
        assert reader.kinds == ["a.missed", "a.heard"]


async def test_a_wake_up_names_organizations_and_tells_nothing_of_them(
    one: Process, database_url: str, tenant: Tenant, neighbor: Tenant
) -> None:
    heard: list[str] = []
    listener = await connect(database_url)
    await listener.add_listener("registry_feed", lambda *said: heard.append(str(said[3])))
    await eventually(lambda: one.wakeups.up)
    await one.write(tenant.org_id, "a.one")
    await one.write(neighbor.org_id, "a.two")
    await eventually(lambda: {tenant.org_id.hex, neighbor.org_id.hex} <= set(",".join(heard).split(",")))
    assert all(set(said) <= set("0123456789abcdef,?*") for said in heard)
    await listener.close()


async def test_too_many_organizations_are_told_as_all(one: Process, database_url: str) -> None:
    heard: list[str] = []
    listener = await connect(database_url)
    await listener.add_listener("registry_feed", lambda *said: heard.append(str(said[3])))
    await eventually(lambda: one.wakeups.up)
    for _ in range(1_000):
        one.wakeups.tell(uuid4())
    await eventually(lambda: "*" in heard)
    await listener.close()


async def test_a_change_is_told_only_once_it_is_committed(one: Process, tenant: Tenant) -> None:
    told: list[UUID] = []
    one.database.listeners.append(told.append)
    async with one.database.change(tenant.org_id) as change:
        change.events.append(Event("a.one", "Team:1", "Principal:1", {"v": 1}))
        await change.flush()
        assert told == []
    assert told == [tenant.org_id]
    with pytest.raises(KeyError):
        await failing(one, tenant.org_id)
    assert told == [tenant.org_id]


async def failing(one: Process, org_id: UUID) -> None:
    async with one.database.change(org_id) as change:
        change.events.append(Event("a.never", "Team:1", "Principal:1", {"v": 1}))
        raise KeyError


async def test_a_filter_passes_what_is_wanted_and_a_bookmark_passes_the_rest(database_url: str, tenant: Tenant) -> None:
    wanted = Filter(kinds=frozenset({"b.one"}))
    async with (
        process(database_url, bookmark_s=0.2) as one,
        reading(one.feed, tenant.org_id, filter=wanted) as reader,
    ):
        await one.write(tenant.org_id, *["a.one"] * 5)
        last = (await head(one.database, tenant.org_id)).head
        await eventually(lambda: reader.got[-1].cursor == last)
        assert all(isinstance(message, Bookmark) for message in reader.got)
        await one.write(tenant.org_id, "a.two", "b.one")
        await eventually(lambda: reader.kinds == ["b.one"])


async def test_a_reader_who_wants_little_gets_bookmarks_however_much_happens(database_url: str, tenant: Tenant) -> None:
    wanted = Filter(kinds=frozenset({"b.one"}))
    async with (
        process(database_url, bookmark_s=0.2) as one,
        reading(one.feed, tenant.org_id, filter=wanted) as reader,
    ):
        writing = asyncio.create_task(keep_writing(one, tenant.org_id))
        await eventually(lambda: len({message.cursor.seq for message in reader.got}) >= 4)
        writing.cancel()
        await asyncio.wait([writing])
        places = [message.cursor.seq for message in reader.got]
        assert sorted(places) == places
        assert reader.kinds == []


async def keep_writing(one: Process, org_id: UUID) -> None:
    while True:
        await one.write(org_id, "a.one")


async def test_the_project_of_a_version_is_known_by_its_model(one: Process, tenant: Tenant) -> None:
    team = await tenant.client.make("createTeam", "team", name="other")
    elsewhere = await tenant.client.make("createProject", "project", team=team, name="elsewhere")
    here, there = await tenant.model(), await tenant.model(project=elsewhere)
    async with reading(one.feed, tenant.org_id, filter=Filter(project_id=uuid_of(elsewhere))) as reader:
        await tenant.version(here)
        version = await tenant.version(there)
        await eventually(lambda: "version.created" in reader.kinds)
        subjects = {one.subject for one in reader.got if isinstance(one, StoredEvent)}
        assert subjects == {f"ModelVersion:{uuid_of(version)}"}


async def test_organizations_hear_nothing_of_each_other(one: Process, tenant: Tenant, neighbor: Tenant) -> None:
    async with reading(one.feed, tenant.org_id) as ours, reading(one.feed, neighbor.org_id) as theirs:
        await one.write(tenant.org_id, "a.ours")
        await one.write(neighbor.org_id, "a.theirs")
        await ours.has(2)
        await theirs.has(2)
        assert (ours.kinds, theirs.kinds) == (["a.ours"], ["a.theirs"])


async def test_a_foreign_cursor_is_reset_and_one_of_gone_events_expired(
    one: Process, tenant: Tenant, neighbor: Tenant, owner: asyncpg.Connection
) -> None:
    stream = await head(one.database, tenant.org_id)
    theirs = await head(one.database, neighbor.org_id)
    ahead = Cursor(stream.epoch, stream.head_seq + 1)
    await owner.execute("update ev.stream set floor_seq = 2 where org_id = $1", tenant.org_id)
    for cursor, expected in (
        (theirs.head, CursorReset), (ahead, CursorReset), (Cursor(stream.epoch, 1), CursorExpired),
    ):  # fmt: skip
        failed = await Reader(one.feed, tenant.org_id, cursor).failure()
        assert isinstance(failed, expected)
        assert str(failed.head_cursor) == str(stream.head)
    async with reading(one.feed, tenant.org_id, Cursor(stream.epoch, 2)) as reader:
        await reader.has(1)
        assert reader.got[0].cursor.seq == 3


@pytest.mark.parametrize("restored", ["epoch = gen_random_uuid()", "head_seq = head_seq - 2"])
async def test_a_restored_database_is_told_to_those_who_read_on(
    one: Process, tenant: Tenant, owner: asyncpg.Connection, restored: str
) -> None:
    async with reading(one.feed, tenant.org_id) as reader:
        await owner.execute(f"update ev.stream set {restored} where org_id = $1", tenant.org_id)
        assert isinstance(await reader.failure(), CursorReset)


async def test_readers_leave_nothing_behind(one: Process, tenant: Tenant) -> None:
    async with reading(one.feed, tenant.org_id), reading(one.feed, tenant.org_id):
        assert (one.feed.readers, len(one.feed._rings)) == (2, 1)
    assert (one.feed.readers, one.feed._rings) == (0, {})


async def test_a_thousand_readers_get_every_event_in_order(one: Process, tenant: Tenant) -> None:
    readers = [Reader(one.feed, tenant.org_id) for _ in range(1_000)]
    await eventually(lambda: all(reader.got for reader in readers))
    for number in range(20):
        await one.write(tenant.org_id, f"a.{number}")
    await eventually(lambda: all(len(reader.got) == 21 for reader in readers))
    expected = [f"a.{number}" for number in range(20)]
    assert all(reader.kinds == expected for reader in readers)
    for reader in readers:
        await reader.close()


async def test_a_slow_reader_holds_nobody_up_and_misses_nothing(one: Process, tenant: Tenant) -> None:
    slow = await one.feed.follow(tenant.org_id)
    first = await anext(slow)
    written = feeds.RING_EVENTS + 1_000
    async with reading(one.feed, tenant.org_id) as fast:
        for _ in range(written // 100):
            await one.write(tenant.org_id, *["a.one"] * 100)
        await fast.has(1 + written // 100 * 100)
        (ring,) = one.feed._rings.values()
        assert ring.last - ring.first + 1 == feeds.RING_EVENTS
        got = [(await anext(slow)).cursor.seq for _ in range(written // 100 * 100)]
        assert got == list(range(first.cursor.seq + 1, first.cursor.seq + 1 + len(got)))
    await slow.aclose()


def stored(org_id: UUID, epoch: UUID, seq: int, body: str = "{}") -> StoredEvent:
    return StoredEvent(org_id, seq, datetime.now(UTC), "a.one", "Team:1", "Principal:1", body, None, None, b"", epoch)


def test_a_ring_is_bounded_by_its_events_and_by_their_bytes() -> None:
    stream = Stream(uuid4(), uuid4(), 0, 0)
    ring = Ring(stream)
    places = count(1)
    for _ in range(feeds.RING_EVENTS * 2):
        assert ring.extend([stored(stream.org_id, stream.epoch, next(places))])
    assert (ring.first, ring.last) == (feeds.RING_EVENTS + 1, feeds.RING_EVENTS * 2)
    assert ring.after(feeds.RING_EVENTS - 1, 10) is None
    assert [one.seq for one in ring.after(feeds.RING_EVENTS, 3) or []] == [ring.first + n for n in range(3)]
    long = "x" * (feeds.RING_BYTES // 4)
    for _ in range(10):
        ring.extend([stored(stream.org_id, stream.epoch, next(places), long)])
    assert ring.bytes <= feeds.RING_BYTES
    assert ring.last - ring.first < 4


@pytest.mark.parametrize("wrong", ["missing", "repeated", "renumbered"])
def test_a_ring_takes_nothing_where_something_is_missing(wrong: str) -> None:
    stream = Stream(uuid4(), uuid4(), 5, 0)
    ring = Ring(stream)
    good = [stored(stream.org_id, stream.epoch, seq) for seq in (6, 7)]
    bad = {
        "missing": [good[1]],
        "repeated": [good[0], good[0]],
        "renumbered": [good[0], replace(good[1], epoch=uuid4())],
    }
    assert not ring.extend(bad[wrong])
    assert ring.extend(good)
    assert ring.after(5, 10) == good


async def test_a_gap_sends_the_readers_to_the_database(one: Process, tenant: Tenant, owner: asyncpg.Connection) -> None:
    async with reading(one.feed, tenant.org_id) as reader:
        await owner.execute("update ev.stream set head_seq = head_seq + 3 where org_id = $1", tenant.org_id)
        await one.write(tenant.org_id, *[f"a.{number}" for number in range(10)])
        await reader.has(11)
        assert reader.kinds == [f"a.{number}" for number in range(10)]


async def kill_listeners(url: str) -> None:
    """End the back ends of all connections that listen."""
    connection = await connect(url)
    await connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
        " and pid <> pg_backend_pid() and (query ilike 'listen %' or query ilike 'notify %')"
    )
    await connection.close()
