"""A ground of the test's own, and the migrated database of the suite from below."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests import services
from tests.db.ground import Ground, connect, new_ground


@pytest.fixture
async def ground() -> AsyncIterator[Ground]:
    """Databases, roles and logins on demand, gone after the test."""
    async with new_ground() as made:
        yield made


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The migrated database as the role that owns its tables."""
    connection = await connect(database_url)
    await connection.execute(f"set role {services.ROLES.owner}")
    yield connection
    await connection.close()
