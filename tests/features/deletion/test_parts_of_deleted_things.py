"""What is part of a deleted thing goes out of sight with it: it is neither found nor listed nor counted."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from db.session import Change, Database
from registry.graph import search as searches
from registry.graph.search import Search
from tests.db.test_search_raced import one_after_the_other
from tests.nouns import noun, own_field
from tests.schema.deletion_cases import ended_run
from tests.tenant import Tenant, uuid_of

SEEN = """{ artifacts { nodes { path } totalCount } search(text: "zebra") { nodes { ... on Artifact { path } } }
    statistics { artifacts { count } } }"""
KEPT = {
    "artifacts": {"nodes": [{"path": "zebra.png"}], "totalCount": 1},
    "search": {"nodes": [{"path": "zebra.png"}]},
    "statistics": {"artifacts": [{"count": 1}]},
}
GONE: dict[str, Any] = {
    "artifacts": {"nodes": [], "totalCount": 0},
    "search": {"nodes": []},
    "statistics": {"artifacts": []},
}


async def owner_of(tenant: Tenant, kind: str) -> str:
    return await (ended_run(tenant) if kind == "Run" else tenant.version())


async def file_of(tenant: Tenant, kind: str, owner: str, path: str = "zebra.png") -> str:
    given = {own_field(kind): owner, "kind": "PLOT", "uri": "s3://elsewhere/plot", "path": path}
    return await tenant.client.make("createExternalArtifact", "artifact", **given)


@pytest.mark.parametrize("kind", ["Run", "ModelVersion"])
async def test_a_file_goes_out_of_sight_with_its_owner_and_comes_back_with_it(tenant: Tenant, kind: str) -> None:
    owner = await owner_of(tenant, kind)
    await file_of(tenant, kind, owner)
    dropped = await file_of(tenant, kind, owner, "zebra 2.png")
    await tenant.client.make("deleteArtifact", "artifact", artifact=dropped)
    named = {own_field(kind): owner}
    assert await tenant.client(SEEN) == KEPT
    await tenant.client.make(f"delete{noun(kind)}", own_field(kind), **named)
    assert await tenant.client(SEEN) == GONE
    deleted = (
        "query($deleted: DeletedFilter) { artifacts(deleted: $deleted, orderBy: {field: PATH}) { nodes { path } } }"
    )
    both = [{"path": "zebra 2.png"}, {"path": "zebra.png"}]
    for shown in ("ONLY", "INCLUDE"):
        assert (await tenant.client(deleted, deleted=shown))["artifacts"]["nodes"] == both
    # Whoever looks at the deleted thing still sees what it had.
    below = f"query($id: ID!) {{ node(id: $id) {{ ... on {kind} {{ artifacts {{ nodes {{ path }} }} }} }} }}"
    assert (await tenant.client(below, id=owner))["node"]["artifacts"]["nodes"] == [{"path": "zebra.png"}]
    await tenant.client.make(f"restore{noun(kind)}", own_field(kind), **named)
    assert await tenant.client(SEEN) == KEPT


async def found(database: Database, org_id: UUID) -> int:
    """How many things are found."""
    snapshot = database.new_snapshot(org_id)
    try:
        return len(await searches.hits(snapshot, org_id, Search("zebra"), size=10))
    finally:
        await snapshot.close()


@pytest.mark.parametrize("is_deleted_first", [True, False])
async def test_a_file_that_is_written_while_its_owner_is_deleted_is_not_found(
    tenant: Tenant, database: Database, is_deleted_first: bool
) -> None:
    run = await ended_run(tenant)
    file = await file_of(tenant, "Run", run)

    async def delete(change: Change) -> None:
        await change.execute(text("update registry.run set deleted_at = now() where id = :id"), {"id": uuid_of(run)})

    async def write(change: Change) -> None:
        await change.execute(text("update registry.artifact set path = path where id = :id"), {"id": uuid_of(file)})

    assert await found(database, tenant.org_id) == 1
    steps = (delete, write) if is_deleted_first else (write, delete)
    await one_after_the_other(database, tenant.org_id, *steps)
    assert await found(database, tenant.org_id) == 0
