"""Uploads: announced, presigned, sent in parts and completed, against boto3 to the same store."""

import asyncio
import hashlib
import io
import os
from functools import partial
from itertools import count
from typing import Any

import boto3  # type: ignore[import-untyped]  # its hints are another distribution
import httpx2
import orjson
from boto3.s3.transfer import TransferConfig  # type: ignore[import-untyped]
from botocore.config import Config

from bench.ground import Ground
from bench.plan import MIB_BYTES, Plan
from bench.report import Line
from bench.rounds import race
from bench.wire import Wire
from storage.layout import SMALLEST_PART_BYTES

SIDE_BY_SIDE = 4
"""How many parts are under way at once, on both sides."""

SOME_VERSION = "{ models(first: 1) { nodes { versions(first: 1) { nodes { id } } } } }"
CREATE = """mutation Create($input: CreateUploadInput!) {
  createUpload(input: $input) { errors { __typename } artifact { id upload { parts { number sizeBytes url } } } }
}"""
COMPLETE = """mutation Complete($input: CompleteUploadInput!) {
  completeUpload(input: $input) { errors { __typename } artifact { id state } }
}"""

_names = count()


async def measure(ground: Ground, plan: Plan) -> list[Line]:
    """Two lines: a small file and a large one, from bytes in memory to an object that is complete in the store.

    Ours hashes the bytes first, as every client must; that the server reads them back afterwards is not part of it.
    """
    boto = _client(ground)
    lines = []
    async with ground.wire() as client, httpx2.AsyncClient(timeout=60, trust_env=False) as store:
        version = await _version(client)
        for size_bytes in (plan.small_bytes, plan.large_bytes):
            turns = {
                "ours": partial(_presigned, client, store, version, size_bytes),
                "boto3": partial(_with_boto3, ground, boto, size_bytes),
            }
            times_ms = await race(turns, plan.rounds)
            lines.append(
                Line(f"upload {_shown(size_bytes)}", "boto3 upload_fileobj", times_ms["ours"], times_ms["boto3"])
            )
    return lines


async def _version(client: Wire) -> str:
    """The global id of a version that has room for files."""
    (model,) = orjson.loads(await client.ask(SOME_VERSION, {}))["data"]["models"]["nodes"]
    (version,) = model["versions"]["nodes"]
    return str(version["id"])


def _shown(size_bytes: int) -> str:
    return f"{size_bytes // MIB_BYTES} MiB" if size_bytes >= MIB_BYTES else f"{size_bytes // 1024} KiB"


async def _presigned(client: Wire, store: httpx2.AsyncClient, version: str, size_bytes: int) -> None:
    content = _bytes(size_bytes)
    given = {
        "version": version,
        "path": f"bench/{next(_names)}.bin",
        "kind": "MODEL",
        "sha256": hashlib.sha256(content).hexdigest(),
        "sizeBytes": str(size_bytes),
    }
    artifact = (await client.change(CREATE, given))["artifact"]
    room = asyncio.Semaphore(SIDE_BY_SIDE)

    async def put(part: dict[str, Any]) -> None:
        start = (part["number"] - 1) * SMALLEST_PART_BYTES
        async with room:
            sent = await store.put(part["url"], content=content[start : start + int(part["sizeBytes"])])
        assert sent.is_success, sent.text

    await asyncio.gather(*map(put, artifact["upload"]["parts"]))
    await client.change(COMPLETE, {"artifact": artifact["id"]})


async def _with_boto3(ground: Ground, boto: Any, size_bytes: int) -> None:
    config = TransferConfig(
        multipart_threshold=SMALLEST_PART_BYTES, multipart_chunksize=SMALLEST_PART_BYTES, max_concurrency=SIDE_BY_SIDE
    )
    content, key = io.BytesIO(_bytes(size_bytes)), f"bench/{next(_names)}"
    bucket = ground.settings.storage_bucket_models
    await asyncio.to_thread(boto.upload_fileobj, content, bucket, key, Config=config)


def _client(ground: Ground) -> Any:
    config = ground.settings.store
    return boto3.client(
        "s3",
        endpoint_url=config.endpoint,
        aws_access_key_id=config.access_key,
        aws_secret_access_key=config.secret_key,
        region_name=config.region,
        config=Config(request_checksum_calculation="when_required", proxies={}, s3={"addressing_style": "path"}),
    )


def _bytes(size_bytes: int) -> bytes:
    """Bytes that no file before had: known ones would not be sent."""
    return os.urandom(32) + bytes(size_bytes - 32)
