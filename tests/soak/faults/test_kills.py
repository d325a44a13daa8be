"""A server or a worker that is killed at the worst moment: nothing is lost, nothing half-written, others go on."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import select, text, update
from sqlmodel import col

from db.base import utc_now
from db.tables import Job, Upload
from tests import hooks, sending
from tests.dependencies import Dependencies, Served
from tests.hooks import hook, log_of, teams
from tests.patience import eventually, in_time
from tests.receiver import receiver
from tests.replicas import KILLED, client_of, end_of, process
from tests.tenant import Client, Tenant, uuid_of


async def upload_row(tenant: Tenant) -> Upload:
    async with tenant.database.change(tenant.org_id) as change:
        return (await change.execute(select(Upload).where(col(Upload.org_id) == tenant.org_id))).scalar_one()


async def events_of(tenant: Tenant, subject: UUID) -> list[str]:
    async with tenant.database.change(tenant.org_id) as change:
        kinds = await change.execute(
            text("select kind from ev.event where org_id = :org_id and subject = :subject order by seq"),
            {"org_id": tenant.org_id, "subject": f"Artifact:{subject}"},
        )
        return list(kinds.scalars())


async def work(survivor: Served) -> None:
    await sending.work(survivor.services.database, survivor.services.store)


async def to_be_verified(survivor: Served, tenant: Tenant, data: bytes) -> dict[str, Any]:
    artifact = await sending.announced(tenant.client, data, run=await tenant.run())
    await sending.send(artifact, data)
    await work(survivor)
    assert (await sending.complete(tenant.client, artifact["id"]))["errors"] == []
    return artifact


async def test_a_server_that_dies_between_the_stores_completion_and_its_own_commit(
    own: Dependencies, survivor: Served, tenant: Tenant
) -> None:
    data = sending.content(sending.TWO_PARTS_BYTES)
    artifact = await sending.announced(tenant.client, data, run=await tenant.run())
    await sending.send(artifact, data)
    async with process(own, "serve", dying="after the store has joined the parts") as dying:
        async with client_of(dying, tenant) as client:
            with pytest.raises(httpx2.TransportError):
                await sending.complete(client, artifact["id"], idempotencyKey="done")
        assert await end_of(dying) == KILLED

    row = await upload_row(tenant)
    assert await survivor.services.store.stat(row.bucket, row.object_key) is not None
    assert (await sending.look(tenant.client, artifact["id"]))["state"] == "PENDING"

    again = await sending.complete(tenant.client, artifact["id"], idempotencyKey="done")

    assert (again["errors"], again["replayed"], again["artifact"]["state"]) == ([], False, "VERIFYING")
    await work(survivor)
    found = await sending.look(tenant.client, artifact["id"])
    assert found["state"] == "AVAILABLE"
    assert (await sending.fetch(found["download"]["url"])).content == data


async def test_a_server_that_dies_before_the_store_knows_of_an_upload(
    own: Dependencies, survivor: Served, tenant: Tenant
) -> None:
    data, run = sending.content(), await tenant.run()
    async with process(own, "serve", dying="before the store is asked to begin") as dying:
        async with client_of(dying, tenant) as client:
            with pytest.raises(httpx2.TransportError):
                await sending.announce(client, data, run=run, idempotencyKey="once")
        assert await end_of(dying) == KILLED

    again = await sending.announce(tenant.client, data, run=run, idempotencyKey="once")

    assert (again["errors"], again["replayed"]) == ([], True)
    await sending.send(again["artifact"], data)
    assert (await sending.complete(tenant.client, again["artifact"]["id"]))["errors"] == []
    await work(survivor)
    assert (await sending.look(tenant.client, again["artifact"]["id"]))["state"] == "AVAILABLE"


@pytest.mark.parametrize("point", ["while reading back", "while writing the result"])
async def test_a_worker_that_dies_leaves_its_job_to_another(
    own: Dependencies, survivor: Served, tenant: Tenant, point: str
) -> None:
    data = sending.content(4 * sending.TWO_PARTS_BYTES)
    artifact = await to_be_verified(survivor, tenant, data)
    subject = uuid_of(artifact["id"])
    async with process(own, "worker", dying=point) as dying:
        assert await end_of(dying) == KILLED

    assert (await sending.look(tenant.client, artifact["id"]))["state"] == "VERIFYING"
    assert await events_of(tenant, subject) == ["artifact.created", "artifact.uploaded"]
    await work(survivor)
    assert (await sending.look(tenant.client, artifact["id"]))["state"] == "VERIFYING", "its lease still runs"

    async with tenant.database.change(tenant.org_id) as change:
        past = utc_now() - timedelta(seconds=1)
        await change.execute(update(Job).where(col(Job.subject_id) == subject).values(lease_until=past))
    async with process(own, "worker"), in_time():
        while (await sending.look(tenant.client, artifact["id"]))["state"] == "VERIFYING":
            await asyncio.sleep(0.1)

    found = await sending.look(tenant.client, artifact["id"])
    assert found["state"] == "AVAILABLE"
    assert await events_of(tenant, subject) == ["artifact.created", "artifact.uploaded", "artifact.verified"]


@pytest.mark.parametrize(("point", "told"), [("before an endpoint is told", 0), ("after an endpoint was told", 1)])
async def test_a_worker_that_dies_while_it_delivers_leaves_the_rest_to_another_in_order(
    own: Dependencies, tenant: Tenant, point: str, told: int
) -> None:
    async with receiver() as endpoint:
        webhook, _ = await hook(tenant, endpoint.url)
        await teams(tenant, 4)
        async with process(own, "worker", dying=point) as dying:
            assert await end_of(dying) == KILLED
        wanted = (await hooks.events_of(tenant, "team.created"))[-4:]
        assert endpoint.sequences() == wanted[:told]
        assert await log_of(tenant, webhook) == []

        async with tenant.database.change(tenant.org_id) as change:
            past = utc_now() - timedelta(seconds=1)
            own_job = col(Job.subject_id) == uuid_of(webhook)
            await change.execute(update(Job).where(own_job).values(lease_until=past))
        async with process(own, "worker"), process(own, "worker"):
            await endpoint.until(lambda: len(endpoint.received) == told + 4)
        assert endpoint.sequences() == wanted[:told] + wanted
        assert len({one.headers["webhook-id"] for one in endpoint.received}) == 4


async def test_a_server_that_is_killed_loses_nothing_that_it_has_answered(own: Dependencies, tenant: Tenant) -> None:
    answered: list[str] = []

    async def keep_creating(client: Client, worker_number: int) -> None:
        for number in range(10_000):
            name = f"m{worker_number}-{number}"
            try:
                made = {"project": tenant.project, "name": name, "framework": "sklearn"}
                payload = await client.insist("createModel", "model { id }", **made)
            except httpx2.TransportError:
                return
            assert payload["errors"] == []
            answered.append(name)

    async with process(own, "serve") as killed, client_of(killed, tenant) as client:
        busy = [asyncio.create_task(keep_creating(client, number)) for number in range(4)]
        await eventually(lambda: len(answered) >= 40)
        killed.kill()
        await asyncio.gather(*busy)

    async with tenant.database.change(tenant.org_id) as change:
        rows = await change.execute(text("select 'Model:' || id, name from registry.model"))
        kept = {row[0]: row[1] for row in rows}
        told = await change.execute(
            text("select subject from ev.event where org_id = :org_id and kind = 'model.created'"),
            {"org_id": tenant.org_id},
        )
        assert set(answered) <= set(kept.values())
        assert sorted(told.scalars()) == sorted(kept)
