"""A client that costs next to nothing, so that what is measured over HTTP is the server."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson

MOST_BYTES = 16 * 1024**2


@dataclass(frozen=True)
class Wire:
    """One kept connection to the server, for one request at a time."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    headers: bytes

    async def ask(self, document: str, variables: Mapping[str, Any]) -> bytes:
        """The body of an answer as it came. Raises: AssertionError unless its status is 200."""
        body = orjson.dumps({"query": document, "variables": variables})
        self.writer.write(b"POST /graphql HTTP/1.1\r\n%bcontent-length: %d\r\n\r\n%b" % (self.headers, len(body), body))
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        _, _, after = head.partition(b"\r\ncontent-length:")
        answer = await self.reader.readexactly(int(after.partition(b"\r\n")[0]))
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


@asynccontextmanager
async def wire(address: str, token: str) -> AsyncIterator[Wire]:
    """A connection to the server at `http://host:port`."""
    place = urlsplit(address)
    reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=MOST_BYTES)
    lines = (
        f"host: {place.netloc}",
        f"authorization: Bearer {token}",
        "content-type: application/json",
        "accept: application/graphql-response+json",
    )
    try:
        yield Wire(reader, writer, "".join(f"{line}\r\n" for line in lines).encode())
    finally:
        writer.close()
        await writer.wait_closed()
