"""The ASGI application: what is opened when it starts, its routes, and what is closed when it ends."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute

from db.listening import Wakeups
from db.session import Database
from registry.kernel.access import Actor
from resolvers.context import Operation
from resolvers.services import Services
from schema.build import build_schema
from server.auth import Authenticator
from server.doors.graphiql import graphiql_routes
from server.doors.graphql_http import DoorSettings, GraphQLDoor
from server.doors.graphql_request import PREFLIGHTED
from server.doors.graphql_ws import SocketSettings
from server.following import following
from server.services import VERSION, checked, create_services
from server.settings import Settings
from server.telemetry.health import Health, health, livez, readyz
from server.telemetry.metrics import prometheus
from server.telemetry.request_log import RequestLog

log = structlog.get_logger(__name__)

ROOT: Final = Path(__file__).parents[1]


@dataclass
class RegistryDoor:
    """Who asks and what an operation gets: see `schema.execution.scope.Door`."""

    services: Services
    authenticator: Authenticator

    async def authenticate(self, authorization: str | None) -> Actor:
        """The actor of a header. Raises: Unauthenticated, Unavailable."""
        return await self.authenticator.actor(authorization)

    def access(self, actor: Actor) -> asyncio.Event:
        """What is set when tokens or roles of the actor's organization may have changed."""
        return self.authenticator.access(actor.org_id)

    def context(self, actor: Actor) -> Operation:
        """The context of one operation."""
        return Operation(self.services, actor)


def create_app(settings: Settings) -> Starlette:
    """The application over the services that the settings name.

    It does not start over a database whose schema is behind or with a role that row-level security does not bind
    (SchemaBehind, UnsafeRole). `app.state.door.shutdown` ends streams and sockets: set it when the server is to exit.
    """
    services = create_services(settings)
    aside = Database.connect(settings.database, settings.roles, pool_size=1)
    wakeups = Wakeups(settings.listen_database, services.feed.wake)
    authenticator = Authenticator(services.database)
    services.feed.listeners.append(authenticator.heard)
    door = GraphQLDoor(
        build_schema(introspection=settings.graphql_introspection),
        RegistryDoor(services, authenticator),
        settings=DoorSettings(socket=SocketSettings(allowed_origins=settings.allowed_origins)),
    )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(services.database.close)
            stack.push_async_callback(aside.close)
            app.state.health.warnings = await checked(services.database)
            await stack.enter_async_context(services.store)
            await stack.enter_async_context(following(services.database, services.feed, wakeups))
            log.info("server.started", version=VERSION)
            yield

    app = Starlette(
        routes=[
            Route("/", _to_graphiql),
            Route("/graphql", door, methods=None, middleware=_shared_with(settings.allowed_origins)),
            WebSocketRoute("/graphql", door),
            *graphiql_routes(ROOT / "web/graphiql/dist", (ROOT / "schema/examples", ROOT / "schema/screens"), VERSION),
            Route("/health", health),
            Route("/livez", livez),
            Route("/readyz", readyz),
            Route("/metrics/prometheus", prometheus),
        ],
        middleware=[Middleware(RequestLog)],
        lifespan=lifespan,
    )
    app.state.services = services
    app.state.door = door
    app.state.wakeups = wakeups
    app.state.health = Health(services, aside, settings.buckets, wakeups, draining=door.shutdown)
    return app


def _shared_with(origins: Sequence[str]) -> list[Middleware]:
    """Let pages of other sites use the API. Nobody is known by a cookie, so that none are let through."""
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=("GET", "POST"),
            allow_headers=("Authorization", "Content-Type", *PREFLIGHTED),
            expose_headers=("X-Request-Id", "Retry-After"),
        )
    ]


async def _to_graphiql(_request: Request) -> Response:
    return RedirectResponse("/graphiql")
