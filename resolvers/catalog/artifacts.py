"""Where the bytes of artifacts go to and come from: presigned URLs, made when they are asked for."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from db.base import utc_now
from db.codes import ArtifactState, UploadState
from db.tables import Artifact
from registry.kernel.access import Action, require
from registry.kernel.errors import BadInput
from resolvers.context import Operation
from resolvers.pages.paging import MAX_PAGE
from storage.layout import planned_parts

PART_URL_S = 900
MAX_DOWNLOAD_S = 900


@dataclass(frozen=True)
class UploadPart:
    """One part and where to send it."""

    number: int
    size_bytes: int
    url: str
    expires_at: datetime


@dataclass(frozen=True)
class Download:
    """Where to get the bytes."""

    url: str
    expires_at: datetime


async def parts(root: Any, operation: Operation, after: int, first: int) -> list[UploadPart]:
    """The parts of an open upload behind number `after`, each with a fresh URL; none of one that is not open.

    Whoever holds such a URL can replace the part: the right to write is needed, also where there is nothing to send.

    Raises: Forbidden, BadInput.
    """
    require(operation.actor, Action.WRITE, root)
    if not 0 <= first <= MAX_PAGE or after < 0:
        raise BadInput(f"`first` is 0 to {MAX_PAGE} and `after` is the number of a part, or 0.")
    if root.state != UploadState.OPEN or root.store_upload_id is None:
        return []
    artifact = await operation.loaders.row(Artifact).load(root.artifact_id)
    planned = planned_parts(artifact.size_bytes)[after : after + first]
    urls = await operation.services.store.presign_parts(
        root.bucket, root.object_key, root.store_upload_id, planned, PART_URL_S
    )
    expires_at = utc_now() + timedelta(seconds=PART_URL_S)
    return [UploadPart(part.number, part.size_bytes, url, expires_at) for part, url in zip(planned, urls, strict=True)]


async def download(root: Any, operation: Operation, expires_seconds: int) -> Download | None:
    """A URL to the bytes of an artifact under its own name and type; null unless it is AVAILABLE.

    Raises: BadInput.
    """
    if not 1 <= expires_seconds <= MAX_DOWNLOAD_S:
        raise BadInput(f"`expiresSeconds` is 1 to {MAX_DOWNLOAD_S}.")
    if root.state != ArtifactState.AVAILABLE:
        return None
    url = operation.services.store.presign_download(
        root.bucket,
        root.object_key,
        file_name=root.path,
        content_type=root.content_type,
        expires_seconds=expires_seconds,
    )
    return Download(url, utc_now() + timedelta(seconds=expires_seconds))
