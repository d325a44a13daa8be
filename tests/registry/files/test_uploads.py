"""Uploads: parts that are wrong, late or missing, resuming, completing twice, giving up, and running out of time."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, func, select, update
from sqlmodel import col

from db.base import utc_now
from db.codes import ArtifactState, JobKind, PrincipalKind, Role, UploadState
from db.session import Database
from db.tables import Artifact, Job, Upload
from registry.files import uploads, verification
from registry.jobs import queue
from registry.kernel.errors import Conflict
from storage.errors import UploadGone
from storage.store import ObjectStore
from tests import sending
from tests.tenant import Client, GraphQLFailed, Tenant, uuid_of


async def upload_row(database: Database, org_id: UUID, artifact_id: str) -> Upload:
    async with database.change(org_id) as change:
        found = await change.execute(select(Upload).where(col(Upload.artifact_id) == uuid_of(artifact_id)))
        return found.scalar_one()


async def jobs_of(tenant: Tenant) -> list[Job]:
    async with tenant.database.change(tenant.org_id) as change:
        return list((await change.execute(select(Job).where(col(Job.org_id) == tenant.org_id))).scalars())


async def make_due(tenant: Tenant) -> None:
    """Let the time pass that the jobs and uploads of this organization wait for."""
    async with tenant.database.change(tenant.org_id) as change:
        await change.execute(update(Upload).where(col(Upload.org_id) == tenant.org_id).values(expires_at=utc_now()))
        # Long past, so that jobs which other tests left behind are taken after these.
        due = utc_now() - timedelta(days=1)
        await change.execute(update(Job).where(col(Job.org_id) == tenant.org_id).values(run_after=due))


async def refusal(client: Client, artifact_id: str) -> dict[str, Any]:
    payload = await sending.complete(client, artifact_id)
    assert payload["artifact"] is None
    (error,) = payload["errors"]
    found: dict[str, Any] = error
    return found


async def joined_in_the_store_only(tenant: Tenant, store: ObjectStore, data: bytes) -> dict[str, Any]:
    """An upload that the store has completed while nobody took note of it, as after a crash in between."""
    artifact = await sending.announced(tenant.client, data, run=await tenant.run())
    await sending.send(artifact, data)
    await uploads.join_parts(tenant.database, store, tenant.actor, uuid_of(artifact["id"]))
    return artifact


async def test_missing_parts_are_named(tenant: Tenant) -> None:
    data = sending.content(sending.TWO_PARTS_BYTES)
    artifact = await sending.announced(tenant.client, data, run=await tenant.run())

    nothing = await refusal(tenant.client, artifact["id"])
    await sending.send(artifact, data, only=[2])
    without_first = await refusal(tenant.client, artifact["id"])

    assert (nothing["code"], nothing["partNumbers"]) == ("UPLOAD_INCOMPLETE", [1, 2])
    assert (without_first["code"], without_first["partNumbers"]) == ("UPLOAD_INCOMPLETE", [1])
    assert (await sending.look(tenant.client, artifact["id"]))["upload"]["state"] == "OPEN"


async def test_parts_may_come_in_any_order(tenant: Tenant, database: Database, store: ObjectStore) -> None:
    data = sending.content(sending.TWO_PARTS_BYTES)
    artifact = await sending.announced(tenant.client, data, run=await tenant.run())
    for number in (2, 1):
        await sending.send(artifact, data, only=[number])

    assert (await sending.complete(tenant.client, artifact["id"]))["errors"] == []
    await sending.work(database, store)

    found = await sending.look(tenant.client, artifact["id"])
    assert found["state"] == "AVAILABLE"
    assert (await sending.fetch(found["download"]["url"])).content == data


async def test_a_part_that_is_sent_again_does_no_harm(tenant: Tenant, database: Database, store: ObjectStore) -> None:
    data = sending.content(sending.TWO_PARTS_BYTES)
    artifact = await sending.announced(tenant.client, data, run=await tenant.run())
    await sending.send(artifact, data)

    # The embedded store keeps the first and refuses the second, S3 takes the last.
    part = artifact["upload"]["parts"][1]
    assert await sending.put(part["url"], data[-int(part["sizeBytes"]) :]) in (200, 501)

    assert (await sending.complete(tenant.client, artifact["id"]))["errors"] == []
    await sending.work(database, store)
    assert (await sending.look(tenant.client, artifact["id"]))["state"] == "AVAILABLE"


async def test_a_part_of_another_size_does_not_reach_the_store(tenant: Tenant) -> None:
    data = sending.content()
    artifact = await sending.announced(tenant.client, data, run=await tenant.run())
    (part,) = artifact["upload"]["parts"]

    for wrong in (data + b"x", data[:-1], b""):
        assert await sending.put(part["url"], wrong) == 403

    assert (await refusal(tenant.client, artifact["id"]))["partNumbers"] == [1]


async def test_a_part_of_a_wrong_size_in_the_store_is_named(tenant: Tenant, store: ObjectStore) -> None:
    data = sending.content(sending.TWO_PARTS_BYTES)
    artifact = await sending.announced(tenant.client, data, run=await tenant.run())
    await sending.send(artifact, data, only=[1])
    row = await upload_row(tenant.database, tenant.org_id, artifact["id"])
    assert row.store_upload_id is not None
    short = store.presign_part(row.bucket, row.object_key, row.store_upload_id, 2, 10, 60)
    extra = store.presign_part(row.bucket, row.object_key, row.store_upload_id, 3, 10, 60)
    for url in (short, extra):
        assert await sending.put(url, b"0123456789") == 200

    assert (await refusal(tenant.client, artifact["id"]))["partNumbers"] == [2, 3]


async def test_an_empty_file_is_one_part_of_no_bytes(tenant: Tenant, database: Database, store: ObjectStore) -> None:
    found = await sending.deliver(tenant.client, database, store, b"", run=await tenant.run())
    assert (found["state"], found["sizeBytes"], found["upload"]["partCount"]) == ("AVAILABLE", "0", 1)
    assert (await sending.fetch(found["download"]["url"])).content == b""


async def test_a_part_url_is_dead_after_completion(tenant: Tenant, database: Database, store: ObjectStore) -> None:
    data = sending.content()
    artifact = await sending.announced(tenant.client, data, run=await tenant.run())
    await sending.send(artifact, data)
    await sending.complete(tenant.client, artifact["id"])
    (part,) = artifact["upload"]["parts"]

    late = await sending.put(part["url"], b"evil".ljust(len(data), b"!"))

    await sending.work(database, store)
    found = await sending.look(tenant.client, artifact["id"])
    assert late == 404
    assert found["upload"]["parts"] == []
    assert (await sending.fetch(found["download"]["url"])).content == data


async def test_an_upload_can_be_resumed_with_fresh_urls(tenant: Tenant, database: Database, store: ObjectStore) -> None:
    data = sending.content(sending.TWO_PARTS_BYTES)
    run = await tenant.run()
    first = await sending.announced(tenant.client, data, run=run)
    await sending.send(first, data, only=[1])

    again = await sending.announced(tenant.client, data, run=run)
    missing = (await refusal(tenant.client, again["id"]))["partNumbers"]
    await sending.send(again, data, only=missing)

    assert (again["id"], missing) == (first["id"], [2])
    assert (await sending.complete(tenant.client, again["id"]))["artifact"]["state"] == "VERIFYING"
    await sending.work(database, store)
    assert (await sending.announced(tenant.client, data, run=run))["state"] == "AVAILABLE"


async def test_resuming_gives_an_upload_its_full_time_again(tenant: Tenant) -> None:
    data, run = sending.content(), await tenant.run()
    artifact = await sending.announced(tenant.client, data, run=run)
    await make_due(tenant)
    began = utc_now()

    await sending.announced(tenant.client, data, run=run)

    row = await upload_row(tenant.database, tenant.org_id, artifact["id"])
    (sweep,) = await jobs_of(tenant)
    assert row.expires_at >= began + uploads.LIFETIME
    assert (sweep.kind, sweep.run_after) == (JobKind.CLEAR_UPLOAD, row.expires_at)


async def test_an_upload_that_is_resumed_while_a_worker_comes_to_sweep_it_goes_on(
    tenant: Tenant, database: Database, store: ObjectStore
) -> None:
    data, run = sending.content(), await tenant.run()
    await sending.work(database, store)
    artifact = await sending.announced(tenant.client, data, run=run)
    await make_due(tenant)
    lease = await queue.take(database)
    assert lease is not None
    assert lease.org_id == tenant.org_id

    await sending.announced(tenant.client, data, run=run)
    await verification.clear(database, store, lease)

    row = await upload_row(database, tenant.org_id, artifact["id"])
    (sweep,) = await jobs_of(tenant)
    assert (row.state, sweep.run_after) == (UploadState.OPEN, row.expires_at)
    await sending.send(artifact, data)
    assert (await sending.complete(tenant.client, artifact["id"]))["errors"] == []


async def test_announcing_a_completed_file_again_gives_no_more_time(tenant: Tenant) -> None:
    data, run = sending.content(), await tenant.run()
    artifact = await sending.announced(tenant.client, data, run=run)
    await sending.send(artifact, data)
    await sending.complete(tenant.client, artifact["id"])
    before = await upload_row(tenant.database, tenant.org_id, artifact["id"])

    assert (await sending.announced(tenant.client, data, run=run))["state"] == "VERIFYING"

    assert (await upload_row(tenant.database, tenant.org_id, artifact["id"])).expires_at == before.expires_at


@pytest.mark.parametrize("is_sent", [False, True])
@pytest.mark.parametrize("differing", [{"kind": "PLOT"}, {"contentType": "image/png"}])
async def test_the_same_bytes_announced_as_something_else_are_refused(
    tenant: Tenant, database: Database, store: ObjectStore, differing: dict[str, str], is_sent: bool
) -> None:
    data, run = sending.content(), await tenant.run()
    artifact = await sending.announced(tenant.client, data, run=run, contentType="text/csv")
    if is_sent:
        await sending.send(artifact, data)
        await sending.complete(tenant.client, artifact["id"])
        await sending.work(database, store)
    before = await upload_row(database, tenant.org_id, artifact["id"])

    payload = await sending.announce(tenant.client, data, run=run, **{"contentType": "text/csv", **differing})

    assert payload["artifact"] is None
    assert [(error["code"], error["path"]) for error in payload["errors"]] == [("CONFLICT", list(differing))]
    assert (await upload_row(database, tenant.org_id, artifact["id"])).expires_at == before.expires_at


async def test_a_replay_gives_the_same_artifact_with_urls_that_work(tenant: Tenant) -> None:
    data, run = sending.content(), await tenant.run()
    first = await sending.announce(tenant.client, data, run=run, idempotencyKey="once")
    again = await sending.announce(tenant.client, data, run=run, idempotencyKey="once")

    assert (first["replayed"], again["replayed"]) == (False, True)
    assert again["artifact"]["id"] == first["artifact"]["id"]
    await sending.send(again["artifact"], data)

    completed = await sending.complete(tenant.client, first["artifact"]["id"], idempotencyKey="done")
    repeated = await sending.complete(tenant.client, first["artifact"]["id"], idempotencyKey="done")
    assert (completed["errors"], repeated["errors"], repeated["replayed"]) == ([], [], True)


@pytest.mark.parametrize("owner", ["run", "version"])
async def test_announcing_at_once_makes_one_upload(tenant: Tenant, owner: str) -> None:
    data, owner_id = sending.content(), await getattr(tenant, owner)()

    payloads = await asyncio.gather(*(sending.announce(tenant.client, data, **{owner: owner_id}) for _ in range(6)))

    assert [payload["errors"] for payload in payloads] == [[]] * 6
    assert len({payload["artifact"]["id"] for payload in payloads}) == 1
    await sending.send(payloads[-1]["artifact"], data)
    assert (await sending.complete(tenant.client, payloads[0]["artifact"]["id"]))["errors"] == []


@pytest.mark.parametrize("size_bytes", [1_000, sending.TWO_PARTS_BYTES])
async def test_completing_ten_times_at_once_has_one_outcome(
    tenant: Tenant, database: Database, store: ObjectStore, size_bytes: int
) -> None:
    data = sending.content(size_bytes)
    artifact = await sending.announced(tenant.client, data, run=await tenant.run())
    await sending.send(artifact, data)

    payloads = await asyncio.gather(*(sending.complete(tenant.client, artifact["id"]) for _ in range(10)))

    assert [payload["errors"] for payload in payloads] == [[]] * 10
    assert {payload["artifact"]["state"] for payload in payloads} == {"VERIFYING"}
    assert [(job.kind, job.subject_id) for job in await jobs_of(tenant)] == [
        (JobKind.VERIFY_ARTIFACT, uuid_of(artifact["id"]))
    ]
    await sending.work(database, store)
    assert (await sending.look(tenant.client, artifact["id"]))["state"] == "AVAILABLE"


async def test_completing_later_again_changes_nothing(tenant: Tenant, database: Database, store: ObjectStore) -> None:
    found = await sending.deliver(tenant.client, database, store, sending.content(), run=await tenant.run())

    again = await sending.complete(tenant.client, found["id"])

    assert again["errors"] == []
    assert again["artifact"]["state"] == "AVAILABLE"
    assert await jobs_of(tenant) == []


async def test_an_upload_that_only_the_store_completed_is_completed_by_the_next_attempt(
    tenant: Tenant, database: Database, store: ObjectStore
) -> None:
    data = sending.content()
    artifact = await joined_in_the_store_only(tenant, store, data)
    assert (await sending.look(tenant.client, artifact["id"]))["upload"]["state"] == "OPEN"

    assert (await sending.complete(tenant.client, artifact["id"]))["errors"] == []

    await sending.work(database, store)
    assert (await sending.look(tenant.client, artifact["id"]))["state"] == "AVAILABLE"


async def test_an_upload_that_the_store_has_forgotten_is_to_be_created_anew(tenant: Tenant, store: ObjectStore) -> None:
    data, run = sending.content(), await tenant.run()
    artifact = await sending.announced(tenant.client, data, run=run)
    row = await upload_row(tenant.database, tenant.org_id, artifact["id"])
    assert row.store_upload_id is not None
    await store.abort(row.bucket, row.object_key, row.store_upload_id)

    error = await refusal(tenant.client, artifact["id"])

    assert error["code"] == "CONFLICT"
    assert await tenant.client.make("abortUpload", "artifact", artifact=artifact["id"]) == artifact["id"]
    again = await sending.announced(tenant.client, data, run=run)
    await sending.send(again, data)
    assert (await sending.complete(tenant.client, again["id"]))["errors"] == []


async def test_giving_up_frees_the_path_and_removes_the_parts(
    tenant: Tenant, database: Database, store: ObjectStore
) -> None:
    data, run = sending.content(), await tenant.run()
    artifact = await sending.announced(tenant.client, data, run=run)
    await sending.send(artifact, data)

    for _ in range(2):
        assert await tenant.client.make("abortUpload", "artifact", artifact=artifact["id"]) == artifact["id"]

    found = await sending.look(tenant.client, artifact["id"])
    assert (found["state"], found["upload"]["state"], found["upload"]["parts"]) == ("ABANDONED", "ABORTED", [])
    assert (await refusal(tenant.client, artifact["id"]))["code"] == "CONFLICT"
    await make_due(tenant)
    await sending.work(database, store)
    (part,) = artifact["upload"]["parts"]
    assert await sending.put(part["url"], data) == 404
    assert await jobs_of(tenant) == []
    assert (await sending.announced(tenant.client, data, run=run))["id"] != artifact["id"]


async def test_a_completed_upload_cannot_be_given_up(tenant: Tenant, database: Database, store: ObjectStore) -> None:
    found = await sending.deliver(tenant.client, database, store, sending.content(), run=await tenant.run())
    error = await tenant.client.refusal("abortUpload", "artifact", artifact=found["id"])
    assert error["code"] == "CONFLICT"


async def test_an_upload_that_nobody_completes_is_swept(tenant: Tenant, database: Database, store: ObjectStore) -> None:
    data, run = sending.content(), await tenant.run()
    artifact = await sending.announced(tenant.client, data, run=run)
    await sending.send(artifact, data)
    await make_due(tenant)
    began = utc_now()
    await sending.work(database, store)

    found = await sending.look(tenant.client, artifact["id"])
    assert (found["state"], found["upload"]["state"]) == ("ABANDONED", "EXPIRED")
    assert (await refusal(tenant.client, artifact["id"]))["code"] == "CONFLICT"

    (settling,) = await jobs_of(tenant)
    assert settling.run_after >= began + uploads.SETTLING
    await make_due(tenant)
    await sending.work(database, store)
    assert await sending.put(artifact["upload"]["parts"][0]["url"], data) == 404
    assert await jobs_of(tenant) == []


async def test_an_object_that_was_joined_and_never_noted_is_swept(
    tenant: Tenant, database: Database, store: ObjectStore
) -> None:
    artifact = await joined_in_the_store_only(tenant, store, sending.content())
    row = await upload_row(database, tenant.org_id, artifact["id"])
    assert await store.stat(row.bucket, row.object_key) is not None

    for _ in range(2):
        await make_due(tenant)
        await sending.work(database, store)

    assert await store.stat(row.bucket, row.object_key) is None
    assert (await sending.look(tenant.client, artifact["id"]))["state"] == "ABANDONED"


async def test_a_completion_that_comes_after_the_end_writes_nothing(tenant: Tenant, store: ObjectStore) -> None:
    artifact = await joined_in_the_store_only(tenant, store, sending.content())
    async with tenant.database.change(tenant.org_id) as change:
        row = (await change.execute(select(Upload).where(col(Upload.org_id) == tenant.org_id))).scalar_one()
        owner = await change.get_one(Artifact, (tenant.org_id, row.artifact_id))
        await uploads.give_up(change, tenant.actor, owner, row, UploadState.EXPIRED)

    with pytest.raises(Conflict, match="EXPIRED"):
        async with tenant.database.change(tenant.org_id) as change:
            await uploads.complete(change, tenant.actor, artifact_id=uuid_of(artifact["id"]))

    assert (await sending.look(tenant.client, artifact["id"]))["state"] == ArtifactState.ABANDONED


async def test_an_upload_whose_start_was_lost_goes_on_where_it_stopped(tenant: Tenant) -> None:
    data, run = sending.content(), await tenant.run()
    artifact = await sending.announced(tenant.client, data, run=run)
    async with tenant.database.change(tenant.org_id) as change:
        await change.execute(update(Upload).where(col(Upload.org_id) == tenant.org_id).values(store_upload_id=None))
    assert (await sending.look(tenant.client, artifact["id"]))["upload"]["parts"] == []
    assert (await refusal(tenant.client, artifact["id"]))["code"] == "UPLOAD_INCOMPLETE"

    again = await sending.announced(tenant.client, data, run=run)

    await sending.send(again, data)
    assert (await sending.complete(tenant.client, again["id"]))["errors"] == []


async def test_starting_at_once_keeps_one_upload_in_the_store(
    tenant: Tenant, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = sending.content()
    artifact = await sending.announced(tenant.client, data, run=await tenant.run())
    async with tenant.database.change(tenant.org_id) as change:
        await change.execute(update(Upload).where(col(Upload.org_id) == tenant.org_id).values(store_upload_id=None))
    begun: list[str] = []
    begin = store.start_upload

    async def noted(bucket: str, key: str, content_type: str | None) -> str:
        begun.append(await begin(bucket, key, content_type))
        return begun[-1]

    monkeypatch.setattr(store, "start_upload", noted)
    await asyncio.gather(
        *(uploads.start(tenant.database, store, tenant.actor, [uuid_of(artifact["id"])]) for _ in range(5))
    )

    row = await upload_row(tenant.database, tenant.org_id, artifact["id"])
    assert row.store_upload_id in begun
    for spare in {*begun} - {row.store_upload_id}:
        with pytest.raises(UploadGone):
            await store.list_parts(row.bucket, row.object_key, spare)
    await sending.send(await sending.look(tenant.client, artifact["id"]), data)
    assert (await sending.complete(tenant.client, artifact["id"]))["errors"] == []


async def test_who_may_only_read_changes_no_upload(tenant: Tenant) -> None:
    data, run = sending.content(), await tenant.run()
    artifact = await sending.announced(tenant.client, data, run=run)
    reader = await tenant.member(Role.READER, PrincipalKind.USER)
    for attempt in (
        sending.complete(reader, artifact["id"]),
        reader.make("abortUpload", "artifact", artifact=artifact["id"]),
        sending.announce(reader, data, run=run, path="other"),
    ):
        with pytest.raises(GraphQLFailed) as refused:
            await attempt
        assert refused.value.code == "FORBIDDEN"


async def test_an_upload_of_another_organization_does_not_exist(tenant: Tenant, neighbor: Tenant) -> None:
    artifact = await sending.announced(tenant.client, sending.content(), run=await tenant.run())
    assert (await refusal(neighbor.client, artifact["id"]))["code"] == "NOT_FOUND"
    error = await neighbor.client.refusal("abortUpload", "artifact", artifact=artifact["id"])
    assert error["code"] == "NOT_FOUND"


async def test_an_upload_leaves_no_job_when_its_artifact_is_refused(tenant: Tenant) -> None:
    run = await tenant.run()
    async with tenant.database.change(tenant.org_id) as change:
        await change.execute(delete(Job).where(col(Job.org_id) == tenant.org_id))
    payload = await sending.announce(tenant.client, sending.content(), run=run, path="../a")
    async with tenant.database.change(tenant.org_id) as change:
        rows = (await change.execute(select(func.count()).select_from(Upload))).scalar_one()
    assert payload["errors"][0]["code"] == "INVALID_VALUE"
    assert (rows, await jobs_of(tenant)) == (0, [])
