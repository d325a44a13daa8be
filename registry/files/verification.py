"""What workers do with artifacts: read uploaded bytes back and hash them, and clear away uploads that never came."""

import time
from dataclasses import dataclass

from sqlalchemy.dialects.postgresql import insert

from db.base import utc_now
from db.codes import ArtifactState, JobKind, UploadState
from db.session import Change, Database
from db.tables import Artifact, Blob, Job, Upload
from registry.files import uploads
from registry.jobs import queue
from registry.jobs.queue import Lease
from registry.jobs.version_news import version_changed
from registry.kernel.errors import NotFound
from registry.kernel.rows import alter, find, find_by
from registry.tenants.organizations import system
from storage.errors import ObjectMissing
from storage.hashing import HashedObject
from storage.store import ObjectStore

_RENEW_EVERY_S = queue.LEASE.total_seconds() / 3


@dataclass
class _Heartbeat:
    """Renews a lease while a long read goes on."""

    database: Database
    lease: Lease
    last: float

    async def __call__(self, size_bytes: int) -> None:
        if time.monotonic() - self.last > _RENEW_EVERY_S:
            await queue.renew(self.database, self.lease)
            self.last = time.monotonic()


async def verify(database: Database, store: ObjectStore, lease: Lease) -> None:
    """Decide whether the bytes of an artifact are what was announced: AVAILABLE, or QUARANTINED with the reason.

    Bytes that the organization has in the same bucket under another object are kept once: the artifact gets the place
    of the first object, and the second is removed. Quarantined bytes stay in the store, for whoever looks into them.

    Raises: LeaseLost, StoreUnavailable, DatabaseUnavailable; nothing was decided then.
    """
    actor = system(lease.org_id)
    async with database.change(lease.org_id) as change:
        artifact = await find(change, Artifact, lease.subject_id, "artifact", deleted=True)
        upload = await find_by(change, Upload, artifact_id=artifact.id)
        if upload is None:
            raise NotFound("Upload", ("artifact",))
    try:
        heartbeat = _Heartbeat(database, lease, time.monotonic())
        found = await store.hash_object(upload.bucket, upload.object_key, on_progress=heartbeat)
        fault = _fault(artifact, found)
    except ObjectMissing:
        fault = "The store has no object for this upload."
    async with database.change(lease.org_id) as change:
        await queue.finish(change, lease)
        artifact = await find(change, Artifact, artifact.id, "artifact", lock=True, deleted=True)
        if artifact.state != ArtifactState.VERIFYING:
            return
        if fault is not None:
            quarantined = {"state": ArtifactState.QUARANTINED, "failure": fault}
            await alter(change, actor, artifact, quarantined, verb="quarantined")
            await _tell_requests(change, artifact)
            return
        blob = await _shelve(change, artifact, upload)
        if blob.object_key != upload.object_key:
            # The bucket has these bytes under another object: this one can go.
            change.add(Job(org_id=lease.org_id, kind=JobKind.CLEAR_UPLOAD, subject_id=upload.id))
        place = {"bucket": blob.bucket, "object_key": blob.object_key}
        available = {"state": ArtifactState.AVAILABLE, "verified_at": utc_now(), **place}
        await alter(change, actor, artifact, available, verb="verified")
        await _tell_requests(change, artifact)


async def clear(database: Database, store: ObjectStore, lease: Lease) -> None:
    """End an upload that nobody completed in time, and remove from the store what no artifact needs.

    An open upload is first marked as expired, unless it was given more time; its bytes are removed a minute later, when
    no completion that was under way can still put an object there.

    Raises: LeaseLost, StoreUnavailable, DatabaseUnavailable; everything can be repeated.
    """
    async with database.change(lease.org_id) as change:
        upload = await find(change, Upload, lease.subject_id, "upload")
        artifact = await find(change, Artifact, upload.artifact_id, "artifact", lock=True, deleted=True)
        await change.refresh(upload)
        if upload.state == UploadState.OPEN:
            next_look_at = upload.expires_at
            if next_look_at <= utc_now():
                await uploads.give_up(change, system(lease.org_id), artifact, upload, UploadState.EXPIRED)
                next_look_at = utc_now() + uploads.SETTLING
            await queue.finish(change, lease)
            change.add(
                Job(
                    org_id=lease.org_id,
                    kind=JobKind.CLEAR_UPLOAD,
                    subject_id=upload.id,
                    run_after=next_look_at,
                )
            )
            return
        # The bytes of a verified artifact may be kept under the object of another upload.
        is_spare = artifact.state == ArtifactState.AVAILABLE and artifact.object_key != upload.object_key
    if upload.store_upload_id is not None:
        await store.abort(upload.bucket, upload.object_key, upload.store_upload_id)
    if upload.state != UploadState.COMPLETED or is_spare:
        await store.delete(upload.bucket, upload.object_key)
    async with database.change(lease.org_id) as change:
        await queue.finish(change, lease)


async def _tell_requests(change: Change, artifact: Artifact) -> None:
    if artifact.version_id is not None:
        await version_changed(change, artifact.version_id)


def _fault(artifact: Artifact, found: HashedObject) -> str | None:
    """Why the stored bytes are not the announced ones; None when they are."""
    if found.size_bytes != artifact.size_bytes:
        return f"The upload has {found.size_bytes} bytes and not the announced {artifact.size_bytes}."
    if found.sha256 != artifact.sha256:
        return f"The upload hashes to {found.sha256} and not to the announced digest."
    return None


async def _shelve(change: Change, artifact: Artifact, upload: Upload) -> Blob:
    """What the bucket of the upload keeps for this digest: the uploaded object, unless there was another before."""
    await change.execute(
        insert(Blob)
        .values(
            org_id=change.org_id,
            bucket=upload.bucket,
            sha256=artifact.sha256,
            size_bytes=artifact.size_bytes,
            object_key=upload.object_key,
            verified_at=utc_now(),
        )
        .on_conflict_do_nothing()
    )
    return await change.get_one(Blob, (change.org_id, upload.bucket, artifact.sha256))
