"""Which rule does which job, and the services that workers do jobs with."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from db.codes import JobKind
from registry.automation.rule_worker import fire
from registry.files.verification import clear, verify
from registry.jobs.queue import Lease
from registry.promotion.request_completion import settle
from registry.tracking.run_timeouts import watch_run
from registry.webhooks.deliveries import Means, deliver, send_once
from storage.store import ObjectStore


@dataclass(frozen=True, kw_only=True)
class WorkerServices(Means):
    """The services of a worker: those that deliveries use, and the object store."""

    store: ObjectStore


HANDLERS: Final[Mapping[str, Callable[[WorkerServices, Lease], Awaitable[None]]]] = {
    JobKind.VERIFY_ARTIFACT: lambda services, lease: verify(services.database, services.store, lease),
    JobKind.CLEAR_UPLOAD: lambda services, lease: clear(services.database, services.store, lease),
    JobKind.WATCH_RUN: lambda services, lease: watch_run(services.database, lease),
    JobKind.SETTLE_REQUEST: lambda services, lease: settle(services.database, lease),
    JobKind.FIRE_RULE: lambda services, lease: fire(services.database, lease),
    JobKind.DELIVER_EVENTS: deliver,
    JobKind.SEND_DELIVERY: send_once,
}
