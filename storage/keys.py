"""Names of objects in the bucket: made of identifiers and digests only, so no user text ever reaches a key."""

import re
from uuid import UUID

_SHA256_HEX = re.compile(r"[0-9a-f]{64}")


def blob_key(org_id: UUID, sha256: str, upload_id: UUID) -> str:
    """The key of one upload: `org/<uuid>/blob/<sha256>/<upload uuid>`.

    `sha256` is what the client declared, 64 lower-case hex digits (else ValueError). `upload_id` is ours, not the
    store's: two uploads of the same digest never share an object, so an unverified one cannot replace a verified one.
    """
    if not _SHA256_HEX.fullmatch(sha256):
        raise ValueError("a blob key needs a SHA-256 of 64 lower-case hex digits")
    return f"org/{org_id}/blob/{sha256}/{upload_id}"
