"""How a child is started, watched and stopped, shown with small programs in the place of a service."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from server.embedded.errors import ServiceFailed
from server.embedded.processes import Child, Log, StopStep, is_running, minimal_environment, spawn
from tests.patience import PATIENCE_S, block_until

TERMINATE = StopStep(signal.SIGTERM, 0.3)
PATIENT = StopStep(signal.SIGTERM, PATIENCE_S)
KILL = StopStep(signal.SIGKILL, PATIENCE_S)
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
TIDY = """
import pathlib, signal, sys, time
def tidy(*_):
    pathlib.Path(sys.argv[1]).touch()
    sys.exit(5)
signal.signal(signal.SIGTERM, tidy)
print("tidy", flush=True)
time.sleep(600)
"""

Run = Callable[..., Child]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with closing(Log(tmp_path / "service.log")) as log:
        yield log


@pytest.fixture
def run(log: Log) -> Iterator[Run]:
    with ExitStack() as stack:

        def start(argv: Sequence[str], first: StopStep = TERMINATE) -> Child:
            child = spawn("The test", argv, env=minimal_environment(), log=log, stops=(first, KILL))
            stack.callback(child.stop)
            return child

        yield start


def test_a_stopped_child_is_gone_with_its_guardian(run: Run) -> None:
    child = run(["/bin/sleep", "600"])
    assert child.alive()
    child.stop()
    assert not child.alive()
    assert not is_running(child.pid)
    assert not is_running(child.guardian_pid)


def test_a_child_may_be_stopped_twice(run: Run) -> None:
    child = run(["/bin/sleep", "600"])
    child.stop()
    child.stop()


def test_a_child_that_ignores_the_first_step_gets_the_next(run: Run, log: Log) -> None:
    child = run([sys.executable, "-c", DEAF])
    block_until(lambda: "deaf" in log.last_lines())
    child.stop()
    assert child.wait() == 128 + signal.SIGKILL
    assert not is_running(child.pid)


def test_the_exit_status_of_a_child_is_told(run: Run) -> None:
    assert run(["/bin/sh", "-c", "exit 7"]).wait(PATIENCE_S) == 7


def test_waiting_for_a_child_has_a_limit(run: Run) -> None:
    with pytest.raises(TimeoutError, match="still runs"):
        run(["/bin/sleep", "600"]).wait(0.05)


def test_a_killed_child_is_noticed(run: Run) -> None:
    child = run(["/bin/sleep", "600"])
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait(PATIENCE_S) == 128 + signal.SIGKILL
    assert not child.alive()


def test_a_program_that_is_missing_is_a_clear_failure(run: Run) -> None:
    with pytest.raises(ServiceFailed, match="No such file") as failure:
        run(["/no/such/program"])
    assert failure.value.code == "EMBEDDED_SERVICE_FAILED"


def test_a_child_outlives_the_thread_that_started_it(run: Run) -> None:
    children: list[Child] = []
    thread = threading.Thread(target=lambda: children.append(run(["/bin/sleep", "600"])))
    thread.start()
    thread.join()
    with pytest.raises(TimeoutError):
        children[0].wait(0.5)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a process to its parent")
def test_a_child_ends_when_its_guardian_is_killed(run: Run) -> None:
    child = run(["/bin/sleep", "600"])
    os.kill(child.guardian_pid, signal.SIGKILL)
    block_until(lambda: not is_running(child.pid))
    assert not child.alive()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_guardian_that_is_asked_to_end_stops_its_child_in_order(
    run: Run, log: Log, tmp_path: Path, number: signal.Signals
) -> None:
    child = run([sys.executable, "-c", TIDY, str(tmp_path / "tidied")], PATIENT)
    block_until(lambda: "tidy" in log.last_lines())
    os.kill(child.guardian_pid, number)
    assert child.wait(PATIENCE_S) == 5
    assert (tmp_path / "tidied").exists()


def test_a_child_stands_outside_the_process_group_of_its_owner(run: Run) -> None:
    child = run(["/bin/sleep", "600"])
    assert os.getsid(child.pid) != os.getsid(0)
    assert os.getpgid(child.pid) != os.getpgid(0)


def test_a_child_sees_no_variable_of_the_caller(run: Run, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGDATA", "/elsewhere")
    assert run(["/usr/bin/env"]).wait(PATIENCE_S) == 0
    assert {line.split("=")[0] for line in log.last_lines().splitlines()} <= {"PATH", "LC_ALL", "TZ"}


def test_a_log_quotes_only_what_came_since_this_start(tmp_path: Path) -> None:
    path = tmp_path / "service.log"
    path.write_text("of an earlier start\n")
    with closing(Log(path)) as log:
        os.write(log.descriptor, b"one\ntwo\nthree\n")
        assert log.last_lines(2) == "two\nthree"
        assert "earlier" not in log.last_lines()


def test_a_long_log_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.embedded.processes.LOG_KEEP_BYTES", 10)
    path = tmp_path / "service.log"
    path.write_text("longer than that\n")
    Log(path).close()
    assert path.read_text() == ""
    assert path.with_name("service.log.1").read_text() == "longer than that\n"
