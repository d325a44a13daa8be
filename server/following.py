"""What keeps the event feed alive in a process: its tailer, and the wake-ups from and to the other processes."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from db.listening import Wakeups
from db.session import Database
from registry.events.feed import Feed


@asynccontextmanager
async def following(database: Database, feed: Feed, wakeups: Wakeups) -> AsyncIterator[None]:
    """Deliver the feed to its readers in this process; what this process commits is told to them and to the others."""
    database.listeners.append(feed.told)
    try:
        async with telling(database, wakeups), _running(feed.run()):
            yield
    finally:
        database.listeners.remove(feed.told)
        await feed.close()


@asynccontextmanager
async def telling(database: Database, wakeups: Wakeups) -> AsyncIterator[None]:
    """Tell the other processes of what this one commits, and hear them if `wakeups` has somebody to wake."""
    database.listeners.append(wakeups.tell)
    try:
        async with _running(wakeups.run()):
            yield
    finally:
        database.listeners.remove(wakeups.tell)


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Have something run beside the block, to its end."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
