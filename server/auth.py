"""From an Authorization header to an actor, asking the database at most every few seconds for the same token."""

import time
from dataclasses import dataclass, field

from db.session import Database
from registry import tokens
from registry.access import Actor
from registry.errors import Refusal, Unauthenticated
from registry.faults import refusal_of
from server.metrics import AUTHENTICATIONS

CACHE_S = 5.0
"""How long a revoked token may go on working."""
_MOST = 10_000


@dataclass
class Authenticator:
    """Remembers who presented a good token, by the hash of it. Bad tokens are not remembered."""

    database: Database
    _known: dict[bytes, tuple[Actor, float]] = field(default_factory=dict)

    async def actor(self, authorization: str | None) -> Actor:
        """The principal behind `Bearer <token>`.

        Raises: Unauthenticated, Unavailable, Overloaded.
        """
        scheme, _, token = (authorization or "").strip().partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token.isascii():
            AUTHENTICATIONS.labels("missing").inc()
            raise Unauthenticated
        token_hash = tokens.hash_of(token)
        now = time.monotonic()
        known = self._known.get(token_hash)
        if known is not None and known[1] > now:
            return known[0]
        try:
            actor = await tokens.authenticate(self.database, token)
        except Exception as error:
            self._known.pop(token_hash, None)
            refusal = refusal_of(error)
            AUTHENTICATIONS.labels("refused" if isinstance(refusal, Unauthenticated) else "failed").inc()
            if isinstance(refusal, Refusal):
                raise refusal from error
            raise
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[token_hash] = (actor, now + CACHE_S)
        AUTHENTICATIONS.labels("accepted").inc()
        return actor
