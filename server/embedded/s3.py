"""Runs a real S3 server over a data folder: random keys, a stable port on the loopback address, objects as files."""

import contextlib
import http.client
import random
import re
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from server.embedded.binaries import installed_rclone
from server.embedded.errors import ServiceFailed
from server.embedded.folder import ServiceFolder, claim, make_folder
from server.embedded.processes import Child, Log, StopStep, minimal_environment, spawn

READY_LIMIT_S = 30.0
HOST = "127.0.0.1"
# Below the ports that systems hand out to outgoing connections, so that the chosen one is still free next time.
PORTS = range(20_000, 30_000)
PORT_ATTEMPTS = 20
STOPS = (StopStep(signal.SIGTERM, 10.0), StopStep(signal.SIGKILL, 5.0))
BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
UNFINISHED_UPLOADS = ".rclone_multipart_upload_*"


@dataclass(frozen=True)
class EmbeddedS3:
    """A running object store: plain HTTP on the loopback address, path style, signature version 4, any region."""

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    child: Child

    @property
    def pid(self) -> int:
        """The id of the server's process."""
        return self.child.pid

    def alive(self) -> bool:
        """Whether the server still runs."""
        return self.child.alive()

    def wait(self, timeout_s: float | None = None) -> int:
        """Block until the server has ended, return its exit status; raises TimeoutError after `timeout_s` seconds."""
        return self.child.wait(timeout_s)


@contextlib.contextmanager
def start_s3(data_dir: Path, *, buckets: Sequence[str] = ()) -> Iterator[EmbeddedS3]:
    """Run an S3 server over `data_dir`/s3 for the length of a `with` block; objects, keys and port stay.

    Each of `buckets` exists when the block begins. The port is kept, since addresses handed out earlier carry it, and
    changes only when something else has taken it. The server ends with this process, however that ends, and with the
    block. Unfinished multipart uploads do not survive a restart. Blocks for up to 30 s.

    Raises EmbeddedUnavailable without the program, DataFolderInUse while another start holds the folder,
    DataFolderForeign when another user made it, ServiceFailed when the server does not become ready, and ValueError
    for what is no bucket's name.
    """
    program = installed_rclone()
    with claim(data_dir, "s3") as folder, contextlib.closing(Log(folder.home / "s3.log")) as log:
        _prepare_objects(folder.home / "objects", buckets)
        access_key, secret_key = folder.secret("access-key"), folder.secret("secret-key")
        child, port = _start(folder, program, access_key, secret_key, log)
        try:
            yield EmbeddedS3(f"http://{HOST}:{port}", access_key, secret_key, child)
        finally:
            child.stop()


def _prepare_objects(objects: Path, buckets: Sequence[str]) -> None:
    make_folder(objects, 0o700)
    for name in buckets:
        if not BUCKET_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no bucket name: use 3 to 63 lower-case letters, digits, dots and hyphens.")
        make_folder(objects / name, 0o700)
    # A server that was killed leaves the beginnings of uploads that nobody can complete any more.
    for leftover in objects.rglob(UNFINISHED_UPLOADS):
        leftover.unlink()


def _start(folder: ServiceFolder, program: Path, access_key: str, secret_key: str, log: Log) -> tuple[Child, int]:
    """Start on the kept port, or on another when that one is taken, also when it is taken in this very moment."""
    for port in _port_candidates(folder.home / "port"):
        if not _is_free(port):
            continue
        child = spawn(
            "The S3 server",
            _command(program, folder.home, port),
            env=_environment(access_key, secret_key, folder.home),
            log=log,
            stops=STOPS,
            keep_fds=(folder.lock_fd,),
        )
        try:
            folder.record_service(child.pid)
            if _becomes_ready(child, port):
                (folder.home / "port").write_text(str(port))
                return child, port
        except BaseException:
            child.stop()
            raise
        child.stop()
    raise ServiceFailed(f"The S3 server did not start. Its log:\n{log.last_lines()}")


def _port_candidates(kept: Path) -> list[int]:
    text = kept.read_text() if kept.exists() else ""
    return [*([int(text)] if text.isdigit() else []), *random.sample(PORTS, PORT_ATTEMPTS)]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # Connections that ended a moment ago do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _command(program: Path, home: Path, port: int) -> Sequence[str | Path]:
    return [
        program,
        "serve",
        "s3",
        f"--addr={HOST}:{port}",
        # Of the caller's own settings and caches nothing is read or written.
        "--config=/dev/null",
        f"--cache-dir={home / 'cache'}",
        # Written straight through: an answered upload is in its file.
        "--vfs-cache-mode=off",
        # Signed requests with tracing and credentials in their headers exceed the default of 4 KiB.
        "--max-header-bytes=32768",
        home / "objects",
    ]


def _environment(access_key: str, secret_key: str, home: Path) -> dict[str, str]:
    """The keys travel here because a command line is open to every user of the machine."""
    return minimal_environment() | {"HOME": str(home), "RCLONE_AUTH_KEY": f'"{access_key},{secret_key}"'}


def _becomes_ready(child: Child, port: int) -> bool:
    """True at the first answer to a request; false when the server ended, as it does when its port is taken."""
    deadline = time.monotonic() + READY_LIMIT_S
    while child.alive():
        connection = http.client.HTTPConnection(HOST, port, timeout=5)
        try:
            connection.request("GET", "/")
            connection.getresponse()
        except (OSError, http.client.HTTPException):
            if time.monotonic() > deadline:
                raise ServiceFailed(
                    f"The S3 server was not ready after {READY_LIMIT_S:.0f} seconds. Its log:\n{child.log.last_lines()}"
                ) from None
            time.sleep(0.02)
        else:
            return child.alive()
        finally:
            connection.close()
    return False
