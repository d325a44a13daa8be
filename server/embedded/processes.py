"""Child processes that never outlive their owner: each runs under a guardian, which stops it when the owner ends."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from server.embedded.errors import EmbeddedUnavailable, ServiceFailed

GUARDIAN = Path(__file__).with_name("guardian.py")
LOG_KEEP_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True)
class Account:
    """The user a service runs as when it must not run as root."""

    uid: int
    gid: int


@dataclass(frozen=True)
class StopStep:
    """Send `signal_number`, then wait up to `patience_s` seconds before the next step."""

    signal_number: signal.Signals
    patience_s: float


class Log:
    """The log file of one service, readable by its owner only; what came before this start is kept but not quoted."""

    def __init__(self, path: Path) -> None:
        if path.exists() and path.stat().st_size > LOG_KEEP_BYTES:
            path.replace(path.with_name(path.name + ".1"))
        self.path = path
        self.descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._start = os.fstat(self.descriptor).st_size

    def last_lines(self, count: int = 15) -> str:
        """The last `count` lines written since this start, for the message of a failure."""
        with self.path.open("rb") as file:
            file.seek(self._start)
            return "\n".join(file.read().decode(errors="replace").splitlines()[-count:]) or "(the log is empty)"

    def close(self) -> None:
        """Close this process's descriptor; the service keeps its own."""
        os.close(self.descriptor)


@dataclass(frozen=True)
class Child:
    """A running service: `pid` is the service itself, `guardian_pid` the process that watches over it."""

    name: str
    pid: int
    log: Log = field(repr=False)
    stop_limit_s: float
    _guardian: "subprocess.Popen[bytes]" = field(repr=False)
    _stream: socket.socket = field(repr=False)

    @property
    def guardian_pid(self) -> int:
        """The id of the process that stops the service when this process ends."""
        return self._guardian.pid

    def alive(self) -> bool:
        """Whether the service still runs. Safe from any thread."""
        return self._guardian.poll() is None

    def wait(self, timeout_s: float | None = None) -> int:
        """Block until the service has ended, return its exit status; raises TimeoutError after `timeout_s` seconds."""
        try:
            return self._guardian.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"{self.name} still runs after {timeout_s} seconds") from error

    def stop(self) -> None:
        """Stop the service in order and return when it has ended. May be called again, and after the service died."""
        self._stream.close()
        try:
            self._guardian.wait(self.stop_limit_s)
        except subprocess.TimeoutExpired:
            self._guardian.kill()
            self._guardian.wait()


def spawn(
    name: str,
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    log: Log,
    stops: Sequence[StopStep],
    keep_fds: Sequence[int] = (),
    account: Account | None = None,
) -> Child:
    """Start `argv` under a guardian, with exactly the environment `env` and its output in `log`.

    `stops` are the steps that end it, the first of them also what reaches it should the guardian be killed; `keep_fds`
    stay open in it for as long as it or any of its own children lives. Raises ServiceFailed when it cannot be executed.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        guardian = subprocess.Popen(  # noqa: S603 - this interpreter and a file of this package
            [sys.executable, "-I", "-S", str(GUARDIAN), str(os.getpid())],
            stdin=theirs.fileno(),
            stdout=log.descriptor,
            stderr=log.descriptor,
            cwd="/",
            env={},
            pass_fds=keep_fds,
            # A Ctrl-C reaches the whole process group of a terminal; the services wait for their owner's word instead.
            start_new_session=True,
        )
    plan = {
        "argv": [str(part) for part in argv],
        "env": dict(env),
        "account": (account.uid, account.gid) if account else None,
        "keep_fds": list(keep_fds),
        "stops": [(int(step.signal_number), step.patience_s) for step in stops],
    }
    try:
        with contextlib.suppress(BrokenPipeError):
            ours.sendall(json.dumps(plan).encode() + b"\n")
        with ours.makefile("rb") as answers:
            answer = json.loads(answers.readline() or b"{}")
        if "pid" not in answer:
            guardian.wait()
            raise ServiceFailed(f"{name} could not be executed: {answer.get('error', log.last_lines())}")
    except BaseException:
        ours.close()
        raise
    stop_limit_s = sum(step.patience_s for step in stops) + 5
    return Child(name, answer["pid"], log, stop_limit_s, guardian, ours)


def minimal_environment() -> dict[str, str]:
    """What every service gets: no variable of the caller's can change how it behaves."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def is_running(pid: int) -> bool:
    """Whether a process with this id exists, no matter whose."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def command_line(pid: int) -> str:
    """The command line of a process with spaces between its parts, empty when there is none or it cannot be read."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        if sys.platform == "linux":
            return ""
    ps = ["/bin/ps", "-o", "command=", "-p", str(pid)]
    return subprocess.run(ps, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603 - fixed program


def current_user_is_root() -> bool:
    """Whether this process has root's rights; raises EmbeddedUnavailable where there are no POSIX users."""
    if sys.platform == "win32":
        raise EmbeddedUnavailable(
            "The embedded services need Linux or macOS: set DATABASE_URL and MINIO_ENDPOINT to services of your own."
        )
    return os.geteuid() == 0
