"""The store's address is an origin, and the keys never show."""

import pytest

from storage.config import StoreConfig

SECRET = "a-secret-nobody-should-see"


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        ("http://minio:9000", "http://minio:9000"),
        ("http://minio:9000/", "http://minio:9000"),
        ("https://S3.Example.com", "https://s3.example.com"),
        ("https://s3.example.com:443", "https://s3.example.com"),
        ("http://s3.example.com:80", "http://s3.example.com"),
        ("https://s3.example.com:80", "https://s3.example.com:80"),
        ("http://[::1]:9000", "http://[::1]:9000"),
    ],
)
def test_an_endpoint_is_kept_as_its_origin(written: str, origin: str) -> None:
    assert StoreConfig(written, "key", SECRET).endpoint == origin
    assert StoreConfig("http://inside", "key", SECRET, public_endpoint=written).signing_endpoint == origin


@pytest.mark.parametrize(
    "written",
    ["", "minio:9000", "ftp://minio", "http://", "http://minio/path", "http://minio?x=1", f"http://me:{SECRET}@minio"],
)
def test_what_is_no_origin_is_refused_without_being_repeated(written: str) -> None:
    with pytest.raises(ValueError, match="object store") as refusal:
        StoreConfig(written, "key", SECRET)
    assert SECRET not in str(refusal.value)


def test_the_keys_are_not_in_the_representation() -> None:
    shown = repr(StoreConfig("http://minio:9000", "the-access-key", SECRET))

    assert "the-access-key" not in shown
    assert SECRET not in shown
