"""Secrets that the server has to use again, encrypted under keys made from SECRET_KEY: the database gives none away.

What is sealed is a Fernet token. It holds whose secret it is: it opens for no other row.
"""

import base64
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from registry.kernel.errors import SecretKeyMissing

MIN_SECRET_KEY = 32
_PURPOSE = b"model-registry webhook secrets 2"


class Unreadable(Exception):
    """What was sealed does not open: the key is another one, or the text was altered."""


@dataclass(frozen=True)
class Vault:
    """Seals and opens. Without keys nothing is sealed and nothing opens."""

    keys: MultiFernet | None = field(repr=False)

    @classmethod
    def of(cls, secret_key: str | None) -> "Vault":
        """The vault of this SECRET_KEY: keys separated by commas, of which the first seals and each one opens.

        One that is too short to withstand guessing counts as none, also beside others.
        """
        keys = [key for part in (secret_key or "").split(",") if (key := part.strip())]
        if not keys or min(map(len, keys)) < MIN_SECRET_KEY:
            return cls(None)
        return cls(MultiFernet(map(_fernet, keys)))

    def seal(self, secret: bytes, owner: UUID) -> str:
        """The secret of a row, as it may be stored. Raises: SecretKeyMissing."""
        return self._known().encrypt(owner.bytes + secret).decode()

    def open(self, sealed: str, owner: UUID) -> bytes:
        """The secret of a row. Raises: Unreadable, SecretKeyMissing."""
        try:
            found = self._known().decrypt(sealed)
        except (InvalidToken, ValueError) as error:
            raise Unreadable from error
        if found[:16] != owner.bytes:
            raise Unreadable
        return found[16:]

    def _known(self) -> MultiFernet:
        if self.keys is None:
            raise SecretKeyMissing(MIN_SECRET_KEY)
        return self.keys


def _fernet(key: str) -> Fernet:
    derived = HKDF(SHA256(), length=32, salt=None, info=_PURPOSE).derive(key.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
