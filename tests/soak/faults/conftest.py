"""What tests of faults have: services of their own, which they may break, and a server over them that they spare."""

from collections.abc import AsyncIterator

import pytest

from tests.dependencies import Dependencies, Served, dependencies, prepare, served
from tests.tenant import Tenant


@pytest.fixture(scope="module")
async def own() -> AsyncIterator[Dependencies]:
    with dependencies() as running:
        await prepare(running)
        yield running


@pytest.fixture(scope="module")
async def survivor(own: Dependencies) -> AsyncIterator[Served]:
    """A server over these services, which nobody kills."""
    async with served(own) as running:
        yield running


@pytest.fixture
async def tenant(survivor: Served) -> Tenant:
    return await survivor.tenant()
