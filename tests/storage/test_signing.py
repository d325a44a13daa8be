"""Our presigned URLs are those that a whole client of the SDK makes, byte for byte but for the order of the query."""

from collections.abc import Iterator
from datetime import datetime
from threading import get_ident
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import pytest
from botocore.config import Config
from botocore.session import Session
from hypothesis import given, settings, strategies as st

from storage.config import StoreConfig
from storage.layout import PlannedPart
from storage.signing import UrlSigner
from storage.store import ObjectStore

CONFIG = StoreConfig(
    "http://inside:9000", "an/access+key", "a secret", region="eu-west-3", public_endpoint="https://files.example.com"
)
PRINTABLE = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@pytest.fixture(scope="module")
def client() -> Any:
    """A client of the SDK for the public endpoint."""
    return Session().create_client(
        "s3",
        endpoint_url=CONFIG.public_endpoint,
        region_name=CONFIG.region,
        aws_access_key_id=CONFIG.access_key,
        aws_secret_access_key=CONFIG.secret_key,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


@pytest.fixture(scope="module", autouse=True)
def frozen_clock() -> Iterator[None]:
    with patch("botocore.auth.get_current_datetime", return_value=datetime(2026, 3, 3, 12)):  # noqa: DTZ001 (as the SDK)
        yield


def pieces_of(url: str) -> tuple[str, list[str]]:
    """Where a URL leads and, whatever their order, its parameters as they are written."""
    where, _, query = url.partition("?")
    return where, sorted(query.split("&"))


def by_the_sdk(client: Any, operation: str, expires_seconds: int, **parameters: Any) -> tuple[str, list[str]]:
    return pieces_of(client.generate_presigned_url(operation, Params=parameters, ExpiresIn=expires_seconds))


@settings(deadline=None)
@given(key=PRINTABLE, name=PRINTABLE, expires_seconds=st.integers(1, 604_800))
def test_a_download_url_is_the_one_of_the_sdk(client: Any, key: str, name: str, expires_seconds: int) -> None:
    url = UrlSigner(CONFIG, "models", key, expires_seconds).get({"versionId": name, "response-content-type": name})

    assert pieces_of(url) == by_the_sdk(
        client, "get_object", expires_seconds, Bucket="models", Key=key, VersionId=name, ResponseContentType=name
    )


@settings(deadline=None)
@given(upload_id=PRINTABLE, number=st.integers(1, 10_000), size_bytes=st.integers(0, 5 * 1024**3))
def test_a_part_url_is_the_one_of_the_sdk(client: Any, upload_id: str, number: int, size_bytes: int) -> None:
    part, place = PlannedPart(number, size_bytes), {"Bucket": "models", "Key": "org/1/blob/2", "UploadId": upload_id}
    url = UrlSigner(CONFIG, "models", "org/1/blob/2", 900).put_part(upload_id, part)

    assert pieces_of(url) == by_the_sdk(
        client, "upload_part", 900, **place, PartNumber=number, ContentLength=size_bytes
    )


def test_urls_lead_to_the_public_endpoint() -> None:
    assert UrlSigner(CONFIG, "models", "k", 60).get({}).startswith("https://files.example.com/models/k?")


def test_a_url_does_not_carry_the_secret() -> None:
    assert quote(CONFIG.secret_key) not in UrlSigner(CONFIG, "models", "k", 60).get({})


@pytest.mark.parametrize("expires_seconds", [0, -1, 604_801])
def test_a_url_lives_between_a_second_and_a_week(expires_seconds: int) -> None:
    with pytest.raises(ValueError, match="seconds"):
        UrlSigner(CONFIG, "models", "k", expires_seconds)


async def test_the_parts_of_an_upload_are_signed_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    signed_in = []
    put_part = UrlSigner.put_part

    def noted(signer: UrlSigner, upload_id: str, part: PlannedPart) -> str:
        signed_in.append(get_ident())
        return put_part(signer, upload_id, part)

    monkeypatch.setattr(UrlSigner, "put_part", noted)
    parts = [PlannedPart(number, 10) for number in (1, 2, 3)]

    urls = await ObjectStore(CONFIG).presign_parts("models", "k", "u", parts, 900)

    assert [f"partNumber={number}&" in url for number, url in enumerate(urls, start=1)] == [True] * 3
    assert get_ident() not in signed_in
