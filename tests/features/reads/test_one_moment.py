"""One query sees one moment: what is written while it runs is not in it."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import insert

from db.base import utc_now
from db.ids import uuid7
from db.session import Database, Snapshot
from db.tables import Model
from tests.tenant import Tenant, uuid_of

Write = Callable[[], Awaitable[Any]]


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Callable[[Write], None]:
    """Lets something be written after the first statement of the next snapshot that reads."""
    rows = Snapshot.rows

    def arrange(write: Write) -> None:
        waiting = [write]

        async def interrupted(self: Snapshot, *arguments: Any) -> Any:
            found = await rows(self, *arguments)
            if waiting:
                await waiting.pop()()
            return found

        monkeypatch.setattr(Snapshot, "rows", interrupted)

    return arrange


async def write_model(tenant: Tenant) -> None:
    """Another model, as another process would write it."""
    async with tenant.database.change(tenant.org_id) as change:
        row = {
            "org_id": tenant.org_id, "id": uuid7(), "created_at": utc_now(), "updated_at": utc_now(), "tags": {},
            "project_id": uuid_of(tenant.project), "name": tenant.name("sudden"), "framework": "sklearn",
            "version_count": 0, "created_by": tenant.actor.principal_id,
        }  # fmt: skip
        await change.execute(insert(Model), [row])


async def test_a_count_agrees_with_the_page_that_was_read_before_it(
    tenant: Tenant, between: Callable[[Write], None]
) -> None:
    await tenant.model()
    between(lambda: write_model(tenant))
    seen = (await tenant.client("{ models { nodes { id } totalCount } }"))["models"]
    assert (len(seen["nodes"]), seen["totalCount"]) == (1, 1)
    assert (await tenant.client("{ models { totalCount } }"))["models"]["totalCount"] == 2


async def test_two_ways_to_the_same_list_agree(tenant: Tenant, between: Callable[[Write], None]) -> None:
    await tenant.model()
    between(lambda: write_model(tenant))
    query = (
        "{ projects { nodes { models { nodes { id } } } } models { nodes { id project { models { totalCount } } } } }"
    )
    seen = await tenant.client(query)
    assert seen["projects"]["nodes"][0]["models"]["nodes"] == [{"id": node["id"]} for node in seen["models"]["nodes"]]
    assert [node["project"]["models"]["totalCount"] for node in seen["models"]["nodes"]] == [1]


async def test_a_thing_is_not_seen_before_and_after_its_change(
    tenant: Tenant, database: Database, between: Callable[[Write], None]
) -> None:
    model = await tenant.model(name="before")

    async def rename() -> None:
        async with database.change(tenant.org_id) as change:
            (await change.get_one(Model, (tenant.org_id, uuid_of(model)))).name = "after"

    between(rename)
    seen = await tenant.client(
        """query($by: IdOrName!) { models { nodes { name project { models { nodes { name } } } } }
            model(by: $by) { name } }""",
        by={"name": {"project": tenant.project, "name": "before"}},
    )
    (first,) = seen["models"]["nodes"]
    assert {first["name"], seen["model"]["name"], first["project"]["models"]["nodes"][0]["name"]} == {"before"}


async def test_a_walk_does_not_follow_what_was_linked_meanwhile(
    tenant: Tenant, between: Callable[[Write], None]
) -> None:
    run, model = await tenant.run(), await tenant.model()
    query = "query($id: ID!) { lineageNode(id: $id) { downstream { steps { depth } links { kind } } } }"

    async def link() -> None:
        await tenant.client.make("createVersion", "version", model=model, label="1", run=run)

    between(link)
    walk = (await tenant.client(query, id=run))["lineageNode"]["downstream"]
    assert walk == {"steps": [], "links": []}
    walk = (await tenant.client(query, id=run))["lineageNode"]["downstream"]
    assert walk == {"steps": [{"depth": 1}], "links": [{"kind": "PRODUCED"}]}
