"""Who holds the folder of a service, and what is done about processes that were left behind in it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from server.embedded.errors import DataFolderInUse
from server.embedded.folder import claim
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[3]
# Claims the folder, starts a process that holds the lock, and dies at once, as does what is killed.
DYING_OWNER = """
import os, subprocess, sys
from pathlib import Path
from server.embedded.folder import claim

with claim(Path(sys.argv[1]), "s3") as folder:
    sleep = [sys.executable, "-c", "import time; print(flush=True); time.sleep(600)"]
    sleep += [str(folder.home)] if sys.argv[2] == "ours" else []
    left = subprocess.Popen(sleep, pass_fds=[folder.lock_fd], stdout=subprocess.PIPE, start_new_session=True)
    left.stdout.readline()
    folder.record_service(left.pid)
    print(left.pid, flush=True)
    os._exit(0)
"""

LeaveBehind = Callable[[str], int]


@pytest.fixture
def leave_behind(data_dir: Path) -> Iterator[LeaveBehind]:
    """Leaves a process behind that holds the folder's lock, `ours` or of someone `else`; its id is returned."""
    left: list[int] = []

    def start(whose: str) -> int:
        command = [sys.executable, "-c", DYING_OWNER, str(data_dir), whose]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        answer = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        left.append(int(answer.stdout))
        return left[0]

    yield start
    for pid in left:
        if exists(pid):
            os.kill(pid, signal.SIGKILL)


def exists(pid: int) -> bool:
    """Whether the process is there and has not ended; one whose parent died may wait to be collected."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(state.stdout.strip()) and not state.stdout.startswith("Z")


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.embedded.folder.LEFTOVER_PATIENCE_S", 0.1)
    monkeypatch.setattr("server.embedded.folder.LEFTOVER_WAIT_S", 1.0)


@pytest.mark.usefixtures("hurried")
def test_a_service_that_lost_owner_and_guardian_is_stopped_by_the_next_start(
    data_dir: Path, leave_behind: LeaveBehind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.embedded.folder.LEFTOVER_WAIT_S", PATIENCE_S)
    pid = leave_behind("ours")
    with claim(data_dir, "s3"):
        assert not exists(pid)


@pytest.mark.usefixtures("hurried")
def test_a_process_that_is_not_the_service_is_left_alone(data_dir: Path, leave_behind: LeaveBehind) -> None:
    pid = leave_behind("else")
    with pytest.raises(DataFolderInUse, match=str(pid)), claim(data_dir, "s3"):
        pass
    assert exists(pid)


def test_a_folder_is_free_once_its_holder_has_let_go(data_dir: Path) -> None:
    for _ in range(2):
        with claim(data_dir, "s3") as folder:
            assert folder.home == data_dir / "s3"


def test_a_folder_is_free_after_a_failure_inside(data_dir: Path) -> None:
    with pytest.raises(RuntimeError), claim(data_dir, "s3"):
        raise RuntimeError
    with claim(data_dir, "s3"):
        pass


def test_a_start_right_after_an_end_waits_for_what_is_still_ending(data_dir: Path) -> None:
    with claim(data_dir, "s3") as folder:
        ending = subprocess.Popen(["/bin/sleep", "1"], pass_fds=[folder.lock_fd])
    with claim(data_dir, "s3"):
        assert ending.poll() == 0 or not exists(ending.pid)
    ending.wait()


def test_the_two_services_have_folders_of_their_own(data_dir: Path) -> None:
    with claim(data_dir, "s3"), claim(data_dir, "postgres"):
        pass


def test_a_secret_is_made_once_and_differs_between_folders(data_dir: Path) -> None:
    with claim(data_dir, "s3") as folder, claim(data_dir, "postgres") as other:
        assert folder.secret("key") == folder.secret("key") != other.secret("key")


def test_a_refused_start_does_not_take_the_owners_name_away(data_dir: Path) -> None:
    with claim(data_dir, "s3"):
        for _ in range(2):
            with pytest.raises(DataFolderInUse, match=str(os.getpid())), claim(data_dir, "s3"):
                pass
