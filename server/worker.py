"""The worker: takes due jobs one at a time and does them, until it is told to stop."""

import asyncio
import random
import signal
from contextlib import suppress

import structlog

from db.errors import told
from db.session import Database
from registry import changing, jobs
from registry.faults import refusal_of
from registry.handlers import HANDLERS
from registry.jobs import Lease, LeaseLost
from resolvers.context import Services
from schema.failures import traceback_of
from storage.store import ObjectStore

log = structlog.get_logger(__name__)

IDLE_S = 0.5
"""How long a worker without work waits before it looks again."""
FAULT_S = 2.0
FORGET_S = 3600.0


async def run(services: Services, stop: asyncio.Event) -> None:
    """Work until `stop` is set; a job that is under way is finished first. Faults of the services are waited out.

    At the start and once an hour it forgets old idempotency keys.
    """
    time_s = asyncio.get_running_loop().time
    forget_at_s = time_s()
    async with services.store:
        log.info("worker.started")
        while not stop.is_set():
            try:
                if time_s() >= forget_at_s:
                    # First, so that a fault does not make it ask again at once. At random, as workers start together.
                    forget_at_s = time_s() + FORGET_S * random.uniform(0.9, 1.1)
                    if await changing.forget(services.database) == changing.FORGOTTEN_AT_ONCE:
                        forget_at_s = time_s()
                pause_s = 0.0 if await work_once(services.database, services.store) else IDLE_S
            except Exception as error:
                if refusal_of(error) is None:
                    raise
                log.warning("worker.waiting", reason=told(error))
                pause_s = FAULT_S
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause_s or None) if pause_s else await asyncio.sleep(0)
    log.info("worker.stopped")


async def work_once(database: Database, store: ObjectStore) -> bool:
    """Do the job that is due, if there is one; whether there was one.

    A job that fails is postponed, longer each time; what went wrong is kept with it.
    """
    lease = await jobs.take(database)
    if lease is None:
        return False
    with structlog.contextvars.bound_contextvars(job=str(lease.job_id), kind=lease.kind, attempt=lease.attempts):
        result = await _do(database, store, lease)
        log.info("job.ended", result=result)
    return True


async def _do(database: Database, store: ObjectStore, lease: Lease) -> str:
    handler = HANDLERS.get(lease.kind)
    if handler is None:
        await jobs.postpone(database, lease, "This release of the worker does not know jobs of this kind.")
        return "unknown"
    try:
        await handler(database, store, lease)
    except LeaseLost:
        return "lost"
    except Exception as error:
        if refusal_of(error) is None:
            log.error("job.failed", exception=traceback_of(error))
        await jobs.postpone(database, lease, told(error))
        return "postponed"
    return "done"


def stop_on_signals() -> asyncio.Event:
    """An event that SIGINT and SIGTERM set."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
