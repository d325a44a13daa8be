"""Secrets that the server has to use again, sealed under a key made from SECRET_KEY: the database gives none away.

What is sealed is a compact JWE (direct key, AES-256-GCM). It holds whose secret it is: it opens for no other row.
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from uuid import UUID

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from registry.kernel.errors import SecretKeyMissing

MIN_SECRET_KEY = 32
_PURPOSE = b"model-registry webhook secrets 1"
_HEADER = {"alg": "dir", "enc": "A256GCM"}


class Unreadable(Exception):
    """What was sealed does not open: the key is another one, or the text was altered."""


@dataclass(frozen=True)
class Vault:
    """Seals and opens. `key` has 32 bytes; without one nothing is sealed and nothing opens."""

    key: bytes | None = field(repr=False)

    @classmethod
    def of(cls, secret_key: str | None) -> "Vault":
        """The vault of this SECRET_KEY. One that is too short to withstand guessing counts as none."""
        if secret_key is None or len(secret_key) < MIN_SECRET_KEY:
            return cls(None)
        return cls(hmac.digest(secret_key.encode(), _PURPOSE, hashlib.sha256))

    def seal(self, secret: bytes, owner: UUID) -> str:
        """The secret of a row, as it may be stored. Raises: SecretKeyMissing."""
        if self.key is None:
            raise SecretKeyMissing(MIN_SECRET_KEY)
        return jwe.encrypt_compact(_HEADER, owner.bytes + secret, OctKey.import_key(self.key))

    def open(self, sealed: str, owner: UUID) -> bytes:
        """The secret of a row. Raises: Unreadable, SecretKeyMissing."""
        if self.key is None:
            raise SecretKeyMissing(MIN_SECRET_KEY)
        try:
            found = jwe.decrypt_compact(sealed, OctKey.import_key(self.key)).plaintext or b""
        except (JoseError, ValueError) as error:
            raise Unreadable from error
        if found[:16] != owner.bytes:
            raise Unreadable
        return found[16:]
