"""The deliveries of a worker: several endpoints are waited for at once, so that one that hangs holds up no other."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from uuid import UUID

import structlog

from db.errors import told
from registry.jobs import queue
from registry.jobs.queue import Lane, Lease
from registry.kernel.faults import refusal_of
from registry.webhooks import deliveries
from registry.webhooks.deliveries import Means

log = structlog.get_logger(__name__)

AT_ONCE = 16
"""How many endpoints one worker waits for at the same time."""
LOOK_S = 0.5
"""How often a worker looks whether there are new events."""
FAULT_S = 2.0

Busy = dict[asyncio.Task[None], UUID]
"""What is being delivered, and for which organisation."""
Do = Callable[[Lease, Callable[[Lease], Awaitable[None]] | None], Awaitable[None]]
"""Does one job by its handler, whatever becomes of it."""


async def run(means: Means, do: Do, stop: asyncio.Event) -> None:
    """Deliver until `stop` is set; what is in flight is waited for. Faults of the database are waited out."""
    busy: Busy = {}
    stopped = asyncio.create_task(stop.wait())
    look_at_s, pause_s = 0.0, LOOK_S
    time_s = asyncio.get_running_loop().time
    try:
        while not stop.is_set():
            try:
                if time_s() >= look_at_s:
                    look_at_s = time_s() + LOOK_S
                    await deliveries.wake(means.database)
                await _begin(means, do, busy)
                pause_s = LOOK_S
            except Exception as error:
                if refusal_of(error) is None:
                    raise
                log.warning("deliveries.waiting", reason=told(error))
                pause_s = FAULT_S
            await asyncio.wait({stopped, *busy}, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
            _settle(busy)
        if busy:
            await asyncio.wait(busy)
        _settle(busy)
    finally:
        for task in (stopped, *busy):
            task.cancel()


async def deliver_due(means: Means, do: Do) -> None:
    """Look for new events once and do every delivery that is due, one after another."""
    await deliveries.wake(means.database)
    while (lease := await queue.take(means.database, (Lane.DELIVERIES,))) is not None:
        await _do(means, do, lease)


async def _begin(means: Means, do: Do, busy: Busy) -> None:
    """Begin jobs that are due, as many as there is room for."""
    while len(busy) < AT_ONCE:
        lease = await queue.take(means.database, (Lane.DELIVERIES,), passing_over=_have_their_share(busy))
        if lease is None:
            return
        busy[asyncio.create_task(_do(means, do, lease))] = lease.org_id


def _have_their_share(busy: Busy) -> Collection[UUID]:
    """The organisations that get nothing more for now: nobody has more than is left for all others.

    One that is alone gets half; several that want all they can get share alike; a place is always free for another.
    """
    left = AT_ONCE - len(busy)
    return [org_id for org_id, count in Counter(busy.values()).items() if count >= left]


async def _do(means: Means, do: Do, lease: Lease) -> None:
    handler = deliveries.HANDLERS.get(lease.kind)
    await do(lease, None if handler is None else lambda lease: handler(means, lease))


def _settle(busy: Busy) -> None:
    """Take out the jobs that have ended. Where the end of one could not be written down, it is taken again later.

    Raises: the bug that a job ended with.
    """
    for task in [task for task in busy if task.done()]:
        del busy[task]
        error = task.exception()
        if error is not None and refusal_of(error) is None:
            raise error
