"""`registry` as people run it: real processes over data folders of their own, what they said, and what they left."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from server.embedded.processes import is_running
from tests.patience import PATIENCE_S as PATIENCE_S, block_until

ROOT = Path(__file__).parents[2]
READY = re.compile(r"API +(http://\S+)/graphql\n +health +(\S+)\n")
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV")

NAMES = {"rclone serve": "S3", "postgres -D": "Postgres", "server worker": "worker"}


def command(*words: str) -> list[str]:
    """The command line `registry` with these words."""
    return [sys.executable, "-m", "server", *words]


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """An environment in which only `settings` are set, whatever the tests run in."""
    return {name: os.environ[name] for name in KEPT if name in os.environ} | {"PYTHONPATH": str(ROOT)} | dict(settings)


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    status: int
    out: str
    err: str


def registry(*words: str, **settings: str) -> Ran:
    """Run one command to its end."""
    ran = subprocess.run(
        command(*words), env=environment(settings), capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    return Ran(ran.returncode, ran.stdout, ran.stderr)


@dataclass
class Server:
    """A running `registry serve`: `url` without a last slash, and every process that belongs to it."""

    process: "subprocess.Popen[bytes]"
    said: Path
    url: str = ""
    token: str = ""
    pids: dict[str, int] = field(default_factory=dict)
    family: tuple[int, ...] = ()

    def output(self) -> str:
        """All it has said so far."""
        return self.said.read_text()

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data of an answer without errors."""
        response = httpx2.post(
            f"{self.url}/graphql",
            json={"query": query, "variables": variables},
            headers={"authorization": f"Bearer {self.token}", "accept": "application/graphql-response+json"},
            timeout=PATIENCE_S,
        )
        answer: dict[str, Any] = response.json()
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    def make(self, mutation: str, made: str, selection: str = "id", **given: Any) -> Any:
        """What a mutation made: the id, or the object where `selection` names more."""
        title = mutation[0].upper() + mutation[1:]
        document = f"mutation($input: {title}Input!) {{ {mutation}(input: $input) {{ {made} {{ {selection} }} }} }}"
        found = self.ask(document, input=given)[mutation][made]
        return found["id"] if selection == "id" else found

    def health(self) -> dict[str, Any]:
        """What /health says."""
        health: dict[str, Any] = httpx2.get(f"{self.url}/health", timeout=PATIENCE_S).json()
        return health

    def press_ctrl_c(self) -> int:
        """Signal the whole process group, as a terminal does; the exit status."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(PATIENCE_S)

    def wait_until_nothing_is_left(self) -> None:
        """Return once every process of the family has ended."""
        block_until(lambda: not any(is_running(pid) for pid in self.family))


def start(data_dir: Path, before: Sequence[str] = (), dying: str | None = None, **settings: str) -> Server:
    """Start a server on a free port and return when it has said where it is. Fails where it ends instead.

    It kills itself at the point `dying`, one of `tests.dying`.
    """
    program = command("serve") if dying is None else [sys.executable, "-m", "tests.dying", dying, "serve"]
    said = Path(tempfile.mkstemp(prefix="registry said ")[1])
    with said.open("wb") as output:
        process = subprocess.Popen(
            [*before, *program],
            env=environment({"PORT": "0", "DATA_DIR": str(data_dir)} | settings),
            stdout=output,
            stderr=output,
            process_group=0,
        )
    server = Server(process, said)
    block_until(lambda: READY.search(server.output()) or process.poll() is not None)
    ready = READY.search(server.output())
    assert ready is not None, server.output()
    server.url = ready[1]
    token = re.search(r"#token=(\S+)", server.output())
    server.token = token[1] if token else ""
    server.pids = {"server": process.pid}
    family = descendants(process.pid)
    for pid, line in family.items():
        server.pids |= {name: pid for part, name in NAMES.items() if part in line and "guardian" not in line}
    server.family = (process.pid, *family)
    return server


@contextmanager
def serving(data_dir: Path, before: Sequence[str] = (), dying: str | None = None, **settings: str) -> Iterator[Server]:
    """A server for the length of a block; what is left of it at the end is ended."""
    server = start(data_dir, before, dying, **settings)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.send_signal(signal.SIGTERM)
            server.process.wait(PATIENCE_S)
        server.wait_until_nothing_is_left()
        server.said.unlink()


def descendants(pid: int) -> dict[int, str]:
    """The command lines of all processes below this one, by id."""
    listed = subprocess.run(["ps", "-wweo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    parents = {int(line.split()[0]): (int(line.split()[1]), line.split(None, 2)[2]) for line in listed.splitlines()}
    found: dict[int, str] = {}
    generation = {pid}
    while generation:
        generation = {child for child, (parent, _) in parents.items() if parent in generation}
        found |= {child: parents[child][1] for child in generation}
    return found


def folder_open_to_all() -> Iterator[Path]:
    """A folder with a space in its name that every user may pass through; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="registry served ", dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)
