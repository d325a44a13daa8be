"""A deleted row is in no list, count or name, and is still there by its id."""

import pytest
from sqlalchemy import update
from sqlmodel import col

from db.base import utc_now
from db.tables import Model
from registry.kernel import rows
from registry.kernel.errors import NotFound
from tests.tenant import Tenant, uuid_of

LISTED = "query($project: ID!, $id: ID!, $name: String!) { models { nodes { id } totalCount } node(id: $id) { id }"
QUERY = f"{LISTED} model(by: {{name: {{project: $project, name: $name}}}}) {{ deletedAt }} }}"


async def _delete(tenant: Tenant, model: str) -> None:
    async with tenant.database.change(tenant.org_id) as change:
        await change.execute(update(Model).where(col(Model.id) == uuid_of(model)).values(deleted_at=utc_now()))


async def test_lists_counts_and_names_leave_it_out_and_its_id_finds_it(tenant: Tenant) -> None:
    gone, stays = await tenant.model(name="gone"), await tenant.model()
    await _delete(tenant, gone)
    seen = await tenant.client(QUERY, project=tenant.project, id=gone, name="gone")
    assert seen == {"models": {"nodes": [{"id": stays}], "totalCount": 1}, "node": {"id": gone}, "model": None}


async def test_its_name_is_free(tenant: Tenant) -> None:
    await _delete(tenant, await tenant.model(name="again"))
    again = await tenant.model(name="again")
    found = await tenant.client(QUERY, project=tenant.project, id=again, name="again")
    assert found["model"] == {"deletedAt": None}


async def test_a_change_does_not_find_it_unless_it_asks_for_deleted_ones(tenant: Tenant) -> None:
    model = await tenant.model()
    await _delete(tenant, model)
    async with tenant.database.change(tenant.org_id) as change:
        with pytest.raises(NotFound):
            await rows.find(change, Model, uuid_of(model), "model")
        with pytest.raises(NotFound):
            await rows.find_all(change, Model, [uuid_of(model)], "models.{}")
        assert (await rows.find(change, Model, uuid_of(model), "model", deleted=True)).deleted_at is not None
