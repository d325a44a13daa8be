"""The worker: does what is due, puts off what fails, outlives what it does not know, and ends when told to."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from sqlalchemy import func, insert, select, text
from sqlmodel import col
from starlette.applications import Starlette
from structlog.testing import capture_logs

from db.base import utc_now
from db.codes import JobKind, PrincipalKind, Role
from db.session import Database
from db.tables import Idempotency, Job, Team
from registry.jobs import queue
from registry.jobs.queue import Lease
from registry.kernel import transactions
from registry.tenants import organizations
from resolvers.services import Services
from server.app import create_app
from server.settings import Settings
from server.workers import worker
from server.workers.job_handlers import HANDLERS, WorkerServices
from storage.store import ObjectStore
from tests import services
from tests.automation import ACCURACY, Served
from tests.patience import PATIENCE_S, eventually
from tests.sending import worker_services
from tests.tenant import found_organization, found_tenant


@pytest.fixture(scope="module")
async def door(settings: Settings, worker_id: str) -> AsyncIterator[Starlette]:
    """The application over a database of this module's own: a worker takes the jobs of everybody."""
    name = f"registry_worker_{worker_id}"
    url = await services.create_database(name)
    made = create_app(Settings.model_validate({**settings.model_dump(), "database_url": url}))
    yield made
    await made.state.services.database.close()
    await services.drop_database(name)


@pytest.fixture(scope="module")
def own(door: Starlette) -> Services:
    found: Services = door.state.services
    return found


@pytest.fixture
async def org_id(own: Services) -> UUID:
    return await found_organization(own.database)


async def put_in(database: Database, org_id: UUID, kind: str, due_s: float = -60.0) -> UUID:
    job_id = uuid4()
    async with database.change(org_id) as change:
        await change.execute(
            text(
                "insert into registry.job (org_id, id, created_at, kind, subject_id, run_after, attempts)"
                " values (:org_id, :id, now(), :kind, :id, :run_after, 0)"
            ),
            {"org_id": org_id, "id": job_id, "kind": kind, "run_after": utc_now() + timedelta(seconds=due_s)},
        )
    return job_id


async def finish(database: Database, lease: Lease) -> None:
    """The end of a job, which else comes back when its lease is over."""
    async with database.change(lease.org_id) as change:
        await queue.finish(change, lease)


async def jobs_of(database: Database, org_id: UUID) -> dict[UUID, Any]:
    async with database.change(org_id) as change:
        rows = await change.execute(
            select(col(Job.id), col(Job.last_error), col(Job.run_after)).where(col(Job.org_id) == org_id)
        )
        return {row.id: row for row in rows}


def test_every_kind_of_job_has_a_handler() -> None:
    assert set(HANDLERS) == set(JobKind)


async def test_without_work_there_is_nothing_to_do(own: Services, org_id: UUID) -> None:
    await put_in(own.database, org_id, JobKind.CLEAR_UPLOAD, due_s=3_600)
    async with own.store:
        assert not await worker.work_once(worker_services(own.database, own.store))


async def test_a_job_that_fails_is_put_off_with_its_reason(own: Services, org_id: UUID) -> None:
    job_id, began = await put_in(own.database, org_id, JobKind.VERIFY_ARTIFACT), utc_now()

    async with own.store:
        assert await worker.work_once(worker_services(own.database, own.store))

    job = (await jobs_of(own.database, org_id))[job_id]
    assert job.last_error.startswith("NotFound: ")
    assert job.run_after > began


async def test_a_job_of_another_release_stops_nobody(
    own: Services, org_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    strange = await put_in(own.database, org_id, "TEACH_A_FISH", due_s=-120)
    await put_in(own.database, org_id, "", due_s=-110)
    known = await put_in(own.database, org_id, JobKind.CLEAR_UPLOAD, due_s=-60)
    done: list[UUID] = []

    async def clear(services: WorkerServices, lease: Lease) -> None:
        done.append(lease.job_id)
        await finish(services.database, lease)

    monkeypatch.setattr(worker, "HANDLERS", {JobKind.CLEAR_UPLOAD: clear})
    async with own.store:
        for _ in range(3):
            assert await worker.work_once(worker_services(own.database, own.store))

    assert done == [known]
    assert "does not know" in (await jobs_of(own.database, org_id))[strange].last_error


async def test_a_bug_in_one_job_does_not_stop_the_others(
    own: Services, org_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = [await put_in(own.database, org_id, JobKind.VERIFY_ARTIFACT, due_s) for due_s in (-60, -30)]
    done: list[UUID] = []

    async def verify(services: WorkerServices, lease: Lease) -> None:
        if lease.job_id == bad:
            raise ZeroDivisionError("a bug")
        done.append(lease.job_id)
        await finish(services.database, lease)

    monkeypatch.setattr(worker, "HANDLERS", {**HANDLERS, JobKind.VERIFY_ARTIFACT: verify})
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(own, stop))
    await eventually(lambda: good in done)
    stop.set()
    await asyncio.wait_for(running, PATIENCE_S)

    assert (await jobs_of(own.database, org_id))[bad].last_error == "ZeroDivisionError: a bug"


async def test_a_breach_rolls_back_while_a_file_is_verified(
    own: Services, door: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifying, over = asyncio.Event(), asyncio.Event()

    async def verify(_services: WorkerServices, _lease: Lease) -> None:
        verifying.set()
        await over.wait()

    monkeypatch.setattr(worker, "HANDLERS", {**HANDLERS, JobKind.VERIFY_ARTIFACT: verify})
    transport = httpx2.ASGITransport(app=door)
    async with httpx2.AsyncClient(transport=transport, base_url="http://registry.test") as http:
        served = await Served.of(await found_tenant(own.database, http))
        await served.rule(ACCURACY)
        await put_in(own.database, served.tenant.org_id, JobKind.VERIFY_ARTIFACT)
        stop = asyncio.Event()
        running = asyncio.create_task(worker.run(own, stop))
        try:
            await asyncio.wait_for(verifying.wait(), PATIENCE_S)
            await served.report(0.1, 0.1, 0.1)

            async def is_back() -> bool:
                return await served.in_production() == 0

            await eventually(is_back)
            assert not over.is_set()
        finally:
            over.set()
            stop.set()
            await asyncio.wait_for(running, PATIENCE_S)


async def test_what_the_database_says_of_a_row_is_kept_nowhere(
    own: Services, org_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = await put_in(own.database, org_id, JobKind.VERIFY_ARTIFACT)

    async def verify(services: WorkerServices, _lease: Lease) -> None:
        async with services.database.change(org_id) as change:
            for _ in range(2):
                await change.execute(
                    insert(Team).values(org_id=org_id, id=uuid4(), created_at=utc_now(), name="hunter2")
                )

    monkeypatch.setattr(worker, "HANDLERS", {JobKind.VERIFY_ARTIFACT: verify})
    with capture_logs() as entries:
        async with own.store:
            assert await worker.work_once(worker_services(own.database, own.store))

    kept = (await jobs_of(own.database, org_id))[job_id].last_error
    assert kept == "IntegrityError 23505 team_org_id_name_key"
    (failed,) = [entry for entry in entries if entry["event"] == "job.failed"]
    assert "UniqueViolationError 23505 team_org_id_name_key" in failed["exception"]
    assert "in verify" in failed["exception"]
    assert "hunter2" not in str(entries)


async def test_a_job_under_way_is_finished_before_the_end(
    own: Services, org_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = await put_in(own.database, org_id, JobKind.CLEAR_UPLOAD)
    begun, go_on = asyncio.Event(), asyncio.Event()
    done: list[UUID] = []

    async def clear(services: WorkerServices, lease: Lease) -> None:
        begun.set()
        await go_on.wait()
        done.append(lease.job_id)
        await finish(services.database, lease)

    monkeypatch.setattr(worker, "HANDLERS", {JobKind.CLEAR_UPLOAD: clear})
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(own, stop))
    await asyncio.wait_for(begun.wait(), PATIENCE_S)
    stop.set()
    go_on.set()
    await asyncio.wait_for(running, PATIENCE_S)

    assert done == [job_id]


async def test_a_worker_forgets_old_keys_at_its_start_and_goes_on_while_there_are_more(
    own: Services, org_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "FORGOTTEN_AT_ONCE", 2)
    async with own.database.change(org_id) as change:
        system = organizations.system(org_id)
        ada = await organizations.add_principal(change, system, name="ada", kind=PrincipalKind.USER, role=Role.OWNER)
        for age_days in (8, 8, 8, 8, 8, 1):
            at = utc_now() - timedelta(days=age_days)
            key = Idempotency(org_id=org_id, principal_id=ada.id, key=str(uuid4()), request_hash=b"", created_at=at)
            change.add(key)

    async def is_one_left() -> bool:
        async with own.database.change(org_id) as change:
            return (await change.execute(select(func.count()).select_from(Idempotency))).scalar_one() == 1

    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(own, stop))
    await eventually(is_one_left)
    stop.set()
    await asyncio.wait_for(running, PATIENCE_S)


async def test_several_workers_share_the_work(
    own: Services, org_id: UUID, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = {await put_in(own.database, org_id, JobKind.CLEAR_UPLOAD) for _ in range(20)}
    done: list[UUID] = []

    async def clear(services: WorkerServices, lease: Lease) -> None:
        await asyncio.sleep(0.01)
        done.append(lease.job_id)
        await finish(services.database, lease)

    monkeypatch.setattr(worker, "HANDLERS", {JobKind.CLEAR_UPLOAD: clear})
    stop = asyncio.Event()
    running = [asyncio.create_task(worker.run(replace(own, store=ObjectStore(settings.store)), stop)) for _ in range(4)]
    await eventually(lambda: len(done) >= len(put))
    stop.set()
    await asyncio.wait_for(asyncio.gather(*running), PATIENCE_S)

    assert len(done) == len(put)
    assert set(done) == put


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_tells_it_to_stop(number: signal.Signals) -> None:
    stop = worker.stop_on_signals()
    try:
        os.kill(os.getpid(), number)
        await asyncio.wait_for(stop.wait(), PATIENCE_S)
    finally:
        for used in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(used)
