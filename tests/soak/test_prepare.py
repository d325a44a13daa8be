"""The environment that the commands make for themselves: whole, or made anew, and never noted before it is."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNKNOWN = f"nothing-of-the-kind==1.0 --hash=sha256:{'0' * 64}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project in a folder with a space, whose lock cannot be installed."""
    folder = tmp_path / "a project"
    (folder / "requirements").mkdir(parents=True)
    shutil.copy(ROOT / "requirements" / "prepare.py", folder / "requirements")
    (folder / "requirements" / "local.lock").write_text(UNKNOWN)
    return folder


def prepare(project: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(project / "requirements" / "prepare.py"), *words],
        env=os.environ | {"PIP_NO_INDEX": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_was_interrupted_is_made_anew_and_what_is_whole_is_kept(project: Path) -> None:
    mark = project / ".venv" / "mark"
    assert prepare(project).returncode == 0
    mark.touch()
    assert prepare(project).stderr == ""
    assert mark.exists()
    (project / ".venv" / "unfinished").touch()
    assert prepare(project).stderr.startswith("Making .venv")
    assert not mark.exists()
    assert not (project / ".venv" / "unfinished").exists()


def test_a_lock_that_was_not_installed_is_not_noted_as_such(project: Path) -> None:
    ran = prepare(project, "local")
    assert ran.returncode == 1
    assert "Is the registry of Python packages reachable?" in ran.stderr
    assert not list((project / ".venv").glob("*.installed"))


def test_an_unknown_lock_is_refused(project: Path) -> None:
    assert prepare(project, "production").stderr.startswith("usage: ")
    assert not (project / ".venv").exists()
