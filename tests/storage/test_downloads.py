"""Downloads by URL: always an attachment, of a safe name and type."""

from urllib.parse import unquote

import httpx2
import pytest

from storage.store import ObjectStore
from tests.storage.s3_server import BUCKET
from tests.storage.uploader import URL_EXPIRES_S, Uploader


def saved_as(answer: httpx2.Response) -> str:
    """The file name that a client takes from the answer: the extended one goes before the plain one (RFC 6266)."""
    disposition = answer.headers["content-disposition"]
    _, _, extended = disposition.partition("; filename*=UTF-8''")
    return unquote(extended) or str(disposition).removeprefix('attachment; filename="').removesuffix('"')


@pytest.mark.parametrize(
    ("file_name", "saved_name"),
    [
        ("model.onnx", "model.onnx"),
        ("weights/a b.bin", "a b.bin"),
        ("modèle 模型 🦊.bin", "modèle 模型 🦊.bin"),
        ('say "hi"; filename=x.exe', 'say "hi"; filename=x.exe'),
        ("100%25 + done.bin", "100%25 + done.bin"),
        ("a\r\nX-Injected: yes", "a__X-Injected: yes"),
    ],
)
async def test_a_download_is_an_attachment_of_its_name(
    store: ObjectStore, http: httpx2.AsyncClient, uploader: Uploader, key: str, file_name: str, saved_name: str
) -> None:
    await uploader.put_object(key, b"content")
    url = store.presign_download(BUCKET, key, file_name=file_name, content_type=None, expires_seconds=URL_EXPIRES_S)

    answer = await http.get(url)

    assert answer.content == b"content"
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert saved_as(answer) == saved_name
    assert "x-injected" not in answer.headers


@pytest.mark.parametrize(
    ("content_type", "answered"),
    [("text/csv", "text/csv"), ("text/html", "application/octet-stream"), (None, "application/octet-stream")],
)
async def test_a_download_claims_a_safe_type(
    store: ObjectStore,
    http: httpx2.AsyncClient,
    uploader: Uploader,
    key: str,
    content_type: str | None,
    answered: str,
) -> None:
    await uploader.put_object(key, b"<script>")
    url = store.presign_download(BUCKET, key, file_name="f", content_type=content_type, expires_seconds=URL_EXPIRES_S)

    assert (await http.get(url)).headers["content-type"] == answered


async def test_a_range_of_a_download_can_be_read(
    store: ObjectStore, http: httpx2.AsyncClient, uploader: Uploader, key: str
) -> None:
    await uploader.put_object(key, b"0123456789")
    url = store.presign_download(BUCKET, key, file_name="f", content_type=None, expires_seconds=URL_EXPIRES_S)

    answer = await http.get(url, headers={"Range": "bytes=2-4"})

    assert answer.content == b"234"
    assert answer.headers["content-range"] == "bytes 2-4/10"


@pytest.mark.parametrize(
    ("signed", "forged"), [("model.bin", "evil.exe"), ("application%2Foctet-stream", "text%2Fhtml")]
)
async def test_a_download_url_cannot_be_changed(
    store: ObjectStore, http: httpx2.AsyncClient, uploader: Uploader, key: str, signed: str, forged: str
) -> None:
    await uploader.put_object(key, b"content")
    url = store.presign_download(BUCKET, key, file_name="model.bin", content_type=None, expires_seconds=URL_EXPIRES_S)
    assert signed in url

    answer = await http.get(url.replace(signed, forged))

    assert answer.status_code == httpx2.codes.FORBIDDEN


async def test_an_object_cannot_be_read_without_a_signature(
    store: ObjectStore, http: httpx2.AsyncClient, uploader: Uploader, key: str
) -> None:
    await uploader.put_object(key, b"content")
    url = store.presign_download(BUCKET, key, file_name="f", content_type=None, expires_seconds=URL_EXPIRES_S)

    answer = await http.get(url.partition("?")[0])

    assert answer.is_client_error
    assert b"content" not in answer.content
