"""Postgres or S3 stand still or die in the middle: refused within 5 seconds, nothing half-written, well again after."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from sqlalchemy import text, update
from sqlmodel import col
from structlog.testing import capture_logs

from db.base import utc_now
from db.tables import Job
from registry.files import verification
from server.services import create_services
from server.workers import worker
from storage.store import ObjectStore
from tests import sending
from tests.dependencies import Dependencies, Pulse, Served, served
from tests.patience import eventually, in_time
from tests.tenant import GraphQLFailed, Tenant
from tests.timers import counted_waits, watched_timers

PROMISED_S = 5.0
"""What the time-outs on the way of a request add up to at most: so it is refused within 5 seconds."""
LONGEST_PAUSE_S = 1.5
T = TypeVar("T")
AWAY = {"UNAVAILABLE", "OVERLOADED"}
READ = "{ models(first: 5) { totalCount nodes { name versions { totalCount nodes { number } } } } }"


@pytest.fixture(autouse=True)
async def _timers_are_watched() -> AsyncIterator[None]:
    with watched_timers():
        yield


@pytest.fixture
async def served_own(own: Dependencies) -> AsyncIterator[Served]:
    async with served(own) as running:
        yield running


@pytest.fixture
async def tenant(served_own: Served) -> Tenant:
    return await served_own.tenant()


async def promised(work: Awaitable[T]) -> T:
    """What comes of something that waits no longer than is promised."""
    with counted_waits() as waits:
        try:
            async with in_time():
                return await work
        finally:
            assert waits.total_s <= PROMISED_S


async def outcome(request: Awaitable[dict[str, Any]]) -> str:
    """`done`, or the code of the error; whichever comes within what is promised."""
    try:
        payload = await promised(request)
    except GraphQLFailed as failed:
        return str(failed.code)
    (changed,) = payload.values() if len(payload) == 1 else (payload,)
    errors = changed.get("errors", []) if isinstance(changed, dict) else []
    return errors[0]["code"] if errors else "done"


async def outcomes(*requests: Awaitable[dict[str, Any]]) -> set[str]:
    return set(await asyncio.gather(*(outcome(request) for request in requests)))


def create(tenant: Tenant, name: str, key: str | None = None) -> Awaitable[dict[str, Any]]:
    given = {"project": tenant.project, "name": name, "framework": "sklearn", "idempotencyKey": key or name}
    return tenant.client.change("createModel", "model { id }", **given)


async def names(tenant: Tenant) -> set[str]:
    async with tenant.database.change(tenant.org_id) as change:
        return set((await change.execute(text("select name from registry.model"))).scalars())


async def assert_whole(tenant: Tenant) -> None:
    """Every row has its event and every event its row, without a gap."""
    async with tenant.database.change(tenant.org_id) as change:
        created = await change.execute(
            text("select subject from ev.event where org_id = :org_id and kind = 'model.created' order by subject"),
            {"org_id": tenant.org_id},
        )
        rows = await change.execute(text("select 'Model:' || id from registry.model order by 1"))
        numbers = await change.execute(
            text("select count(*) = max(seq) from ev.event where org_id = :org_id"), {"org_id": tenant.org_id}
        )
        assert list(created.scalars()) == list(rows.scalars())
        assert numbers.scalar_one()


async def to_be_verified(tenant: Tenant, data: bytes) -> dict[str, Any]:
    artifact = await sending.announced(tenant.client, data, run=await tenant.run())
    await sending.send(artifact, data)
    assert (await sending.complete(tenant.client, artifact["id"]))["errors"] == []
    return artifact


@asynccontextmanager
async def working(own: Dependencies) -> AsyncIterator["asyncio.Task[None]"]:
    """A worker with connections of its own."""
    settings = own.settings()
    # A store that stands still is given up sooner than the half minute that it has in service.
    store = ObjectStore(replace(settings.store, stall_s=2.0))
    services = replace(create_services(settings), store=store)
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(services, stop))
    try:
        yield running
    finally:
        stop.set()
        await running
        await services.database.close()


def has_met_a_fault(logs: list[Any]) -> bool:
    """Whether a worker has found that something it needs does not answer."""
    return any(one["event"] == "worker.waiting" or one.get("result") == "postponed" for one in logs)


async def verified(tenant: Tenant, artifact: dict[str, Any]) -> None:
    """Wait until an artifact is verified, or found to be broken."""

    async def is_verified() -> bool:
        return bool((await sending.look(tenant.client, artifact["id"]))["state"] != "VERIFYING")

    await eventually(is_verified)


async def lease_ended(tenant: Tenant) -> None:
    """Let the time pass for which a job is its worker's."""
    async with tenant.database.change(tenant.org_id) as change:
        past = utc_now() - timedelta(seconds=1)
        await change.execute(update(Job).where(col(Job.org_id) == tenant.org_id).values(lease_until=past))


@pytest.fixture
def calm() -> Iterator[Pulse]:
    """Fails when the event loop stood still."""
    pulse = Pulse()
    yield pulse
    assert pulse.longest_pause_s < LONGEST_PAUSE_S


async def test_a_database_that_stands_still_is_unavailable(served_own: Served, tenant: Tenant, calm: Pulse) -> None:
    await tenant.client(READ)
    with served_own.own.standing_still("postgres"):
        async with calm:
            refused = await outcomes(
                *(tenant.client(READ) for _ in range(8)), *(create(tenant, f"a{number}") for number in range(4))
            )
            # By now every pooled connection was thrown away, and nobody is known by token any more.
            served_own.forget_tokens()
            refused |= await outcomes(tenant.client(READ), create(tenant, "b"))
            ready, health, live = await asyncio.gather(
                *(promised(served_own.http.get(path)) for path in ("/readyz", "/health", "/livez"))
            )
    assert refused <= AWAY
    assert [ready.status_code, health.status_code, live.status_code] == [503, 503, 200]

    assert await outcomes(*(tenant.client(READ) for _ in range(8))) == {"done"}
    assert await outcome(create(tenant, "b")) == "done"
    await assert_whole(tenant)


async def test_a_database_that_stops_in_the_middle_leaves_nothing_half_written(
    served_own: Served, tenant: Tenant, calm: Pulse
) -> None:
    stopped = asyncio.Event()
    told: dict[str, str] = {}

    async def keep_creating(worker_number: int) -> None:
        for number in range(10_000):
            name = f"m{worker_number}-{number}"
            told[name] = await outcome(create(tenant, name))
            if stopped.is_set():
                return

    async def keep_reading() -> None:
        while not stopped.is_set():
            told.setdefault("read", "done")
            if (read := await outcome(tenant.client(READ))) != "done":
                told["read"] = read

    async with calm:
        busy = [asyncio.create_task(keep_creating(number)) for number in range(3)]
        busy += [asyncio.create_task(keep_reading()) for _ in range(2)]
        await eventually(lambda: list(told.values()).count("done") >= 10)
        with served_own.own.standing_still("postgres"):
            stopped.set()
            await asyncio.gather(*busy)

    assert set(told.values()) <= {"done", *AWAY}
    del told["read"]
    assert {name for name, result in told.items() if result == "done"} <= await names(tenant)
    for name, result in told.items():
        # Nobody knows whether these were written. Under its key each is, exactly once.
        if result != "done":
            assert await outcome(create(tenant, name)) == "done"
    assert await names(tenant) == set(told)
    await assert_whole(tenant)


async def test_a_database_that_is_killed_is_found_again(served_own: Served, tenant: Tenant, calm: Pulse) -> None:
    acknowledged: list[str] = []
    killed = asyncio.Event()

    async def keep_creating(worker_number: int) -> set[str]:
        results = set()
        for number in range(10_000):
            name = f"m{worker_number}-{number}"
            results.add(result := await outcome(create(tenant, name)))
            if result == "done":
                acknowledged.append(name)
            if killed.is_set():
                return results
        return results

    async with calm:
        busy = [asyncio.create_task(keep_creating(number)) for number in range(3)]
        await eventually(lambda: len(acknowledged) >= 10)
    with served_own.own.dead("postgres"):
        killed.set()
        results = set().union(*await asyncio.gather(*busy))
        served_own.forget_tokens()
        results |= await outcomes(tenant.client(READ), create(tenant, "while it is away"))
        assert (await served_own.http.get("/readyz")).status_code == 503

    assert results <= {"done", *AWAY}
    assert await outcomes(*(tenant.client(READ) for _ in range(8))) == {"done"}
    assert await outcomes(*(create(tenant, name) for name in acknowledged[-5:])) == {"done"}
    assert set(acknowledged) <= await names(tenant)
    await assert_whole(tenant)


@pytest.mark.parametrize("how", ["standing_still", "dead"])
async def test_without_the_store_uploads_wait_and_all_else_goes_on(
    served_own: Served, tenant: Tenant, how: str
) -> None:
    data = sending.content()
    run = await tenant.run()
    ready = await sending.announced(tenant.client, data, run=run, path="ready")
    await sending.send(ready, data)
    with getattr(served_own.own, how)("s3"):
        refused = await outcomes(
            sending.announce(tenant.client, sending.content(), run=run, path="new"),
            sending.complete(tenant.client, ready["id"]),
        )
        others = await outcomes(
            tenant.client(READ),
            create(tenant, "meanwhile"),
            tenant.client.change("abortUpload", "artifact { id }", artifact=ready["id"]),
        )
        health = (await served_own.http.get("/health")).json()
        probe = (await served_own.http.get("/readyz")).status_code
    assert refused == {"UNAVAILABLE"}
    assert others == {"done"}
    assert (health["status"], health["object_store"], probe) == ("degraded", "unavailable", 200)

    again = sending.content()
    found = await sending.deliver(
        tenant.client, served_own.services.database, served_own.services.store, again, run=run, path="after"
    )
    assert found["state"] == "AVAILABLE"


async def test_an_upload_that_the_store_refused_goes_on_under_the_same_key(served_own: Served, tenant: Tenant) -> None:
    data, run = sending.content(), await tenant.run()
    with served_own.own.standing_still("s3"):
        lost = await outcome(sending.announce(tenant.client, data, run=run, idempotencyKey="once"))
    again = await sending.announce(tenant.client, data, run=run, idempotencyKey="once")

    assert (lost, again["replayed"]) == ("UNAVAILABLE", True)
    await sending.send(again["artifact"], data)
    with served_own.own.standing_still("s3"):
        assert await outcome(sending.complete(tenant.client, again["artifact"]["id"])) == "UNAVAILABLE"
    assert (await sending.complete(tenant.client, again["artifact"]["id"]))["errors"] == []


@pytest.mark.parametrize("how", ["dead", "standing_still"])
@pytest.mark.parametrize("name", ["postgres", "s3"])
async def test_a_worker_that_loses_what_it_needs_while_reading_back_ends_its_work_later(
    served_own: Served, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, name: str, how: str
) -> None:
    artifact = await to_be_verified(tenant, sending.content(4 * sending.TWO_PARTS_BYTES))
    outage = ExitStack()
    gone = asyncio.Event()

    class Interrupted(verification._Heartbeat):
        async def __call__(self, size_bytes: int) -> None:
            if not gone.is_set():
                gone.set()
                outage.enter_context(getattr(served_own.own, how)(name))
            await super().__call__(size_bytes)

    monkeypatch.setattr(verification, "_Heartbeat", Interrupted)
    with capture_logs() as logs:
        async with working(served_own.own) as worker_task:
            with outage:
                await eventually(lambda: gone.is_set() and has_met_a_fault(logs))
                assert not worker_task.done()
            await lease_ended(tenant)
            await verified(tenant, artifact)

    assert (await sending.look(tenant.client, artifact["id"]))["state"] == "AVAILABLE"


@pytest.mark.parametrize("name", ["postgres", "s3"])
async def test_a_worker_that_starts_without_what_it_needs_waits_for_it(
    served_own: Served, tenant: Tenant, name: str
) -> None:
    artifact = await to_be_verified(tenant, sending.content())
    with capture_logs() as logs:
        async with AsyncExitStack() as stack:
            with served_own.own.dead(name):
                worker_task = await stack.enter_async_context(working(served_own.own))
                await eventually(lambda: has_met_a_fault(logs))
                assert not worker_task.done()
            await verified(tenant, artifact)

    assert (await sending.look(tenant.client, artifact["id"]))["state"] == "AVAILABLE"


async def test_closing_does_not_wait_for_a_database_that_stands_still(own: Dependencies, calm: Pulse) -> None:
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(served(own))
        tenant = await running.tenant()
        assert await outcomes(*(tenant.client(READ) for _ in range(5))) == {"done"}
        with own.standing_still("postgres"):
            async with calm:
                await promised(stack.aclose())
