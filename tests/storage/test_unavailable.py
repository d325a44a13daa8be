"""A store that is away, silent, broken or locked answers as StoreUnavailable within its bound, and tells no secret."""

import asyncio
import contextlib
import os
import signal
import socket
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

import pytest

from storage.config import StoreConfig
from storage.errors import StoreUnavailable
from storage.store import CHECK_S, COMPLETE_S, CONTROL_S, ObjectStore, StoredPart
from tests.patience import PATIENCE_S, in_time
from tests.storage.s3_server import BUCKET, OwnServer, Server
from tests.timers import counted_waits, watched_timers

SECRET = "a-secret-nobody-should-see"
KEY = "org/one/blob/two"

CALLS: dict[str, tuple[Callable[[ObjectStore], Awaitable[object]], float]] = {
    "start_upload": (lambda store: store.start_upload(BUCKET, KEY, None), CONTROL_S),
    "list_parts": (lambda store: store.list_parts(BUCKET, KEY, "upload"), CONTROL_S),
    "complete": (lambda store: store.complete(BUCKET, KEY, "upload", [StoredPart(1, 1, '"x"')]), COMPLETE_S),
    "abort": (lambda store: store.abort(BUCKET, KEY, "upload"), CONTROL_S),
    "stat": (lambda store: store.stat(BUCKET, KEY), CONTROL_S),
    "delete": (lambda store: store.delete(BUCKET, KEY), CONTROL_S),
    "ensure_bucket": (lambda store: store.ensure_bucket("another"), CONTROL_S),
    "check": (lambda store: store.check(BUCKET), CHECK_S),
    "hash_object": (lambda store: store.hash_object(BUCKET, KEY), CONTROL_S),
}


@pytest.fixture(autouse=True)
async def _timers_are_watched() -> AsyncIterator[None]:
    with watched_timers():
        yield


def config_of(endpoint: str) -> StoreConfig:
    return StoreConfig(endpoint, "an-access-key", SECRET, stall_s=CONTROL_S)


async def assert_all_unavailable(store: ObjectStore) -> list[StoreUnavailable]:
    """Every call, all at once: each fails as unavailable inside its own bound."""

    async def failure_of(name: str) -> StoreUnavailable:
        call, bound_s = CALLS[name]
        with counted_waits() as waits:
            async with in_time():
                with pytest.raises(StoreUnavailable) as raised:
                    await call(store)
        assert waits.total_s <= bound_s
        return raised.value

    return await asyncio.gather(*(failure_of(name) for name in CALLS))


def assert_nothing_leaks(failures: list[StoreUnavailable], endpoint: str) -> None:
    for failure in failures:
        shown = "".join(traceback.format_exception(failure))
        assert SECRET not in shown
        assert "an-access-key" not in shown
        assert endpoint not in shown
        assert "http://" not in str(failure)


@pytest.fixture
def free_endpoint() -> Iterator[str]:
    """An address that is ours and where nothing listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[str]:
    """A server of our own making, for what no healthy store does."""
    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"


def answering(answer: bytes | None) -> AbstractAsyncContextManager[str]:
    """A server that gives every request the same answer, or none at all."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answer is None:
            await reader.read()
        else:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
        writer.close()

    return serving(serve)


def response(status: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


async def test_nobody_listens(free_endpoint: str) -> None:
    async with ObjectStore(config_of(free_endpoint)) as store:
        assert_nothing_leaks(await assert_all_unavailable(store), free_endpoint)


async def test_somebody_listens_and_never_answers() -> None:
    async with answering(None) as endpoint, ObjectStore(config_of(endpoint)) as store:
        assert_nothing_leaks(await assert_all_unavailable(store), endpoint)


@pytest.mark.parametrize(
    "answer",
    [
        response("500 Internal Server Error", b"<Error><Code>InternalError</Code></Error>"),
        response("503 Slow Down", b"<Error><Code>SlowDown</Code></Error>"),
        response("502 Bad Gateway", b"<html>no such thing</html>"),
        response("403 Forbidden", b"<Error><Code>InvalidAccessKeyId</Code></Error>"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\ncut short",
        b"this is not HTTP\r\n\r\n",
        b"",
    ],
    ids=["500", "503", "502", "403", "cut short", "not HTTP", "hangs up"],
)
async def test_the_store_is_broken(answer: bytes) -> None:
    async with answering(answer) as endpoint, ObjectStore(config_of(endpoint)) as store:
        failure = CALLS["start_upload"][0](store)
        with pytest.raises(StoreUnavailable) as raised:
            await failure
        assert_nothing_leaks([raised.value], endpoint)


async def test_a_page_that_is_no_s3_answer_is_no_store() -> None:
    async with (
        answering(response("200 OK", b"<html><p>Welcome<br></html>")) as endpoint,
        ObjectStore(config_of(endpoint)) as store,
    ):
        with pytest.raises(StoreUnavailable):
            await store.start_upload(BUCKET, KEY, None)


async def test_an_object_that_only_drips_is_not_waited_for() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b".")
                await writer.drain()
                await asyncio.sleep(0.05)
        writer.close()

    async with serving(drip) as endpoint, ObjectStore(replace(config_of(endpoint), stall_s=0.5)) as store:
        with counted_waits() as waits:
            async with in_time():
                with pytest.raises(StoreUnavailable):
                    await store.hash_object(BUCKET, KEY)
    assert waits.total_s <= 0.5


async def test_a_stopped_store_is_unavailable_and_well_again_when_it_runs(own_server: OwnServer) -> None:
    with own_server() as server:
        async with ObjectStore(replace(server.config, stall_s=CONTROL_S)) as store:
            await store.check(BUCKET)
            os.kill(server.process_id, signal.SIGSTOP)
            await assert_all_unavailable(store)
            os.kill(server.process_id, signal.SIGCONT)
            await store.check(BUCKET)


async def test_a_restarted_store_is_used_again_without_a_failure(own_server: OwnServer) -> None:
    async with contextlib.AsyncExitStack() as stack:
        with own_server() as server:
            store = await stack.enter_async_context(ObjectStore(server.config))
            await store.check(BUCKET)
        with pytest.raises(StoreUnavailable):
            await store.check(BUCKET)
        with own_server() as again:
            assert again.config.endpoint == server.config.endpoint
            await store.check(BUCKET)


async def test_wrong_keys_are_not_accepted(server: Server) -> None:
    async with ObjectStore(config_of(server.config.endpoint)) as store:
        assert_nothing_leaks(await assert_all_unavailable(store), server.config.endpoint)


async def test_a_missing_bucket_is_unavailable(store: ObjectStore) -> None:
    with pytest.raises(StoreUnavailable):
        await store.check("no-such-bucket")
    with pytest.raises(StoreUnavailable):
        await store.start_upload("no-such-bucket", KEY, None)


async def test_canceling_a_call_is_no_failure_of_the_store() -> None:
    asked = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        writer.close()

    async with serving(listen) as endpoint, ObjectStore(config_of(endpoint)) as store:
        call = asyncio.ensure_future(store.stat(BUCKET, KEY))
        await asyncio.wait_for(asked.wait(), PATIENCE_S)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AWS_PROFILE", "no-such-profile"),
        ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1"),
        ("http_proxy", "http://127.0.0.1:1"),
    ],
)
async def test_the_environment_does_not_lead_away_from_a_local_store(
    server: Server, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv(variable, value)

    async with ObjectStore(server.config) as store:
        await store.check(BUCKET)


async def test_a_store_is_used_inside_its_context_only(server: Server) -> None:
    with pytest.raises(RuntimeError, match="context"):
        await ObjectStore(server.config).stat(BUCKET, KEY)
