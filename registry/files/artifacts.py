"""Artifacts: the files of runs and versions. Their bytes come by upload, are there already, or stay elsewhere."""

import re
import unicodedata
from typing import Annotated, Any

from sqlalchemy import select
from sqlmodel import col
from typing_extensions import Doc

from db.base import utc_now
from db.codes import ArtifactKind, ArtifactState, JobKind
from db.ids import uuid7
from db.rows.artifacts import FAILED_STATES
from db.session import Change
from db.tables import Artifact, Blob, Job, ModelVersion, Run, Upload
from registry.catalog.immutability import check_changeable
from registry.files import uploads
from registry.files.shelves import Shelves
from registry.jobs.version_news import version_changed
from registry.kernel import inputs
from registry.kernel.access import Action, Actor, require
from registry.kernel.errors import Conflict, InvalidValue, NameTaken, TooLarge
from registry.kernel.rows import add, find
from storage.keys import blob_key
from storage.layout import part_layout
from storage.names import safe_content_type

MAX_PATH_BYTES = 1_024
MAX_SEGMENT_BYTES = 255
_SHA256 = re.compile(r"[0-9a-f]{64}")


async def begin_upload(
    change: Change,
    actor: Actor,
    *,
    version_id: Annotated[inputs.VersionId | None, Doc("The version it belongs to; give this or `run`.")] = None,
    run_id: Annotated[inputs.RunId | None, Doc("The run it belongs to; give this or `version`.")] = None,
    path: Annotated[
        str, Doc("Its logical name, such as `plots/roc.png`; unique in its owner, without regard to case.")
    ],
    kind: Annotated[ArtifactKind, Doc("What it is for.")],
    sha256: Annotated[str, Doc("Of all its bytes, 64 hexadecimal digits. Verified before anybody can download it.")],
    size_bytes: Annotated[inputs.BigInt, Doc("Exactly how many bytes it has.")],
    content_type: Annotated[str | None, Doc("Its media type; sent with every download.")] = None,
    shelves: Shelves,
) -> Artifact:
    """An artifact that waits for its bytes, with an open upload.

    Bytes that the organization has already in the bucket of this kind are not sent again: the artifact is AVAILABLE at
    once. Whoever may write and knows a digest can therefore come by the bytes. Asked again for the same file at the
    same path, it gives the artifact that is there and an open upload its full time again, so that a client can resume.

    Raises: Forbidden, NotFound, InvalidValue, TooLarge, NameTaken, Conflict.
    """
    await _tell_of_news(change, version_id)
    owner = await _owner(change, actor, version_id, run_id)
    sha256 = clean_sha256(sha256)
    if size_bytes < 0:
        raise InvalidValue("A file has no bytes or more.", ("sizeBytes",))
    if size_bytes > shelves.max_size_bytes:
        raise TooLarge(size_bytes, shelves.max_size_bytes)
    artifact = _artifact(change, actor, owner, path, kind, ArtifactState.PENDING)
    artifact.sha256, artifact.size_bytes = sha256, size_bytes
    artifact.content_type = safe_content_type(content_type)
    known = await _at_path(change, owner, artifact.folded_path)
    if known is not None:
        return await _resumed(change, actor, known, artifact, owner)
    blob = await change.get(Blob, (change.org_id, shelves.bucket_for(kind), sha256))
    if blob is not None:
        if blob.size_bytes != size_bytes:
            raise InvalidValue(f"The file with this digest has {blob.size_bytes} bytes.", ("sizeBytes",))
        artifact.state, artifact.verified_at = ArtifactState.AVAILABLE, blob.verified_at
        artifact.bucket, artifact.object_key = blob.bucket, blob.object_key
        return await _insert(change, actor, artifact, owner)
    await _insert(change, actor, artifact, owner)
    await _open_upload(change, actor, artifact, shelves)
    return artifact


async def add_external(
    change: Change,
    actor: Actor,
    *,
    version_id: Annotated[inputs.VersionId | None, Doc("The version it belongs to; give this or `run`.")] = None,
    run_id: Annotated[inputs.RunId | None, Doc("The run it belongs to; give this or `version`.")] = None,
    path: Annotated[str, Doc("Its logical name; unique in its owner, without regard to case.")],
    kind: Annotated[ArtifactKind, Doc("What it is for.")],
    uri: Annotated[str, Doc("Where the bytes are. Kept as text; this server never opens it.")],
    sha256: Annotated[str | None, Doc("What it is said to hash to; not verified.")] = None,
    size_bytes: Annotated[inputs.BigInt | None, Doc("How many bytes it is said to have; not verified.")] = None,
) -> Artifact:
    """An artifact whose bytes stay elsewhere, unverified.

    Raises: Forbidden, NotFound, InvalidValue, NameTaken.
    """
    await _tell_of_news(change, version_id)
    owner = await _owner(change, actor, version_id, run_id)
    sha256 = None if sha256 is None else clean_sha256(sha256)
    if size_bytes is not None and not 0 <= size_bytes <= inputs.MAX_STEP:
        raise InvalidValue("A file has no bytes or more.", ("sizeBytes",))
    artifact = _artifact(change, actor, owner, path, kind, ArtifactState.EXTERNAL)
    artifact.external_uri = inputs.address(uri, ("uri",))
    artifact.sha256, artifact.size_bytes = sha256, size_bytes
    if await _at_path(change, owner, artifact.folded_path) is not None:
        raise _path_taken(artifact, owner)
    return await _insert(change, actor, artifact, owner)


def clean_path(path: str) -> str:
    """A logical path as it is stored: normal form C, segments between `/`.

    Raises: InvalidValue for anything that a file system or a URL could understand in another way.
    """
    text = inputs.normal(path, ("path",))
    segments = text.split("/")
    if any(segment in ("", ".", "..") or segment != segment.strip() for segment in segments):
        raise InvalidValue(
            "A path is names between `/`: none empty, `.` or `..`, none with spaces around it.", ("path",)
        )
    if any(unicodedata.category(c) in ("Cc", "Cs", "Cf", "Zl", "Zp") or c in "\\:" for c in text):
        raise InvalidValue("A path holds no backslash, colon, control or format characters.", ("path",))
    try:
        sizes = [len(segment.encode()) for segment in segments]
    except UnicodeEncodeError:
        raise InvalidValue("A path is valid Unicode.", ("path",)) from None
    if max(sizes) > MAX_SEGMENT_BYTES or len(text.encode()) > MAX_PATH_BYTES:
        raise InvalidValue(
            f"A path has at most {MAX_PATH_BYTES} bytes, {MAX_SEGMENT_BYTES} in each of its names.", ("path",)
        )
    return text


def path_columns(path: str) -> dict[str, Any]:
    """The columns with a path, as it is stored and as it is compared: paths that differ in case only are the same.

    Raises: InvalidValue.
    """
    clean = clean_path(path)
    return {"path": clean, "folded_path": unicodedata.normalize("NFC", clean.casefold())}


def clean_sha256(value: str) -> str:
    """A SHA-256 as it is stored. Raises: InvalidValue."""
    if not _SHA256.fullmatch(value.lower()):
        raise InvalidValue("A SHA-256 is written as 64 hexadecimal digits.", ("sha256",))
    return value.lower()


async def _tell_of_news(change: Change, version_id: inputs.VersionId | None) -> None:
    """Have what waits for news of a version looked at: a file that is there at once may be what a gate waits for.

    Before the version is locked: a worker that looks takes its job first, and then the version.
    """
    if version_id is not None:
        await version_changed(change, version_id)


async def _owner(
    change: Change, actor: Actor, version_id: inputs.VersionId | None, run_id: inputs.RunId | None
) -> Run | ModelVersion:
    """The run or version that the caller named, which it may write to.

    Locked, so that of two requests for the same path at the same moment the second sees what the first has made.
    """
    owner: Run | ModelVersion
    if version_id is not None and run_id is None:
        owner = await find(change, ModelVersion, version_id, "version", lock=True)
        await check_changeable(change, owner, "version")
    elif run_id is not None and version_id is None:
        owner = await find(change, Run, run_id, "run", lock=True)
    else:
        raise InvalidValue("An artifact belongs to one version or to one run. Give one of the two.", ("version",))
    require(actor, Action.WRITE, owner)
    return owner


def _artifact(
    change: Change, actor: Actor, owner: Run | ModelVersion, path: str, kind: ArtifactKind, state: ArtifactState
) -> Artifact:
    return Artifact(
        org_id=change.org_id,
        run_id=owner.id if isinstance(owner, Run) else None,
        version_id=owner.id if isinstance(owner, ModelVersion) else None,
        kind=kind,
        **path_columns(path),
        content_type=safe_content_type(None),
        state=state,
        created_by=actor.principal_id,
    )


async def _resumed(
    change: Change, actor: Actor, known: Artifact, announced: Artifact, owner: Run | ModelVersion
) -> Artifact:
    """The artifact that holds the path, which has to be what is announced; its upload goes on."""
    told = [(one.path, one.sha256, one.size_bytes) for one in (known, announced)]
    if told[0] != told[1] or known.state == ArtifactState.EXTERNAL:
        raise _path_taken(announced, owner)
    # Bucket and downloads follow from these: the caller must not believe that they are as it says now.
    for name, before, now in (
        ("kind", known.kind, announced.kind),
        ("contentType", known.content_type, announced.content_type),
    ):
        if before != now:
            what = f"This file was announced with the {name} {before}."
            raise Conflict(f"{what} Say the same or choose another path.", (name,))
    await uploads.extend(change, actor, known)
    return known


async def _at_path(change: Change, owner: Run | ModelVersion, folded_path: str) -> Artifact | None:
    """The artifact of this owner that holds the path; one that failed has let go of it.

    Locked, so that an upload is not given up while it is resumed.
    """
    column = Artifact.run_id if isinstance(owner, Run) else Artifact.version_id
    found = await change.execute(
        select(Artifact)
        .where(
            col(Artifact.org_id) == change.org_id,
            col(column) == owner.id,
            col(Artifact.folded_path) == folded_path,
            col(Artifact.state).not_in(FAILED_STATES),
            col(Artifact.deleted_at).is_(None),
        )
        .with_for_update(key_share=True)
    )
    return found.scalar_one_or_none()


def _path_taken(artifact: Artifact, owner: Run | ModelVersion) -> NameTaken:
    return NameTaken("artifact", artifact.path, type(owner).__name__.lower(), ("path",))


async def _insert(change: Change, actor: Actor, artifact: Artifact, owner: Run | ModelVersion) -> Artifact:
    taken = _path_taken(artifact, owner)
    return await add(change, actor, artifact, {"artifact_run_path_key": taken, "artifact_version_path_key": taken})


async def _open_upload(change: Change, actor: Actor, artifact: Artifact, shelves: Shelves) -> None:
    """The row of the upload, and the job that ends it if nobody completes it."""
    if artifact.sha256 is None or artifact.size_bytes is None:
        raise Conflict("Only an artifact with a digest and a size can be uploaded.")
    layout = part_layout(artifact.size_bytes)
    upload_id = uuid7()
    upload = Upload(
        org_id=change.org_id,
        id=upload_id,
        artifact_id=artifact.id,
        bucket=shelves.bucket_for(artifact.kind),
        object_key=blob_key(change.org_id, artifact.sha256, upload_id),
        part_size_bytes=layout.part_size_bytes,
        part_count=layout.part_count,
        expires_at=utc_now() + uploads.LIFETIME,
    )
    await add(change, actor, upload)
    change.add(Job(org_id=change.org_id, kind=JobKind.CLEAR_UPLOAD, subject_id=upload.id, run_after=upload.expires_at))
