"""A Postgres and an S3 server of a test's own, to stand still, to die and to come back, and the application on them."""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import httpx2
from starlette.applications import Starlette

from db import migrate
from db.roles import Roles, bootstrap
from resolvers.services import Services
from server.app import create_app
from server.embedded.postgres import EmbeddedPostgres, start_postgres
from server.embedded.s3 import EmbeddedS3, start_s3
from server.settings import Settings
from tests.tenant import Tenant, found_tenant

ROLES = Roles("registry_own")


class Dependencies:
    """The two servers over one folder; each keeps its address and its data over a restart."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stacks = {"postgres": ExitStack(), "s3": ExitStack()}
        self.postgres: EmbeddedPostgres
        self.s3: EmbeddedS3
        self._start_postgres()
        self._start_s3()

    def _start_postgres(self) -> None:
        # A killed server must keep what it has committed, or nothing could be said about what was half-written.
        self.postgres = self._stacks["postgres"].enter_context(start_postgres(self._folder / "data"))

    def _start_s3(self) -> None:
        self.s3 = self._stacks["s3"].enter_context(start_s3(self._folder / "data", buckets=("models", "artifacts")))

    def pid(self, name: str) -> int:
        return self.postgres.pid if name == "postgres" else self.s3.pid

    @contextmanager
    def standing_still(self, *names: str) -> Iterator[None]:
        """Servers that keep their sockets open and answer nothing."""
        stopped = [pid for name in names for pid in _tree(self.pid(name))]
        _signal(stopped, signal.SIGSTOP)
        try:
            yield
        finally:
            _signal([*stopped, *(pid for name in names for pid in _tree(self.pid(name)))], signal.SIGCONT)

    @contextmanager
    def dead(self, name: str) -> Iterator[None]:
        """A server that was killed; it is started again at the end."""
        _signal(_tree(self.pid(name)), signal.SIGKILL)
        self._stacks[name].close()
        try:
            yield
        finally:
            self._start_postgres() if name == "postgres" else self._start_s3()

    def settings(self) -> Settings:
        """What reaches them."""
        return Settings.model_validate(
            {
                "database_url": self.postgres.dsn,
                "database_role_prefix": ROLES.prefix,
                "database_pool_size": 5,
                "minio_endpoint": self.s3.endpoint,
                "minio_access_key": self.s3.access_key,
                "minio_secret_key": self.s3.secret_key,
                "secret_key": "only for tests and long enough to count",
                "webhook_trusted_hosts": "127.0.0.1",
            }
        )

    def environment(self) -> dict[str, str]:
        """The same for a process of its own."""
        settings = self.settings()
        return {
            "PATH": os.defpath,
            "DATABASE_URL": settings.database,
            "DATABASE_ROLE_PREFIX": ROLES.prefix,
            "MINIO_ENDPOINT": settings.store.endpoint,
            "MINIO_ACCESS_KEY": settings.minio_access_key.get_secret_value(),
            "MINIO_SECRET_KEY": settings.minio_secret_key.get_secret_value(),
            "SECRET_KEY": settings.secret_key.get_secret_value() if settings.secret_key else "",
            "WEBHOOK_TRUSTED_HOSTS": ",".join(settings.webhook_trusted_hosts),
        }

    def close(self) -> None:
        for stack in self._stacks.values():
            stack.close()


@contextmanager
def dependencies() -> Iterator[Dependencies]:
    """Both servers, with a migrated database."""
    # A short and plain path: the socket of the database then has the same place after a restart.
    folder = Path(tempfile.mkdtemp(prefix="registry-own-", dir="/tmp"))
    # As root the database runs as another user, who has to pass through here.
    folder.chmod(0o711)
    try:
        own = Dependencies(folder)
        try:
            yield own
        finally:
            own.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def prepare(own: Dependencies) -> None:
    await bootstrap(own.postgres.dsn, ROLES)
    await migrate.upgrade(own.postgres.dsn, ROLES)


class Served:
    """The application over servers of its own, and a client of it."""

    def __init__(self, own: Dependencies, app: Starlette, http: httpx2.AsyncClient) -> None:
        self.own = own
        self.app = app
        self.http = http

    @property
    def services(self) -> Services:
        found: Services = self.app.state.services
        return found

    async def tenant(self) -> Tenant:
        return await found_tenant(self.services.database, self.http)

    def forget_tokens(self) -> None:
        """Let the time pass for which a token is remembered."""
        self.app.state.door._door.authenticator._known.clear()


@asynccontextmanager
async def served(own: Dependencies) -> AsyncIterator[Served]:
    app = create_app(own.settings())
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://registry.test") as http:
            yield Served(own, app, http)


class Pulse:
    """Notes for how long the event loop stood still at most, without the time in which others had the processor."""

    def __init__(self) -> None:
        self.longest_pause_s = 0.0

    async def __aenter__(self) -> "Pulse":
        self._beating = asyncio.create_task(self._beat())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._beating.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._beating

    async def _beat(self) -> None:
        while True:
            at = _own_time_s()
            await asyncio.sleep(0.01)
            self.longest_pause_s = max(self.longest_pause_s, _own_time_s() - at)


def _own_time_s() -> float:
    """A clock that goes while this thread runs or waits for anything but a processor; else, while it runs."""
    try:
        queued_ns = int(Path("/proc/thread-self/schedstat").read_text().split()[1])
    except FileNotFoundError:
        return time.thread_time()
    return time.monotonic() - queued_ns / 1e9


def _tree(pid: int) -> list[int]:
    """A process and all that came of it, parents first: what stands still makes no new ones."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [pid, *(found for child in children for found in _tree(int(child)))]


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
