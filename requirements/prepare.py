"""Makes `.venv` and installs a hashed lock and this project into it: `python3 requirements/prepare.py [local|dev]`.

Any Python 3 runs it, if only to pass the work to a newer one or to say which is needed. Without an argument the
environment stays empty. Wheels only, so that no compiler is needed. What was interrupted is made anew.
"""

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST, NEWEST = (3, 11), (3, 14)
OTHERS = ("python3.13", "python3.14", "python3.12", "python3.11")
ROOT = Path(__file__).resolve().parent.parent
# From here on relative to ROOT, which may hold spaces and whatever else.
ENVIRONMENT = Path(".venv")
PYTHON = ENVIRONMENT / "bin" / "python"
UNFINISHED = ENVIRONMENT / "unfinished"
# What else is in place once a lock is installed.
CONTAINS = {"local": ("local",), "dev": ("dev", "local")}


def use_supported_python() -> None:
    """Return in a supported Python, becoming another one of this machine where needed; exits where there is none."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return
    # Asked, since version managers put names on the path that run nothing.
    question = f"import sys; sys.exit(not {OLDEST} <= sys.version_info[:2] <= {NEWEST})"
    for name in OTHERS:
        found = shutil.which(name)
        if found and run(found, "-c", question, quiet=True):
            os.execv(found, [found, *sys.argv])  # noqa: S606 - a shell would split paths with spaces
    oldest, newest = (".".join(map(str, version)) for version in (OLDEST, NEWEST))
    sys.exit(
        f"Python {oldest} to {newest} is needed and {sys.executable} is {sys.version.split()[0]}."
        f" Install one (Debian, Ubuntu: apt-get install python{oldest} python{oldest}-venv),"
        " or say where one is, as in: make serve PYTHON=/opt/python/bin/python3"
    )


def make_environment() -> None:
    """Make the environment, unless a whole one is there; exits where this Python lacks the part that does it."""
    if PYTHON.exists() and not UNFINISHED.exists() and run(PYTHON, "-c", "import pip", quiet=True):
        return
    if any(importlib.util.find_spec(module) is None for module in ("venv", "ensurepip")):
        version = ".".join(map(str, sys.version_info[:2]))
        sys.exit(
            f"{sys.executable} cannot make virtual environments:"
            f" install its package venv (Debian, Ubuntu: apt-get install python{version}-venv) and run this again."
        )
    tell(f"Making {ENVIRONMENT} with Python {sys.version.split()[0]}.")
    # In two steps, so that one that is interrupted in the longer second can be told from a whole one.
    made = run(sys.executable, "-m", "venv", "--clear", "--without-pip", ENVIRONMENT)
    if made:
        UNFINISHED.touch()
        made = run(PYTHON, "-m", "ensurepip", "--default-pip", quiet=True)
    if not made:
        sys.exit(f"{ENVIRONMENT} could not be made. Is the folder {ROOT} writable for you?")
    UNFINISHED.unlink()


def install(lock: str) -> None:
    """Install the lock, then this project as it lies here, and note that; exits where it cannot be done."""
    tell(f"Installing requirements/{lock}.lock; once, it takes a minute.")
    UNFINISHED.touch()
    failed = not (
        pip("--only-binary", ":all:", "--require-hashes", "--requirement", f"requirements/{lock}.lock")
        and pip("--no-deps", "--no-index", "--no-build-isolation", "--editable", ".")
    )
    # pip itself takes back what it cannot finish; only one that was interrupted leaves halves.
    UNFINISHED.unlink()
    if failed:
        sys.exit("Not everything could be installed. Is the registry of Python packages reachable? Run this again.")
    for name in CONTAINS[lock]:
        (ENVIRONMENT / f"{name}.installed").touch()


def pip(*arguments: str) -> bool:
    """Whether `pip install` with these arguments has done its work."""
    return run(PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", *arguments)


def run(program: "str | Path", *arguments: "str | Path", quiet: bool = False) -> bool:
    """Whether the program did its work; exits where it was killed, as what it left cannot be trusted."""
    command = [str(part) for part in (program, *arguments)]
    output = subprocess.DEVNULL if quiet else None
    status = subprocess.run(command, stdout=output, stderr=output, check=False).returncode  # noqa: S603 - our own words
    if status < 0:
        sys.exit(128 - status)
    return status == 0


def tell(sentence: str) -> None:
    """Say what takes time."""
    sys.stderr.write(sentence + "\n")


def main() -> None:
    """Do what the command line asks; one at a time, since two commands may begin on a fresh machine at once."""
    names = sys.argv[1:]
    if len(names) > 1 or not CONTAINS.keys() >= set(names):
        sys.exit("usage: python3 requirements/prepare.py [local|dev]")
    use_supported_python()
    os.chdir(str(ROOT))
    fcntl.flock(os.open("requirements", os.O_RDONLY), fcntl.LOCK_EX)
    make_environment()
    for name in names:
        install(name)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
