"""The audits of `graphql-http`, the reference of GraphQL over HTTP, against a served endpoint: all of them pass."""

import json
from pathlib import Path

import pytest

from tests.node_tools import install, run
from tests.tenant import Tenant

HERE = Path(__file__).parent
AUDITS = 61


@pytest.fixture(scope="session")
async def installed() -> None:
    """The npm packages of this folder."""
    await install(HERE)


@pytest.mark.usefixtures("installed")
async def test_every_audit_of_graphql_over_http_is_ok(live: str, tenant: Tenant) -> None:
    ran = await run(HERE, "node", "audit.mjs", f"{live}/graphql", AUDIT_TOKEN=tenant.client.token)
    assert ran.status == 0, ran.stderr
    results = json.loads(ran.stdout)
    assert [result for result in results if result["status"] != "ok"] == []
    assert len(results) == AUDITS
