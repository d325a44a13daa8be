"""A small graph and a small application behind the real door, served by uvicorn on a port of its own."""

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute
from strawberry.schema.config import StrawberryConfig

from registry.kernel.errors import BadInput, Forbidden, InvalidValue, Unauthenticated, Unavailable
from schema.execution.limits import Limits, door_extensions
from schema.execution.masking import MaskingSchema
from server.doors.graphql_http import DoorSettings, GraphQLDoor
from server.doors.graphql_ws import MAX_FRAME_BYTES

SECRET = "postgres://u:hunter2@db/x"
TOKEN = "good-token"
AUTHORIZED = {"authorization": f"Bearer {TOKEN}"}
NEVER_S = 3600


@strawberry.type
class PageInfo:
    has_next_page: bool = False


@strawberry.type
class Artifact:
    path: str = "weights.bin"


@strawberry.type
class ArtifactEdge:
    cursor: str = "c"
    node: Artifact = strawberry.field(default_factory=Artifact)


@strawberry.type
class ArtifactConnection:
    page_info: PageInfo = strawberry.field(default_factory=PageInfo)
    edges: list[ArtifactEdge] = strawberry.field(default_factory=list)
    nodes: list[Artifact] = strawberry.field(default_factory=list)
    total_count: int = 0


@strawberry.type
class ModelVersion:
    number: int = 1

    @strawberry.field
    def artifacts(self, first: int = 20, after: str | None = None) -> ArtifactConnection:
        return ArtifactConnection()


@strawberry.type
class ModelVersionEdge:
    cursor: str = "c"
    node: ModelVersion = strawberry.field(default_factory=ModelVersion)


@strawberry.type
class ModelVersionConnection:
    page_info: PageInfo = strawberry.field(default_factory=PageInfo)
    edges: list[ModelVersionEdge] = strawberry.field(default_factory=list)
    nodes: list[ModelVersion] = strawberry.field(default_factory=list)


@strawberry.type
class Model:
    id: strawberry.ID = strawberry.ID("m")
    name: str = "resnet"
    parent: "Model | None" = None
    tags: list[Artifact] = strawberry.field(default_factory=list, metadata={"rows": 7})

    @strawberry.field
    def versions(self, first: int = 20, after: str | None = None) -> ModelVersionConnection:
        return ModelVersionConnection()


@strawberry.type
class ModelEdge:
    cursor: str = "c"
    node: Model = strawberry.field(default_factory=Model)


@strawberry.type
class ModelConnection:
    page_info: PageInfo = strawberry.field(default_factory=PageInfo)
    edges: list[ModelEdge] = strawberry.field(default_factory=list)
    nodes: list[Model] = strawberry.field(default_factory=list)
    total_count: int | None = None


@dataclass(eq=False)
class StubContext:
    """Counts what the door does with it."""

    actor: str
    closed: int = 0
    renewed: int = 0
    waiting: bool = False

    async def renew(self) -> None:
        self.renewed += 1

    async def close(self) -> None:
        self.closed += 1


@strawberry.type
class Query:
    @strawberry.field
    def hello(self, name: str = "world") -> str:
        return f"hello {name}"

    @strawberry.field
    def me(self, info: strawberry.Info[StubContext, None]) -> str:
        return info.context.actor

    @strawberry.field
    def models(self, first: int | None = 20, after: str | None = None, last: int | None = None) -> ModelConnection:
        return ModelConnection(nodes=[Model()])

    @strawberry.field
    def model(self, name: str = "resnet") -> Model | None:
        return Model(name=name)

    @strawberry.field
    def nodes(self, ids: list[strawberry.ID]) -> list[Model]:
        return [Model(id=i) for i in ids]

    @strawberry.field
    def boom(self) -> str | None:
        raise RuntimeError(f"cannot reach {SECRET}")

    @strawberry.field
    def forbidden(self) -> str | None:
        raise Forbidden("You may see this model but not its tokens.")

    @strawberry.field
    def bad_cursor(self) -> str | None:
        raise BadInput("The cursor is not one of ours.")

    @strawberry.field
    def invalid(self) -> Model | None:
        raise InvalidValue("The name is empty.", ("input", "name"))

    @strawberry.field
    def lied_about(self) -> int | None:
        return SECRET  # type: ignore[return-value]  # what a resolver's bug looks like

    @strawberry.field
    async def slow(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "done"


@strawberry.type
class Mutation:
    @strawberry.mutation
    def rename(self, name: str) -> Model | None:
        return Model(name=name)


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(self, to: int = 3) -> AsyncGenerator[int, None]:
        for number in range(to):
            yield number
            await asyncio.sleep(0)

    @strawberry.subscription
    async def waits(self, info: strawberry.Info[StubContext, None]) -> AsyncGenerator[str, None]:
        info.context.waiting = True
        try:
            yield "listening"
            await asyncio.sleep(NEVER_S)
        finally:
            info.context.waiting = False

    @strawberry.subscription
    async def names(self, info: strawberry.Info[StubContext, None]) -> AsyncGenerator[str, None]:
        while True:
            yield info.context.actor
            await asyncio.sleep(0.01)

    @strawberry.subscription
    async def breaks(self) -> AsyncGenerator[int, None]:
        yield 1
        raise RuntimeError(f"cannot reach {SECRET}")


def make_schema(limits: Limits | None = None, *, deadline_s: float = 10, introspection: bool = True) -> MaskingSchema:
    return MaskingSchema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        config=StrawberryConfig(disable_field_suggestions=not introspection),
        extensions=door_extensions(limits, deadline_s=deadline_s, introspection=introspection),
    )


@dataclass
class StubDoor:
    """Knows two tokens; `gone`, `down` and `name` change its mind while it serves."""

    gone: bool = False
    down: bool = False
    name: str = "ada"
    asked: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    contexts: list[StubContext] = field(default_factory=list)

    def access(self, actor: str) -> asyncio.Event:
        return self.changed

    async def authenticate(self, authorization: str | None) -> str:
        self.asked += 1
        if self.down:
            raise Unavailable("The database does not answer. Try again in a moment.")
        if authorization == "Bearer broken-token":
            raise RuntimeError(f"cannot reach {SECRET}")
        if self.gone or authorization != f"Bearer {TOKEN}":
            raise Unauthenticated
        return self.name

    def context(self, actor: str) -> StubContext:
        self.contexts.append(StubContext(actor))
        return self.contexts[-1]


@dataclass
class Served:
    """A running server and what a test needs to reach and change it."""

    url: str
    door: StubDoor
    endpoint: GraphQLDoor

    @property
    def ws_url(self) -> str:
        return self.url.replace("http://", "ws://")


@asynccontextmanager
async def served(schema: MaskingSchema | None = None, settings: DoorSettings | None = None) -> AsyncIterator[Served]:
    """Serve the door on a free loopback port until the block ends."""
    door = StubDoor()
    endpoint = GraphQLDoor(schema or make_schema(), door, settings=settings)
    routes = [Route("/graphql", endpoint), WebSocketRoute("/graphql", endpoint)]
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        Starlette(routes=routes),
        lifespan="off",
        log_config=None,
        ws_max_size=MAX_FRAME_BYTES,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve([listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield Served(f"http://127.0.0.1:{listener.getsockname()[1]}/graphql", door, endpoint)
    finally:
        endpoint.shutdown.set()
        server.should_exit = True
        await task
        listener.close()
