"""Webhooks and workers at once: one event in flight for each, nobody waits for another's endpoint, no late result."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select, update
from sqlmodel import col
from starlette.applications import Starlette

from db.base import utc_now
from db.codes import JobKind
from db.tables import Job
from registry.jobs import queue
from registry.jobs.queue import Lane, Lease, LeaseLost
from registry.kernel.errors import Overloaded
from registry.webhooks import deliveries, webhooks
from registry.webhooks.deliveries import Answer, Message, Patience
from server.settings import Settings
from server.workers import worker
from server.workers.courier import Courier
from server.workers.job_handlers import HANDLERS, WorkerServices
from server.workers.worker import deliver_due
from storage.store import ObjectStore
from tests.hooks import alter, events_of, hook, log_of, look, teams
from tests.patience import PATIENCE_S
from tests.receiver import Receiver, receiver
from tests.tenant import Tenant, uuid_of


@asynccontextmanager
async def workers(own: Starlette, settings: Settings, count: int = 1) -> AsyncIterator[None]:
    """So many workers, which end in good order."""
    stop = asyncio.Event()
    each = [replace(own.state.services, store=ObjectStore(settings.store)) for _ in range(count)]
    running = [asyncio.create_task(worker.run(one, stop)) for one in each]
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(*running), PATIENCE_S)


async def taken(tenant: Tenant, means: WorkerServices) -> Lease:
    """The job of the tenant's webhook."""
    await deliveries.wake(means.database)
    while (lease := await queue.take(means.database, (Lane.DELIVERIES,))) is not None:
        if lease.org_id == tenant.org_id:
            return lease
    raise AssertionError("nobody is behind")


async def jobs_of(tenant: Tenant) -> int:
    async with tenant.database.change(tenant.org_id) as change:
        return len((await change.execute(select(col(Job.id)).where(col(Job.org_id) == tenant.org_id))).all())


async def test_several_workers_tell_each_webhook_everything_once_and_in_order(
    own: Starlette, tenant: Tenant, endpoint: Receiver, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "PAGE", 3)
    for number in range(4):
        await hook(tenant, f"{endpoint.base}/{number}")
    async with workers(own, settings, 3):
        await teams(tenant, 20)
        await endpoint.until(lambda: len(endpoint.received) >= 80)
    wanted = (await events_of(tenant, "team.created"))[-20:]
    for number in range(4):
        assert [one.told["sequence"] for one in endpoint.received if one.path == f"/{number}"] == wanted


async def test_an_endpoint_that_hangs_holds_up_nobody_else(
    own: Starlette, tenant: Tenant, endpoint: Receiver, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    cleared = asyncio.Event()

    async def clear(_services: WorkerServices, _lease: Lease) -> None:
        cleared.set()

    monkeypatch.setattr(worker, "HANDLERS", {**HANDLERS, JobKind.CLEAR_UPLOAD: clear})
    pool = own.state.services.database.engine.pool
    async with receiver() as hanging:
        hanging.held.clear()
        for _ in range(4):
            await hook(tenant, hanging.url)
        await hook(tenant, endpoint.url)
        await teams(tenant, 5)
        async with workers(own, settings):
            await hanging.until(lambda: hanging.waiting == 4)
            await endpoint.until(lambda: len(endpoint.received) == 5)
            async with tenant.database.change(tenant.org_id) as change:
                change.add(Job(org_id=tenant.org_id, kind=JobKind.CLEAR_UPLOAD, subject_id=uuid4()))
            await asyncio.wait_for(cleared.wait(), PATIENCE_S)
            assert hanging.waiting == 4
            assert hanging.received == []
            # Looking for work takes a connection for a moment; waiting for endpoints takes none.
            await endpoint.until(lambda: pool.checkedout() == 0)
            hanging.held.set()


async def test_a_worker_that_is_told_to_stop_ends_behind_the_event_in_flight(
    own: Starlette, tenant: Tenant, endpoint: Receiver, settings: Settings
) -> None:
    webhook, _ = await hook(tenant, endpoint.url)
    await teams(tenant, 5)
    endpoint.held.clear()
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(replace(own.state.services, store=ObjectStore(settings.store)), stop))
    await endpoint.until(lambda: endpoint.waiting == 1)
    stop.set()
    await asyncio.sleep(0)
    endpoint.held.set()
    await asyncio.wait_for(running, PATIENCE_S)
    assert len(endpoint.received) == 1
    assert [one["state"] for one in await log_of(tenant, webhook)] == ["DELIVERED"]


async def test_no_answer_in_time_is_a_failure(
    own: Starlette, tenant: Tenant, means: WorkerServices, endpoint: Receiver
) -> None:
    webhook, _ = await hook(tenant, endpoint.url)
    await teams(tenant)
    endpoint.held.clear()
    found = own.state.services
    async with Courier(found.trusted_hosts, found.version, timeout_s=0.2) as hasty:
        await deliver_due(replace(means, courier=hasty))
    (entry,) = await log_of(tenant, webhook)
    assert (entry["status"], entry["failure"]) == (None, "No answer came within 0.2 s.")


async def test_whoever_was_too_slow_and_lost_the_job_writes_nothing(
    tenant: Tenant, means: WorkerServices, endpoint: Receiver
) -> None:
    webhook, _ = await hook(tenant, endpoint.url)
    await teams(tenant, 2)
    endpoint.held.clear()
    slow = asyncio.create_task(deliveries.deliver(means, await taken(tenant, means)))
    await endpoint.until(lambda: endpoint.waiting == 1)
    async with tenant.database.change(tenant.org_id) as change:
        past = utc_now() - timedelta(seconds=1)
        await change.execute(update(Job).where(col(Job.subject_id) == uuid_of(webhook)).values(lease_until=past))
    assert await taken(tenant, means)
    endpoint.held.set()
    with pytest.raises(LeaseLost):
        await slow
    assert await log_of(tenant, webhook) == []
    assert len(endpoint.received) == 1


Meanwhile = Callable[[Tenant, str], Awaitable[object]]
MEANWHILE: dict[str, tuple[Meanwhile, int]] = {
    "disabled": (lambda tenant, webhook: tenant.client.make("disableWebhook", "webhook", webhook=webhook), 1),
    "deleted": (lambda tenant, webhook: tenant.client.make("deleteWebhook", "webhook", webhook=webhook), 1),
    "sent on": (
        lambda tenant, webhook: tenant.client.make("enableWebhook", "webhook", webhook=webhook, resume="NOW"),
        1,
    ),
    "told of other things": (
        lambda tenant, webhook: tenant.client.make("updateWebhook", "webhook", webhook=webhook, kinds=["run.*"]),
        1,
    ),
    "renamed": (lambda tenant, webhook: tenant.client.make("updateWebhook", "webhook", webhook=webhook, name="b"), 3),
}


@pytest.mark.parametrize("what", MEANWHILE)
@pytest.mark.parametrize("status", [204, 500])
async def test_what_is_changed_while_an_event_is_in_flight_holds_from_the_next_on(
    tenant: Tenant, means: WorkerServices, endpoint: Receiver, what: str, status: int
) -> None:
    webhook, _ = await hook(tenant, endpoint.url)
    await teams(tenant, 3)
    endpoint.held.clear()
    endpoint.answers = [status]
    trying = asyncio.create_task(deliver_due(means))
    await endpoint.until(lambda: endpoint.waiting == 1)
    change, told = MEANWHILE[what]
    await change(tenant, webhook)
    endpoint.held.set()
    await asyncio.wait_for(trying, PATIENCE_S)
    assert len(endpoint.received) == told + (status == 500 and what == "renamed")
    assert len(await log_of(tenant, webhook)) == told
    assert await jobs_of(tenant) == 0, "its job is done"


async def test_a_webhook_that_is_up_to_date_has_no_job(
    tenant: Tenant, means: WorkerServices, endpoint: Receiver
) -> None:
    webhook, _ = await hook(tenant, endpoint.url)
    await teams(tenant)
    await deliver_due(means)
    for _ in range(2):
        await deliveries.wake(means.database)
        assert await jobs_of(tenant) == 0
    await alter(tenant, webhook, cursor_seq=0)
    for _ in range(2):
        await deliveries.wake(means.database)
        assert await jobs_of(tenant) == 1
    assert (await look(tenant, webhook))["eventsBehind"] != "0"


async def test_whoever_hangs_has_half_of_the_places_at_most_and_others_are_told(
    own: Starlette, tenant: Tenant, other: Tenant, endpoint: Receiver, settings: Settings
) -> None:
    async with receiver() as hanging:
        hanging.held.clear()
        for _ in range(worker.AT_ONCE + 2):
            await hook(tenant, hanging.url)
        await hook(other, endpoint.url)
        await teams(tenant)
        async with workers(own, settings):
            await hanging.until(lambda: hanging.waiting == worker.AT_ONCE // 2)
            await teams(other)
            await endpoint.until(lambda: len(endpoint.received) == 1)
            assert hanging.received == []
            hanging.held.set()
        assert hanging.most_at_once == worker.AT_ONCE // 2


async def test_pings_of_one_webhook_wait_for_each_other_and_no_more_of_them_than_may(
    own: Starlette, tenant: Tenant, endpoint: Receiver, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "MAX_WAITING", 3)
    webhook, _ = await hook(tenant, endpoint.url)
    endpoint.held.clear()
    pings = [await tenant.client.make("testWebhook", "webhookDelivery", webhook=webhook) for _ in range(3)]
    refusal = await tenant.client.refusal("testWebhook", "webhookDelivery", webhook=webhook)
    assert refusal["code"] == "CONFLICT"
    async with workers(own, settings):
        await endpoint.until(lambda: endpoint.waiting == 1)
        endpoint.held.set()
        await endpoint.until(lambda: len(endpoint.received) == 3)
    assert endpoint.most_at_once == 1
    found = await log_of(tenant, webhook)
    assert [(one["id"], one["state"]) for one in found] == [(ping, "DELIVERED") for ping in pings]
    await tenant.client.make("testWebhook", "webhookDelivery", webhook=webhook)


async def test_an_endpoint_that_could_not_even_be_tried_is_not_to_blame(
    tenant: Tenant, means: WorkerServices, endpoint: Receiver
) -> None:
    class Busy:
        async def send(self, url: str, secrets: Sequence[bytes], message: Message) -> Answer:
            raise Overloaded("Too much to do.")

    webhook, _ = await hook(tenant, endpoint.url)
    await teams(tenant)
    await deliver_due(replace(means, courier=Busy()))
    found = await look(tenant, webhook)
    assert (found["state"], found["failuresInARow"], found["deliveries"]["nodes"]) == ("ENABLED", 0, [])
    async with tenant.database.change(tenant.org_id) as change:
        (error,) = (await change.execute(select(col(Job.last_error)))).scalars()
    assert error == "Overloaded: Too much to do."


CHANGED: dict[str, Callable[[Tenant, str, str], Awaitable[object]]] = {
    "its URL": lambda tenant, webhook, url: tenant.client.make("updateWebhook", "webhook", webhook=webhook, url=url),
    "its secret": lambda tenant, webhook, _: tenant.client.make("rotateWebhookSecret", "webhook", webhook=webhook),
}


@pytest.mark.parametrize("what", CHANGED)
@pytest.mark.parametrize("in_flight", [False, True])
async def test_whoever_changes_what_it_failed_for_does_not_wait_for_the_next_try(
    tenant: Tenant, means: WorkerServices, endpoint: Receiver, what: str, in_flight: bool
) -> None:
    webhook, _ = await hook(tenant, f"{endpoint.base}/old")
    await teams(tenant)
    endpoint.answers = [500]
    patient = replace(means, patience=Patience(waits_s=(3600,)))
    if in_flight:
        endpoint.held.clear()
    trying = asyncio.create_task(deliver_due(patient))
    await endpoint.until(lambda: bool(endpoint.waiting if in_flight else endpoint.received))
    if not in_flight:
        await asyncio.wait_for(trying, PATIENCE_S)
    await CHANGED[what](tenant, webhook, f"{endpoint.base}/new")
    endpoint.held.set()
    await asyncio.wait_for(trying, PATIENCE_S)
    await deliver_due(patient)
    assert [one.path for one in endpoint.received] == ["/old", "/new" if what == "its URL" else "/old"]
    assert [one["state"] for one in await log_of(tenant, webhook)] == ["DELIVERED"]
