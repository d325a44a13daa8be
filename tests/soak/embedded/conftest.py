"""Folders of their own for the embedded services, and a second process that owns services."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from server.embedded.processes import is_running
from tests.patience import block_until

ROOT = Path(__file__).parents[3]
OWNER = Path(__file__).with_name("owner.py")


def folder_open_to_all(prefix: str) -> Iterator[Path]:
    """A folder that every user may pass through; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    yield from folder_open_to_all("embedded test ")


@pytest.fixture(scope="module")
def plain_folder() -> Iterator[Path]:
    yield from folder_open_to_all("embedded-test-")


@pytest.fixture
def data_dir(open_folder: Path) -> Path:
    return open_folder / "data"


@dataclass
class Owner:
    """A running second process and what it said when its services were ready."""

    process: "subprocess.Popen[str]"
    report: dict[str, Any]

    def pids_left(self) -> list[int]:
        return [pid for pid in self.report.get("pids", []) + self.report.get("guardian_pids", []) if is_running(pid)]

    def wait_until_nothing_is_left(self) -> None:
        block_until(lambda: not self.pids_left())


StartOwner = Callable[..., Owner]


@pytest.fixture
def start_owner() -> Iterator[StartOwner]:
    """Starts a process that owns both services over a folder, with a command put before it when given."""
    started: list[Owner] = []

    def start(data_dir: Path, before: Sequence[str] = (), packages: Sequence[Path] = ()) -> Owner:
        process = subprocess.Popen(
            [*before, sys.executable, str(OWNER), str(data_dir)],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (*packages, ROOT)))},
            # A terminal gives every command a process group, to which it sends Ctrl-C.
            process_group=0,
        )
        assert process.stdout
        started.append(Owner(process, json.loads(process.stdout.readline())))
        return started[-1]

    yield start
    for owner in started:
        owner.process.send_signal(signal.SIGINT)
        owner.process.communicate()
        owner.wait_until_nothing_is_left()
