"""A ground of the test's own, and the migrated database of the suite from below."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from db.session import Database
from tests import services
from tests.db.ground import Ground, connect


@pytest.fixture
async def ground() -> AsyncIterator[Ground]:
    """Databases, roles and logins on demand, gone after the test."""
    admin = await connect(services.server_url())
    made = Ground(admin)
    yield made
    await made.clear()
    await admin.close()


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The migrated database as the role that owns its tables."""
    connection = await connect(database_url)
    await connection.execute(f"set role {services.ROLES.owner}")
    yield connection
    await connection.close()


@pytest.fixture
async def small_pool(database_url: str) -> AsyncIterator[Database]:
    """The migrated database through two connections at most."""
    database = Database.connect(database_url, services.ROLES, pool_size=2)
    yield database
    await database.close()
