"""What is written while its parent is renamed is found by the new name of its parent, and not by the old one."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from db.ids import uuid7
from db.session import Change, Database
from registry.graph import search as searches
from registry.graph.search import Search
from tests.blocking import is_waited_for
from tests.patience import eventually
from tests.tenant import Tenant, uuid_of

Step = Callable[[Change], Awaitable[None]]
# How each kind of child is made, and a second one that differs from it in what is unique.
CHILDREN: dict[str, tuple[str, dict[str, Any]]] = {
    "model_version": ("model", {"label": "second", "number": 2}),
    "deployment": ("model", {"name": "second"}),
    "dataset_version": ("dataset", {"digest": "second"}),
    "artifact": ("run", {"path": "second", "folded_path": "second"}),
}
DIGEST = f"sha256:{'a' * 64}"
RENAME = "update registry.{table} set name = 'okapi' where id = :id"
TOUCH = "update registry.{table} set {column} = {column} where id = :id"
COPY = """
insert into registry.{table} select (jsonb_populate_record(t, cast(:values as jsonb))).* from registry.{table} t
 where id = :id
"""


async def parent_and_child(tenant: Tenant, table: str) -> tuple[UUID, UUID]:
    """The ids of a parent that is called zebra, and of a child."""
    if table == "dataset_version":
        parent = await tenant.client.make("createDataset", "dataset", project=tenant.project, name="zebra")
        child = await tenant.client.make("createDatasetVersion", "datasetVersion", dataset=parent, digest=DIGEST)
    elif table == "artifact":
        parent = await tenant.run(name="zebra")
        file = {"run": parent, "kind": "OTHER", "path": "first", "uri": "s3://x/y"}
        child = await tenant.client.make("createExternalArtifact", "artifact", **file)
    else:
        parent = await tenant.model(name="zebra")
        child = await tenant.version(parent)
        if table == "deployment":
            child = await tenant.deployment(version=child, name="first")
    return uuid_of(parent), uuid_of(child)


async def found(tenant: Tenant, word: str) -> set[UUID]:
    snapshot = tenant.database.new_snapshot(tenant.org_id)
    try:
        return {hit.id for hit in await searches.hits(snapshot, tenant.org_id, Search(word), size=10)}
    finally:
        await snapshot.close()


async def one_after_the_other(database: Database, org_id: UUID, first: Step, then: Step) -> None:
    """Commit what is done first when the other one is done too, or waits for it."""

    async def other() -> None:
        async with database.change(org_id) as change:
            await then(change)

    async with database.change(org_id) as change:
        await first(change)
        under_way = asyncio.create_task(other())

        async def is_done_or_waits() -> bool:
            return under_way.done() or await is_waited_for(change)

        await eventually(is_done_or_waits)
    await under_way


@pytest.mark.parametrize("is_renamed_first", [True, False])
@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize("table", CHILDREN)
async def test_a_child_has_the_new_name_of_its_parent(
    tenant: Tenant, database: Database, table: str, is_new: bool, is_renamed_first: bool
) -> None:
    parent, child = await parent_and_child(tenant, table)
    above, values = CHILDREN[table]
    made = uuid7()

    async def rename(change: Change) -> None:
        await change.execute(text(RENAME.format(table=above)), {"id": parent})

    async def write(change: Change) -> None:
        if is_new:
            given = json.dumps({**values, "id": str(made)})
            await change.execute(text(COPY.format(table=table)), {"id": child, "values": given})
        else:
            await change.execute(text(TOUCH.format(table=table, column=next(iter(values)))), {"id": child})

    steps = (rename, write) if is_renamed_first else (write, rename)
    await one_after_the_other(database, tenant.org_id, *steps)
    expected = {parent, child} | ({made} if is_new else set())
    assert await found(tenant, "okapi") >= expected
    assert await found(tenant, "zebra") == set()
