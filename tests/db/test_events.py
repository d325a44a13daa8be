"""The event feed: dense and chained per organization, written last in a change, whoever else is writing."""

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from db.session import Change, Database, Event
from db.tables import Team
from tests.blocking import until_it_waits
from tests.patience import in_time
from tests.tenant import Tenant

EVENTS = text("select * from ev.event where org_id = :org order by seq")
STREAM = text("select epoch, head_seq, head_hash, floor_seq from ev.stream where org_id = :org")
START = bytes(32)


def chain(events: Sequence[Any]) -> list[bytes]:
    """The hashes that the events of one organization must have, computed from everything but their hashes."""
    hashes = [START]
    for event in events:
        microseconds = (event.at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        digests = (
            hashlib.sha256(part.encode()).digest() for part in (event.kind, event.subject, event.actor, event.body)
        )
        link = b"".join(
            (hashes[-1], event.org_id.bytes, event.seq.to_bytes(8, "big"), microseconds.to_bytes(8, "big"), *digests)
        )
        hashes.append(hashlib.sha256(link).digest())
    return hashes


def event(body: Any = None, kind: str = "team.created") -> Event:
    return Event(kind, "Team:1", "Principal:1", {"v": 1} if body is None else body)


async def feed(database: Database, org_id: UUID) -> tuple[Sequence[Any], Any]:
    """All events of an organization and its stream, at one moment."""
    snapshot = database.new_snapshot(org_id)
    events, (stream,) = await snapshot.rows(EVENTS, {"org": org_id}), await snapshot.rows(STREAM, {"org": org_id})
    await snapshot.close()
    return events, stream


async def is_whole(database: Database, org_id: UUID) -> int:
    """Check the chain from its start to the head of the stream; the number of events."""
    events, stream = await feed(database, org_id)
    hashes = chain(events)
    assert [one.seq for one in events] == list(range(1, len(events) + 1))
    assert [one.prev_hash for one in events] == hashes[:-1]
    assert [one.hash for one in events] == hashes[1:]
    assert (stream.head_seq, stream.head_hash, stream.floor_seq) == (len(events), hashes[-1], 0)
    return len(events)


async def test_the_chain_can_be_computed_from_what_the_events_say(database: Database, tenant: Tenant) -> None:
    bodies: list[Any] = [
        {"v": 1, "größe": 'ü \U0001f600 \\ " \n\u2028'},
        {"v": 1, "number": 1.5e300},
        {"b": 1, "a": [None]},
        {},
    ]
    async with database.change(tenant.org_id) as change:
        change.events.extend(event(body, f"kind.{place}") for place, body in enumerate(bodies))
    assert await is_whole(database, tenant.org_id) > len(bodies)


async def test_a_body_is_kept_as_it_was_meant(database: Database, tenant: Tenant) -> None:
    body = {"v": 1, "text": 'größe \U0001f600 " \\ \n', "none": None, "many": list(range(100)), "true": True}
    async with database.change(tenant.org_id) as change:
        change.events.append(event(body))
    events, _ = await feed(database, tenant.org_id)
    assert orjson.loads(events[-1].body) == body


@pytest.mark.parametrize(
    "tampering",
    [
        "update ev.event set body = body || ' ' where org_id = $1 and seq = 2",
        "update ev.event set at = at + interval '1 microsecond' where org_id = $1 and seq = 2",
        "update ev.event set actor = 'Principal:other' where org_id = $1 and seq = 2",
        "update ev.event set kind = subject, subject = kind where org_id = $1 and seq = 2",
        "delete from ev.event where org_id = $1 and seq = 2",
        "delete from ev.event where org_id = $1 and seq = (select max(seq) from ev.event where org_id = $1)",
    ],
)
async def test_who_can_switch_the_trigger_off_still_breaks_the_chain(
    database: Database, owner: asyncpg.Connection, tenant: Tenant, tampering: str
) -> None:
    assert await is_whole(database, tenant.org_id)
    async with owner.transaction():
        await owner.execute("alter table ev.event disable trigger no_change")
        await owner.execute(tampering, tenant.org_id)
        await owner.execute("alter table ev.event enable trigger no_change")
    with pytest.raises(AssertionError):
        await is_whole(database, tenant.org_id)


async def test_changes_at_the_same_moment_leave_no_gap(database: Database, tenant: Tenant) -> None:
    before = await is_whole(database, tenant.org_id)
    seen = asyncio.create_task(_watch(database, tenant.org_id, before + 100))

    async def make(place: int) -> None:
        async with database.change(tenant.org_id) as change:
            change.add(Team(org_id=tenant.org_id, name=f"team {place}"))
            change.events += [event({"v": place}), event({"v": place})]
            await asyncio.sleep(0.001 * (place % 7))

    await asyncio.gather(*(make(place) for place in range(50)))
    assert await is_whole(database, tenant.org_id) == before + 100
    assert await seen == list(range(before + 1, before + 101))


async def test_a_change_that_fails_leaves_no_gap(database: Database, tenant: Tenant) -> None:
    before = await is_whole(database, tenant.org_id)

    async def make(place: int) -> None:
        async with database.change(tenant.org_id) as change:
            change.events.append(event())
            if place % 2:
                raise KeyError(place)

    ends = await asyncio.gather(*(make(place) for place in range(20)), return_exceptions=True)
    assert sum(isinstance(end, KeyError) for end in ends) == 10
    assert await is_whole(database, tenant.org_id) == before + 10


async def test_a_refused_append_takes_the_whole_change_back(database: Database, tenant: Tenant) -> None:
    before = await is_whole(database, tenant.org_id)
    with pytest.raises(DBAPIError, match="event_body_check"):
        async with database.change(tenant.org_id) as change:
            change.events.append(event({"v": 1, "long": "x" * 66_560}))
    assert await is_whole(database, tenant.org_id) == before


async def test_the_events_are_the_last_statement_of_a_change(
    database: Database, tenant: Tenant, statements: list[str]
) -> None:
    async with database.change(tenant.org_id) as change:
        change.events.append(event())
        change.add(Team(org_id=tenant.org_id, name="late"))
    kinds = ["append" if "ev.append" in one else one.split()[0].lower() for one in statements]
    assert kinds == ["select", "insert", "append"]


async def test_a_change_without_events_does_not_touch_the_feed(
    database: Database, tenant: Tenant, statements: list[str]
) -> None:
    async with database.change(tenant.org_id) as change:
        change.add(Team(org_id=tenant.org_id, name="silent"))
    assert not [one for one in statements if "ev." in one]


async def test_organizations_do_not_wait_for_each_other(database: Database, tenant: Tenant, neighbor: Tenant) -> None:
    async with database.change(tenant.org_id) as slow:
        await _append(slow, event())
        async with in_time(), database.change(neighbor.org_id) as quick:
            quick.events.append(event())
        assert await is_whole(database, neighbor.org_id)
    assert await is_whole(database, tenant.org_id)


async def test_within_an_organization_the_second_writer_waits_for_the_first(database: Database, tenant: Tenant) -> None:
    before = await is_whole(database, tenant.org_id)

    async def second() -> None:
        async with database.change(tenant.org_id) as change:
            change.events.append(event(kind="second"))

    async with database.change(tenant.org_id) as first:
        await _append(first, event(kind="first"))
        waiting = asyncio.create_task(second())
        await until_it_waits(waiting, first)
        assert await is_whole(database, tenant.org_id) == before
    await waiting
    events, _ = await feed(database, tenant.org_id)
    assert [one.kind for one in events[-2:]] == ["first", "second"]


async def test_opening_a_stream_again_changes_nothing(database: Database, tenant: Tenant) -> None:
    _, before = await feed(database, tenant.org_id)
    async with database.change(tenant.org_id) as change:
        await change.execute(text("select ev.open_stream(:org)"), {"org": tenant.org_id})
    _, after = await feed(database, tenant.org_id)
    assert after == before


async def _append(change: Change, *events: Event) -> None:
    body = orjson.dumps([vars(one) for one in events]).decode()
    await change.execute(text("select ev.append(:org, cast(:events as jsonb))"), {"org": change.org_id, "events": body})


async def _watch(database: Database, org_id: UUID, until: int) -> list[int]:
    """The numbers that a reader sees who always asks for those after the last one it has seen."""
    snapshot = database.new_snapshot(org_id)
    (stream,) = await snapshot.rows(STREAM, {"org": org_id})
    await snapshot.close()
    seen, cursor = [], stream.head_seq
    while cursor < until:
        snapshot = database.new_snapshot(org_id)
        rows = await snapshot.rows(
            text("select seq from ev.event where org_id = :org and seq > :cursor order by seq"),
            {"org": org_id, "cursor": cursor},
        )
        await snapshot.close()
        seen += [row.seq for row in rows]
        cursor = seen[-1] if seen else cursor
    return seen
