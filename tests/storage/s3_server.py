"""A real S3 server of the tests' own, over a folder."""

import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from storage.config import StoreConfig

BUCKET = "models"
_READY_WITHIN_S = 20


@dataclass(frozen=True)
class Server:
    """A running S3 server: how to sign for it, and its process, to stop or to kill."""

    config: StoreConfig
    process_id: int


OwnServer = Callable[[], AbstractContextManager[Server]]


@contextmanager
def s3_server(folder: Path) -> Iterator[Server]:
    (folder / BUCKET).mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    config = StoreConfig(f"http://127.0.0.1:{port}", secrets.token_hex(10), secrets.token_hex(20))
    process = subprocess.Popen(
        [_program(), "serve", "s3", "--config", os.devnull, "--addr", f"127.0.0.1:{port}", folder],
        # The variable is read as a list of quoted values: one pair is one value.
        env={**os.environ, "RCLONE_AUTH_KEY": f'"{config.access_key},{config.secret_key}"'},
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        yield Server(config, process.pid)
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()


def _program() -> Path:
    wheel = find_spec("rclone_api")
    assert wheel is not None
    assert wheel.origin is not None
    return Path(wheel.origin).parent / "bin" / "rclone"


def _wait_for(port: int) -> None:
    give_up_at = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < give_up_at:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError("the S3 server did not start")
