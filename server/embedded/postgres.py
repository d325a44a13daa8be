"""Runs a real Postgres over a data folder, with password authentication and a private socket as the only way in."""

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from server.embedded.binaries import POSTGRES_MAJOR, PostgresPrograms, copied_postgres, installed_postgres
from server.embedded.errors import EmbeddedUnavailable, ServiceFailed
from server.embedded.folder import OUTSIDE, ServiceFolder, claim, write_private
from server.embedded.processes import (
    Account,
    Child,
    Log,
    StopStep,
    current_user_is_root,
    minimal_environment,
    spawn,
)
from server.embedded.sockets import socket_folder

READY_LIMIT_S = 60.0
# Fast shutdown ends sessions and writes a checkpoint; the immediate one leaves recovery to the next start.
STOPS = (StopStep(signal.SIGINT, 25.0), StopStep(signal.SIGQUIT, 5.0), StopStep(signal.SIGKILL, 5.0))
SETTINGS = {
    # No address, no port: nothing to clash with, and only users who may enter the socket's folder can knock.
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    # A failed statement may hold a password in its text.
    "log_min_error_statement": "panic",
}
UNSAFE_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class EmbeddedPostgres:
    """A running database server.

    `dsn` is a superuser's address with the password inside, in libpq's form for a socket
    (`postgresql://postgres:…@/postgres?host=…&port=5432`); it is good until the server is stopped.
    """

    dsn: str = field(repr=False)
    socket_dir: Path
    child: Child

    @property
    def pid(self) -> int:
        """The id of the server's main process."""
        return self.child.pid

    def alive(self) -> bool:
        """Whether the server still runs."""
        return self.child.alive()

    def wait(self, timeout_s: float | None = None) -> int:
        """Block until the server has ended, return its exit status; raises TimeoutError after `timeout_s` seconds."""
        return self.child.wait(timeout_s)


@contextlib.contextmanager
def start_postgres(data_dir: Path, *, fsync: bool = True, outside: Path = OUTSIDE) -> Iterator[EmbeddedPostgres]:
    """Run Postgres over `data_dir`/postgres for the length of a `with` block; the data stays.

    The first start makes the database files and a random superuser password, kept beside them. The server ends with
    this process, however that ends, and with the block. With `fsync=False` a killed server loses its last transactions
    and a crash of the machine may destroy the data: for tests only. Blocks for up to 60 s, also inside an event loop.

    Root may not run Postgres: as root it runs as the user `nobody` from a copy of the programs, and where that user
    cannot pass through the parents of `data_dir` the files are kept below `outside`, with a link in their place.

    Raises EmbeddedUnavailable without the programs, DataFolderInUse while another start holds the folder,
    DataFolderForeign when another user made it, ServiceFailed when the server does not become ready.
    """
    installed = installed_postgres()
    account = _account()
    shared_with = account.uid if account else None
    with claim(data_dir, "postgres", shared_with=shared_with, outside=outside) as folder:
        programs = copied_postgres(folder.home / "binaries") if account else installed
        password = _password(folder)
        with (
            contextlib.closing(Log(folder.home / "postgres.log")) as log,
            socket_folder(folder.home, account) as socket_dir,
        ):
            _ensure_cluster(folder, programs, account, password, log, fsync=fsync)
            _forget_ended_server(folder)
            child = spawn(
                "Postgres",
                _server_command(folder, programs, socket_dir, fsync=fsync),
                env=minimal_environment(),
                log=log,
                stops=STOPS,
                keep_fds=(folder.lock_fd,),
                account=account,
            )
            try:
                folder.record_service(child.pid)
                place = f"host={quote(str(socket_dir))}&port=5432&sslmode=disable"
                dsn = f"postgresql://postgres:{quote(password)}@/postgres?{place}"
                _wait_until_ready(child, dsn)
                yield EmbeddedPostgres(dsn, socket_dir, child)
            finally:
                child.stop()


def _account() -> Account | None:
    if not current_user_is_root():
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError as error:
        raise EmbeddedUnavailable(
            "Postgres refuses to run as root and this system has no user `nobody`:"
            " start as an ordinary user, or set DATABASE_URL to a database of your own."
        ) from error
    return Account(entry.pw_uid, entry.pw_gid)


def _password(folder: ServiceFolder) -> str:
    if (folder.home / "cluster").exists() and not (folder.home / "password").exists():
        raise ServiceFailed(
            f"{folder.home / 'password'} is missing, and with it the way into the database beside it:"
            " restore the file, or choose another data folder."
        )
    return folder.secret("password")


def _ensure_cluster(
    folder: ServiceFolder, programs: PostgresPrograms, account: Account | None, password: str, log: Log, *, fsync: bool
) -> None:
    """Make the database files unless they are there. They are complete once they have their name."""
    cluster, fresh = folder.home / "cluster", folder.home / "cluster.new"
    if cluster.exists():
        _check_version(cluster)
        return
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(0o700)
    password_copy = folder.home / "password.initdb"
    password_copy.unlink(missing_ok=True)
    write_private(password_copy, password)
    try:
        if account:
            for path in (fresh, password_copy):
                os.chown(path, account.uid, account.gid)
        initdb = spawn(
            "initdb",
            _initdb_command(programs, fresh, password_copy, fsync=fsync),
            env=minimal_environment(),
            log=log,
            stops=(StopStep(signal.SIGTERM, 2.0), StopStep(signal.SIGKILL, 2.0)),
            keep_fds=(folder.lock_fd,),
            account=account,
        )
        try:
            status = initdb.wait()
        finally:
            initdb.stop()
    finally:
        password_copy.unlink()
    if status != 0:
        raise ServiceFailed(f"The database files could not be made in {folder.home}. initdb said:\n{log.last_lines()}")
    fresh.rename(cluster)


def _initdb_command(
    programs: PostgresPrograms, cluster: Path, password_file: Path, *, fsync: bool
) -> Sequence[str | Path]:
    return [
        programs.initdb,
        f"--pgdata={cluster}",
        "--username=postgres",
        f"--pwfile={password_file}",
        "--auth-local=scram-sha-256",
        "--auth-host=scram-sha-256",
        "--encoding=UTF8",
        # The collation built into Postgres sorts the same on every system and never changes under an index.
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
        f"--lc-ctype={'UTF-8' if os.uname().sysname == 'Darwin' else 'C.UTF-8'}",
        "--no-instructions",
        *([] if fsync else ["--no-sync"]),
    ]


def _check_version(cluster: Path) -> None:
    version = (cluster / "PG_VERSION").read_text().strip()
    if version != POSTGRES_MAJOR:
        raise ServiceFailed(
            f"{cluster} holds data of Postgres {version} and this is Postgres {POSTGRES_MAJOR}:"
            " dump it with the older release and restore it into a new data folder."
        )


def _forget_ended_server(folder: ServiceFolder) -> None:
    """Remove the note of a killed server, whose process id may belong to something else by now.

    Every process of the server holds the folder's lock, so once the lock is ours none of them is left.
    """
    (folder.home / "cluster" / "postmaster.pid").unlink(missing_ok=True)


def _server_command(
    folder: ServiceFolder, programs: PostgresPrograms, socket_dir: Path, *, fsync: bool
) -> Sequence[str | Path]:
    settings = SETTINGS | {"unix_socket_directories": str(socket_dir)} | ({} if fsync else UNSAFE_SETTINGS)
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return [programs.postgres, "-D", folder.home / "cluster", *options]


def _wait_until_ready(child: Child, dsn: str) -> None:
    """Return once a session has been opened; in a thread of its own, as the caller may be inside an event loop."""
    deadline = time.monotonic() + READY_LIMIT_S
    with ThreadPoolExecutor(1) as thread:
        while not thread.submit(lambda: asyncio.run(_answers(dsn))).result():
            if not child.alive():
                raise ServiceFailed(f"Postgres ended while starting. Its log:\n{child.log.last_lines()}")
            if time.monotonic() > deadline:
                raise ServiceFailed(
                    f"Postgres was not ready after {READY_LIMIT_S:.0f} seconds. Its log:\n{child.log.last_lines()}"
                )
            time.sleep(0.02)


async def _answers(dsn: str) -> bool:
    try:
        # Said outright, as variables of the user's would otherwise ask for certificates or for a replica.
        connection = await asyncpg.connect(dsn, timeout=5, ssl=False, target_session_attrs=SessionAttribute.any)
    except asyncpg.InvalidPasswordError as error:
        raise ServiceFailed(
            "The database does not accept the password kept beside it:"
            " restore the file `password` of that folder, or choose another data folder."
        ) from error
    except (OSError, TimeoutError, asyncpg.CannotConnectNowError):
        return False
    await connection.close()
    return True
