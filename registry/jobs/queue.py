"""Jobs: work that is taken under a lease, by one worker at a time, until it is done.

A worker that dies lets its lease run out and another one takes the job. A worker that was merely slow learns that it
has lost the lease before it can write: finishing a job happens in the transaction of its result and checks the lease.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, Interval, Text, Uuid, bindparam, delete, func, text, update
from sqlmodel import col

from db.codes import JobKind
from db.session import Change, Database
from db.tables import Job

LEASE = timedelta(seconds=30)
FIRST_RETRY = timedelta(seconds=1)
LAST_RETRY = timedelta(minutes=5)


class Lane(StrEnum):
    """What jobs wait for. Those of one lane never wait for those of another: each has its own loop of the worker."""

    AUTOMATION = "AUTOMATION"
    FILES = "FILES"
    DELIVERIES = "DELIVERIES"
    OTHER = "OTHER"


KINDS: Final[Mapping[Lane, frozenset[JobKind]]] = {
    Lane.AUTOMATION: frozenset({JobKind.FIRE_RULE, JobKind.SETTLE_REQUEST}),
    Lane.FILES: frozenset({JobKind.VERIFY_ARTIFACT, JobKind.CLEAR_UPLOAD}),
    Lane.DELIVERIES: frozenset({JobKind.DELIVER_EVENTS, JobKind.SEND_DELIVERY}),
}
"""What each lane takes; `OTHER` takes the rest, what only another release knows included."""
WORK: Final = (Lane.AUTOMATION, Lane.OTHER, Lane.FILES)
"""The lanes whose jobs are done one at a time."""

_NAMED: Final = sorted(frozenset().union(*KINDS.values()))
_TAKE = text("""
    update registry.job set lease_id = :lease_id, lease_until = now() + :lease, attempts = attempts + 1
     where (org_id, id) = (
       select org_id, id from registry.job
        where run_after <= now() and (lease_until is null or lease_until < now())
          and (kind = any(:kinds) or :other and kind <> all(:named))
          and org_id <> all(:passed_over)
        order by run_after, id limit 1 for update skip locked)
    returning org_id, id, kind, subject_id, attempts, run_after
""").bindparams(
    bindparam("lease", type_=Interval), bindparam("kinds", type_=ARRAY(Text)), bindparam("named", type_=ARRAY(Text)),
    bindparam("passed_over", type_=ARRAY(Uuid)),
)  # fmt: skip
_RENEW = text(
    "update registry.job set lease_until = now() + :lease where org_id = :org_id and id = :id and lease_id = :lease_id"
).bindparams(bindparam("lease", type_=Interval))
_POSTPONE = text("""
    update registry.job set lease_id = null, lease_until = null, run_after = now() + :delay, last_error = :error
     where org_id = :org_id and id = :id and lease_id = :lease_id
""").bindparams(bindparam("delay", type_=Interval))


class LeaseLost(Exception):
    """Another worker has the job now. Whatever was found out is to be thrown away."""


@dataclass(frozen=True)
class Lease:
    """A job that is ours for a while."""

    org_id: UUID
    job_id: UUID
    lease_id: UUID
    kind: str
    """A `JobKind`, or one that only another release knows."""
    subject_id: UUID
    attempts: int
    run_after: datetime
    """When it was due. Where the row says another time by now, there was news while it was being done."""


async def take(
    database: Database, lanes: Collection[Lane] = WORK, *, passing_over: Collection[UUID] = ()
) -> Lease | None:
    """The job of these lanes that has been due for longest and that nobody has, now ours; None when there is none.

    Organizations that are passed over keep their jobs for later.
    """
    lease_id = uuid4()
    wanted = {
        "kinds": sorted(frozenset().union(*(KINDS.get(lane, ()) for lane in lanes))),
        "other": Lane.OTHER in lanes,
        "named": _NAMED,
        "passed_over": list(passing_over),
    }
    async with database.as_worker() as connection:
        job = (await connection.execute(_TAKE, {"lease_id": lease_id, "lease": LEASE, **wanted})).one_or_none()
    if job is None:
        return None
    return Lease(job.org_id, job.id, lease_id, job.kind, job.subject_id, job.attempts, job.run_after)


async def renew(database: Database, lease: Lease) -> None:
    """Keep a job for another while. Raises: LeaseLost."""
    async with database.as_worker() as connection:
        renewed = await connection.execute(_RENEW, {**_key(lease), "lease": LEASE})
        if not renewed.rowcount:
            raise LeaseLost


async def postpone(database: Database, lease: Lease, error: str) -> None:
    """Give a job back after a failure, to be tried again later: after 1 s, 2 s, 4 s … 5 minutes."""
    delay = min(FIRST_RETRY * 2 ** min(lease.attempts - 1, 20), LAST_RETRY)
    async with database.as_worker() as connection:
        await connection.execute(_POSTPONE, {**_key(lease), "delay": delay, "error": error[:1000]})


async def keep(change: Change, lease: Lease) -> None:
    """Keep a job for another while, in the transaction that writes a part of its result. Raises: LeaseLost."""
    await _own(change, lease, lease_until=func.now() + LEASE)


async def put_off(change: Change, lease: Lease, until: datetime) -> None:
    """Give a job back that went well so far, to be taken again from then on, in the transaction that says why.

    Raises: LeaseLost.
    """
    await _own(change, lease, lease_id=None, lease_until=None, run_after=until, attempts=0)


async def finish(change: Change, lease: Lease) -> bool:
    """Remove a job, in the transaction that writes its result. Raises: LeaseLost, and then nothing is written.

    Returns: whether somebody had it be due at another time since it was taken, as there was news.
    """
    done = await change.execute(
        delete(Job)
        .where(
            col(Job.org_id) == lease.org_id,
            col(Job.id) == lease.job_id,
            col(Job.lease_id) == lease.lease_id,
        )
        .returning(col(Job.run_after))
    )
    was_due = done.scalar_one_or_none()
    if was_due is None:
        raise LeaseLost
    return was_due != lease.run_after


async def _own(change: Change, lease: Lease, **values: Any) -> None:
    """Write to a job while it is ours. Raises: LeaseLost, and then nothing is written."""
    written = await change.execute(
        update(Job)
        .where(
            col(Job.org_id) == lease.org_id,
            col(Job.id) == lease.job_id,
            col(Job.lease_id) == lease.lease_id,
        )
        .values(**values)
        .returning(col(Job.id))
        .execution_options(synchronize_session=False)
    )
    if written.one_or_none() is None:
        raise LeaseLost


def _key(lease: Lease) -> dict[str, UUID]:
    return {"org_id": lease.org_id, "id": lease.job_id, "lease_id": lease.lease_id}
