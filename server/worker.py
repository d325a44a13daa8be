"""The worker: takes due jobs and does them, until it is told to stop. What a job waits for has a lane of its own."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from functools import partial

import structlog

from db.errors import told, traceback_of
from db.session import Database
from registry.jobs import queue
from registry.jobs.queue import WORK, Lane, Lease, LeaseLost
from registry.kernel import transactions
from registry.kernel.faults import refusal_of
from registry.webhooks import deliveries
from registry.webhooks.deliveries import Means
from resolvers.services import Services
from server import delivering
from server.courier import Courier
from server.job_handlers import HANDLERS
from storage.store import ObjectStore

log = structlog.get_logger(__name__)

IDLE_S = 0.5
"""How long a worker without work waits before it looks again."""
FAULT_S = 2.0
FORGET_S = 3600.0


async def run(services: Services, stop: asyncio.Event) -> None:
    """Work until `stop` is set; what is under way is finished first. Faults of the services are waited out.

    At the start and once an hour it forgets old idempotency keys and old entries of the log of deliveries.
    """
    async with services.store, Courier(services.trusted_hosts, services.version) as courier:
        means = Means(services.database, services.vault, courier, stopping=stop.is_set)
        log.info("worker.started")
        async with asyncio.TaskGroup() as loops:
            for lane in WORK:
                loops.create_task(_repeat(partial(_work, services, lane), stop))
            loops.create_task(_repeat(partial(_forget, services.database), stop))
            loops.create_task(delivering.run(means, lambda lease, act: _do(services.database, lease, act), stop))
    log.info("worker.stopped")


async def _repeat(step: Callable[[], Awaitable[float]], stop: asyncio.Event) -> None:
    """Do a step again and again until `stop` is set, each as many seconds after the last as that one said."""
    while not stop.is_set():
        try:
            pause_s = await step()
        except Exception as error:
            if refusal_of(error) is None:
                raise
            log.warning("worker.waiting", reason=told(error))
            pause_s = FAULT_S
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause_s) if pause_s else await asyncio.sleep(0)


async def _work(services: Services, lane: Lane) -> float:
    return 0.0 if await work_once(services.database, services.store, (lane,)) else IDLE_S


async def _forget(database: Database) -> float:
    """Forget what is old; at once again where there may be more of it."""
    keys, entries = await transactions.forget(database), await deliveries.forget(database)
    if keys == transactions.FORGOTTEN_AT_ONCE or entries == deliveries.FORGOTTEN_AT_ONCE:
        return 0.0
    # At random, as workers start together.
    return FORGET_S * random.uniform(0.9, 1.1)


async def work_once(database: Database, store: ObjectStore, lanes: Collection[Lane] = WORK) -> bool:
    """Do the job of these lanes that is due, if there is one; whether there was one.

    A job that fails is postponed, longer each time; what went wrong is kept with it.
    """
    lease = await queue.take(database, lanes)
    if lease is None:
        return False
    handler = HANDLERS.get(lease.kind)
    await _do(database, lease, None if handler is None else lambda lease: handler(database, store, lease))
    return True


async def deliver_due(means: Means) -> None:
    """Look for new events once and do every delivery that is due, one after another."""
    await delivering.deliver_due(means, lambda lease, act: _do(means.database, lease, act))


async def _do(database: Database, lease: Lease, act: Callable[[Lease], Awaitable[None]] | None) -> None:
    with structlog.contextvars.bound_contextvars(job=str(lease.job_id), kind=lease.kind, attempt=lease.attempts):
        result = await _result_of(database, lease, act)
        log.info("job.ended", result=result)


async def _result_of(database: Database, lease: Lease, act: Callable[[Lease], Awaitable[None]] | None) -> str:
    if act is None:
        await queue.postpone(database, lease, "This release of the worker does not know jobs of this kind.")
        return "unknown"
    try:
        await act(lease)
    except LeaseLost:
        return "lost"
    except Exception as error:
        if refusal_of(error) is None:
            log.error("job.failed", exception=traceback_of(error))
        await queue.postpone(database, lease, told(error))
        return "postponed"
    return "done"


def stop_on_signals() -> asyncio.Event:
    """An event that SIGINT and SIGTERM set."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
