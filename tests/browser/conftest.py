"""The server whose page the browser tests open: its address, a token it accepts, and two examples to run there."""

import asyncio
import os
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError

from server.doors.graphiql import graphiql_routes

DIST = Path(__file__).parents[2] / "web" / "graphiql" / "dist"
TOKEN = "mrgp_0123456789abcdefghijklmnopqrstuv"
EXAMPLES = {
    "10_greeting.graphql": "# A greeting\nquery Greeting($name: String!) {\n  greeting(name: $name)\n}\n",
    "10_greeting.json": '{"name": "example"}',
    "20_ticks.graphql": "# Three events\nsubscription Ticks {\n  tick\n}\n",
}


@dataclass(frozen=True)
class Served:
    """A running server: `url` without a last slash, and a `token` that it accepts for queries and subscriptions."""

    url: str
    token: str


@strawberry.type
class Query:
    @strawberry.field
    def greeting(self, name: str) -> str:
        return f"hello {name}"


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def tick(self) -> AsyncIterator[str]:
        for number in range(1, 4):
            yield f"tick {number}"
            await asyncio.sleep(0)


class TokenGraphQL(GraphQL[None, None]):
    """GraphQL for who sends the token, in the header or in connection_init."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (b"authorization", f"Bearer {TOKEN}".encode()) not in scope["headers"]:
            await JSONResponse({"errors": [{"message": "Unauthenticated"}]}, 401)(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    async def on_ws_connect(self, context: object) -> None:
        params = context["connection_params"] if isinstance(context, dict) else {}
        if params.get("authorization") != f"Bearer {TOKEN}":
            raise ConnectionRejectionError


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """Serves `app` on a free port, in a thread of its own, and yields its address."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="websockets-sansio", lifespan="off"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def require_page() -> None:
    """Skip while the page is not built; fail where nothing may be skipped."""
    if not (DIST / "index.html").is_file():
        reason = "the GraphiQL page is not built (`make graphiql`)"
        if os.environ.get("REQUIRE_ALL_TESTS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The built page before a schema of two fields."""
    require_page()
    examples = tmp_path_factory.mktemp("examples")
    for name, text in EXAMPLES.items():
        (examples / name).write_text(text)
    endpoint = TokenGraphQL(strawberry.Schema(Query, subscription=Subscription))
    app = Starlette(
        routes=[
            *graphiql_routes(DIST, (examples,), "2.0.0"),
            Route("/graphql", endpoint),
            WebSocketRoute("/graphql", endpoint),
        ]
    )
    with serving(app) as url:
        yield Served(url, TOKEN)
