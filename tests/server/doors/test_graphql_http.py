"""The HTTP side of the GraphQL endpoint, over real sockets."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import structlog
from sqlalchemy import update
from sqlmodel import col
from starlette.applications import Starlette
from structlog.testing import capture_logs

from db.base import utc_now
from db.codes import Role
from db.session import Database
from db.tables import ApiToken
from registry.tenants import tokens
from resolvers.services import Services
from schema.build import build_schema
from schema.execution.json_guard import MAX_JSON_LISTS, MAX_JSON_OBJECTS
from server import auth
from server.app import RegistryDoor
from server.auth import Authenticator
from server.doors import answers
from server.doors.graphql_http import DoorSettings, GraphQLDoor
from server.doors.graphql_request import MAX_BODY_BYTES
from server.doors.graphql_ws import SocketSettings
from tests.patience import PATIENCE_S, eventually, in_time
from tests.server.doors.door_stub import AUTHORIZED, SECRET, TOKEN, Served, make_schema, served
from tests.tenant import Tenant

GRAPHQL_JSON = "application/graphql-response+json"
APOLLO_STREAM = 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0,application/json'


@pytest.fixture(scope="module")
async def endpoint() -> AsyncIterator[Served]:
    async with served() as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(headers={**AUTHORIZED, "accept": GRAPHQL_JSON}, timeout=PATIENCE_S) as http:
        yield http


async def post(http: httpx2.AsyncClient, server: Served, query: str, **fields: Any) -> httpx2.Response:
    return await http.post(server.url, json={"query": query, **fields})


def code_of(response: httpx2.Response) -> str:
    return str(response.json()["errors"][0]["extensions"]["code"])


# --- answers ------------------------------------------------------------------------------------------------------


async def test_a_query_is_answered_in_the_type_the_client_prefers(endpoint: Served, client: httpx2.AsyncClient) -> None:
    for accept, answered in (
        (GRAPHQL_JSON, GRAPHQL_JSON),
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        ("application/*;q=0.5", "application/json"),
        (f"application/json;q=0.9, {GRAPHQL_JSON}", GRAPHQL_JSON),
        (f"application/json, {GRAPHQL_JSON};q=0.5", "application/json"),
        (f"{GRAPHQL_JSON}, application/json, text/event-stream, multipart/mixed", GRAPHQL_JSON),
    ):
        response = await client.post(endpoint.url, json={"query": "{ hello }"}, headers={"accept": accept})
        assert response.status_code == 200
        assert response.headers["content-type"] == f"{answered}; charset=utf-8"
        assert response.headers["vary"] == "Accept"
        assert response.json()["data"] == {"hello": "hello world"}


@pytest.mark.parametrize("accept", ["text/html", "application/jsonx", "application/json;q=0", "application/json;q=x"])
async def test_a_client_that_reads_no_json_gets_406(endpoint: Served, client: httpx2.AsyncClient, accept: str) -> None:
    response = await client.post(endpoint.url, json={"query": "{ hello }"}, headers={"accept": accept})
    assert (response.status_code, code_of(response)) == (406, "NOT_ACCEPTABLE")


@pytest.mark.parametrize(
    ("query", "variables", "code"),
    [
        ("{ hello", {}, "GRAPHQL_PARSE_FAILED"),
        ("{ nope }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("query ($n: Int) { models(first: $n) { nodes { id } } }", {"n": "x"}, "BAD_USER_INPUT"),
        ("query A { hello } query B { hello }", {}, "OPERATION_NAME_REQUIRED"),
        ("fragment A on Query { hello }", {}, "OPERATION_NOT_FOUND"),
        ("{ models(first: 101) { nodes { id } } }", {}, "PAGE_TOO_LARGE"),
    ],
)
async def test_what_was_never_run_has_no_data_and_400_or_200_by_type(
    endpoint: Served, client: httpx2.AsyncClient, query: str, variables: dict[str, Any], code: str
) -> None:
    for accept, status in ((GRAPHQL_JSON, 400), ("application/json", 200)):
        sent = {"query": query, "variables": variables}
        response = await client.post(endpoint.url, json=sent, headers={"accept": accept})
        assert (response.status_code, code_of(response)) == (status, code)
        assert "data" not in response.json()


async def test_an_unknown_operation_name_is_a_request_error(endpoint: Served, client: httpx2.AsyncClient) -> None:
    response = await post(client, endpoint, "query A { hello }", operationName="B" * 9_000)
    assert (response.status_code, code_of(response)) == (400, "OPERATION_NOT_FOUND")
    assert len(response.content) < 1_000


async def test_expected_failures_keep_their_code_and_message(endpoint: Served, client: httpx2.AsyncClient) -> None:
    response = await post(client, endpoint, "{ forbidden badCursor invalid { id } hello }")
    assert response.status_code == 200
    assert response.json()["data"]["hello"] == "hello world"
    told = [(e["path"], e["message"], e["extensions"]) for e in response.json()["errors"]]
    assert told == [
        (["forbidden"], "You may see this model but not its tokens.", {"code": "FORBIDDEN"}),
        (["badCursor"], "The cursor is not one of ours.", {"code": "BAD_USER_INPUT"}),
        (["invalid"], "The name is empty.", {"code": "INVALID_VALUE", "inputPath": ["input", "name"]}),
    ]


async def test_a_bug_is_masked_and_found_in_the_log_by_its_id(endpoint: Served, client: httpx2.AsyncClient) -> None:
    with capture_logs() as entries:
        response = await post(client, endpoint, "query ($t: String!) { boom hello(name: $t) }", variables={"t": "tok"})
    [error] = response.json()["errors"]
    assert error["message"] == "Internal error"
    assert error["extensions"]["code"] == "INTERNAL"
    assert SECRET not in response.text
    [entry] = [e for e in entries if e["event"] == "graphql.failed"]
    assert entry["error_id"] == error["extensions"]["errorId"]
    assert "in boom" in entry["exception"]
    assert "tok" not in json.dumps(entry).replace("token", "")


async def test_the_error_id_is_the_id_of_the_request_where_one_is_known() -> None:
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        result = await make_schema().execute("{ boom }")
    assert [(e.extensions or {})["errorId"] for e in result.errors or ()] == ["r-1"]


async def test_a_value_that_does_not_fit_its_type_is_a_bug_and_stays_inside(
    endpoint: Served, client: httpx2.AsyncClient
) -> None:
    response = await post(client, endpoint, "{ liedAbout }")
    assert code_of(response) == "INTERNAL"
    assert SECRET not in response.text


async def test_each_request_has_a_context_of_its_own_that_is_closed(client: httpx2.AsyncClient) -> None:
    async with served() as server:
        for query in ("{ me }", "{ boom }", "{ nope }", "{ hello", "subscription { ticks }"):
            await post(client, server, query)
        assert len(server.door.contexts) == 5
        assert all(context.closed for context in server.door.contexts)


async def test_an_operation_ends_at_its_deadline(client: httpx2.AsyncClient) -> None:
    async with served(make_schema(deadline_s=0.05)) as server:
        response = await post(client, server, "{ slow(seconds: 3600) }")
        assert (response.status_code, code_of(response)) == (503, "TIMEOUT")
        assert server.door.contexts[0].closed


# --- who asks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("authorization", [None, "Bearer nonsense", "Basic Zm9vOmJhcg=="])
async def test_nobody_known_gets_401(endpoint: Served, authorization: str | None) -> None:
    headers = {"authorization": authorization} if authorization else {}
    async with httpx2.AsyncClient(headers=headers, timeout=PATIENCE_S) as http:
        response = await http.post(endpoint.url, json={"query": "{ hello }"})
    assert (response.status_code, code_of(response)) == (401, "UNAUTHENTICATED")
    assert response.headers["www-authenticate"] == "Bearer"


async def test_a_dead_database_while_authenticating_is_503(client: httpx2.AsyncClient) -> None:
    async with served() as server:
        server.door.down = True
        response = await post(client, server, "{ hello }")
    assert (response.status_code, code_of(response)) == (503, "UNAVAILABLE")


async def test_a_bug_while_authenticating_is_masked(endpoint: Served) -> None:
    async with httpx2.AsyncClient(headers={"authorization": "Bearer broken-token"}, timeout=PATIENCE_S) as http:
        response = await http.post(endpoint.url, json={"query": "{ hello }"})
    assert (response.status_code, code_of(response)) == (500, "INTERNAL")
    assert SECRET not in response.text


# --- what is let in -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"42",
        b'"x"',
        b"[]",
        b'[{"query": "{ hello }"}]',
        b"{",
        b"{}",
        b'{"query": null}',
        b'{"query": ""}',
        b'{"query": 7}',
        b'{"query": {"a": 1}}',
        b'{"query": "{ hello }", "variables": []}',
        b'{"query": "{ hello }", "variables": "{}"}',
        b'{"query": "{ hello }", "operationName": 1}',
        b'{"query": "{ hello }", "extensions": 1}',
        b'{"query": "{ hello }", "variables": {"a": NaN}}',
        b'{"query": "{ hello }", "operationName": "\\ud800"}',
        b'{"query": "\xff"}',
        b"[" * 20_000 + b"]" * 20_000,
        gzip.compress(b'{"query": "{ hello }"}', mtime=0),
    ],
    ids=lambda body: repr(body[:40]),
)
async def test_a_malformed_body_is_400(endpoint: Served, client: httpx2.AsyncClient, body: bytes) -> None:
    for accept in (GRAPHQL_JSON, "application/json"):
        headers = {"content-type": "application/json", "accept": accept}
        response = await client.post(endpoint.url, content=body, headers=headers)
        assert (response.status_code, code_of(response)) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(
    "sent",
    [
        {"query": "{ hello }", "variables": {"a": ["x", {"b": "a\x00"}]}},
        {"query": "{ hello }", "variables": {"a\x00": 1}},
        {"query": "{ hello } # \x00"},
        {"query": "{ hello }", "variables": {"a": json.loads("[" * 70 + "]" * 70)}},
        {"query": "{ hello }", "variables": {"a": [{}] * MAX_JSON_OBJECTS}},
        {"query": "{ hello }", "variables": {"a": [[]] * MAX_JSON_LISTS}},
        {"query": "{ hello }", "variables": {"a": ["x", "a\x00", "y"]}},
        {"query": "{ hello }", "variables": {"a": [1, "a\x00", None]}},
    ],
)
async def test_what_cannot_be_stored_is_refused_at_the_door(
    endpoint: Served, client: httpx2.AsyncClient, sent: dict[str, Any]
) -> None:
    response = await client.post(endpoint.url, json=sent, headers={"accept": "application/json"})
    assert (response.status_code, code_of(response)) == (400, "BAD_USER_INPUT")


async def test_as_many_objects_as_are_allowed_come_in(endpoint: Served, client: httpx2.AsyncClient) -> None:
    # The variables and the extensions are objects too.
    response = await post(client, endpoint, "{ hello }", variables={"a": [{}] * (MAX_JSON_OBJECTS - 2)})
    assert response.json()["data"] == {"hello": "hello world"}


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "application/json; charset=latin-1",
    ],
)
async def test_a_body_that_is_not_called_json_is_415(
    endpoint: Served, client: httpx2.AsyncClient, content_type: str
) -> None:
    response = await client.post(
        endpoint.url, content=b'{"query": "{ hello }"}', headers={"content-type": content_type}
    )
    assert (response.status_code, code_of(response)) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_a_body_of_eight_mebibytes_of_numbers_is_read(endpoint: Served, client: httpx2.AsyncClient) -> None:
    start, end = b'{"query": "{ hello }", "variables": {"a": [1', b"]}}"
    body = start + b",1" * ((MAX_BODY_BYTES - len(start) - len(end)) // 2) + end
    headers = {"content-type": "application/json"}
    answer = await client.post(endpoint.url, content=body, headers=headers)
    assert answer.json()["data"] == {"hello": "hello world"}
    # One byte more, only announced: a client that is still sending might see the connection end before the answer.
    assert b"BODY_TOO_LARGE" in await answer_to(endpoint, f"Content-Length: {MAX_BODY_BYTES + 1}\r\n\r\n")


async def test_no_body_is_read_without_a_valid_token(endpoint: Served) -> None:
    # Only the head is sent: the answer comes although the announced body never does.
    answer = await answer_to(endpoint, "Content-Length: 1000000\r\nConnection: close\r\n\r\n", token="unknown")
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"UNAUTHENTICATED" in answer


async def answer_to(server: Served, rest: str, token: str = TOKEN) -> bytes:
    """Send the start of a POST byte by byte as given; return all that comes until the server hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", httpx2.URL(server.url).port)
    head = f"POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
    writer.write(f"{head}Content-Type: application/json\r\n{rest}".encode())
    answer = await reader.read()
    writer.close()
    return answer


async def test_a_large_body_is_refused_by_its_announcement(endpoint: Served) -> None:
    answer = await answer_to(endpoint, "Content-Length: 99999999\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"BODY_TOO_LARGE" in answer


async def test_a_large_body_without_announcement_is_refused_once_it_is_too_long() -> None:
    async with served(settings=DoorSettings(max_body_bytes=2_048)) as server:
        answer = await answer_to(server, "Transfer-Encoding: chunked\r\n\r\n1000\r\n" + " " * 0x1000 + "\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"BODY_TOO_LARGE" in answer


async def test_queries_may_be_sent_by_get_but_mutations_may_not(endpoint: Served, client: httpx2.AsyncClient) -> None:
    query = {"query": "query ($n: String!) { hello(name: $n) }", "variables": '{"n": "you"}', "operationName": ""}
    assert (await client.get(endpoint.url, params=query)).json()["data"] == {"hello": "hello you"}
    response = await client.get(endpoint.url, params={"query": 'mutation { rename(name: "x") { id } }'})
    assert (response.status_code, code_of(response)) == (405, "METHOD_NOT_ALLOWED")
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize("params", [{}, {"query": ""}, {"query": "{ hello }", "variables": "{"}, {"variables": "{}"}])
async def test_a_malformed_get_is_400(endpoint: Served, client: httpx2.AsyncClient, params: dict[str, str]) -> None:
    response = await client.get(endpoint.url, params=params, headers={"accept": "*/*"})
    assert (response.status_code, code_of(response)) == (400, "BAD_REQUEST")


async def test_a_long_query_string_is_414(client: httpx2.AsyncClient) -> None:
    async with served(settings=DoorSettings(max_body_bytes=2_048)) as server:
        response = await client.get(server.url, params={"query": "{ hello } #" + "x" * 2_048})
    assert (response.status_code, code_of(response)) == (414, "URI_TOO_LONG")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_other_methods_are_405(endpoint: Served, client: httpx2.AsyncClient, method: str) -> None:
    response = await client.request(method, endpoint.url)
    assert (response.status_code, code_of(response)) == (405, "METHOD_NOT_ALLOWED")
    assert response.headers["allow"] == "GET, POST"


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_page_of_another_site_cannot_send_a_request_without_preflight(
    endpoint: Served, client: httpx2.AsyncClient, site: str
) -> None:
    params, headers = {"query": "{ hello }"}, {"sec-fetch-site": site}
    response = await client.get(endpoint.url, params=params, headers=headers)
    assert (response.status_code, code_of(response)) == (403, "CROSS_SITE_REQUEST")
    preflighted = {**headers, "graphql-require-preflight": "1"}
    assert (await client.get(endpoint.url, params=params, headers=preflighted)).status_code == 200
    assert (await client.post(endpoint.url, json=params, headers=headers)).status_code == 200
    own_page = {"sec-fetch-site": "same-origin"}
    assert (await client.get(endpoint.url, params=params, headers=own_page)).status_code == 200


# --- streams ------------------------------------------------------------------------------------------------------


async def test_a_subscription_by_plain_post_names_what_to_use(endpoint: Served, client: httpx2.AsyncClient) -> None:
    response = await post(client, endpoint, "subscription { ticks }")
    assert (response.status_code, code_of(response)) == (400, "SUBSCRIPTION_NEEDS_A_STREAM")
    assert "text/event-stream" in response.json()["errors"][0]["message"]


async def test_a_subscription_streams_as_server_sent_events(endpoint: Served, client: httpx2.AsyncClient) -> None:
    for accept in ("text/event-stream", f"{GRAPHQL_JSON}, application/json, text/event-stream"):
        response = await client.post(
            endpoint.url, json={"query": "subscription { ticks(to: 2) }"}, headers={"accept": accept}
        )
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.text == (
            'event: next\r\ndata: {"data":{"ticks":0}}\r\n\r\n'
            'event: next\r\ndata: {"data":{"ticks":1}}\r\n\r\n'
            "event: complete\r\ndata: \r\n\r\n"
        )


async def test_a_subscription_streams_as_apollo_multipart(endpoint: Served, client: httpx2.AsyncClient) -> None:
    response = await client.post(
        endpoint.url, json={"query": "subscription { ticks(to: 2) }"}, headers={"accept": APOLLO_STREAM}
    )
    assert response.headers["content-type"].startswith("multipart/mixed;boundary=graphql")
    assert '{"payload":{"data":{"ticks":1}}}' in response.text
    assert response.text.endswith("--graphql--\r\n")


async def test_queries_of_clients_that_also_read_streams_are_answered_as_json(
    endpoint: Served, client: httpx2.AsyncClient
) -> None:
    response = await client.post(endpoint.url, json={"query": "{ hello }"}, headers={"accept": APOLLO_STREAM})
    assert response.headers["content-type"] == "application/json; charset=utf-8"


async def test_an_answer_that_is_too_large_is_refused_on_each_transport(
    endpoint: Served, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    query, name = "query($n: String!) { hello(name: $n) }", "x" * 1_000
    fits = await post(client, endpoint, query, variables={"n": name})
    monkeypatch.setattr(answers, "MAX_ANSWER_BYTES", len(fits.content))
    assert (await post(client, endpoint, query, variables={"n": name})).content == fits.content
    refused = await post(client, endpoint, query, variables={"n": name + "x"})
    assert (refused.status_code, code_of(refused), refused.json()["data"]) == (200, "ANSWER_TOO_LARGE", None)
    for accept in ("text/event-stream", APOLLO_STREAM):
        sent = {"query": query, "variables": {"n": name * 2}}
        stream = (await client.post(endpoint.url, json=sent, headers={"accept": accept})).text
        assert "ANSWER_TOO_LARGE" in stream
        assert name not in stream


async def test_a_stream_masks_the_bug_that_ends_it(endpoint: Served, client: httpx2.AsyncClient) -> None:
    headers = {"accept": "text/event-stream"}
    response = await client.post(endpoint.url, json={"query": "subscription { breaks }"}, headers=headers)
    assert '"code":"INTERNAL"' in response.text
    assert SECRET not in response.text


async def test_a_refused_operation_is_told_in_its_stream(endpoint: Served, client: httpx2.AsyncClient) -> None:
    headers = {"accept": "text/event-stream"}
    for query, code in (("subscription { nope }", "GRAPHQL_VALIDATION_FAILED"), ("{ hello", "GRAPHQL_PARSE_FAILED")):
        response = await client.post(endpoint.url, json={"query": query}, headers=headers)
        assert f'"code":"{code}"' in response.text
        assert '"data"' not in response.text


async def test_streams_end_without_completion_when_the_server_leaves(client: httpx2.AsyncClient) -> None:
    for accept, last in (("text/event-stream", "event: complete"), (APOLLO_STREAM, "--graphql--")):
        async with served() as server:
            sent = {"query": "subscription { waits }"}
            async with client.stream("POST", server.url, json=sent, headers={"accept": accept}) as response:
                received = ""
                async for chunk in response.aiter_text():
                    received += chunk
                    if "listening" in received:
                        server.endpoint.shutdown.set()
            assert last not in received
            assert ": ping" not in received
            assert received.count("{}") <= 1, "the stream ended at once, not with its next heartbeat"
            assert not server.door.contexts[-1].waiting
            assert server.door.contexts[-1].closed
            refused = await client.post(server.url, json=sent, headers={"accept": accept})
            assert refused.status_code == 503


async def test_a_stream_whose_reader_has_gone_is_closed(client: httpx2.AsyncClient) -> None:
    async with served() as server:
        headers = {"accept": "text/event-stream"}
        sent = {"query": "subscription { waits }"}
        async with client.stream("POST", server.url, json=sent, headers=headers) as response:
            async for chunk in response.aiter_text():
                if "listening" in chunk:
                    break
            assert server.door.contexts[-1].waiting
        await eventually(lambda: not server.door.contexts[-1].waiting)


STREAMS = (("text/event-stream", "event: complete"), (APOLLO_STREAM, "--graphql--"))


@pytest.mark.parametrize(("accept", "last"), STREAMS)
async def test_a_stream_ends_without_completion_when_its_token_is_gone(
    client: httpx2.AsyncClient, accept: str, last: str
) -> None:
    async with served(settings=DoorSettings(socket=SocketSettings(recheck_s=0.05))) as server:
        sent = {"query": "subscription { waits }"}
        async with client.stream("POST", server.url, json=sent, headers={"accept": accept}) as response:
            received = ""
            async for chunk in response.aiter_text():
                received += chunk
                server.door.gone = "listening" in received
        assert last not in received
        assert server.door.contexts[-1].closed
        assert (await client.post(server.url, json=sent, headers={"accept": accept})).status_code == 401


async def test_a_stream_outlives_checks_that_cannot_be_made(client: httpx2.AsyncClient) -> None:
    async with served(settings=DoorSettings(socket=SocketSettings(recheck_s=0.02))) as server:
        sent, headers = {"query": "subscription { names }"}, {"accept": "text/event-stream"}
        async with client.stream("POST", server.url, json=sent, headers=headers) as response:
            received = response.aiter_text()
            await anext(received)
            server.door.down, asked = True, server.door.asked
            while server.door.asked < asked + 3:
                assert "ada" in await anext(received)


async def test_a_stream_ends_when_it_is_old(client: httpx2.AsyncClient) -> None:
    async with served(settings=DoorSettings(socket=SocketSettings(max_age_s=0.2))) as server:

        async def ended_in_the_middle() -> bool:
            headers = {"accept": "text/event-stream"}
            response = await client.post(server.url, json={"query": "subscription { waits }"}, headers=headers)
            assert "event: complete" not in response.text
            assert server.door.contexts[-1].closed
            return "listening" in response.text

        # Where the machine is slow it may be old before there is anything to send.
        await eventually(ended_in_the_middle)


async def test_later_events_of_a_stream_see_who_the_token_is_by_then(client: httpx2.AsyncClient) -> None:
    async with served(settings=DoorSettings(socket=SocketSettings(recheck_s=0.05))) as server:
        sent, headers = {"query": "subscription { names }"}, {"accept": "text/event-stream"}
        async with client.stream("POST", server.url, json=sent, headers=headers) as response:
            received = ""
            async with in_time():
                async for chunk in response.aiter_text():
                    received += chunk
                    server.door.name = "grace" if "ada" in received else "ada"
                    if "grace" in received:
                        break
        assert "ada" in received


async def test_a_heartbeat_ends_when_its_token_is_revoked(
    app: Starlette, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "CACHE_S", 0)
    services: Services = app.state.services
    settings = DoorSettings(socket=SocketSettings(recheck_s=0.05))
    door = GraphQLDoor(build_schema(), RegistryDoor(services, Authenticator(database)), settings=settings)
    member = await tenant.member(Role.READER)
    heard, never = asyncio.Event(), asyncio.Event()
    body = b'{"query": "subscription { heartbeat { serverVersion } }"}'
    requests = iter([{"type": "http.request", "body": body, "more_body": False}])
    headers = {"authorization": f"Bearer {member.token}", "accept": "text/event-stream"}
    headers |= {"content-type": "application/json"}

    async def receive() -> Any:
        request = next(requests, None)
        if request is None:
            await never.wait()
        return request

    async def send(message: Any) -> None:
        if b"serverVersion" in message.get("body", b""):
            heard.set()

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/graphql",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    streaming = asyncio.create_task(door(scope, receive, send))
    await asyncio.wait_for(heard.wait(), PATIENCE_S)
    assert not streaming.done()
    async with database.change(tenant.org_id) as change:
        token_hash = tokens.hash_of(member.token)
        await change.execute(
            update(ApiToken).where(col(ApiToken.token_hash) == token_hash).values(revoked_at=utc_now())
        )
    await asyncio.wait_for(streaming, PATIENCE_S)
