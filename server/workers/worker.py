"""The worker: takes due jobs and does them, until it is told to stop. What a job waits for has a lane of its own.

Most lanes do one job at a time. Deliveries wait for several endpoints at once, so that one that hangs delays no other.
"""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from uuid import UUID

import structlog

from db.errors import told, traceback_of
from db.session import Database
from registry.jobs import queue
from registry.jobs.queue import WORK, Lane, Lease, LeaseLost
from registry.kernel import transactions
from registry.kernel.faults import refusal_of
from registry.webhooks import deliveries
from resolvers.services import Services
from server.workers.courier import Courier
from server.workers.job_handlers import HANDLERS, WorkerServices

log = structlog.get_logger(__name__)

IDLE_S = 0.5
"""How long a lane without work waits before it looks again."""
FAULT_S = 2.0
FORGET_S = 3600.0
AT_ONCE = 16
"""How many endpoints one worker waits for at the same time."""

Busy = dict[asyncio.Task[None], UUID]
"""The jobs that are under way, and the organization of each."""


async def run(services: Services, stop: asyncio.Event) -> None:
    """Work until `stop` is set; what is under way is finished first. Faults of the services are waited out.

    At the start and once an hour it forgets old idempotency keys and old entries of the log of deliveries.
    """
    async with services.store, Courier(services.trusted_hosts, services.version) as courier:
        own = WorkerServices(services.database, services.vault, courier, stopping=stop.is_set, store=services.store)
        delivery_lane = DeliveryLane(own)
        log.info("worker.started")
        async with asyncio.TaskGroup() as loops:
            for lane in WORK:
                loops.create_task(_repeat(partial(_work, own, lane), stop))
            loops.create_task(_repeat(delivery_lane.begin, stop, delivery_lane.busy))
            loops.create_task(_repeat(partial(_forget, own.database), stop))
    log.info("worker.stopped")


async def _repeat(step: Callable[[], Awaitable[float]], stop: asyncio.Event, busy: Busy | None = None) -> None:
    """Repeat a step until `stop` is set, each time after as many seconds as it returned, or when a job has ended.

    `busy` are the jobs that the step begins and does not wait for; they are waited for at the end.
    """
    busy = {} if busy is None else busy
    stopped = asyncio.create_task(stop.wait())
    try:
        while not stop.is_set():
            try:
                pause_s = await step()
            except Exception as error:
                if refusal_of(error) is None:
                    raise
                log.warning("worker.waiting", reason=told(error))
                pause_s = FAULT_S
            await asyncio.wait({stopped, *busy}, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
            _remove_ended(busy)
        if busy:
            await asyncio.wait(busy)
        _remove_ended(busy)
    finally:
        for task in (stopped, *busy):
            task.cancel()


def _remove_ended(busy: Busy) -> None:
    """Remove the jobs that have ended. One whose end could not be written down is taken again later.

    Raises: the bug that a job ended with.
    """
    for task in [task for task in busy if task.done()]:
        del busy[task]
        error = task.exception()
        if error is not None and refusal_of(error) is None:
            raise error


async def _work(services: WorkerServices, lane: Lane) -> float:
    return 0.0 if await work_once(services, (lane,)) else IDLE_S


class DeliveryLane:
    """The deliveries of a worker: up to `AT_ONCE`, shared fairly by the organizations that have any."""

    def __init__(self, services: WorkerServices) -> None:
        self.busy: Busy = {}
        self._services = services
        self._look_at_s = 0.0

    async def begin(self) -> float:
        """Look for new events where that is due, and begin due jobs, as many as there is room for."""
        database, now_s = self._services.database, asyncio.get_running_loop().time()
        if now_s >= self._look_at_s:
            self._look_at_s = now_s + IDLE_S
            await deliveries.wake(database)
        while len(self.busy) < AT_ONCE:
            lease = await queue.take(database, (Lane.DELIVERIES,), passing_over=self._have_their_share())
            if lease is None:
                break
            self.busy[asyncio.create_task(_do(self._services, lease))] = lease.org_id
        return IDLE_S

    def _have_their_share(self) -> Collection[UUID]:
        """The organizations that get nothing more for now: nobody has more than is left for all others.

        One that is alone gets half; several that want all they can get share alike; a place is always free for another.
        """
        left = AT_ONCE - len(self.busy)
        return [org_id for org_id, count in Counter(self.busy.values()).items() if count >= left]


async def _forget(database: Database) -> float:
    """Forget what is old; at once again where there may be more of it."""
    keys, entries = await transactions.forget(database), await deliveries.forget(database)
    if keys == transactions.FORGOTTEN_AT_ONCE or entries == deliveries.FORGOTTEN_AT_ONCE:
        return 0.0
    # At random, as workers start together.
    return FORGET_S * random.uniform(0.9, 1.1)


async def deliver_due(services: WorkerServices) -> None:
    """Look for new events once and do every delivery that is due, one after another."""
    await deliveries.wake(services.database)
    while await work_once(services, (Lane.DELIVERIES,)):
        pass


async def work_once(services: WorkerServices, lanes: Collection[Lane] = WORK) -> bool:
    """Do the job of these lanes that is due, if there is one; whether there was one.

    A job that fails is postponed, longer each time; what went wrong is kept with it.
    """
    lease = await queue.take(services.database, lanes)
    if lease is None:
        return False
    await _do(services, lease)
    return True


async def _do(services: WorkerServices, lease: Lease) -> None:
    with structlog.contextvars.bound_contextvars(job=str(lease.job_id), kind=lease.kind, attempt=lease.attempts):
        log.info("job.ended", result=await _result_of(services, lease))


async def _result_of(services: WorkerServices, lease: Lease) -> str:
    handler = HANDLERS.get(lease.kind)
    if handler is None:
        await queue.postpone(services.database, lease, "This release of the worker does not know jobs of this kind.")
        return "unknown"
    try:
        await handler(services, lease)
    except LeaseLost:
        return "lost"
    except Exception as error:
        if refusal_of(error) is None:
            log.error("job.failed", exception=traceback_of(error))
        await queue.postpone(services.database, lease, told(error))
        return "postponed"
    return "done"


def stop_on_signals() -> asyncio.Event:
    """An event that SIGINT and SIGTERM set."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
