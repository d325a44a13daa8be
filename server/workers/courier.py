"""How a delivery goes over the wire: its body, its signatures, and one POST that cannot be led astray.

The headers are those of Standard Webhooks, so that receivers find libraries that verify them.
"""

import asyncio
import base64
import hashlib
import hmac
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from types import TracebackType
from typing import Any, Final
from uuid import UUID

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver, ResolveResult

from registry.kernel.errors import InvalidValue, Overloaded
from registry.webhooks.deliveries import Answer, Message
from registry.webhooks.hook_urls import Refused, Target, TrustedHosts, allowed, target_of
from resolvers import ids
from resolvers.events.event_images import shown_image
from resolvers.moments import sent_moment

BODY_SHAPE: Final = 1
TIMEOUT_S = 10.0
_IDLE_CONNECTION_S = 2.0
_MAX_ANSWER_BYTES = 4 * 1024
_ANSWER_S = 0.5
_LOOK_UPS = 64
"""How many hosts are looked up at once. A look-up cannot be stopped: one that hangs keeps its place when given up."""

_asking: ContextVar[UUID] = ContextVar("_asking")
"""The organization whose message is being posted."""

Lookup = Callable[[str, int], list[str]]
"""The addresses of a host, by a call that waits. Raises: OSError."""


def look_up(host: str, port: int) -> list[str]:
    """The addresses of a host as the system knows them. Raises: OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[4][0]) for address in found))


def body_of(message: Message) -> bytes:
    """What is posted: JSON, the same bytes at every try. Its shape is documented in docs/webhooks.md."""
    event, told = message.event, message.event.body if message.event else {}
    kind, _, _ = message.subject.partition(":")
    return orjson.dumps(
        {
            "shape": BODY_SHAPE,
            "id": message.id,
            "kind": message.kind,
            "at": sent_moment(message.at),
            "organization": ids.encode("Organization", message.org_id),
            "cursor": str(event.cursor) if event else None,
            "sequence": event.seq if event else None,
            "subject": _named(event.subject if event else message.subject),
            "actor": _named(event.actor) if event else None,
            "model": _id("Model", event.model_id) if event else None,
            "project": _id("Project", event.project_id) if event else None,
            "before": shown_image(kind, told.get("before")),
            "after": shown_image(kind, told.get("after")),
        }
    )


def signature_of(secret: bytes, id: str, timestamp: int, body: bytes) -> str:
    """One signature of a delivery, as it stands in `webhook-signature`."""
    signed = hmac.digest(secret, f"{id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(signed).decode()}"


def headers_of(secrets: Sequence[bytes], message: Message, body: bytes, timestamp: int, version: str) -> dict[str, str]:
    """The headers of a delivery. Several secrets give several signatures: one of them is enough for a receiver."""
    return {
        "content-type": "application/json",
        "user-agent": f"model-registry/{version}",
        "webhook-id": message.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signature_of(secret, message.id, timestamp, body) for secret in secrets),
    }


class _CheckedResolver(AbstractResolver):
    """Gives the connector only addresses that were checked, and nobody resolves the name again after that."""

    def __init__(self, lookup: Lookup, trusted: TrustedHosts) -> None:
        self._lookup = lookup
        self._trusted = trusted
        # Threads of their own: a name server that does not answer must not take those that others wait for.
        self._threads = ThreadPoolExecutor(_LOOK_UPS, thread_name_prefix="look up hosts of webhooks")
        self._under_way: Counter[UUID] = Counter()
        self._counting = threading.Lock()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a host. Raises: Refused, OSError, Overloaded."""
        found = await asyncio.wrap_future(self._begin(_asking.get(), host, port))
        target = Target("", host.lower(), port, self._trusted.include(host.lower(), port))
        return [_resolved(host, address, port) for address in allowed(target, found)]

    def _begin(self, org_id: UUID, host: str, port: int) -> Future[list[str]]:
        """Look a host up in a thread, where there is one for this organization. Raises: Overloaded.

        Nobody has more of them than are left for all others.
        """
        with self._counting:
            if self._under_way[org_id] >= _LOOK_UPS - self._under_way.total():
                raise Overloaded("Too many hosts of webhooks are being looked up: their name servers do not answer.")
            self._under_way[org_id] += 1
        future = self._threads.submit(self._lookup, host, port)
        future.add_done_callback(partial(self._ended, org_id))
        return future

    def _ended(self, org_id: UUID, _future: Future[list[str]]) -> None:
        with self._counting:
            self._under_way[org_id] -= 1
            self._under_way += Counter()  # forgets those who have none

    async def close(self) -> None:
        """Look nothing up any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class Courier:
    """Posts messages. Open it with `async with`; safe for concurrent use.

    Not followed: redirects, proxies of the environment, cookies. Of an answer only the status is looked at.
    """

    def __init__(
        self,
        trusted: TrustedHosts,
        version: str,
        *,
        lookup: Lookup = look_up,
        tls: ssl.SSLContext | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._trusted = trusted
        self._version = version
        self._lookup = lookup
        self._tls = tls
        self._timeout_s = timeout_s

    async def __aenter__(self) -> "Courier":
        self._resolver = _CheckedResolver(self._lookup, self._trusted)
        connector = aiohttp.TCPConnector(
            resolver=self._resolver,
            use_dns_cache=False,
            ssl=self._tls or True,
            limit=0,
            keepalive_timeout=_IDLE_CONNECTION_S,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()
        await self._resolver.close()

    async def send(self, url: str, secrets: Sequence[bytes], message: Message) -> Answer:
        """Post a message once and say what came of it, whatever that is.

        Raises: Overloaded where it could not be tried, for which the endpoint is not to blame.
        """
        _asking.set(message.org_id)
        body = body_of(message)
        headers = headers_of(secrets, message, body, int(time.time()), self._version)
        began_s = time.monotonic()
        status, fault = await self._post(url, headers, body)
        return Answer(status, fault, round((time.monotonic() - began_s) * 1000))

    async def _post(self, url: str, headers: dict[str, str], body: bytes) -> tuple[int | None, str | None]:
        try:
            # Again, as what the operator trusts may have changed. An address is connected to without a look-up.
            target_of(url, self._trusted)
            # One limit for everything, a look-up that hangs included.
            async with asyncio.timeout(self._timeout_s):
                async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                    return await self._status(response)
        except InvalidValue as refused:
            return None, refused.message
        except Overloaded:
            raise
        except Exception as error:
            return None, _fault(error, self._timeout_s)

    async def _status(self, response: aiohttp.ClientResponse) -> tuple[int, str | None]:
        """The status, and why it is none of success. A connection is used again whose answer is short and soon over."""
        with suppress(asyncio.IncompleteReadError):
            try:
                async with asyncio.timeout(_ANSWER_S):
                    await response.content.readexactly(_MAX_ANSWER_BYTES)
                response.close()
            except (TimeoutError, aiohttp.ClientError):
                response.close()
        if 200 <= response.status < 300:
            return response.status, None
        if 300 <= response.status < 400:
            return response.status, f"The endpoint answered {response.status}: redirects are not followed."
        return response.status, f"The endpoint answered {response.status}."


def _fault(error: Exception, timeout_s: float) -> str:
    """Why there was no answer, without anything that the other side wrote. Raises: an error that is a bug of ours."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, Refused):
        cause = cause.__cause__ or cause.__context__
    if cause is not None:
        return str(cause)
    if isinstance(error, TimeoutError):
        return f"No answer came within {timeout_s:g} s."
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "The certificate of the endpoint is not valid for its host."
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return "No TLS connection could be made."
    if isinstance(error, aiohttp.ClientConnectorDNSError | socket.gaierror):
        return "The host of the endpoint was not found."
    if isinstance(error, aiohttp.ClientConnectorError):
        return "No connection could be made."
    if isinstance(error, aiohttp.ClientError | OSError):
        return "The endpoint gave no answer that is HTTP."
    raise error


def _resolved(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return {"hostname": host, "host": address, "port": port, "family": family, "proto": 0, "flags": 0}


def _named(signature: str) -> dict[str, Any] | None:
    """Whom or what an event names, as clients of the graph know it; None for the server itself."""
    kind, _, row_id = signature.partition(":")
    found = UUID(row_id)
    return {"type": kind, "id": ids.encode(kind, found)} if found.int else None


def _id(kind: str, row_id: UUID | None) -> str | None:
    return None if row_id is None else ids.encode(kind, row_id)
