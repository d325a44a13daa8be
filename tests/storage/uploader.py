"""What a client of the registry does with an object: it knows URLs, and no key."""

from collections.abc import Awaitable, Callable

import httpx2

from storage.layout import SMALLEST_PART_BYTES, PlannedPart
from storage.store import ObjectStore
from tests.storage.s3_server import BUCKET

URL_EXPIRES_S = 300

Read = Callable[[str], Awaitable[bytes]]


class Uploader:
    def __init__(self, store: ObjectStore, http: httpx2.AsyncClient) -> None:
        self._store = store
        self._http = http

    async def start(self, key: str) -> str:
        return await self._store.start_upload(BUCKET, key, None)

    def part_url(self, key: str, upload_id: str, number: int, size_bytes: int) -> str:
        return self._store.presign_part(BUCKET, key, upload_id, number, size_bytes, URL_EXPIRES_S)

    async def put_part(self, key: str, upload_id: str, number: int, content: bytes) -> None:
        answer = await self._http.put(self.part_url(key, upload_id, number, len(content)), content=content)
        assert answer.status_code == httpx2.codes.OK, answer.text

    async def put_object(self, key: str, content: bytes) -> None:
        upload_id = await self.start(key)
        starts = range(0, len(content), SMALLEST_PART_BYTES)
        pieces = [content[at : at + SMALLEST_PART_BYTES] for at in starts] or [b""]
        parts = [PlannedPart(number, len(piece)) for number, piece in enumerate(pieces, start=1)]
        urls = await self._store.presign_parts(BUCKET, key, upload_id, parts, URL_EXPIRES_S)
        for url, piece in zip(urls, pieces, strict=True):
            answer = await self._http.put(url, content=piece)
            assert answer.status_code == httpx2.codes.OK, answer.text
        await self._store.complete(BUCKET, key, upload_id, await self._store.list_parts(BUCKET, key, upload_id))

    async def read(self, key: str) -> bytes:
        url = self._store.presign_download(BUCKET, key, file_name="f", content_type=None, expires_seconds=URL_EXPIRES_S)
        answer = await self._http.get(url)
        assert answer.status_code == httpx2.codes.OK, answer.text
        return answer.content
