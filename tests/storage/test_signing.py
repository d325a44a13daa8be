"""Our presigned URLs are those of the SDK, byte for byte."""

from datetime import datetime
from unittest.mock import patch
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit

import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings, strategies as st

from storage.config import StoreConfig
from storage.layout import PlannedPart
from storage.signing import UrlSigner

CONFIG = StoreConfig("http://inside:9000", "an/access+key", "a secret", region="eu-west-3")
PRINTABLE = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


def signature_by_the_sdk(method: str, url: str, headers: dict[str, str]) -> str:
    """The signature that the SDK computes for our URL without its signing parameters, at the moment our URL names."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    own = [(name, value) for name, value in parse_qsl(parts.query) if not name.startswith("X-Amz-")]
    unsigned = f"{parts.scheme}://{parts.netloc}{parts.path}?{urlencode(own, quote_via=quote)}"
    request = AWSRequest(method=method, url=unsigned, headers=headers)
    at = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ")  # noqa: DTZ007 (the SDK's own clock is naive)
    auth = S3SigV4QueryAuth(
        Credentials(CONFIG.access_key, CONFIG.secret_key), "s3", CONFIG.region, int(query["X-Amz-Expires"][0])
    )
    with patch("botocore.auth.get_current_datetime", return_value=at):
        auth.add_auth(request)
    return signature_of(str(request.url))


def signature_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["X-Amz-Signature"][0]


@settings(deadline=None)
@given(key=PRINTABLE, name=PRINTABLE, expires_s=st.integers(1, 604_800))
def test_a_download_url_carries_the_signature_of_the_sdk(key: str, name: str, expires_s: int) -> None:
    url = UrlSigner(CONFIG, "models", key, expires_s).get({"versionId": name, "response-content-type": name})

    assert signature_of(url) == signature_by_the_sdk("GET", url, {})


@settings(deadline=None)
@given(upload_id=PRINTABLE, number=st.integers(1, 10_000), size_bytes=st.integers(0, 5 * 1024**3))
def test_a_part_url_carries_the_signature_of_the_sdk(upload_id: str, number: int, size_bytes: int) -> None:
    (url,) = UrlSigner(CONFIG, "models", "org/1/blob/2", 900).put_parts(upload_id, [PlannedPart(number, size_bytes)])

    assert signature_of(url) == signature_by_the_sdk("PUT", url, {"content-length": str(size_bytes)})


def test_urls_lead_to_the_public_endpoint() -> None:
    config = StoreConfig("http://inside:9000", "key", "secret", public_endpoint="https://files.example.com")

    assert UrlSigner(config, "models", "k", 60).get({}).startswith("https://files.example.com/models/k?")


def test_a_url_does_not_carry_the_secret() -> None:
    assert quote(CONFIG.secret_key) not in UrlSigner(CONFIG, "models", "k", 60).get({})


@pytest.mark.parametrize("expires_s", [0, -1, 604_801])
def test_a_url_lives_between_a_second_and_a_week(expires_s: int) -> None:
    with pytest.raises(ValueError, match="seconds"):
        UrlSigner(CONFIG, "models", "k", expires_s)
