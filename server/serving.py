"""`registry serve`: the services it needs, the worker beside it, the web server, and their end in good order."""

import asyncio
import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Final

import structlog
import uvicorn
from rich.console import Console
from starlette.applications import Starlette

from db.session import Database
from registry.kernel.errors import Unauthenticated
from registry.tenants.onboarding import token_for
from registry.tenants.tokens import authenticate
from server.app import create_app
from server.doors.graphql_ws import MAX_FRAME_BYTES
from server.embedded.folder import write_private
from server.embedded.processes import Child, Log, StopStep, minimal_environment, spawn
from server.errors import PortTaken, ServiceDied
from server.local import Local, local_services
from server.settings import Settings
from server.telemetry import logs

log = structlog.get_logger(__name__)

ROOT: Final = Path(__file__).parents[1]

GRACE_S = 25
_WATCH_S = 0.5
_UNREAD_S = 30
"""How long a peer may take no byte of what is sent to it, such as one that is stopped, until its connection ends."""
_GC_THRESHOLDS = (50_000, 20, 100)
_WORKER_STOPS = (StopStep(signal.SIGTERM, 15.0), StopStep(signal.SIGKILL, 5.0))


class _Server(uvicorn.Server):
    """Says where it is once it serves, and tells streams and sockets to end as soon as a signal arrives."""

    def __init__(self, config: uvicorn.Config, app: Starlette, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._application = app
        self._announce = announce
        self._opened = AsyncExitStack()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open what the application needs, start, then announce. What refuses to open is raised as it is."""
        await self._opened.enter_async_context(self._application.router.lifespan_context(self._application))
        await super().startup(sockets)
        if self.started:
            _settle_garbage_collection()
            self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then close what was opened."""
        await super().shutdown(sockets)
        await self._opened.aclose()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain: uvicorn waits for streams and sockets, which never end by themselves."""
        self._application.state.door.shutdown.set()
        super().handle_exit(sig, frame)


def _settle_garbage_collection() -> None:
    """Take what is alive now, which stays alive, out of the collector's sight, and have it look less often.

    A large answer is tens of thousands of objects: with Python's defaults it set off collections of the whole process,
    and they took more time than the answer.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


def serve(settings: Settings, out: Console) -> None:
    """Serve until SIGINT or SIGTERM, then end every process that was started.

    Raises: PortTaken, ServiceDied, EmbeddedError, SchemaBehind, UnsafeRole.
    """
    logs.configure(settings.log_level, human=settings.debug)
    with (
        closing(_listen(settings.host, settings.port)) as listener,
        local_services(settings, may_borrow=False) as local,
        ExitStack() as stack,
    ):
        token = _token_of(local) if local.owns_database else None
        workers = [stack.enter_context(_worker_beside(local))] if local.running else []
        port = listener.getsockname()[1]
        greeting = _greeting(settings.host, port, token)
        app = create_app(local.settings)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            # The server opens the application itself: uvicorn would log a refusal as a traceback.
            lifespan="off",
            ws="websockets-sansio",
            ws_max_size=MAX_FRAME_BYTES,
            timeout_graceful_shutdown=GRACE_S,
        )
        _run(_Server(config, app, lambda: out.print(greeting, markup=False)), listener, local, workers)


def _listen(host: str, port: int) -> socket.socket:
    """The socket to serve on, before anything slow is started. Raises: PortTaken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # What is accepted inherits it. Pings and limits of ours end no connection whose buffers are full.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_S * 1000)
    try:
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise PortTaken(
            f"Cannot listen on {host}:{port}: {error.strerror}. Choose another port, such as PORT={port + 1}."
        ) from error
    return listener


def _run(server: _Server, listener: socket.socket, local: Local, workers: list[Child]) -> None:
    """Run the web server, and watch over the services while it runs. Raises: ServiceDied."""
    dead: list[str] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_WATCH_S):
            name = local.dead() or next(("the worker" for worker in workers if not worker.alive()), None)
            if name is not None:
                dead.append(name)
                os.kill(os.getpid(), signal.SIGTERM)
                return

    watcher = threading.Thread(target=watch, name="watch services", daemon=True)
    watcher.start()
    try:
        server.run(sockets=[listener])
    except (KeyboardInterrupt, SystemExit):
        # uvicorn repeats the signal that ended it once all is drained; to end when asked is no failure.
        if not server.started:
            raise
    finally:
        ended.set()
        watcher.join()
    if dead:
        raise ServiceDied(
            f"{dead[0]} ended by itself. Its log is in {local.settings.data_dir}. Start again: nothing is lost."
        )
    if not server.started:
        sys.exit(3)


@contextmanager
def _worker_beside(local: Local) -> Iterator[Child]:
    """A worker as a process of its own that ends with this one."""
    settings = local.settings
    environment = {
        **minimal_environment(),
        # This code, also where it runs from its folder without being installed.
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": settings.database,
        "LISTEN_DATABASE_URL": settings.listen_database,
        "DATABASE_ROLE_PREFIX": settings.database_role_prefix,
        "MINIO_ENDPOINT": settings.store.endpoint,
        "MINIO_ACCESS_KEY": settings.minio_access_key.get_secret_value(),
        "MINIO_SECRET_KEY": settings.minio_secret_key.get_secret_value(),
        "MINIO_REGION": settings.minio_region,
        "STORAGE_BUCKET_MODELS": settings.storage_bucket_models,
        "STORAGE_BUCKET_ARTIFACTS": settings.storage_bucket_artifacts,
        "SECRET_KEY": settings.secret_key.get_secret_value() if settings.secret_key else "",
        "WEBHOOK_TRUSTED_HOSTS": ",".join(settings.webhook_trusted_hosts),
        "LOG_LEVEL": settings.log_level,
    }
    with closing(Log(settings.data_dir / "worker.log")) as worker_log:
        child = spawn(
            "The worker",
            [sys.executable, "-m", "server", "worker"],
            env=environment,
            log=worker_log,
            stops=_WORKER_STOPS,
        )
        try:
            yield child
        finally:
            child.stop()


def _token_of(local: Local) -> str:
    """The token that is kept in the data folder while it is good, or a new one."""
    kept = local.settings.data_dir / "token"

    async def main() -> str:
        database = Database.connect(local.settings.database, local.settings.roles, pool_size=1)
        try:
            if kept.exists():
                try:
                    await authenticate(database, kept.read_text())
                    return kept.read_text()
                except Unauthenticated:
                    kept.unlink()
            lifetime = timedelta(minutes=local.settings.access_token_expire_minutes)
            token = await token_for(database, "default", "admin", lifetime=lifetime)
            write_private(kept, token)
            return token
        finally:
            await database.close()

    return asyncio.run(main())


def _greeting(host: str, port: int, token: str | None) -> str:
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host  # noqa: S104
    base = f"http://{shown}:{port}"
    fragment = f"#token={token}" if token else ""
    hint = "" if token else "\n  token      registry token create"
    return (
        f"\nModel Registry is ready. Ctrl-C ends it.\n"
        f"  GraphiQL   {base}/graphiql{fragment}\n  API        {base}/graphql\n  health     {base}/health{hint}\n"
    )
