"""The embedded S3 server, run for tests over a folder of their own."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from server.embedded.s3 import start_s3
from storage.config import StoreConfig

BUCKET = "models"


@dataclass(frozen=True)
class Server:
    """A running S3 server: how to sign for it, and its process, to stop or to kill."""

    config: StoreConfig
    process_id: int


OwnServer = Callable[[], AbstractContextManager[Server]]


@contextlib.contextmanager
def s3_server(folder: Path) -> Iterator[Server]:
    with start_s3(folder, buckets=[BUCKET]) as s3:
        try:
            yield Server(StoreConfig(s3.endpoint, s3.access_key, s3.secret_key), s3.pid)
        finally:
            # A process that a test has stopped would not hear that it shall end.
            with contextlib.suppress(ProcessLookupError):
                os.kill(s3.pid, signal.SIGCONT)
