"""Verification: stored bytes are read back, kept once, quarantined when they differ, and decided about once."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import func, select, text, update
from sqlmodel import col

from db.base import utc_now
from db.codes import JobKind
from db.session import Database
from db.tables import Artifact, Blob, Job, Upload
from registry.files import verification
from registry.jobs import queue
from registry.jobs.queue import Lease, LeaseLost
from server.settings import Settings
from storage.errors import StoreUnavailable
from storage.store import ObjectStore
from tests import sending
from tests.tenant import Tenant, uuid_of


async def completed(tenant: Tenant, data: bytes, sent: bytes | None = None, **given: Any) -> dict[str, Any]:
    """An artifact that waits for its verification; `sent` is what was sent instead of what was announced."""
    owner = given or {"run": await tenant.run()}
    artifact = await sending.announced(tenant.client, data, **owner)
    await sending.send(artifact, data if sent is None else sent)
    payload = await sending.complete(tenant.client, artifact["id"])
    assert payload["errors"] == []
    found: dict[str, Any] = payload["artifact"]
    return found


async def leased(database: Database, store: ObjectStore, tenant: Tenant, data: bytes) -> tuple[dict[str, Any], Lease]:
    """An artifact to verify, and its job, taken by the test."""
    await sending.work(database, store)
    artifact = await completed(tenant, data)
    return artifact, await taken(tenant, artifact)


async def taken(tenant: Tenant, artifact: dict[str, Any]) -> Lease:
    """The job of an artifact, put before all that other tests left behind, whenever that falls due."""
    async with tenant.database.change(tenant.org_id) as change:
        due = update(Job).where(col(Job.subject_id) == uuid_of(artifact["id"]))
        await change.execute(due.values(run_after=utc_now() - timedelta(days=1)))
    lease = await queue.take(tenant.database)
    assert lease is not None
    assert lease.subject_id == uuid_of(artifact["id"])
    return lease


async def taken_over(database: Database, lease: Lease) -> Lease:
    """The same job in the hands of another worker."""
    async with database.change(lease.org_id) as change:
        await change.execute(
            update(Job).where(col(Job.id) == lease.job_id).values(lease_until=utc_now() - timedelta(seconds=1))
        )
    lease_again = await queue.take(database)
    assert lease_again is not None
    assert lease_again.job_id == lease.job_id
    return lease_again


async def upload_row(tenant: Tenant, artifact: dict[str, Any]) -> Upload:
    async with tenant.database.change(tenant.org_id) as change:
        found = await change.execute(select(Upload).where(col(Upload.artifact_id) == uuid_of(artifact["id"])))
        return found.scalar_one()


async def blobs_of(tenant: Tenant) -> list[Blob]:
    async with tenant.database.change(tenant.org_id) as change:
        return list((await change.execute(select(Blob))).scalars())


async def event_kinds(tenant: Tenant, artifact: dict[str, Any]) -> list[str]:
    async with tenant.database.change(tenant.org_id) as change:
        rows = await change.execute(
            text("select kind from ev.event where org_id = :org_id and subject = :subject order by seq"),
            {"org_id": tenant.org_id, "subject": f"Artifact:{uuid_of(artifact['id'])}"},
        )
        return list(rows.scalars())


async def test_right_bytes_become_available(tenant: Tenant, database: Database, store: ObjectStore) -> None:
    artifact = await completed(tenant, sending.content())
    assert (artifact["state"], artifact["download"], artifact["verifiedAt"]) == ("VERIFYING", None, None)

    await sending.work(database, store)

    found = await sending.look(tenant.client, artifact["id"])
    assert (found["state"], found["failure"]) == ("AVAILABLE", None)
    assert found["verifiedAt"] is not None
    assert await event_kinds(tenant, artifact) == ["artifact.created", "artifact.uploaded", "artifact.verified"]


async def test_wrong_bytes_are_quarantined(tenant: Tenant, database: Database, store: ObjectStore) -> None:
    data, run = sending.content(), await tenant.run()
    artifact = await completed(tenant, data, sent=b"evil".ljust(len(data), b"!"), run=run)

    await sending.work(database, store)

    found = await sending.look(tenant.client, artifact["id"])
    assert (found["state"], found["download"], found["verifiedAt"]) == ("QUARANTINED", None, None)
    assert sending.digest(b"evil".ljust(len(data), b"!")) in found["failure"]
    again = await sending.deliver(tenant.client, database, store, data, run=run)
    assert again["id"] != artifact["id"]
    assert again["state"] == "AVAILABLE"


async def test_quarantined_bytes_are_never_given_for_their_announced_digest(
    tenant: Tenant, database: Database, store: ObjectStore
) -> None:
    data = sending.content()
    await completed(tenant, data, sent=data[::-1])
    await sending.work(database, store)

    elsewhere = await sending.announced(tenant.client, data, run=await tenant.run())

    assert (elsewhere["state"], elsewhere["upload"]["state"]) == ("PENDING", "OPEN")


async def test_an_object_that_is_gone_is_quarantined(tenant: Tenant, database: Database, store: ObjectStore) -> None:
    artifact = await completed(tenant, sending.content())
    row = await upload_row(tenant, artifact)
    await store.delete(row.bucket, row.object_key)

    await sending.work(database, store)

    found = await sending.look(tenant.client, artifact["id"])
    assert (found["state"], found["failure"]) == ("QUARANTINED", "The store has no object for this upload.")


async def test_an_object_of_another_size_is_quarantined(tenant: Tenant, database: Database, store: ObjectStore) -> None:
    artifact = await completed(tenant, sending.content(1_000))
    async with database.change(tenant.org_id) as change:
        await change.execute(update(Artifact).where(col(Artifact.id) == uuid_of(artifact["id"])).values(size_bytes=999))

    await sending.work(database, store)

    found = await sending.look(tenant.client, artifact["id"])
    assert found["state"] == "QUARANTINED"
    assert "1000 bytes" in found["failure"]


async def test_bytes_that_the_organization_has_are_not_sent_again(
    tenant: Tenant, database: Database, store: ObjectStore
) -> None:
    data = sending.content()
    await sending.deliver(tenant.client, database, store, data, run=await tenant.run())

    again = await sending.announced(
        tenant.client, data, version=await tenant.version(), path="other name.txt", contentType="text/plain"
    )

    assert (again["state"], again["upload"]) == ("AVAILABLE", None)
    got = await sending.fetch(again["download"]["url"])
    assert (got.content, got.headers["content-type"]) == (data, "text/plain")
    assert 'filename="other name.txt"' in got.headers["content-disposition"]


async def test_bytes_of_one_bucket_are_not_given_out_for_a_kind_that_belongs_in_the_other(
    tenant: Tenant, database: Database, store: ObjectStore
) -> None:
    data, run = sending.content(), await tenant.run()
    plot = await sending.deliver(tenant.client, database, store, data, run=run, path="a", kind="PLOT")

    model = await sending.announced(tenant.client, data, run=run, path="b", kind="MODEL")
    assert (model["state"], model["download"]) == ("PENDING", None)
    await sending.send(model, data)
    assert (await sending.complete(tenant.client, model["id"]))["errors"] == []
    await sending.work(database, store)

    checkpoint = await sending.announced(tenant.client, data, run=run, path="c", kind="CHECKPOINT")
    log = await sending.announced(tenant.client, data, run=run, path="d", kind="OTHER")
    assert (checkpoint["upload"], log["upload"]) == (None, None)
    places = {
        artifact["path"]: urlsplit((await sending.look(tenant.client, artifact["id"]))["download"]["url"]).path
        for artifact in (plot, model, checkpoint, log)
    }
    assert {path: place.split("/")[1] for path, place in places.items()} == {
        "a": "artifacts", "b": "models", "c": "models", "d": "artifacts",
    }  # fmt: skip
    assert (places["a"], places["b"]) == (places["d"], places["c"])
    for place in places.values():
        assert await store.stat(*place[1:].split("/", 1)) is not None


async def test_the_same_bytes_uploaded_at_once_to_both_buckets_are_spare_in_neither(
    tenant: Tenant, database: Database, store: ObjectStore
) -> None:
    data, run = sending.content(), await tenant.run()
    kinds = ("MODEL", "PLOT", "MODEL", "PLOT")
    waiting = [await completed(tenant, data, run=run, path=f"{n}", kind=kind) for n, kind in enumerate(kinds)]

    await sending.work(database, store)

    uploads = [await upload_row(tenant, artifact) for artifact in waiting]
    kept = {(blob.bucket, blob.object_key) for blob in await blobs_of(tenant)}
    there = {place for row in uploads if await store.stat(*(place := (row.bucket, row.object_key))) is not None}
    assert {bucket for bucket, _ in kept} == {"models", "artifacts"}
    assert there == kept
    for artifact in waiting:
        found = await sending.look(tenant.client, artifact["id"])
        assert (await sending.fetch(found["download"]["url"])).content == data


async def test_where_bytes_are_kept_is_told_in_no_event(tenant: Tenant, database: Database, store: ObjectStore) -> None:
    artifact = await completed(tenant, sending.content())
    await sending.work(database, store)
    async with tenant.database.change(tenant.org_id) as change:
        bodies = await change.execute(
            text("select body::text from ev.event where org_id = :org_id and subject = :subject"),
            {"org_id": tenant.org_id, "subject": f"Artifact:{uuid_of(artifact['id'])}"},
        )
        told = list(bodies.scalars())
    assert len(told) == 3
    assert not [body for body in told if "object_key" in body or "bucket" in body]


async def test_a_known_digest_with_another_size_is_refused(
    tenant: Tenant, database: Database, store: ObjectStore
) -> None:
    data = sending.content()
    await sending.deliver(tenant.client, database, store, data, run=await tenant.run())

    payload = await sending.announce(tenant.client, data, run=await tenant.run(), sizeBytes=str(len(data) + 1))

    assert [(error["code"], error["path"]) for error in payload["errors"]] == [("INVALID_VALUE", ["sizeBytes"])]


async def test_bytes_of_a_neighbor_are_not_to_be_noticed(
    tenant: Tenant, neighbor: Tenant, database: Database, store: ObjectStore
) -> None:
    data = sending.content()
    await sending.deliver(tenant.client, database, store, data, run=await tenant.run())

    theirs = await sending.announced(neighbor.client, data, run=await neighbor.run())
    lied = await sending.announce(neighbor.client, data, run=await neighbor.run(), sizeBytes="7")

    assert (theirs["state"], theirs["upload"]["state"], theirs["download"]) == ("PENDING", "OPEN", None)
    assert lied["errors"] == []
    found = await sending.deliver(neighbor.client, database, store, data, run=await neighbor.run())
    assert found["state"] == "AVAILABLE"
    for owner in (tenant, neighbor):
        (blob,) = await blobs_of(owner)
        assert blob.object_key.startswith(f"org/{owner.org_id}/")


async def test_the_same_bytes_uploaded_twice_at_once_are_kept_once(
    tenant: Tenant, database: Database, store: ObjectStore
) -> None:
    data = sending.content()
    await sending.work(database, store)
    both = [await completed(tenant, data) for _ in range(2)]
    leases = [await taken(tenant, artifact) for artifact in both]

    await asyncio.gather(*(verification.verify(database, store, lease) for lease in leases))

    (blob,) = await blobs_of(tenant)
    keys = [(row.bucket, row.object_key) for row in [await upload_row(tenant, artifact) for artifact in both]]
    await sending.work(database, store)
    kept = {key for _, key in keys if key == blob.object_key}
    assert {key for bucket, key in keys if await store.stat(bucket, key) is not None} == kept
    for artifact in both:
        found = await sending.look(tenant.client, artifact["id"])
        assert found["state"] == "AVAILABLE"
        assert (await sending.fetch(found["download"]["url"])).content == data


async def test_an_object_that_waits_for_its_verification_is_not_swept_as_a_spare(
    tenant: Tenant, database: Database, store: ObjectStore
) -> None:
    data = sending.content()
    await sending.work(database, store)
    both = [await completed(tenant, data) for _ in range(2)]
    first = await taken(tenant, both[0])
    await verification.verify(database, store, first)
    row = await upload_row(tenant, both[1])
    # As if the sweeper had taken its job just before the completion removed it.
    sweep = replace(first, kind=JobKind.CLEAR_UPLOAD, subject_id=row.id)
    with pytest.raises(LeaseLost):
        await verification.clear(database, store, sweep)

    await sending.work(database, store)

    assert (await sending.look(tenant.client, both[1]["id"]))["state"] == "AVAILABLE"


async def test_what_a_slow_worker_found_out_is_thrown_away(
    tenant: Tenant, database: Database, store: ObjectStore
) -> None:
    artifact, slow = await leased(database, store, tenant, sending.content())
    quick = await taken_over(database, slow)

    with pytest.raises(LeaseLost):
        await verification.verify(database, store, slow)
    untouched = await sending.look(tenant.client, artifact["id"])
    await verification.verify(database, store, quick)

    assert untouched["state"] == "VERIFYING"
    assert (await sending.look(tenant.client, artifact["id"]))["state"] == "AVAILABLE"
    assert (await event_kinds(tenant, artifact)).count("artifact.verified") == 1


async def test_a_slow_worker_stops_reading_once_it_has_lost_its_job(
    tenant: Tenant, database: Database, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, slow = await leased(database, store, tenant, sending.content(sending.TWO_PARTS_BYTES))
    quick = await taken_over(database, slow)
    monkeypatch.setattr(verification, "_RENEW_EVERY_S", -1.0)
    read: list[int] = []

    class Noting(verification._Heartbeat):
        async def __call__(self, size_bytes: int) -> None:
            read.append(size_bytes)
            await super().__call__(size_bytes)

    monkeypatch.setattr(verification, "_Heartbeat", Noting)
    with pytest.raises(LeaseLost):
        await verification.verify(database, store, slow)
    assert len(read) == 1

    await verification.verify(database, store, quick)


async def test_a_long_read_keeps_its_job(
    tenant: Tenant, database: Database, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact, lease = await leased(database, store, tenant, sending.content(sending.TWO_PARTS_BYTES))
    async with database.change(tenant.org_id) as change:
        await change.execute(
            update(Job).where(col(Job.id) == lease.job_id).values(lease_until=utc_now() - timedelta(seconds=1))
        )
    renewed: list[Lease | None] = []

    class Trying(verification._Heartbeat):
        async def __call__(self, size_bytes: int) -> None:
            await super().__call__(size_bytes)
            renewed.append(await queue.take(self.database))

    monkeypatch.setattr(verification, "_RENEW_EVERY_S", -1.0)
    monkeypatch.setattr(verification, "_Heartbeat", Trying)

    await verification.verify(database, store, lease)

    assert renewed
    assert lease.job_id not in {other.job_id for other in renewed if other is not None}
    assert (await sending.look(tenant.client, artifact["id"]))["state"] == "AVAILABLE"


async def test_verifying_again_changes_nothing(tenant: Tenant, database: Database, store: ObjectStore) -> None:
    artifact = await completed(tenant, sending.content())
    await sending.work(database, store)
    found = await sending.look(tenant.client, artifact["id"])
    async with database.change(tenant.org_id) as change:
        change.add(Job(org_id=tenant.org_id, kind=JobKind.VERIFY_ARTIFACT, subject_id=uuid_of(artifact["id"])))

    await sending.work(database, store)

    again = await sending.look(tenant.client, artifact["id"])
    assert (again["state"], again["verifiedAt"]) == (found["state"], found["verifiedAt"])
    assert (await event_kinds(tenant, artifact)).count("artifact.verified") == 1


async def test_a_store_that_is_away_decides_nothing(
    tenant: Tenant, database: Database, store: ObjectStore, settings: Settings
) -> None:
    artifact, lease = await leased(database, store, tenant, sending.content())
    async with ObjectStore(replace(settings.store, endpoint="http://127.0.0.1:1")) as away:
        with pytest.raises(StoreUnavailable):
            await verification.verify(database, away, lease)
        await queue.postpone(database, lease, "away")
    assert (await sending.look(tenant.client, artifact["id"]))["state"] == "VERIFYING"

    async with database.change(tenant.org_id) as change:
        await change.execute(update(Job).where(col(Job.id) == lease.job_id).values(run_after=utc_now()))
    await sending.work(database, store)

    assert (await sending.look(tenant.client, artifact["id"]))["state"] == "AVAILABLE"
    async with database.change(tenant.org_id) as change:
        left = await change.execute(select(func.count()).select_from(Job).where(col(Job.id) == lease.job_id))
        assert left.scalar_one() == 0
