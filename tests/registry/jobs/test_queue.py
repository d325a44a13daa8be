"""Jobs: each is had by one worker at a time, comes back when its worker dies, and is put off when it fails."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, func, select, text, update
from sqlmodel import col

from db.base import utc_now
from db.codes import JobKind
from db.session import Database
from db.tables import Job, Organization
from registry.jobs import queue as jobs
from registry.jobs.queue import Lease, LeaseLost
from tests import services
from tests.tenant import found_organization

AT_ONCE = 8


@pytest.fixture(scope="module")
async def queue(worker_id: str) -> AsyncIterator[Database]:
    """A database of this module's own: whoever takes a job takes that of any organization."""
    name = f"registry_jobs_{worker_id}"
    database = Database.connect(await services.create_database(name), services.ROLES)
    yield database
    await database.close()
    await services.drop_database(name)


@pytest.fixture
async def org_id(queue: Database) -> AsyncIterator[UUID]:
    """An organization, the only one with jobs: it takes them away with it, those that are due later as well."""
    org_id = await found_organization(queue)
    yield org_id
    async with queue.change(org_id) as change:
        await change.execute(delete(Job))


async def put_in(queue: Database, org_id: UUID, **given: Any) -> UUID:
    values = {"kind": JobKind.VERIFY_ARTIFACT, "subject_id": uuid4(), "run_after": utc_now() - timedelta(hours=1)}
    async with queue.change(org_id) as change:
        job = Job(org_id=org_id, **{**values, **given})
        change.add(job)
        await change.flush()
        return job.id


async def job_of(queue: Database, org_id: UUID, job_id: UUID) -> Job | None:
    async with queue.change(org_id) as change:
        return await change.get(Job, (org_id, job_id))


async def taken(queue: Database) -> Lease:
    lease = await jobs.take(queue)
    assert lease is not None
    return lease


async def let_the_lease_end(queue: Database, lease: Lease) -> None:
    async with queue.change(lease.org_id) as change:
        await change.execute(
            update(Job).where(col(Job.id) == lease.job_id).values(lease_until=utc_now() - timedelta(seconds=1))
        )


async def test_workers_at_once_never_take_the_same_job(queue: Database, org_id: UUID) -> None:
    put = {await put_in(queue, org_id) for _ in range(4 * AT_ONCE)}

    async def take_all() -> list[UUID]:
        found = []
        while (lease := await jobs.take(queue)) is not None:
            found.append(lease.job_id)
        return found

    shares = await asyncio.gather(*(take_all() for _ in range(AT_ONCE)))

    got = [job_id for share in shares for job_id in share]
    assert len(got) == len(put)
    assert set(got) == put


async def test_a_taken_job_is_nobody_elses_until_its_lease_ends(queue: Database, org_id: UUID) -> None:
    await put_in(queue, org_id)
    first = await taken(queue)
    assert await jobs.take(queue) is None

    await let_the_lease_end(queue, first)

    second = await taken(queue)
    assert second.job_id == first.job_id
    assert second.lease_id != first.lease_id
    assert (first.attempts, second.attempts) == (1, 2)


async def test_the_job_that_is_due_longest_comes_first(queue: Database, org_id: UUID) -> None:
    later = await put_in(queue, org_id, run_after=utc_now() - timedelta(minutes=1))
    earlier = await put_in(queue, org_id, run_after=utc_now() - timedelta(minutes=2))
    await put_in(queue, org_id, run_after=utc_now() + timedelta(minutes=1))

    assert [(await taken(queue)).job_id, (await taken(queue)).job_id] == [earlier, later]
    assert await jobs.take(queue) is None


async def test_a_worker_sees_the_jobs_of_every_organization(queue: Database, org_id: UUID) -> None:
    other = await found_organization(queue)
    for organization in (org_id, other):
        await put_in(queue, organization)
    assert {(await taken(queue)).org_id, (await taken(queue)).org_id} == {org_id, other}


async def test_a_renewed_lease_lasts_longer(queue: Database, org_id: UUID) -> None:
    job_id = await put_in(queue, org_id)
    lease = await taken(queue)
    await let_the_lease_end(queue, lease)

    await jobs.renew(queue, lease)

    assert await jobs.take(queue) is None
    job = await job_of(queue, org_id, job_id)
    assert job is not None
    assert job.lease_until is not None
    assert job.lease_until > utc_now() + jobs.LEASE / 2


async def test_whoever_lost_the_lease_can_neither_renew_nor_finish_nor_put_off(queue: Database, org_id: UUID) -> None:
    job_id = await put_in(queue, org_id)
    slow = await taken(queue)
    await let_the_lease_end(queue, slow)
    quick = await taken(queue)

    with pytest.raises(LeaseLost):
        await jobs.renew(queue, slow)
    with pytest.raises(LeaseLost):
        async with queue.change(org_id) as change:
            await jobs.finish(change, slow)
    await jobs.postpone(queue, slow, "too late")

    job = await job_of(queue, org_id, job_id)
    assert job is not None
    assert (job.lease_id, job.last_error) == (quick.lease_id, None)


async def test_a_result_without_a_lease_is_not_written(queue: Database, org_id: UUID) -> None:
    await put_in(queue, org_id)
    slow = await taken(queue)
    await let_the_lease_end(queue, slow)
    quick = await taken(queue)

    async def write(lease: Lease, name: str) -> None:
        async with queue.change(org_id) as change:
            (await change.get_one(Organization, (org_id, org_id))).name = name
            await change.flush()
            await jobs.finish(change, lease)

    quick_name = f"quick {org_id}"
    await write(quick, quick_name)
    with pytest.raises(LeaseLost):
        await write(slow, f"slow {org_id}")

    async with queue.change(org_id) as change:
        assert (await change.get_one(Organization, (org_id, org_id))).name == quick_name


async def test_finishing_at_once_is_done_once(queue: Database, org_id: UUID) -> None:
    await put_in(queue, org_id)
    lease = await taken(queue)

    async def finish() -> str:
        try:
            async with queue.change(org_id) as change:
                await jobs.finish(change, lease)
        except LeaseLost:
            return "lost"
        return "done"

    assert sorted(await asyncio.gather(*(finish() for _ in range(AT_ONCE)))) == ["done"] + ["lost"] * (AT_ONCE - 1)


@pytest.mark.parametrize(("attempts", "delay_s"), [(1, 1), (2, 2), (3, 4), (8, 128), (10, 300), (2**31 - 1, 300)])
async def test_a_failed_job_is_put_off_longer_each_time(
    queue: Database, org_id: UUID, attempts: int, delay_s: int
) -> None:
    job_id = await put_in(queue, org_id, attempts=attempts - 1)
    lease = await taken(queue)
    assert lease.attempts == attempts

    await jobs.postpone(queue, lease, "é" * 5_000)

    job = await job_of(queue, org_id, job_id)
    assert job is not None
    wait = job.run_after - utc_now()
    assert timedelta(seconds=delay_s / 2 - 1) < wait <= timedelta(seconds=delay_s)
    assert (job.lease_id, job.lease_until, job.last_error) == (None, None, "é" * 1_000)
    assert await jobs.take(queue) is None


async def test_a_job_that_only_another_release_knows_is_handed_out_as_it_is(queue: Database, org_id: UUID) -> None:
    async with queue.change(org_id) as change:
        await change.execute(
            text(
                "insert into registry.job (org_id, id, created_at, kind, subject_id, run_after, attempts)"
                " values (:org_id, :id, now(), 'TEACH_A_FISH', :id, now(), 0)"
            ),
            {"org_id": org_id, "id": uuid4()},
        )
    assert (await taken(queue)).kind == "TEACH_A_FISH"


async def test_one_thing_has_one_job_of_a_kind(queue: Database, org_id: UUID) -> None:
    subject = uuid4()
    await put_in(queue, org_id, subject_id=subject)
    await put_in(queue, org_id, subject_id=subject, kind=JobKind.CLEAR_UPLOAD)
    async with queue.change(org_id) as change:
        await change.execute(delete(Job).where(col(Job.subject_id) == subject, col(Job.kind) == JobKind.CLEAR_UPLOAD))
        assert (await change.execute(select(func.count()).select_from(Job))).scalar_one() == 1
