"""Reading an object back: digest, progress, and what ends the reading."""

import hashlib
import os
import random
import signal
from dataclasses import replace

import httpx2
import pytest

from storage.errors import ObjectMissing, StoreUnavailable
from storage.hashing import BLOCK_BYTES
from storage.layout import MIB_BYTES
from storage.store import CONNECTIONS, ObjectStore
from tests.storage.s3_server import BUCKET, OwnServer
from tests.storage.uploader import Uploader

LARGE = random.Random(11).randbytes(64 * MIB_BYTES)


async def test_64_mib_are_hashed_with_progress(store: ObjectStore, uploader: Uploader, key: str) -> None:
    await uploader.put_object(key, LARGE)
    reports: list[int] = []

    async def note(hashed_bytes: int) -> None:
        reports.append(hashed_bytes)

    hashed = await store.hash_object(BUCKET, key, on_progress=note)

    assert hashed.sha256 == hashlib.sha256(LARGE).hexdigest()
    assert hashed.size_bytes == len(LARGE)
    assert reports == list(range(4 * MIB_BYTES, len(LARGE) + 1, 4 * MIB_BYTES))


@pytest.mark.parametrize("content", [b"", b"x", LARGE[: 4 * MIB_BYTES], LARGE[: 4 * MIB_BYTES + 1]])
async def test_objects_at_the_edges_of_a_block_are_hashed(
    store: ObjectStore, uploader: Uploader, key: str, content: bytes
) -> None:
    await uploader.put_object(key, content)

    hashed = await store.hash_object(BUCKET, key)

    assert (hashed.sha256, hashed.size_bytes) == (hashlib.sha256(content).hexdigest(), len(content))


async def test_what_progress_raises_ends_the_reading(store: ObjectStore, uploader: Uploader, key: str) -> None:
    class LeaseLost(Exception):
        pass

    await uploader.put_object(key, LARGE)
    reports: list[int] = []

    async def lose_the_lease(hashed_bytes: int) -> None:
        reports.append(hashed_bytes)
        raise LeaseLost

    # More often than the client has connections: each must come back.
    for _ in range(CONNECTIONS + 1):
        with pytest.raises(LeaseLost):
            await store.hash_object(BUCKET, key, on_progress=lose_the_lease)
    assert reports == [BLOCK_BYTES] * (CONNECTIONS + 1)
    assert await store.stat(BUCKET, key) is not None


async def test_a_missing_object_cannot_be_hashed(store: ObjectStore, key: str) -> None:
    with pytest.raises(ObjectMissing):
        await store.hash_object(BUCKET, key)


@pytest.mark.parametrize("blow", [signal.SIGSTOP, signal.SIGKILL])
async def test_a_store_that_fails_while_it_is_read_is_unavailable(
    own_server: OwnServer, http: httpx2.AsyncClient, key: str, blow: signal.Signals
) -> None:
    with own_server() as server:
        async with ObjectStore(replace(server.config, stall_s=1.0)) as store:
            await Uploader(store, http).put_object(key, LARGE)

            async def strike_once(hashed_bytes: int) -> None:
                if hashed_bytes == BLOCK_BYTES:
                    os.kill(server.process_id, blow)

            with pytest.raises(StoreUnavailable):
                await store.hash_object(BUCKET, key, on_progress=strike_once)
