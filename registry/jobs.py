"""Jobs: work that is taken under a lease, by one worker at a time, until it is done.

A worker that dies lets its lease run out and another one takes the job. A worker that was merely slow learns that it
has lost the lease before it can write: finishing a job happens in the transaction of its result and checks the lease.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import Interval, bindparam, delete, text
from sqlmodel import col

from db.session import Change, Database
from db.tables import Job

LEASE = timedelta(seconds=30)
FIRST_RETRY = timedelta(seconds=1)
LAST_RETRY = timedelta(minutes=5)

_TAKE = text("""
    update registry.job set lease_id = :lease_id, lease_until = now() + :lease, attempts = attempts + 1
     where (org_id, id) = (
       select org_id, id from registry.job
        where run_after <= now() and (lease_until is null or lease_until < now())
        order by run_after, id limit 1 for update skip locked)
    returning org_id, id, kind, subject_id, attempts
""").bindparams(bindparam("lease", type_=Interval))
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


async def take(database: Database) -> Lease | None:
    """The job that has been due for longest and that nobody has, now ours; None when there is none."""
    lease_id = uuid4()
    async with database.as_worker() as connection:
        job = (await connection.execute(_TAKE, {"lease_id": lease_id, "lease": LEASE})).one_or_none()
    if job is None:
        return None
    return Lease(job.org_id, job.id, lease_id, job.kind, job.subject_id, job.attempts)


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


async def finish(change: Change, lease: Lease) -> None:
    """Remove a job, in the transaction that writes its result. Raises: LeaseLost, and then nothing is written."""
    done = await change.execute(
        delete(Job)
        .where(
            col(Job.org_id) == lease.org_id,
            col(Job.id) == lease.job_id,
            col(Job.lease_id) == lease.lease_id,
        )
        .returning(col(Job.id))
    )
    if done.one_or_none() is None:
        raise LeaseLost


def _key(lease: Lease) -> dict[str, UUID]:
    return {"org_id": lease.org_id, "id": lease.job_id, "lease_id": lease.lease_id}
