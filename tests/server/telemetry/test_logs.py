"""Logs: one JSON object a line with the id of its request, and never what people sent or what is secret."""

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx2
import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from db.errors import sqlstate
from db.session import Database
from server.telemetry import logs
from server.telemetry.request_log import RequestLog
from tests.server.commands import logging_as_before
from tests.tenant import Tenant

Entries = Callable[[], list[dict[str, Any]]]

SECRET = "hunter2-never-in-a-log"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Logging as it was, for the tests that come after. The client under the tests keeps quiet."""
    client = logging.getLogger("httpx2")
    client.setLevel("WARNING")
    with logging_as_before():
        yield
    client.setLevel("NOTSET")


@pytest.fixture
def entries() -> Entries:
    """The entries written since the last look; each has to be one line."""
    logs.configure("INFO")
    written = io.StringIO()
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(written)

    def look() -> list[dict[str, Any]]:
        lines = written.getvalue().split("\n")
        assert lines.pop() == ""
        written.truncate(0)
        written.seek(0)
        return [json.loads(line) for line in lines]

    return look


AT_ONCE = 10


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a small application behind the log."""

    async def hello(_request: Request) -> Response:
        structlog.get_logger("inner").info("inside")
        return PlainTextResponse("hello")

    all_are_here = asyncio.Barrier(AT_ONCE)

    async def late(_request: Request) -> Response:
        await all_are_here.wait()
        structlog.get_logger("inner").info("inside")
        return PlainTextResponse("late")

    async def broken(_request: Request) -> Response:
        raise KeyError(SECRET)

    app = Starlette(
        routes=[Route("/health", hello), Route("/graphql", late), Route("/readyz", broken)],
        middleware=[Middleware(RequestLog)],
    )
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://registry.test") as found:
        yield found


async def test_a_request_is_one_entry_with_route_status_and_time(client: httpx2.AsyncClient, entries: Entries) -> None:
    await client.get("/health")
    inside, done = entries()
    assert inside["event"] == "inside"
    assert (done["event"], done["method"], done["route"], done["status"]) == ("http.done", "GET", "/health", 200)
    assert done["ms"] >= 0
    assert done["level"] == "info"
    assert done["timestamp"].endswith("Z")


async def test_the_answer_and_every_entry_of_a_request_have_its_id(
    client: httpx2.AsyncClient, entries: Entries
) -> None:
    response = await client.get("/health")
    assert {entry["request_id"] for entry in entries()} == {response.headers["x-request-id"]}


async def test_each_request_has_an_id_of_its_own_also_at_the_same_moment(
    client: httpx2.AsyncClient, entries: Entries
) -> None:
    responses = await asyncio.gather(*(client.get("/graphql") for _ in range(AT_ONCE)))
    ids = [response.headers["x-request-id"] for response in responses]
    assert len(set(ids)) == AT_ONCE
    assert sorted(entry["request_id"] for entry in entries()) == sorted(ids * 2)


@pytest.mark.parametrize("given", ["abc", "4bf92f35-77b3", "x" * 128, "a b/c:d=e"])
async def test_an_id_from_the_client_is_taken_over(client: httpx2.AsyncClient, entries: Entries, given: str) -> None:
    response = await client.get("/health", headers={"x-request-id": given})
    assert response.headers["x-request-id"] == given
    assert {entry["request_id"] for entry in entries()} == {given}


@pytest.mark.parametrize(
    "given", [b"", b"x" * 129, b"a\tb", b"a\x1b[31mb", "größe".encode(), b"\xff", b"a\x00b", b"a\r\nb"]
)
async def test_an_id_that_could_do_harm_is_replaced(entries: Entries, given: bytes) -> None:
    sent: list[Any] = []

    async def inner(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/health", "headers": [(b"x-request-id", given)]}
    await RequestLog(inner)(scope, None, send)  # type: ignore[arg-type]  # nothing is received
    ((name, told),) = sent[0]["headers"]
    assert name == b"x-request-id"
    assert len(told) == 32
    assert told.isalnum()


async def test_neither_query_string_nor_header_nor_body_is_logged(client: httpx2.AsyncClient, entries: Entries) -> None:
    await client.request(
        "GET",
        f"/health?token={SECRET}#{SECRET}",
        headers={"authorization": f"Bearer {SECRET}", "cookie": SECRET, "user-agent": SECRET, "referer": SECRET},
        content=SECRET,
    )
    await client.get(f"/{SECRET}/{SECRET}")
    assert SECRET not in json.dumps(entries())


async def test_a_real_query_leaves_no_trace_of_its_token_or_its_values(
    tenant: Tenant, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("DEBUG")
    await tenant.client.post("query($x: ID!) { node(id: $x) { id } }", {"x": SECRET})
    await tenant.client.post(f"mutation {{ {SECRET.replace('-', '_')} }}")
    written = capsys.readouterr().err
    assert "http.done" in written
    for secret in (tenant.client.token, SECRET, SECRET.replace("-", "_")):
        assert secret not in written


async def test_a_request_that_breaks_is_logged_and_counted_as_a_failure(
    client: httpx2.AsyncClient, entries: Entries
) -> None:
    assert (await client.get("/readyz")).status_code == 500
    (done,) = entries()
    assert (done["route"], done["status"]) == ("/readyz", 500)


async def test_an_unknown_path_or_method_is_logged_as_other(client: httpx2.AsyncClient, entries: Entries) -> None:
    await client.request("BREW", "/some/thing/of/mine")
    (done,) = entries()
    assert (done["method"], done["route"], done["status"]) == ("OTHER", "other", 404)


def failing() -> None:
    password = SECRET
    raise ValueError(f"no good, {len(password)} characters")


@pytest.mark.parametrize("human", [False, True])
def test_a_traceback_has_no_local_variables(capsys: pytest.CaptureFixture[str], human: bool) -> None:
    logs.configure("INFO", human=human)
    try:
        failing()
    except ValueError:
        structlog.get_logger("x").exception("went.wrong")
        logging.getLogger("y").exception("went wrong elsewhere")
    written = capsys.readouterr().err
    assert written.count("no good, 22 characters") == 2
    assert "failing" in written
    assert SECRET not in written


@pytest.mark.parametrize("human", [False, True])
@pytest.mark.parametrize("statement", [f"select '{SECRET}'::int", "select cast(:value as int)", "select :value +"])
async def test_what_the_database_quotes_is_in_no_traceback(
    database: Database, capsys: pytest.CaptureFixture[str], human: bool, statement: str
) -> None:
    logs.configure("INFO", human=human)
    values = {"value": SECRET} if ":value" in statement else {}
    with pytest.raises(DBAPIError) as refused:
        async with database.as_nobody() as connection:
            await connection.execute(text(statement), values)
    assert SECRET in str(refused.value) + statement + str(values)
    try:
        raise ExceptionGroup("several", [RuntimeError("one"), refused.value]) from refused.value
    except ExceptionGroup:
        structlog.get_logger("x").exception("went.wrong")
        logging.getLogger("y").exception("went wrong elsewhere")
    written = capsys.readouterr().err
    assert written.count("RuntimeError: one") == 2
    assert str(sqlstate(refused.value)) in written
    assert SECRET not in written


def test_another_try_is_not_told_with_the_words_of_the_database(entries: Entries) -> None:
    structlog.get_logger("stamina").warning("stamina.retry_scheduled", caused_by=SECRET)
    assert entries() == []


def test_entries_of_other_libraries_look_the_same(entries: Entries) -> None:
    logging.getLogger("uvicorn.error").info("Started %s", "well")
    structlog.get_logger("ours").warning("ours", count=1)
    theirs, ours = entries()
    assert (theirs["event"], theirs["logger"], theirs["level"]) == ("Started well", "uvicorn.error", "info")
    assert (ours["event"], ours["logger"], ours["level"], ours["count"]) == ("ours", "ours", "warning", 1)


@pytest.mark.parametrize("name", ["uvicorn.access", "botocore", "alembic"])
def test_the_chatter_of_libraries_is_left_out(entries: Entries, name: str) -> None:
    logging.getLogger(name).info("GET /graphql?token=%s", SECRET)
    assert entries() == []


def test_what_is_less_severe_than_asked_for_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("WARNING")
    structlog.get_logger("ours").info("quiet")
    structlog.get_logger("ours").warning("loud")
    (entry,) = capsys.readouterr().err.splitlines()
    assert json.loads(entry)["event"] == "loud"


def test_an_entry_stays_one_line_whatever_it_holds(entries: Entries) -> None:
    awkward = 'line\nline\r\u2028 "quoted" \x1b[31m größe \U0001f600'
    structlog.get_logger("ours").info("awkward", text=awkward, thing=object(), raw=b"bytes")
    (entry,) = entries()
    assert entry["text"] == awkward


def test_configuring_again_does_not_write_twice(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO")
    logs.configure("INFO")
    structlog.get_logger("ours").info("once")
    assert len(capsys.readouterr().err.splitlines()) == 1
