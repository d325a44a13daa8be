"""The embedded object store, spoken to as the product does: presigned addresses, multipart uploads, ranges."""

import os
import signal
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import aioboto3
import httpx2
import pytest
from aiobotocore.config import AioConfig
from botocore.exceptions import ClientError

from server.embedded.errors import DataFolderInUse, EmbeddedUnavailable
from server.embedded.processes import command_line
from server.embedded.s3 import EmbeddedS3, start_s3
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

BUCKET = "models"
PART = b"0123456789abcdef" * (5 * 65_536)


@asynccontextmanager
async def client_of(s3: EmbeddedS3, secret_key: str | None = None) -> "AsyncIterator[S3Client]":
    config = AioConfig(
        signature_version="s3v4",
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    async with aioboto3.Session().client(
        "s3",
        endpoint_url=s3.endpoint,
        aws_access_key_id=s3.access_key,
        aws_secret_access_key=secret_key or s3.secret_key,
        region_name="us-east-1",
        config=config,
    ) as client:
        yield client


async def part_url(client: "S3Client", key: str, upload_id: str, number: int) -> str:
    place = {"Bucket": BUCKET, "Key": key, "UploadId": upload_id, "PartNumber": number}
    return await client.generate_presigned_url("upload_part", Params=place)


async def upload(client: "S3Client", key: str, parts: list[bytes]) -> list[str]:
    """Upload `parts` through presigned addresses, the last part first, complete, and return the addresses."""
    upload_id = (await client.create_multipart_upload(Bucket=BUCKET, Key=key))["UploadId"]
    urls = [await part_url(client, key, upload_id, number) for number in range(1, len(parts) + 1)]
    tags: dict[int, str] = {}
    async with httpx2.AsyncClient(timeout=PATIENCE_S) as http:
        for number in range(len(parts), 0, -1):
            answer = await http.put(urls[number - 1], content=parts[number - 1])
            assert answer.status_code == 200
            tags[number] = answer.headers["etag"]
    await client.complete_multipart_upload(
        Bucket=BUCKET,
        Key=key,
        UploadId=upload_id,
        MultipartUpload={"Parts": [{"PartNumber": number, "ETag": tags[number]} for number in sorted(tags)]},
    )
    return urls


async def read(client: "S3Client", key: str) -> bytes:
    return await (await client.get_object(Bucket=BUCKET, Key=key))["Body"].read()


async def test_parts_sent_to_presigned_urls_become_one_object(data_dir: Path) -> None:
    with start_s3(data_dir, buckets=[BUCKET]) as s3:
        async with client_of(s3) as client:
            await upload(client, "org/blob", [PART, PART[::-1], b"end"])
            assert await read(client, "org/blob") == PART + PART[::-1] + b"end"


@pytest.mark.parametrize("content", [b"", b"x"])
async def test_one_small_part_is_an_object_too(data_dir: Path, content: bytes) -> None:
    with start_s3(data_dir, buckets=[BUCKET]) as s3:
        async with client_of(s3) as client:
            await upload(client, "org/small", [content])
            assert await read(client, "org/small") == content


async def test_a_part_url_is_dead_after_completion(data_dir: Path) -> None:
    with start_s3(data_dir, buckets=[BUCKET]) as s3:
        async with client_of(s3) as client, httpx2.AsyncClient(timeout=PATIENCE_S) as http:
            (url,) = await upload(client, "org/blob", [b"good"])
            assert (await http.put(url, content=b"evil")).status_code == 404
            assert await read(client, "org/blob") == b"good"


async def test_a_download_takes_a_range_and_the_name_of_the_file(data_dir: Path) -> None:
    with start_s3(data_dir, buckets=[BUCKET]) as s3:
        async with client_of(s3) as client, httpx2.AsyncClient(timeout=PATIENCE_S) as http:
            await upload(client, "org/blob", [PART])
            disposition = 'attachment; filename="a model.bin"'
            place = {"Bucket": BUCKET, "Key": "org/blob", "ResponseContentDisposition": disposition}
            url = await client.generate_presigned_url("get_object", Params=place)
            whole = await http.get(url)
            piece = await http.get(url, headers={"Range": "bytes=100-299"})
            assert (whole.content, whole.headers["content-disposition"]) == (PART, disposition)
            assert piece.content == PART[100:300]
            assert piece.headers["content-range"] == f"bytes 100-299/{len(PART)}"


async def test_nobody_gets_in_without_a_true_signature(data_dir: Path) -> None:
    with start_s3(data_dir, buckets=[BUCKET]) as s3:
        async with client_of(s3) as client, httpx2.AsyncClient(timeout=PATIENCE_S) as http:
            await upload(client, "org/blob", [b"secret"])
            url = await client.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "org/blob"})
            for address in (url.replace("Signature=", "Signature=0"), url.split("?")[0], s3.endpoint):
                answer = await http.get(address)
                assert answer.status_code in {400, 403}
                assert b"secret" not in answer.content
        async with client_of(s3, "another secret of enough length") as stranger:
            with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
                await read(stranger, "org/blob")


async def test_objects_keys_and_port_survive_a_restart(data_dir: Path) -> None:
    with start_s3(data_dir, buckets=[BUCKET]) as first:
        async with client_of(first) as client:
            await upload(client, "org/blob", [b"kept"])
            url = await client.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "org/blob"})
    with start_s3(data_dir) as second:
        assert (second.endpoint, second.access_key, second.secret_key) == (
            first.endpoint,
            first.access_key,
            first.secret_key,
        )
        async with httpx2.AsyncClient(timeout=PATIENCE_S) as http:
            assert (await http.get(url)).content == b"kept"


async def test_a_port_taken_meanwhile_is_replaced(data_dir: Path) -> None:
    with start_s3(data_dir) as first:
        port = int(first.endpoint.rsplit(":", 1)[1])
    with ThreadingHTTPServer(("127.0.0.1", port), BaseHTTPRequestHandler) as other:
        Thread(target=other.serve_forever, daemon=True).start()
        with start_s3(data_dir, buckets=[BUCKET]) as second:
            assert second.endpoint != first.endpoint
            async with client_of(second) as client:
                await upload(client, "org/blob", [b"x"])
        other.shutdown()


async def test_a_killed_server_is_noticed_and_the_next_start_has_the_data(data_dir: Path) -> None:
    with start_s3(data_dir, buckets=[BUCKET]) as s3:
        async with client_of(s3) as client, httpx2.AsyncClient(timeout=PATIENCE_S) as http:
            await upload(client, "org/blob", [PART])
            unfinished = (await client.create_multipart_upload(Bucket=BUCKET, Key="org/half"))["UploadId"]
            await http.put(await part_url(client, "org/half", unfinished, 1), content=PART)
        os.kill(s3.pid, signal.SIGKILL)
        assert s3.wait(PATIENCE_S) == 128 + signal.SIGKILL
        assert not s3.alive()
    assert len(list((data_dir / "s3" / "objects" / BUCKET / "org").iterdir())) == 2
    with start_s3(data_dir) as s3:
        async with client_of(s3) as client:
            assert await read(client, "org/blob") == PART
    assert [path.name for path in (data_dir / "s3" / "objects" / BUCKET / "org").iterdir()] == ["blob"]


def test_a_second_start_over_one_folder_is_refused(data_dir: Path) -> None:
    with (
        start_s3(data_dir),
        pytest.raises(DataFolderInUse, match=str(os.getpid())),
        start_s3(data_dir),
    ):
        pass


def test_the_secret_is_long_private_and_on_no_command_line(data_dir: Path) -> None:
    with start_s3(data_dir) as s3:
        assert min(len(s3.access_key), len(s3.secret_key)) >= 20
        for pid in (s3.pid, s3.child.guardian_pid):
            assert command_line(pid)
            assert s3.secret_key not in command_line(pid)
        assert s3.secret_key not in repr(s3)
    for name in ("secret-key", "access-key", "s3.log"):
        assert stat.S_IMODE((data_dir / "s3" / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((data_dir / "s3").stat().st_mode) == 0o700
    assert s3.secret_key not in (data_dir / "s3" / "s3.log").read_text()


async def test_settings_of_the_user_have_no_effect(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RCLONE_READ_ONLY", "true")
    with start_s3(data_dir, buckets=[BUCKET]) as s3:
        async with client_of(s3) as client:
            await upload(client, "org/blob", [b"x"])


@pytest.mark.parametrize("name", ["..", "a/b", "UPPER", "x", "-models"])
def test_a_bucket_needs_a_plain_name(data_dir: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no bucket name"), start_s3(data_dir, buckets=[name]):
        pass


def test_without_the_program_the_message_names_both_ways_out(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.embedded.binaries.RCLONE_PACKAGE", "no_such_package")
    with pytest.raises(EmbeddedUnavailable, match=r"prepare.py local.*MINIO_ENDPOINT"), start_s3(data_dir):
        pass
    assert not data_dir.exists()
