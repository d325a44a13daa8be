"""Multipart uploads: clients send parts by URL, the server alone completes."""

import asyncio
import random

import httpx2
import pytest

from storage.errors import PartsRefused, UploadGone
from storage.layout import MIB_BYTES, planned_parts
from storage.store import ObjectStore, StoredPart
from tests.storage.s3_server import BUCKET
from tests.storage.uploader import URL_EXPIRES_S, Read, Uploader

CONTENT = random.Random(7).randbytes(20 * MIB_BYTES + 12_345)
PIECES = [CONTENT[at : at + 8 * MIB_BYTES] for at in range(0, len(CONTENT), 8 * MIB_BYTES)]


async def test_an_object_of_several_parts_comes_back_byte_for_byte(
    store: ObjectStore, http: httpx2.AsyncClient, uploader: Uploader, key: str, read: Read
) -> None:
    upload_id = await uploader.start(key)
    parts = planned_parts(len(CONTENT))
    urls = await store.presign_parts(BUCKET, key, upload_id, parts, URL_EXPIRES_S)
    for url, piece in zip(urls, PIECES, strict=True):
        (await http.put(url, content=piece)).raise_for_status()

    stored = await store.list_parts(BUCKET, key, upload_id)
    assert [(part.number, part.size_bytes) for part in stored] == parts
    await store.complete(BUCKET, key, upload_id, stored)

    assert await read(key) == CONTENT
    stat = await store.stat(BUCKET, key)
    assert stat is not None
    assert stat.size_bytes == len(CONTENT)


async def test_parts_may_arrive_in_any_order(store: ObjectStore, uploader: Uploader, key: str, read: Read) -> None:
    upload_id = await uploader.start(key)
    for number in (3, 1, 2):
        await uploader.put_part(key, upload_id, number, PIECES[number - 1])

    stored = await store.list_parts(BUCKET, key, upload_id)
    assert [part.number for part in stored] == [1, 2, 3]
    await store.complete(BUCKET, key, upload_id, list(reversed(stored)))

    assert await read(key) == CONTENT


async def test_a_part_may_be_sent_again(store: ObjectStore, uploader: Uploader, key: str, read: Read) -> None:
    upload_id = await uploader.start(key)
    await uploader.put_part(key, upload_id, 1, PIECES[0])
    await uploader.put_part(key, upload_id, 2, b"the end")
    await uploader.put_part(key, upload_id, 1, PIECES[0])
    await uploader.put_part(key, upload_id, 2, b"the end")

    stored = await store.list_parts(BUCKET, key, upload_id)
    assert [part.number for part in stored] == [1, 2]
    await store.complete(BUCKET, key, upload_id, stored)

    assert await read(key) == PIECES[0] + b"the end"


async def test_all_pages_of_a_long_list_of_parts_are_read(store: ObjectStore, uploader: Uploader, key: str) -> None:
    upload_id = await uploader.start(key)
    count = 1_003
    for at in range(1, count + 1, 50):
        numbers = range(at, min(at + 50, count + 1))
        await asyncio.gather(*(uploader.put_part(key, upload_id, number, b"x") for number in numbers))

    stored = await store.list_parts(BUCKET, key, upload_id)

    assert [part.number for part in stored] == list(range(1, count + 1))


async def test_an_empty_file_is_one_empty_part(store: ObjectStore, uploader: Uploader, key: str, read: Read) -> None:
    upload_id = await uploader.start(key)
    ((number, size_bytes),) = planned_parts(0)
    await uploader.put_part(key, upload_id, number, b"")

    stored = await store.list_parts(BUCKET, key, upload_id)
    assert [part.size_bytes for part in stored] == [size_bytes]
    await store.complete(BUCKET, key, upload_id, stored)

    assert await read(key) == b""


@pytest.mark.parametrize("content", [b"", b"1234", b"123456"])
async def test_a_part_of_another_length_is_refused(
    http: httpx2.AsyncClient, uploader: Uploader, key: str, content: bytes
) -> None:
    upload_id = await uploader.start(key)

    answer = await http.put(uploader.part_url(key, upload_id, 1, 5), content=content)

    assert answer.status_code == httpx2.codes.FORBIDDEN


async def test_a_part_url_does_not_serve_another_part(http: httpx2.AsyncClient, uploader: Uploader, key: str) -> None:
    url = uploader.part_url(key, await uploader.start(key), 1, 5)

    answer = await http.put(url.replace("partNumber=1&", "partNumber=2&"), content=b"12345")

    assert answer.status_code == httpx2.codes.FORBIDDEN


async def test_a_part_url_is_dead_after_completion(
    store: ObjectStore, http: httpx2.AsyncClient, uploader: Uploader, key: str, read: Read
) -> None:
    upload_id = await uploader.start(key)
    url = uploader.part_url(key, upload_id, 1, 4)
    (await http.put(url, content=b"good")).raise_for_status()
    await store.complete(BUCKET, key, upload_id, await store.list_parts(BUCKET, key, upload_id))

    answer = await http.put(url, content=b"evil")

    assert answer.status_code == httpx2.codes.NOT_FOUND
    assert await read(key) == b"good"


async def test_a_second_completion_finds_the_upload_gone_and_the_object_there(
    store: ObjectStore, uploader: Uploader, key: str
) -> None:
    upload_id = await uploader.start(key)
    await uploader.put_part(key, upload_id, 1, b"once")
    stored = await store.list_parts(BUCKET, key, upload_id)
    await store.complete(BUCKET, key, upload_id, stored)

    with pytest.raises(UploadGone):
        await store.complete(BUCKET, key, upload_id, stored)
    with pytest.raises(UploadGone):
        await store.list_parts(BUCKET, key, upload_id)
    stat = await store.stat(BUCKET, key)
    assert stat is not None
    assert stat.size_bytes == len(b"once")


async def test_an_unknown_upload_is_gone(store: ObjectStore, key: str) -> None:
    with pytest.raises(UploadGone):
        await store.list_parts(BUCKET, key, "no-such-upload")


async def test_a_part_the_store_does_not_hold_is_refused(store: ObjectStore, uploader: Uploader, key: str) -> None:
    upload_id = await uploader.start(key)
    await uploader.put_part(key, upload_id, 1, b"held")

    with pytest.raises(PartsRefused):
        await store.complete(BUCKET, key, upload_id, [StoredPart(1, 4, '"another"')])
    assert await store.stat(BUCKET, key) is None


async def test_nothing_cannot_be_completed(store: ObjectStore, uploader: Uploader, key: str) -> None:
    with pytest.raises(PartsRefused):
        await store.complete(BUCKET, key, await uploader.start(key), [])


async def test_an_upload_may_be_aborted_twice(
    store: ObjectStore, http: httpx2.AsyncClient, uploader: Uploader, key: str
) -> None:
    upload_id = await uploader.start(key)
    url = uploader.part_url(key, upload_id, 1, 4)
    await uploader.put_part(key, upload_id, 1, b"part")

    await store.abort(BUCKET, key, upload_id)
    await store.abort(BUCKET, key, upload_id)

    with pytest.raises(UploadGone):
        await store.list_parts(BUCKET, key, upload_id)
    assert (await http.put(url, content=b"part")).status_code == httpx2.codes.NOT_FOUND
    assert await store.stat(BUCKET, key) is None


async def test_an_abort_after_completion_leaves_the_object(
    store: ObjectStore, uploader: Uploader, key: str, read: Read
) -> None:
    upload_id = await uploader.start(key)
    await uploader.put_part(key, upload_id, 1, b"kept")
    await store.complete(BUCKET, key, upload_id, await store.list_parts(BUCKET, key, upload_id))

    await store.abort(BUCKET, key, upload_id)

    assert await read(key) == b"kept"


async def test_an_object_may_be_deleted_twice(store: ObjectStore, uploader: Uploader, key: str) -> None:
    await uploader.put_object(key, b"short-lived")

    await store.delete(BUCKET, key)
    await store.delete(BUCKET, key)

    assert await store.stat(BUCKET, key) is None


async def test_a_bucket_may_be_made_twice(store: ObjectStore) -> None:
    await store.ensure_bucket("made-twice")
    await store.ensure_bucket("made-twice")

    await store.check("made-twice")
