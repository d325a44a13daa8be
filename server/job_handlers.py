"""Which rule does which job."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from db.codes import JobKind
from db.session import Database
from registry.automation.rule_worker import fire
from registry.files.verification import clear, verify
from registry.jobs.queue import Lease
from registry.promotion.request_completion import settle
from registry.tracking.run_timeouts import watch_run
from storage.store import ObjectStore

HANDLERS: Final[Mapping[str, Callable[[Database, ObjectStore, Lease], Awaitable[None]]]] = {
    JobKind.VERIFY_ARTIFACT: verify,
    JobKind.CLEAR_UPLOAD: clear,
    JobKind.WATCH_RUN: watch_run,
    JobKind.SETTLE_REQUEST: settle,
    JobKind.FIRE_RULE: fire,
}
