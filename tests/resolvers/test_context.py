"""An operation has one view of the database until it is renewed, and none once it is closed."""

import pytest
from starlette.applications import Starlette

from db.session import SnapshotClosed
from db.tables import Model, Team
from resolvers.context import Operation
from resolvers.services import Services
from tests.tenant import Tenant, uuid_of


@pytest.fixture
def services(app: Starlette) -> Services:
    found: Services = app.state.services
    return found


async def test_what_is_read_twice_is_the_same_until_a_renewal(tenant: Tenant, services: Services) -> None:
    model = await tenant.model(name="before")
    operation = Operation(services, tenant.actor)
    try:
        assert (await operation.loaders.row(Model).load(uuid_of(model))).name == "before"
        await tenant.client.make("updateModel", "model", model=model, name="after")
        assert (await operation.loaders.row(Model).load(uuid_of(model))).name == "before"
        await operation.renew()
        assert (await operation.loaders.row(Model).load(uuid_of(model))).name == "after"
    finally:
        await operation.close()


async def test_loaders_of_a_closed_operation_read_nothing_more(tenant: Tenant, services: Services) -> None:
    operation = Operation(services, tenant.actor)
    await operation.close()
    with pytest.raises(SnapshotClosed):
        await operation.loaders.row(Team).load(tenant.org_id)


async def test_loaders_from_before_a_renewal_read_nothing_more(tenant: Tenant, services: Services) -> None:
    operation = Operation(services, tenant.actor)
    old = operation.loaders
    await operation.renew()
    with pytest.raises(SnapshotClosed):
        await old.row(Team).load(tenant.org_id)
    assert await operation.loaders.row(Team).load(tenant.org_id) is None
    await operation.close()


async def test_closing_twice_or_before_anything_was_read_does_no_harm(tenant: Tenant, services: Services) -> None:
    operation = Operation(services, tenant.actor)
    await operation.close()
    await operation.close()
    await operation.renew()
    assert await operation.loaders.row(Team).load(tenant.org_id) is None
    await operation.close()
