"""`make` with nothing behind it tells all there is, and every command says what it does."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()


def test_make_alone_lists_every_command_with_a_sentence() -> None:
    told = subprocess.run(["make", "--silent"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = dict(re.findall(r"^  make ([\w-]+) +(\S.*)$", told, re.MULTILINE))
    commands = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)) - {"page-if-possible"}
    assert listed.keys() == commands
    assert commands >= {"serve", "token", "demo", "test", "check", "bench", "schema", "migration", "lock", "clean"}


def test_no_command_is_mistaken_for_a_file() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)) == set(phony.split())


def test_a_python_that_is_missing_is_told(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "requirements"):
        (tmp_path / name).symlink_to(ROOT / name)
    ran = subprocess.run(
        ["make", "token", "PYTHON=python-of-nowhere"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode != 0
    assert "python-of-nowhere is missing: install Python 3.11 or newer" in ran.stderr
