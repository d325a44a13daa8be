"""What tests of webhooks have: an application and a database of their own, an endpoint, and the means to deliver."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.applications import Starlette

from registry.webhooks.deliveries import Patience
from server.app import create_app
from server.settings import Settings
from server.workers.courier import Courier
from server.workers.job_handlers import WorkerServices
from tests import services
from tests.receiver import Receiver, receiver
from tests.tenant import Tenant, found_tenant

EAGER = Patience(waits_s=(0, 0, 3600), jitter=0)
"""Three tries at once, and then none for a long while."""


@pytest.fixture(scope="module")
async def own_url(worker_id: str) -> AsyncIterator[str]:
    """The address of a database of this module's own: a worker delivers for everybody."""
    name = f"registry_webhooks_{worker_id}"
    yield await services.create_database(name)
    await services.drop_database(name)


@pytest.fixture(scope="module")
async def own(settings: Settings, own_url: str) -> AsyncIterator[Starlette]:
    """The application over it."""
    app = create_app(Settings.model_validate({**settings.model_dump(), "database_url": own_url}))
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def tenant(own: Starlette) -> AsyncIterator[Tenant]:
    transport = httpx2.ASGITransport(app=own)
    async with httpx2.AsyncClient(transport=transport, base_url="http://registry.test") as http:
        yield await found_tenant(own.state.services.database, http)


@pytest.fixture
async def other(tenant: Tenant) -> Tenant:
    """Somebody else on the same server."""
    return await found_tenant(tenant.database, tenant.http)


@pytest.fixture
async def means(own: Starlette) -> AsyncIterator[WorkerServices]:
    found = own.state.services
    async with Courier(found.trusted_hosts, found.version) as courier:
        yield WorkerServices(found.database, found.vault, courier, EAGER, store=found.store)


@pytest.fixture
async def endpoint() -> AsyncIterator[Receiver]:
    async with receiver() as found:
        yield found
