"""The object store: multipart uploads by presigned URLs, completion, verification, downloads and deletion over S3."""

import asyncio
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

import aioboto3
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.exceptions import ClientError

from storage.calls import bounded, status_of
from storage.config import StoreConfig
from storage.errors import PartsRefused, StoreUnavailable, UploadGone
from storage.hashing import HashedObject, OnProgress, hash_blocks, read_block
from storage.layout import PlannedPart
from storage.names import attachment, safe_content_type
from storage.signing import UrlSigner

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_s3.literals import BucketLocationConstraintType
    from types_aiobotocore_s3.type_defs import CompletedPartTypeDef, CreateBucketRequestTypeDef

CONTROL_S = 4.0
"""How long any control call may take in total, its one retry included."""
COMPLETE_S = 4.0
"""Some stores take longer to join many parts. They go on all the same: whoever asks again finds the object there."""
CHECK_S = 2.0
CONNECTIONS = 20
"""How many calls may be under way at once; further ones wait, within their bound."""
_CONNECT_S = 1.5
_NOT_FOUND_STATUS = 404
_HOME_REGION = "us-east-1"
"""The one region S3 does not accept as a location constraint."""


@dataclass(frozen=True)
class StoredPart:
    """A part the store holds: its number, from 1, its length, and the store's tag for it (not a digest of ours)."""

    number: int
    size_bytes: int
    etag: str


@dataclass(frozen=True)
class ObjectStat:
    """An object's length and the store's tag for it (not a digest of its content)."""

    size_bytes: int
    etag: str


class ObjectStore:
    """One S3 store and one client for it: enter it once per process, use it from any task of its event loop.

    Every call raises StoreUnavailable when the store cannot be reached, does not answer within its bound (4 s;
    `stall_s` for a block of a long read), fails, or does not accept our credentials or bucket; StoreRefused
    for any other no. Presigning is arithmetic: it makes no call, and works outside of the context too.
    """

    def __init__(self, config: StoreConfig) -> None:
        self._config = config
        self._stack = AsyncExitStack()
        self._entered: S3Client | None = None

    async def __aenter__(self) -> Self:
        config = self._config
        session = aioboto3.Session(
            aws_access_key_id=config.access_key,
            aws_secret_access_key=config.secret_key,
            region_name=config.region,
            botocore_session=_isolated_session(),
        )
        client = session.client("s3", endpoint_url=config.endpoint, config=_client_config(config))
        self._entered = await self._stack.enter_async_context(client)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._entered = None
        await self._stack.aclose()

    @property
    def _client(self) -> "S3Client":
        if self._entered is None:
            raise RuntimeError("the object store is used outside of its context")
        return self._entered

    async def start_upload(self, bucket: str, key: str, content_type: str | None) -> str:
        """Open a multipart upload and return the store's id for it. The stored type is made safe first."""
        call = self._client.create_multipart_upload(Bucket=bucket, Key=key, ContentType=safe_content_type(content_type))
        return (await bounded("start_upload", call, CONTROL_S))["UploadId"]

    def presign_part(
        self, bucket: str, key: str, upload_id: str, number: int, size_bytes: int, expires_seconds: int
    ) -> str:
        """The URL to PUT one part to; the store refuses a body that is not exactly `size_bytes` long.

        It is dead once the upload is completed or aborted, whatever is left of `expires_seconds` (1 second to 7 days).
        """
        return UrlSigner(self._config, bucket, key, expires_seconds).put_part(
            upload_id, PlannedPart(number, size_bytes)
        )

    async def presign_parts(
        self, bucket: str, key: str, upload_id: str, parts: Sequence[PlannedPart], expires_seconds: int
    ) -> list[str]:
        """The URLs of several parts of one upload, in the order given; see `presign_part`."""
        signer = UrlSigner(self._config, bucket, key, expires_seconds)
        # A hundred take 20 ms, which would hold up the event loop.
        return await asyncio.to_thread(lambda: [signer.put_part(upload_id, part) for part in parts])

    async def list_parts(self, bucket: str, key: str, upload_id: str) -> list[StoredPart]:
        """Every part the store holds, by number. Raises UploadGone when it does not know the upload."""
        parts = await bounded("list_parts", self._all_parts(bucket, key, upload_id), CONTROL_S)
        return sorted(parts, key=lambda part: part.number)

    async def complete(self, bucket: str, key: str, upload_id: str, parts: Sequence[StoredPart]) -> None:
        """Join the parts, in the order of their numbers, into the object; their URLs are dead from then on.

        Raises PartsRefused when a part is missing or another one, and UploadGone when the store does not know the
        upload: then it may have been completed before, so ask `stat`.
        """
        if not parts:
            raise PartsRefused("no parts")
        ordered: list[CompletedPartTypeDef] = [
            {"PartNumber": part.number, "ETag": part.etag} for part in sorted(parts, key=lambda part: part.number)
        ]
        call = self._client.complete_multipart_upload(
            Bucket=bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": ordered}
        )
        await bounded("complete", call, COMPLETE_S)

    async def abort(self, bucket: str, key: str, upload_id: str) -> None:
        """Drop an upload and its parts. Dropping one that is gone already is no error."""
        call = self._client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)
        try:
            await bounded("abort", call, CONTROL_S)
        except UploadGone:
            return

    async def stat(self, bucket: str, key: str) -> ObjectStat | None:
        """The object's length and tag, or None where there is none."""
        return await bounded("stat", self._head(bucket, key), CONTROL_S)

    async def hash_object(self, bucket: str, key: str, *, on_progress: OnProgress | None = None) -> HashedObject:
        """Read the whole object and hash it. `on_progress` is awaited every 4 MiB with the bytes hashed so far.

        As long as the object is large: only the wait for each block is bounded, by `stall_s`. What `on_progress`
        raises ends the reading and passes through. Raises ObjectMissing.
        """
        async with aclosing(self._blocks(bucket, key)) as blocks:
            return await hash_blocks(blocks, on_progress)

    def presign_download(
        self, bucket: str, key: str, *, file_name: str, content_type: str | None, expires_seconds: int
    ) -> str:
        """The URL to GET the object as an attachment of this name and type, both made safe, for 1 second to 7 days."""
        parameters = {
            "response-content-disposition": attachment(file_name),
            "response-content-type": safe_content_type(content_type),
        }
        return UrlSigner(self._config, bucket, key, expires_seconds).get(parameters)

    async def delete(self, bucket: str, key: str) -> None:
        """Remove the object. Removing one that is not there is no error."""
        await bounded("delete", self._client.delete_object(Bucket=bucket, Key=key), CONTROL_S)

    async def ensure_bucket(self, bucket: str) -> None:
        """Make the bucket where it is missing; several processes may do so at once."""
        await bounded("ensure_bucket", self._make_bucket(bucket), CONTROL_S)

    async def check(self, bucket: str) -> None:
        """Return when the store answers, accepts our keys and has the bucket; else StoreUnavailable within 2 s."""
        if not await bounded("check", self._has_bucket(bucket), CHECK_S):
            raise StoreUnavailable("check", "NoSuchBucket")

    async def _all_parts(self, bucket: str, key: str, upload_id: str) -> list[StoredPart]:
        parts: list[StoredPart] = []
        pages = self._client.get_paginator("list_parts").paginate(Bucket=bucket, Key=key, UploadId=upload_id)
        async for page in pages:
            parts += [StoredPart(part["PartNumber"], part["Size"], part["ETag"]) for part in page.get("Parts", [])]
        return parts

    async def _head(self, bucket: str, key: str) -> ObjectStat | None:
        try:
            answer = await self._client.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if status_of(error) == _NOT_FOUND_STATUS:
                return None
            raise
        return ObjectStat(answer["ContentLength"], answer["ETag"])

    async def _blocks(self, bucket: str, key: str) -> AsyncGenerator[bytes, None]:
        stall_s = self._config.stall_s
        answer = await bounded("hash_object", self._client.get_object(Bucket=bucket, Key=key), stall_s)
        body = answer["Body"]
        async with body:
            while block := await bounded("hash_object", read_block(body), stall_s):
                yield block

    async def _has_bucket(self, bucket: str) -> bool:
        try:
            await self._client.head_bucket(Bucket=bucket)
        except ClientError as error:
            if status_of(error) == _NOT_FOUND_STATUS:
                return False
            raise
        return True

    async def _make_bucket(self, bucket: str) -> None:
        if await self._has_bucket(bucket):
            return
        request: CreateBucketRequestTypeDef = {"Bucket": bucket}
        if self._config.region != _HOME_REGION:
            request["CreateBucketConfiguration"] = {
                "LocationConstraint": cast("BucketLocationConstraintType", self._config.region)
            }
        try:
            await self._client.create_bucket(**request)
        except ClientError:
            # Somebody else may have made it between the two calls; the names of that error differ among stores.
            if not await self._has_bucket(bucket):
                raise


def _isolated_session() -> AioSession:
    # Profiles and files of whoever starts the server must neither change nor break the client.
    nothing = (None, None, os.devnull, None)
    return AioSession(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": nothing,
            "credentials_file": nothing,
        }
    )


def _client_config(config: StoreConfig) -> AioConfig:
    return AioConfig(
        signature_version="s3v4",
        s3={"addressing_style": "path"},
        # Many stores do not know the newer checksum headers.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        connect_timeout=_CONNECT_S,
        # The socket's own limit only has to outlast the longest call; `bounded` ends each of them.
        read_timeout=config.stall_s,
        retries={"total_max_attempts": 2, "mode": "standard"},
        max_pool_connections=CONNECTIONS,
        proxies={} if config.is_local else None,
    )
