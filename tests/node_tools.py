"""Runs node and npm for tests whose tools are npm packages, installed from the lock beside them."""

import asyncio
import fcntl
import os
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

NODE = Path(__file__).parents[1] / "web" / "node.py"
INSTALL = ("npm", "ci", "--ignore-scripts", "--loglevel=error", "--no-audit", "--no-fund")


class Ran(NamedTuple):
    status: int
    stdout: str
    stderr: str


async def run(folder: Path, *command: str, **environment: str) -> Ran:
    """Run node or npm in a folder. Asynchronously, because an endpoint under test lives in this very process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(NODE),
        *command,
        cwd=folder,
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    stdout, stderr = await process.communicate()
    return Ran(process.returncode or 0, stdout.decode(), stderr.decode())


async def install(folder: Path) -> None:
    """The npm packages of a folder as its lock has them. Where they cannot be had, skip, or fail if told to.

    Processes that test side by side take turns; what is installed of the same lock already is used.
    """
    lock, done = folder / "package-lock.json", folder / "node_modules" / ".installed"
    with (folder / "package.json").open() as turn:
        await asyncio.to_thread(fcntl.flock, turn, fcntl.LOCK_EX)
        if done.is_file() and done.read_bytes() == lock.read_bytes():
            return
        ran = await run(folder, *INSTALL)
        if ran.status == 0:
            done.write_bytes(lock.read_bytes())
            return
    reason = f"what {folder.name} needs cannot be installed: {ran.stderr.strip()[-500:]}"
    if os.environ.get("REQUIRE_ALL_TESTS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
