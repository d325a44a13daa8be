"""The audits of `graphql-http`, the reference of GraphQL over HTTP, against a served endpoint: all of them pass."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.tenant import Tenant

HERE = Path(__file__).parent
NODE = HERE.parent.parent / "web" / "node.py"
AUDITS = 61


class Ran(NamedTuple):
    status: int
    stdout: str
    stderr: str


async def run(*command: str, **environment: str) -> Ran:
    """Run node or npm. Asynchronously, because the endpoint lives in this very process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(NODE),
        *command,
        cwd=HERE,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    stdout, stderr = await process.communicate()
    return Ran(process.returncode or 0, stdout.decode(), stderr.decode())


@pytest.fixture(scope="session")
async def installed() -> None:
    """The npm package of this folder, installed. Where it cannot be, the test is skipped, or fails if told to."""
    ran = await run("node", "--version")
    if ran.status == 0 and not (HERE / "node_modules" / "graphql-http").is_dir():
        ran = await run("npm", "ci")
    if ran.status == 0:
        return
    reason = f"the audit cannot be installed: {ran.stderr.strip()[-500:]}"
    if os.environ.get("REQUIRE_ALL_TESTS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("installed")
async def test_every_audit_of_graphql_over_http_is_ok(live: str, tenant: Tenant) -> None:
    ran = await run("node", "audit.mjs", f"{live}/graphql", AUDIT_TOKEN=tenant.client.token)
    assert ran.status == 0, ran.stderr
    results = json.loads(ran.stdout)
    assert [result for result in results if result["status"] != "ok"] == []
    assert len(results) == AUDITS
