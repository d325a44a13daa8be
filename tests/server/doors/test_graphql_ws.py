"""The WebSocket side of the GraphQL endpoint, frame by frame, with a client that knows nothing of the protocol."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.typing import Subprotocol

from server.doors import answers
from server.doors.graphql_http import DoorSettings
from server.doors.graphql_ws import MAX_FRAME_BYTES, SocketSettings
from tests.patience import PATIENCE_S, eventually, in_time
from tests.server.doors.door_stub import AUTHORIZED, SECRET, Served, make_schema, served

INIT = {"type": "connection_init", "payload": AUTHORIZED}
PROTOCOL = Subprotocol("graphql-transport-ws")


@pytest.fixture(scope="module")
async def endpoint() -> AsyncIterator[Served]:
    async with served() as running:
        yield running


@asynccontextmanager
async def serving(**settings: Any) -> AsyncIterator[Served]:
    async with served(settings=DoorSettings(socket=SocketSettings(**settings))) as running:
        yield running


@asynccontextmanager
async def opened(server: Served, **options: Any) -> AsyncIterator[ClientConnection]:
    patient = {"open_timeout": PATIENCE_S, **options}
    async with connect(server.ws_url, subprotocols=[PROTOCOL], proxy=None, **patient) as connection:
        yield connection


@asynccontextmanager
async def ready(server: Served) -> AsyncIterator[ClientConnection]:
    async with opened(server) as connection:
        await say(connection, INIT)
        assert await hear(connection) == {"type": "connection_ack", "payload": {}}
        yield connection


async def say(connection: ClientConnection, message: Any) -> None:
    await connection.send(json.dumps(message))


async def hear(connection: ClientConnection) -> Any:
    """Return the next message; binary frames are an error."""
    async with in_time():
        frame = await connection.recv()
    assert isinstance(frame, str)
    return json.loads(frame)


async def closing_of(connection: ClientConnection) -> tuple[int | None, str | None]:
    """Return code and reason of the close, passing over what comes before it."""
    with suppress(ConnectionClosedError):
        async with in_time():
            async for _ in connection:
                pass
    return connection.close_code, connection.close_reason


def subscribe(query: str, operation_id: str = "1", **payload: Any) -> dict[str, Any]:
    return {"id": operation_id, "type": "subscribe", "payload": {"query": query, **payload}}


async def code_of_error(connection: ClientConnection, operation_id: str = "1") -> str:
    message = await hear(connection)
    assert (message["type"], message["id"]) == ("error", operation_id)
    return str(message["payload"][0]["extensions"]["code"])


async def test_an_answer_that_is_too_large_is_refused(endpoint: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MAX_ANSWER_BYTES", 1_000)
    async with ready(endpoint) as connection:
        await say(connection, subscribe("query($n: String!) { hello(name: $n) }", variables={"n": "x" * 1_000}))
        message = await hear(connection)
        assert (message["type"], message["id"], message["payload"]["data"]) == ("next", "1", None)
        assert message["payload"]["errors"][0]["extensions"]["code"] == "ANSWER_TOO_LARGE"
        assert (await hear(connection))["type"] == "complete"


# --- operations ---------------------------------------------------------------------------------------------------


async def test_a_subscription_delivers_and_completes(endpoint: Served) -> None:
    async with ready(endpoint) as connection:
        await say(connection, subscribe("subscription { ticks(to: 2) }"))
        assert [await hear(connection) for _ in range(3)] == [
            {"id": "1", "type": "next", "payload": {"data": {"ticks": 0}}},
            {"id": "1", "type": "next", "payload": {"data": {"ticks": 1}}},
            {"id": "1", "type": "complete"},
        ]


async def test_queries_and_mutations_run_over_the_socket(endpoint: Served) -> None:
    async with ready(endpoint) as connection:
        renaming = 'mutation { rename(name: "x") { name } }'
        for query, data in (("{ me }", {"me": "ada"}), (renaming, {"rename": {"name": "x"}})):
            await say(connection, subscribe(query))
            assert (await hear(connection))["payload"]["data"] == data
            assert (await hear(connection))["type"] == "complete"


async def test_each_operation_has_a_context_of_its_own_that_is_closed() -> None:
    async with serving() as server, ready(server) as connection:
        for _ in range(2):
            await say(connection, subscribe("{ me }"))
            assert [(await hear(connection))["type"] for _ in range(2)] == ["next", "complete"]
        first, second = server.door.contexts
        assert first is not second
        await say(connection, subscribe("subscription { waits }"))
        assert (await hear(connection))["type"] == "next"
        third = server.door.contexts[2]
        assert (first.closed > 0, second.closed > 0) == (True, True)
        assert (third.waiting, third.renewed, third.closed) == (True, 1, 0), "renewed before its first event was sent"


async def test_completing_ends_the_operation_on_the_server() -> None:
    async with serving() as server, ready(server) as connection:
        await say(connection, subscribe("subscription { waits }"))
        await hear(connection)
        await say(connection, {"id": "1", "type": "complete"})
        await until_nothing_waits(server)


async def until_nothing_waits(server: Served) -> None:
    await eventually(lambda: not any(context.waiting for context in server.door.contexts))


async def until_something_waits(server: Served) -> None:
    await eventually(lambda: any(context.waiting for context in server.door.contexts))


def give_up_on_silence(server: Served) -> None:
    """Have the server wait no longer to hear of those who are connected."""
    object.__setattr__(server.endpoint._settings.socket, "silence_s", 0)


async def test_a_client_that_leaves_ends_its_operations() -> None:
    async with serving() as server:
        async with ready(server) as connection:
            await say(connection, subscribe("subscription { waits }"))
            await hear(connection)
        await until_nothing_waits(server)


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"query": "{ hello"}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{ nope }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "{ models(first: 101) { nodes { id } } }"}, "PAGE_TOO_LARGE"),
        ({"query": "query A { hello } query B { hello }"}, "OPERATION_NAME_REQUIRED"),
        ({"query": "query A { hello }", "operationName": "B" * 9_000}, "OPERATION_NOT_FOUND"),
        ({"query": "subscription ($n: Int) { ticks(to: $n) }", "variables": {"n": "x"}}, "BAD_USER_INPUT"),
        ({"query": "{ hello }", "variables": {"a": "\x00"}}, "BAD_USER_INPUT"),
    ],
)
async def test_a_request_error_is_a_message_and_the_socket_stays(
    endpoint: Served, payload: dict[str, Any], code: str
) -> None:
    async with ready(endpoint) as connection:
        await say(connection, subscribe("subscription { waits }", "other"))
        assert (await hear(connection))["id"] == "other"
        await say(connection, {"id": "1", "type": "subscribe", "payload": payload})
        assert await code_of_error(connection) == code
        await say(connection, subscribe("{ hello }"))
        assert (await hear(connection))["payload"]["data"] == {"hello": "hello world"}


async def test_a_bug_in_a_stream_is_masked(endpoint: Served) -> None:
    async with ready(endpoint) as connection:
        await say(connection, subscribe("subscription { breaks }"))
        messages = [await hear(connection) for _ in range(3)]
    assert messages[1]["payload"]["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert SECRET not in json.dumps(messages)


async def test_so_many_operations_run_on_a_connection_and_no_more() -> None:
    async with serving(max_subscriptions=2) as server, ready(server) as connection:
        for operation_id in ("a", "b"):
            await say(connection, subscribe("subscription { waits }", operation_id))
            assert (await hear(connection))["id"] == operation_id
        await say(connection, subscribe("subscription { waits }", "c"))
        assert await code_of_error(connection, "c") == "TOO_MANY_SUBSCRIPTIONS"


async def test_an_operation_ends_at_its_deadline() -> None:
    async with served(make_schema(deadline_s=0.05)) as server, ready(server) as connection:
        await say(connection, subscribe("{ slow(seconds: 3600) }"))
        assert await code_of_error(connection) == "TIMEOUT"
        assert server.door.contexts[0].closed


# --- who asks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", [{}, {"authorization": "Bearer nonsense"}, {"authorization": 7}])
async def test_nobody_known_is_closed_with_4403(endpoint: Served, payload: dict[str, Any]) -> None:
    async with opened(endpoint) as connection:
        await say(connection, {"type": "connection_init", "payload": payload})
        assert (await closing_of(connection))[0] == 4403


async def test_the_token_may_come_in_the_header(endpoint: Served) -> None:
    async with opened(endpoint, additional_headers=AUTHORIZED) as connection:
        await say(connection, {"type": "connection_init"})
        assert (await hear(connection))["type"] == "connection_ack"


async def test_a_dead_database_while_authenticating_asks_to_try_later() -> None:
    async with serving() as server, opened(server) as connection:
        server.door.down = True
        await say(connection, INIT)
        assert (await closing_of(connection))[0] == 1013


async def test_subscribing_before_the_acknowledgement_is_4401(endpoint: Served) -> None:
    async with opened(endpoint) as connection:
        await say(connection, subscribe("{ hello }"))
        assert (await closing_of(connection))[0] == 4401


async def test_a_principal_that_is_gone_loses_its_socket() -> None:
    async with serving(recheck_s=0.05) as server, ready(server) as connection:
        await say(connection, subscribe("subscription { waits }"))
        await until_something_waits(server)
        server.door.gone = True
        assert (await closing_of(connection))[0] == 4403
        await until_nothing_waits(server)


async def test_a_dead_database_does_not_cut_those_who_are_in() -> None:
    async with serving(recheck_s=0.02) as server, ready(server) as connection:
        server.door.down = True
        asked = server.door.asked
        await eventually(lambda: server.door.asked >= asked + 3)
        await say(connection, subscribe("{ hello }"))
        assert (await hear(connection))["type"] == "next"


async def test_a_page_of_another_origin_is_refused_unless_allowed() -> None:
    async with serving(allowed_origins=("https://registry.example",)) as server:
        with pytest.raises(InvalidStatus) as refused:
            async with opened(server, origin="https://evil.example"):
                pass
        assert refused.value.response.status_code == 403
        own = server.url.removesuffix("/graphql")
        for origin in ("https://registry.example", own):
            async with opened(server, origin=origin) as connection:
                await say(connection, INIT)
                assert (await hear(connection))["type"] == "connection_ack"


# --- frames -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "{",
        "null",
        "1",
        "[]",
        '"x"',
        "{}",
        '{"type": 1}',
        '{"type": "hello"}',
        '{"type": "' + "x" * 5_000 + '"}',
        '{"type": "start", "id": "1", "payload": {"query": "{ hello }"}}',
        '{"type": "subscribe"}',
        '{"type": "subscribe", "id": 1, "payload": {"query": "{ hello }"}}',
        '{"type": "subscribe", "id": "", "payload": {"query": "{ hello }"}}',
        '{"type": "subscribe", "id": "' + "x" * 129 + '", "payload": {"query": "{ hello }"}}',
        '{"type": "subscribe", "id": "1", "payload": null}',
        '{"type": "subscribe", "id": "1", "payload": {}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": 1}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ hello }", "variables": []}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ hello }", "operationName": 1}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ hello }", "extensions": "x"}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ hello }", "variables": {"a": NaN}}}',
        '{"type": "complete"}',
        "[" * 20_000,
        b"{}",
    ],
    ids=lambda frame: repr(frame[:60]),
)
async def test_an_ill_formed_frame_is_4400(endpoint: Served, frame: str | bytes) -> None:
    async with ready(endpoint) as connection:
        await connection.send(frame)
        assert (await closing_of(connection))[0] == 4400


async def test_a_second_init_is_4429_and_a_second_use_of_an_id_4409(endpoint: Served) -> None:
    async with ready(endpoint) as connection:
        await say(connection, INIT)
        assert (await closing_of(connection))[0] == 4429
    async with ready(endpoint) as connection:
        for _ in range(2):
            await say(connection, subscribe("subscription { waits }", "x" * 128))
        assert (await closing_of(connection))[0] == 4409


async def test_other_subprotocols_are_4406(endpoint: Served) -> None:
    for offered in ([Subprotocol("graphql-ws")], None):
        async with connect(endpoint.ws_url, subprotocols=offered, proxy=None, open_timeout=PATIENCE_S) as connection:
            assert (await closing_of(connection))[0] == 4406


async def test_a_frame_beyond_the_limit_is_1009(endpoint: Served) -> None:
    async with ready(endpoint) as connection:
        await connection.send(" " * (MAX_FRAME_BYTES + 1))
        assert (await closing_of(connection))[0] == 1009


# --- time ---------------------------------------------------------------------------------------------------------


async def test_a_connection_without_init_is_closed_with_4408() -> None:
    async with serving(init_timeout_s=0.05) as server, opened(server) as connection:
        assert (await closing_of(connection))[0] == 4408


async def test_pings_are_answered_and_sent() -> None:
    async with serving(ping_s=0.05) as server, ready(server) as connection:
        assert await hear(connection) == {"type": "ping"}
        await say(connection, {"type": "pong"})
        await say(connection, {"type": "ping"})
        while (message := await hear(connection)) == {"type": "ping"}:
            pass
        assert message == {"type": "pong"}


async def test_a_peer_that_answers_no_pings_is_dropped_with_its_operations() -> None:
    async with serving(ping_s=0.05) as server, ready(server) as connection:
        await say(connection, subscribe("subscription { waits }"))
        await until_something_waits(server)
        give_up_on_silence(server)
        assert await closing_of(connection) == (4408, "Nothing was heard for too long.")
        await until_nothing_waits(server)


async def test_operations_end_even_if_the_peer_never_answers_the_close() -> None:
    async with serving(ping_s=0.05) as server, ready(server) as connection:
        await say(connection, subscribe("subscription { waits }"))
        await until_something_waits(server)
        connection.transport.pause_reading()
        give_up_on_silence(server)
        await until_nothing_waits(server)
        connection.transport.resume_reading()


async def test_a_connection_has_a_greatest_age() -> None:
    async with serving(max_age_s=0.2) as server, opened(server) as connection:
        assert (await closing_of(connection))[0] == 1012


async def test_connections_end_when_the_server_leaves() -> None:
    async with serving() as server, ready(server) as connection:
        await say(connection, subscribe("subscription { waits }"))
        await hear(connection)
        server.endpoint.shutdown.set()
        assert (await closing_of(connection))[0] == 1012
        await until_nothing_waits(server)
