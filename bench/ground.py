"""What is measured, and on what: services of its own over a temporary folder, and the server as a process beside."""

import asyncio
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from signal import SIGTERM
from typing import Any
from uuid import UUID

import asyncpg
import httpx2
import orjson
from sqlalchemy import event, select
from sqlmodel import col
from strawberry.http import process_result

from bench.seed import Shape, seed
from bench.wire import Wire, wire
from db.session import Database
from db.tables import Project
from db.url import asyncpg_dsn
from registry.kernel.access import Actor
from registry.tenants.onboarding import token_for
from registry.tenants.tokens import authenticate
from resolvers.context import Operation
from resolvers.services import Services
from schema.build import build_schema
from schema.execution.masking import MaskingSchema
from server.embedded.processes import Log, StopStep, minimal_environment, spawn
from server.local import local_services
from server.services import create_services
from server.settings import Settings

READY_LIMIT_S = 60


@dataclass(frozen=True)
class Ground:
    """All that a measurement needs: `address` is the server process; `services` and `schema` are in this process."""

    settings: Settings
    services: Services
    schema: MaskingSchema
    actor: Actor
    address: str
    token: str
    project_id: UUID
    shape: Shape

    def wire(self) -> AbstractAsyncContextManager[Wire]:
        """A connection to the server process."""
        return wire(self.address, self.token)


@contextmanager
def local_settings() -> Iterator[Settings]:
    """Settings that name a Postgres, with fsync on, and an S3 server that run as long as the block lasts."""
    folder = Path(tempfile.mkdtemp(prefix="registry-bench-"))
    try:
        # As root the database runs as another user, who has to pass through here.
        folder.chmod(0o711)
        settings = Settings(data_dir=folder / "data", database_url=None, minio_endpoint=None, host="127.0.0.1")
        with local_services(settings) as local:
            yield local.settings
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def server_process(settings: Settings) -> Iterator[str]:
    """The address of the server, run as `serve` runs it in production, with its log in the data folder."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **minimal_environment(),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "DATABASE_URL": settings.database,
        "MINIO_ENDPOINT": settings.store.endpoint,
        "MINIO_ACCESS_KEY": settings.minio_access_key.get_secret_value(),
        "MINIO_SECRET_KEY": settings.minio_secret_key.get_secret_value(),
    }
    stops = (StopStep(SIGTERM, 15.0),)
    with closing(Log(settings.data_dir / "server.log")) as log:
        child = spawn("The server", [sys.executable, "-m", "server", "serve"], env=environment, log=log, stops=stops)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            child.stop()


@asynccontextmanager
async def ground(settings: Settings, address: str, shape: Shape) -> AsyncIterator[Ground]:
    """A seeded organization beside another one, a member of it, and every way to ask for it."""
    services = create_services(settings)
    try:
        first, second = [await _member(services.database, name) for name in ("first", "second")]
        await seed(
            settings.migration_database, [(member.actor, member.project_id) for member in (first, second)], shape
        )
        await _until_ready(address)
        async with services.store:
            yield Ground(settings, services, build_schema(), first.actor, address, first.token, first.project_id, shape)
    finally:
        await services.database.close()


async def enlarged(ground: Ground, shape: Shape) -> Ground:
    """The same ground with a further organization of another shape."""
    member = await _member(ground.services.database, "large")
    await seed(ground.settings.migration_database, [(member.actor, member.project_id)], shape)
    return replace(ground, actor=member.actor, token=member.token, project_id=member.project_id, shape=shape)


async def answered(ground: Ground, document: str, variables: Mapping[str, Any]) -> bytes:
    """The answer as the server would send it, without the server. Raises: AssertionError where it has errors."""
    operation = Operation(ground.services, ground.actor)
    try:
        result = await ground.schema.execute(document, variable_values=dict(variables), context_value=operation)
    finally:
        await operation.close()
    assert not result.errors, result.errors
    return orjson.dumps(process_result(result))


@dataclass(frozen=True)
class Sent:
    """A statement with its parameters, as the driver got them."""

    statement: str
    parameters: tuple[Any, ...]


async def sent_in(ground: Ground, turn: Callable[[], Awaitable[object]]) -> list[Sent]:
    """What the server's own code sends in a turn, without what only begins or ends a transaction."""
    sent: list[Sent] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        sent.append(Sent(statement, tuple(parameters)))

    engine = ground.services.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        await turn()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return sent


async def statements_of(ground: Ground, turn: Callable[[], Awaitable[object]]) -> int:
    """How many statements the server's own code sends in a turn."""
    return len(await sent_in(ground, turn))


@asynccontextmanager
async def superuser(ground: Ground) -> AsyncIterator[asyncpg.Connection]:
    """A connection that may COPY: row-level security allows it to nobody else."""
    connection = await asyncpg.connect(asyncpg_dsn(ground.settings.migration_database))
    try:
        yield connection
    finally:
        await connection.close()


@dataclass(frozen=True)
class _Member:
    token: str
    actor: Actor
    project_id: UUID


async def _member(database: Database, organization: str) -> _Member:
    token = await token_for(database, organization, "bench", lifetime=timedelta(hours=1))
    actor = await authenticate(database, token)
    async with database.change(actor.org_id) as change:
        project_id = (
            await change.execute(select(col(Project.id)).where(col(Project.org_id) == actor.org_id))
        ).scalar_one()
    return _Member(token, actor, project_id)


async def _until_ready(address: str) -> None:
    """Wait for the server process. Raises: TimeoutError."""
    async with asyncio.timeout(READY_LIMIT_S), httpx2.AsyncClient(base_url=address, trust_env=False) as http:
        while True:
            try:
                if (await http.get("/readyz")).is_success:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.1)
