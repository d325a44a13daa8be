"""An endpoint of webhooks: a real HTTP server that notes what it is sent and answers as it is told to."""

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.patience import eventually

DOCUMENT = Path(__file__).parents[1] / "docs/webhooks.md"
_VERIFIER: dict[str, Any] = {}
exec(re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)[0], _VERIFIER)
is_genuine: Callable[[str, Mapping[str, str], bytes], bool] = _VERIFIER["is_genuine"]
"""What receivers are advised to verify deliveries by."""


@dataclass(frozen=True)
class Received:
    """One request, as it came, and what it was answered."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    status: int

    @property
    def told(self) -> dict[str, Any]:
        """What the body says."""
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Receiver:
    """`answers` are given one after another, then 204. `held` is cleared to leave requests without an answer."""

    base: str = ""
    received: list[Received] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    usual: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    held: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: int = 0
    most_at_once: int = 0

    @property
    def url(self) -> str:
        return f"{self.base}/hook"

    def sequences(self, status: int | None = None) -> list[int]:
        """The numbers of the events that came, or of those that were answered with this status."""
        return [one.told["sequence"] for one in self.received if status in (None, one.status)]

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait until something is so."""
        await eventually(reached)

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.waiting += 1
        self.most_at_once = max(self.most_at_once, self.waiting)
        try:
            await self.held.wait()
        finally:
            self.waiting -= 1
        lower = {name.lower(): value for name, value in request.headers.items()}
        status = self.answers.pop(0) if self.answers else self.usual
        self.received.append(Received(request.path_qs, lower, body, status))
        return web.Response(status=status, body=self.body, headers=self.headers)


@asynccontextmanager
async def receiver(answers: Iterable[int] = (), *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver on a port of its own of this machine."""
    found = Receiver(answers=list(answers))
    found.held.set()
    application = web.Application(client_max_size=1024 * 1024)
    application.router.add_route("*", "/{path:.*}", found.take)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        port = runner.addresses[0][1]
        found.base = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        yield found
    finally:
        found.held.set()
        await runner.cleanup()
