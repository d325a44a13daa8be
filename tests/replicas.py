"""The command line in processes of its own over services of a test, to be asked, killed or made to kill itself."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx2

from tests.dependencies import Dependencies
from tests.patience import PATIENCE_S, in_time
from tests.tenant import Client, Tenant

ROOT = Path(__file__).parents[1]
KILLED = -9


@asynccontextmanager
async def process(
    own: Dependencies, *arguments: str, dying: str | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The command line in a process of its own; it dies at the point `dying`."""
    program = ["-m", "server"] if dying is None else ["-m", "tests.dying", dying]
    running = await asyncio.create_subprocess_exec(
        sys.executable, *program, *arguments,
        cwd=ROOT, env={**own.environment(), "PORT": "0"}, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.communicate()


@asynccontextmanager
async def client_of(running: asyncio.subprocess.Process, tenant: Tenant) -> AsyncIterator[Client]:
    """A client of the server that the process is."""
    assert running.stdout is not None
    async with in_time():
        while not (found := re.search(rb"(http://\S+)/graphql\s", await running.stdout.readline())):
            assert not running.stdout.at_eof()
    async with httpx2.AsyncClient(base_url=found[1].decode(), timeout=PATIENCE_S) as http:
        yield replace(tenant.client, http=http)


async def end_of(running: asyncio.subprocess.Process) -> int:
    """The status with which a process ends."""
    async with in_time():
        return await running.wait()
