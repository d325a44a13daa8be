"""A client of subscriptions over graphql-transport-ws or a stream of HTTP: what it got, in order, until it leaves."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.patience import PATIENCE_S, in_time

SSE = "text/event-stream"
MULTIPART = 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0,application/json'


class Refused(AssertionError):
    """A subscription ended with an error."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(str(error))
        self.extensions: dict[str, Any] = error["extensions"]
        self.code = self.extensions["code"]


class Subscription:
    """One subscription on a connection of its own or of several: the values of its one field, in order."""

    def __init__(self, connection: ClientConnection, operation_id: str) -> None:
        self._connection = connection
        self._id = operation_id

    async def next(self) -> Any:
        """The next value. Raises Refused when there is an error instead."""
        async with in_time():
            while True:
                message = json.loads(await self._connection.recv())
                if message["type"] == "ping":
                    await self._connection.send('{"type": "pong"}')
                elif message.get("id") == self._id:
                    return self._value(message)

    async def take(self, count: int) -> list[Any]:
        """The next values."""
        return [await self.next() for _ in range(count)]

    @staticmethod
    def _value(message: dict[str, Any]) -> Any:
        if message["type"] == "error":
            raise Refused(message["payload"][0])
        assert message["type"] == "next", message
        return value_of(message["payload"])


class Stream:
    """One subscription as a stream of HTTP: the values of its one field, in order."""

    def __init__(self, response: httpx2.Response) -> None:
        self._lines = response.aiter_lines()

    async def next(self) -> Any:
        """The next value. Raises Refused when there is an error instead, ConnectionError when the stream is over."""
        async with in_time():
            async for line in self._lines:
                told = line.removeprefix("data: ")
                result = json.loads(told) if told.startswith("{") else {}
                result = result.get("payload") or result
                if "data" in result or "errors" in result:
                    return value_of(result)
        raise ConnectionError("The stream is over.")


def value_of(result: dict[str, Any]) -> Any:
    """The value of the one field of a result. Raises Refused when there is an error instead."""
    if "errors" in result:
        raise Refused(result["errors"][0])
    (value,) = result["data"].values()
    return value


@asynccontextmanager
async def connected(url: str, token: str) -> AsyncIterator[ClientConnection]:
    """A connection to the server at an address, acknowledged."""
    address = f"{url.replace('http', 'ws', 1)}/graphql"
    offered = [Subprotocol("graphql-transport-ws")]
    async with connect(address, subprotocols=offered, proxy=None, open_timeout=PATIENCE_S) as connection:
        init = {"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}
        await connection.send(json.dumps(init))
        assert json.loads(await connection.recv())["type"] == "connection_ack"
        yield connection


async def subscribe(
    connection: ClientConnection, query: str, operation_id: str = "1", /, **variables: Any
) -> Subscription:
    """Begin a subscription."""
    payload = {"query": query, "variables": variables}
    await connection.send(json.dumps({"id": operation_id, "type": "subscribe", "payload": payload}))
    return Subscription(connection, operation_id)


@asynccontextmanager
async def subscribed(url: str, token: str, query: str, /, **variables: Any) -> AsyncIterator[Subscription]:
    """A subscription on a connection of its own, for the length of a block."""
    async with connected(url, token) as connection:
        yield await subscribe(connection, query, **variables)


@asynccontextmanager
async def streamed(url: str, token: str, query: str, accept: str, /, **variables: Any) -> AsyncIterator[Stream]:
    """A subscription as a stream of HTTP, `SSE` or `MULTIPART`, for the length of a block."""
    headers = {"authorization": f"Bearer {token}", "accept": accept}
    sent = {"query": query, "variables": variables}
    async with (
        httpx2.AsyncClient(timeout=PATIENCE_S) as http,
        http.stream("POST", f"{url}/graphql", json=sent, headers=headers) as response,
    ):
        yield Stream(response)
