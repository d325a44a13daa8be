"""From an Authorization header to an actor, asking the database at most every few seconds for the same token."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from db.session import Database
from registry.events.event_log import StoredEvent
from registry.kernel.access import Actor
from registry.kernel.errors import Refusal, Unauthenticated
from registry.kernel.faults import refusal_of
from registry.tenants import tokens
from server.telemetry.metrics import AUTHENTICATIONS

CACHE_S = 5.0
"""How long a revoked token may go on working."""
_MOST = 10_000
_ACCESS: Final = ("api_token.revoked", "principal.", "role_binding.")
"""What the kinds of events begin with that take something from somebody who is in already."""


@dataclass
class Authenticator:
    """Remembers who presented a good token, by the hash of it. Bad tokens are not remembered.

    What the feed tells of tokens and roles is acted on at once, where this process follows the organization: what was
    remembered of it is forgotten, and those who are in are to be asked for again.
    """

    database: Database
    _known: dict[bytes, tuple[Actor, float]] = field(default_factory=dict)
    _watched: dict[UUID, asyncio.Event] = field(default_factory=dict)
    _changes: int = 0

    def access(self, org_id: UUID) -> asyncio.Event:
        """What is set, once, when something of tokens or roles of an organization may have changed."""
        return self._watched.setdefault(org_id, asyncio.Event())

    def heard(self, org_id: UUID, events: Sequence[StoredEvent]) -> None:
        """Take what the feed tells of an organization; no events where some may have been missed."""
        if events and not any(event.kind.startswith(_ACCESS) for event in events):
            return
        self._changes += 1
        self._known = {token: known for token, known in self._known.items() if known[0].org_id != org_id}
        watched = self._watched.pop(org_id, None)
        if watched is not None:
            watched.set()

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
        changes = self._changes
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
        if changes == self._changes:
            # Who was asked for before a change that was heard meanwhile may be no more.
            self._known[token_hash] = (actor, now + CACHE_S)
        AUTHENTICATIONS.labels("accepted").inc()
        return actor
