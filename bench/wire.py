"""A client that costs next to nothing, so that what is measured over HTTP is the server."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import orjson

MOST_BYTES = 16 * 1024**2
IDLE_S = 2.0
"""The server hangs up after 5 seconds without a request, as while others have their turns: we do so before."""


class Wire:
    """A connection to the server, kept from one request to the next; for one request at a time."""

    def __init__(self, address: str, token: str) -> None:
        self._place = urlsplit(address)
        lines = (
            f"host: {self._place.netloc}",
            f"authorization: Bearer {token}",
            "content-type: application/json",
            "accept: application/graphql-response+json",
        )
        self._headers = "".join(f"{line}\r\n" for line in lines).encode()
        self._used_at = 0.0
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, document: str, variables: Mapping[str, Any]) -> bytes:
        """The body of an answer as it came. Raises: AssertionError unless its status is 200."""
        body = orjson.dumps({"query": document, "variables": variables})
        reader, writer = await self._connected()
        writer.write(b"POST /graphql HTTP/1.1\r\n%bcontent-length: %d\r\n\r\n%b" % (self._headers, len(body), body))
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        _, _, after = head.partition(b"\r\ncontent-length:")
        answer = await reader.readexactly(int(after.partition(b"\r\n")[0]))
        assert head.startswith(b"http/1.1 200 "), answer
        return answer

    async def change(self, document: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """The payload of a mutation with one input. Raises: AssertionError when it was refused."""
        answer = orjson.loads(await self.ask(document, {"input": given}))
        assert "errors" not in answer, answer
        payload: dict[str, Any]
        (payload,) = answer["data"].values()
        assert not payload["errors"], payload
        return payload

    async def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            writer.close()
            await writer.wait_closed()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if time.monotonic() - self._used_at > IDLE_S:
            await self.close()
        self._used_at = time.monotonic()
        if self._streams is None:
            place = self._place
            self._streams = await asyncio.open_connection(place.hostname, place.port, limit=MOST_BYTES)
        return self._streams


@asynccontextmanager
async def wire(address: str, token: str) -> AsyncIterator[Wire]:
    """A client of the server at `http://host:port`."""
    client = Wire(address, token)
    try:
        yield client
    finally:
        await client.close()
