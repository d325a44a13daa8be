"""The gql client of Python takes every screen: valid by the introspected schema, answered over its transport."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from gql import Client, gql
from gql.transport.aiohttp import AIOHTTPTransport

from tests.clients.ground import SCREENS, grow, variables_of
from tests.tenant import Tenant


@pytest.fixture
async def client(live: str, tenant: Tenant) -> AsyncIterator[Any]:
    """A session that has asked for the schema."""
    headers = {"Authorization": f"Bearer {tenant.client.token}"}
    transport = AIOHTTPTransport(f"{live}/graphql", headers=headers)
    async with Client(transport=transport, fetch_schema_from_transport=True) as session:
        assert session.client.schema is not None
        yield session


async def test_every_screen_is_valid_and_answered(client: Any, tenant: Tenant) -> None:
    ids = await grow(tenant, 1)
    for screen, path in SCREENS.items():
        document, variables = gql(path.read_text()), variables_of(screen, ids)
        document.variable_values = variables
        answer = await client.execute(document)
        assert answer == await tenant.client(path.read_text(), **variables)
