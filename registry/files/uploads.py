"""Uploads: bringing the bytes of an artifact into the store, and what follows when they are there or never come.

The store is never called inside a transaction. Each step can be repeated: a crash between the store's answer and the
commit that should have followed it is healed by the next attempt.
"""

from asyncio import Semaphore, gather
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from sqlalchemy import and_, select
from sqlmodel import col
from typing_extensions import Doc

from db.base import utc_now
from db.codes import ArtifactState, JobKind, UploadState
from db.session import Change, Database
from db.tables import Artifact, Job, Upload
from registry.kernel import inputs
from registry.kernel.access import Action, Actor, require
from registry.kernel.errors import Conflict, UploadIncomplete
from registry.kernel.rows import alter, find, find_by
from storage.errors import PartsRefused, UploadGone
from storage.layout import planned_parts
from storage.store import ObjectStore

LIFETIME = timedelta(hours=24)
"""How long an upload stays open after its file was announced, and announced again."""

SETTLING = timedelta(minutes=1)
"""How long after the end of an upload no completion of it can be under way any more."""

CALLS_AT_ONCE = 8
"""How many calls of one change the store answers side by side."""

ARTIFACT = Annotated[inputs.ArtifactId, Doc("The artifact whose bytes were announced.")]


async def start(database: Database, store: ObjectStore, actor: Actor, artifact_ids: Sequence[UUID]) -> None:
    """Open the multipart uploads of new artifacts in the store, except where they are open or not needed.

    Raises: StoreUnavailable, after noting those that the store has opened; announcing the same files again then goes on
    with the others.
    """
    async with database.change(actor.org_id) as change:
        wanted = await _not_started(change, artifact_ids)
    if not wanted:
        return
    calls = Semaphore(CALLS_AT_ONCE)

    async def begin(upload: Upload, content_type: str) -> str:
        async with calls:
            return await store.start_upload(upload.bucket, upload.object_key, content_type)

    begun = await gather(*(begin(upload, content_type) for upload, content_type in wanted), return_exceptions=True)
    for (upload, _), answer in zip(wanted, begun, strict=True):
        if isinstance(answer, str):
            await _note_start(database, store, actor, upload, answer)
    for answer in begun:
        if isinstance(answer, BaseException):
            raise answer


async def _note_start(
    database: Database, store: ObjectStore, actor: Actor, upload: Upload, store_upload_id: str
) -> None:
    """Store the store's id for an upload, or abort it in the store if another request was faster.

    A transaction for each upload: those who announce files again lock uploads in the order of their owners.
    """
    async with database.change(actor.org_id) as change:
        current = await find(change, Upload, upload.id, "artifact", lock=True)
        is_first = current.store_upload_id is None and current.state == UploadState.OPEN
        if is_first:
            current.store_upload_id = store_upload_id
    if not is_first:
        await store.abort(upload.bucket, upload.object_key, store_upload_id)


async def _not_started(change: Change, artifact_ids: Sequence[UUID]) -> list[tuple[Upload, str]]:
    """The uploads of these artifacts that are to be opened in the store, with the media types of their files."""
    found = await change.execute(
        select(Upload, col(Artifact.content_type))
        .join(Artifact, and_(col(Artifact.org_id) == Upload.org_id, col(Artifact.id) == Upload.artifact_id))
        .where(
            col(Upload.org_id) == change.org_id,
            col(Upload.artifact_id).in_(artifact_ids),
            col(Upload.state) == UploadState.OPEN,
            col(Upload.store_upload_id).is_(None),
            col(Artifact.deleted_at).is_(None),
        )
    )
    return [(upload, content_type) for upload, content_type in found]


async def join_parts(database: Database, store: ObjectStore, actor: Actor, artifact_id: UUID) -> None:
    """Let the store make one object of the parts it has, if they are all there with the announced sizes.

    Does nothing for an upload that is not open: `complete` then says what it is. An upload that the store has completed
    before, without our having taken note of it, is accepted for its size; its digest is verified as always.

    Raises: UploadIncomplete with the parts at fault, Conflict, StoreUnavailable.
    """
    async with database.change(actor.org_id) as change:
        artifact = await find(change, Artifact, artifact_id, "artifact")
        require(actor, Action.WRITE, artifact)
        upload = await _upload_of(change, artifact_id)
    if upload is None or upload.state != UploadState.OPEN or artifact.size_bytes is None:
        return
    if upload.store_upload_id is None:
        raise UploadIncomplete("Nothing was uploaded yet. Put the parts to their URLs first.", ())
    place = (upload.bucket, upload.object_key, upload.store_upload_id)
    try:
        stored = await store.list_parts(*place)
        sizes = {part.number: part.size_bytes for part in stored}
        planned = planned_parts(artifact.size_bytes)
        wrong = [part.number for part in planned if sizes.get(part.number) != part.size_bytes]
        extra = sorted(sizes.keys() - {part.number for part in planned})
        if wrong or extra:
            raise UploadIncomplete("These parts are missing or have another size than planned.", wrong + extra)
        await store.complete(*place, stored)
    except PartsRefused as error:
        raise UploadIncomplete("The store does not accept the parts. Upload them again.", ()) from error
    except UploadGone:
        found = await store.stat(upload.bucket, upload.object_key)
        if found is None or found.size_bytes != artifact.size_bytes:
            raise Conflict("The store has forgotten this upload. Abort it and create it anew.", ("artifact",)) from None


async def complete(change: Change, actor: Actor, *, artifact_id: ARTIFACT) -> Artifact:
    """Take note that the parts were joined, and have the bytes verified. Repeating it changes nothing.

    Raises: Forbidden, NotFound, Conflict when the upload was aborted or has expired.
    """
    artifact = await find(change, Artifact, artifact_id, "artifact", lock=True)
    require(actor, Action.WRITE, artifact)
    upload = await _upload_of(change, artifact_id)
    if upload is None or upload.state == UploadState.COMPLETED:
        if artifact.state == ArtifactState.EXTERNAL:
            raise Conflict("An external artifact has no upload.", ("artifact",))
        return artifact
    if upload.state != UploadState.OPEN:
        raise Conflict(f"This upload is {upload.state}. Create a new one.", ("artifact",))
    await alter(change, actor, upload, {"state": UploadState.COMPLETED}, verb="completed")
    await alter(change, actor, artifact, {"state": ArtifactState.VERIFYING}, verb="uploaded")
    job = await _expiry_of(change, upload)
    if job is not None:
        await change.delete(job)
    change.add(Job(org_id=change.org_id, kind=JobKind.VERIFY_ARTIFACT, subject_id=artifact.id))
    return artifact


async def abort(change: Change, actor: Actor, *, artifact_id: ARTIFACT) -> Artifact:
    """Give up an upload: its parts are removed, its path is free again. Repeating it changes nothing.

    Raises: Forbidden, NotFound, Conflict when the upload was completed.
    """
    artifact = await find(change, Artifact, artifact_id, "artifact", lock=True)
    require(actor, Action.WRITE, artifact)
    upload = await _upload_of(change, artifact_id)
    if upload is None or upload.state == UploadState.COMPLETED:
        raise Conflict("There is no open upload of this artifact.", ("artifact",))
    if upload.state == UploadState.OPEN:
        await give_up(change, actor, artifact, upload, UploadState.ABORTED)
        job = await _expiry_of(change, upload)
        if job is not None:
            job.run_after = utc_now() + SETTLING
    return artifact


async def extend(change: Change, actor: Actor, artifact: Artifact) -> None:
    """Give an open upload its full time again; does nothing for any other. The caller has locked the artifact."""
    upload = await _upload_of(change, artifact.id)
    if upload is None or upload.state != UploadState.OPEN:
        return
    await alter(change, actor, upload, {"expires_at": utc_now() + LIFETIME}, verb="extended")
    job = await _expiry_of(change, upload)
    if job is not None:
        job.run_after = upload.expires_at


async def give_up(change: Change, actor: Actor, artifact: Artifact, upload: Upload, state: UploadState) -> None:
    """Mark an upload as aborted or expired and its artifact as abandoned."""
    await alter(change, actor, upload, {"state": state}, verb=state.lower())
    await alter(change, actor, artifact, {"state": ArtifactState.ABANDONED}, verb="abandoned")


async def _upload_of(change: Change, artifact_id: UUID) -> Upload | None:
    return await find_by(change, Upload, artifact_id=artifact_id)


async def _expiry_of(change: Change, upload: Upload) -> Job | None:
    return await find_by(change, Job, kind=JobKind.CLEAR_UPLOAD, subject_id=upload.id)
