"""Keys are made of identifiers and digests."""

from uuid import UUID

import pytest

from storage.keys import blob_key

ORG_ID = UUID("0190a1b2-0000-7000-8000-000000000001")
UPLOAD_ID = UUID("0190a1b2-0000-7000-8000-000000000002")


def test_a_key_names_organization_digest_and_upload() -> None:
    assert blob_key(ORG_ID, "ab" * 32, UPLOAD_ID) == f"org/{ORG_ID}/blob/{'ab' * 32}/{UPLOAD_ID}"


@pytest.mark.parametrize("digest", ["", "ab", "AB" * 32, "../" + "a" * 61, "a" * 64 + "\n", "a" * 63 + "g"])
def test_only_a_digest_enters_a_key(digest: str) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        blob_key(ORG_ID, digest, UPLOAD_ID)
