"""Wake-ups: from the beginning of a change in one process to a follower in another, against bare LISTEN."""

import asyncio
import sys
import time
from statistics import quantiles
from typing import Any

import orjson

from bench.bare import connect, enter
from bench.ground import Ground
from bench.plan import Plan
from bench.report import Line
from db.listening import CHANNEL, Wakeups
from db.session import Database
from registry.events.event_log import StoredEvent
from registry.events.feed import Feed
from server.following import following

RATES = (100, 500)
_NEWS = "select seq, body from ev.event where org_id = $1 and seq > $2 order by seq limit 500"


async def measure(ground: Ground, plan: Plan) -> list[Line]:
    """The median and the 99th percentile in milliseconds, for each rate, with one follower and with a crowd."""
    lines = []
    for rate in RATES:
        for followers in (1, plan.crowd):
            ours: list[float] = []
            bare: list[float] = []
            for _ in range(plan.told_rounds):
                ours += await _ours(ground, rate, plan.told_s, followers)
                bare += await _bare(ground, rate, plan.told_s)
            whom = "1 follower" if followers == 1 else f"{followers} followers"
            for name, place in (("median", 49), ("99th percentile", 98)):
                thing = f"wake-up, {rate} events/s, {whom}, {name}"
                ours_ms, bare_ms = (quantiles(found, n=100)[place] for found in (ours, bare))
                lines.append(Line(thing, "asyncpg, LISTEN, 1 follower", ours_ms, bare_ms))
    return lines


async def _ours(ground: Ground, rate: int, seconds: float, followers: int) -> list[float]:
    url, roles = ground.settings.database, ground.settings.roles
    feed = Feed(ground.services.database, Database.connect(url, roles, pool_size=1))
    wakeups = Wakeups(url, feed.wake)
    took_ms: list[float] = []
    expected = int(rate * seconds)

    async def follow(ready: asyncio.Barrier) -> None:
        messages = await feed.follow(ground.actor.org_id)
        await anext(messages)
        await ready.wait()
        seen = 0
        async for message in messages:
            if isinstance(message, StoredEvent):
                took_ms.append((time.time() - message.body["at"]) * 1000)
                seen += 1
            if seen == expected:
                break
        await messages.aclose()

    async with following(ground.services.database, feed, wakeups):
        ready = asyncio.Barrier(followers + 1)
        tasks = [asyncio.create_task(follow(ready)) for _ in range(followers)]
        await ready.wait()
        await _tell(ground, rate, seconds, "coalesced")
        await asyncio.gather(*tasks)
    return took_ms


async def _bare(ground: Ground, rate: int, seconds: float) -> list[float]:
    took_ms: list[float] = []
    news = asyncio.Event()

    def hear(*_: Any) -> None:
        news.set()

    async def follow() -> None:
        async with connect(ground.settings) as connection:
            place = await _head(ground, connection)
            while len(took_ms) < int(rate * seconds):
                await news.wait()
                news.clear()
                async with connection.transaction():
                    await enter(connection, ground.settings.roles, ground.actor)
                    rows = await connection.fetch(_NEWS, ground.actor.org_id, place)
                for row in rows:
                    took_ms.append((time.time() - orjson.loads(row["body"])["at"]) * 1000)
                    place = row["seq"]

    async with connect(ground.settings) as listener:
        await listener.add_listener(CHANNEL, hear)
        task = asyncio.create_task(follow())
        await asyncio.sleep(0.1)
        await _tell(ground, rate, seconds, "each")
        await task
        await listener.remove_listener(CHANNEL, hear)
    return took_ms


async def _head(ground: Ground, connection: Any) -> int:
    async with connection.transaction():
        await enter(connection, ground.settings.roles, ground.actor)
        head: int = await connection.fetchval("select head_seq from ev.stream where org_id = $1", ground.actor.org_id)
        return head


async def _tell(ground: Ground, rate: int, seconds: float, how: str) -> None:
    """Have another process make the events."""
    given = (
        ground.settings.database,
        ground.settings.roles.app,
        str(ground.actor.org_id),
        str(rate),
        str(seconds),
        how,
    )
    teller = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.teller", *given)
    assert await teller.wait() == 0
