"""An organization that refuses all it is asked, and so is the same for every test."""

import pytest

from db.codes import Role
from tests.schema.valid_inputs import Refusing
from tests.tenant import Tenant


@pytest.fixture(scope="session")
async def refusing(shared_tenant: Tenant) -> Refusing:
    """For requests that are refused."""
    return Refusing(shared_tenant, await shared_tenant.member(Role.READER))
