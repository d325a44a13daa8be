"""Whether the process lives, whether it can serve, and what it stands on: for orchestrators and for people."""

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import orjson
import structlog
from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import Response

from db.errors import told
from db.listening import Wakeups
from db.session import Database
from registry.kernel.faults import refusal_of
from resolvers.services import Services
from storage.errors import StoreError

log = structlog.get_logger(__name__)

_PING = text("select 1")
_PING_S = 1.0
_REMEMBERED_S = 1.0


@dataclass
class Health:
    """Probes of the services, each remembered for a second so that probing costs nothing.

    `aside` has connections of its own: that requests hold all of the pool does not make the database dead.
    """

    services: Services
    aside: Database
    buckets: tuple[str, ...]
    wakeups: Wakeups
    warnings: tuple[str, ...] = ()
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    _probed: dict[str, tuple[float, str]] = field(default_factory=dict)
    _asking: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    async def database(self) -> str:
        """`ok`, or what is wrong."""
        return await self._remembered("database", self._ask_database)

    async def store(self) -> str:
        """`ok`, or what is wrong."""
        return await self._remembered("object_store", self._ask_store)

    def feed(self) -> str:
        """`ok`, or `polling` where other processes are not heard: their changes are then told up to a second later."""
        return "ok" if self.wakeups.up else "polling"

    async def _remembered(self, name: str, ask: Any) -> str:
        # One asks and the others wait for its answer: probes must not compete for the connection they ask on.
        async with self._asking[name]:
            at, answer = self._probed.get(name, (float("-inf"), ""))
            if time.monotonic() - at > _REMEMBERED_S:
                answer = await ask()
                self._probed[name] = (time.monotonic(), answer)
            return answer

    async def _ask_database(self) -> str:
        try:
            async with asyncio.timeout(_PING_S), self.aside.as_nobody() as connection:
                await connection.execute(_PING)
        except Exception as error:
            # A wrong password or database is for the log: whoever may probe need not know which.
            if not isinstance(error, TimeoutError) and refusal_of(error) is None:
                log.warning("health.database_refused", error=told(error))
            return "unavailable"
        return "ok"

    async def _ask_store(self) -> str:
        try:
            for bucket in self.buckets:
                await self.services.store.check(bucket)
        except StoreError:
            return "unavailable"
        return "ok"


async def livez(_request: Request) -> Response:
    """200 as long as the event loop turns; says nothing of anything else."""
    return _json({"status": "ok"})


async def readyz(request: Request) -> Response:
    """200 when requests can be served. The object store does not count: without it most requests still can."""
    health: Health = request.app.state.health
    if health.draining.is_set():
        return _json({"status": "draining"}, 503)
    database = await health.database()
    return _json({"status": "ok" if database == "ok" else "unavailable", "database": database}, _status(database))


async def health(request: Request) -> Response:
    """What the server is and stands on. `status` is ok, degraded without object store, or unavailable."""
    probes: Health = request.app.state.health
    database, store = await asyncio.gather(probes.database(), probes.store())
    status = "unavailable" if database != "ok" else "degraded" if store != "ok" else "ok"
    return _json(
        {
            "status": status,
            "version": probes.services.version,
            "database": database,
            "object_store": store,
            "feed": probes.feed(),
            "warnings": probes.warnings,
        },
        _status(database),
    )


def _status(database: str) -> int:
    return 200 if database == "ok" else 503


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, headers={"cache-control": "no-store"}, media_type="application/json")
