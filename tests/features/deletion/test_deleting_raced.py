"""Making a child and deleting its parent at the same moment: one of the two happens, never both."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from db.base import Deletable
from registry.deletion.dependents import DEPENDENCES, Dependence
from tests.nouns import kind_of, noun, own_field
from tests.schema.deletion_cases import ended_run, new_project
from tests.tenant import Tenant

PARENTS = 5
CHILDREN = 3
# The parent, and the mutation that makes what depends on it.
RACES = [
    ("Team", "createProject"),
    ("Project", "createModel"),
    ("Project", "createRun"),
    ("Model", "createVersion"),
    ("Experiment", "createRun"),
    ("Run", "createVersion"),
    ("Run", "createRun"),
    ("ModelVersion", "createVersion"),
    ("ModelVersion", "setAlias"),
    ("ModelVersion", "createDeployment"),
    ("Environment", "createDeployment"),
    ("Dataset", "createDatasetVersion"),
    ("DatasetVersion", "createRun"),
]


async def orphans(tenant: Tenant, one: Dependence) -> list[Any]:
    """The live rows of a sort whose parent is deleted."""
    live = "and child.deleted_at is null" if issubclass(one.table, Deletable) else ""
    held = (
        f"child.{one.column} = parent.id"
        if one.column
        else "exists (select from registry.lineage_edge e where e.upstream_id = parent.id"
        " and e.downstream_id = child.id and e.valid_to is null)"
    )
    statement = f"""select child.id from registry.{one.table.__tablename__} child
        join registry.{one.on.__tablename__} parent on {held}
        where child.org_id = :org_id and parent.org_id = :org_id and parent.deleted_at is not null {live}"""
    async with tenant.database.change(tenant.org_id) as change:
        return list((await change.execute(text(statement), {"org_id": tenant.org_id})).scalars())


async def parent(tenant: Tenant, kind: str) -> str:
    """A thing that nothing depends on."""
    named = {"name": tenant.name()}
    if kind == "Project":
        return (await new_project(tenant))["Project"]
    if kind in ("Experiment", "Dataset"):
        return await tenant.client.make(f"create{noun(kind)}", own_field(kind), project=tenant.project, **named)
    made: dict[str, Callable[[], Awaitable[str]]] = {
        "Environment": lambda: tenant.client.make("createEnvironment", "environment", **named),
        "Team": lambda: tenant.client.make("createTeam", "team", **named),
        "Model": tenant.model,
        "Run": lambda: ended_run(tenant),
        "ModelVersion": tenant.version,
        "DatasetVersion": tenant.dataset_version,
    }
    return await made[kind]()


async def child(tenant: Tenant, kind: str, mutation: str, of: str) -> dict[str, Any]:
    """The input that makes something that depends on `of`."""
    given: dict[str, Any] = {"name": tenant.name()}
    if mutation == "createModel":
        given["framework"] = "sklearn"
    if mutation == "createRun" and kind != "Project":
        given["project"] = tenant.project
    if mutation == "createDeployment":
        other = "version" if kind == "Environment" else "environment"
        given |= {"desiredState": "STOPPED", other: await parent(tenant, kind_of(other))}
    if mutation == "createDatasetVersion":
        given = {"digest": f"sha256:{uuid4().hex}"}
    if mutation == "createVersion":
        given = {"label": tenant.name()} | ({} if kind == "Model" else {"model": await tenant.model()})
    if kind == "DatasetVersion":
        return given | {"datasets": [{"datasetVersion": of}]}
    field = {("Run", "createRun"): "parentRun", ("ModelVersion", "createVersion"): "baseVersion"}.get((kind, mutation))
    return given | {field or own_field(kind): of}


async def outcome(tenant: Tenant, mutation: str, given: dict[str, Any]) -> str:
    """`done`, or the code of the refusal."""
    payload = await tenant.client.insist(mutation, "replayed", **given)
    return payload["errors"][0]["code"] if payload["errors"] else "done"


@pytest.mark.parametrize(("kind", "mutation"), RACES)
async def test_a_child_is_made_or_its_parent_deleted_but_not_both(tenant: Tenant, kind: str, mutation: str) -> None:
    parents = [await parent(tenant, kind) for _ in range(PARENTS)]
    asked: list[tuple[str, dict[str, Any]]] = []
    for place, of in enumerate(parents):
        made = [(mutation, await child(tenant, kind, mutation, of)) for _ in range(CHILDREN)]
        # The deletion comes in between, sooner or later.
        made.insert(place % (CHILDREN + 1), (f"delete{noun(kind)}", {own_field(kind): of}))
        asked += made
    outcomes = await asyncio.gather(*[outcome(tenant, *one) for one in asked])
    for place in range(PARENTS):
        part = slice(place * (CHILDREN + 1), (place + 1) * (CHILDREN + 1))
        told: dict[str, list[str]] = {mutation: [] for mutation, _ in asked[part]}
        for (name, _), code in zip(asked[part], outcomes[part], strict=True):
            told[name].append(code)
        (deletion,) = told[f"delete{noun(kind)}"]
        wanted = "NOT_FOUND" if deletion == "done" else "done"
        assert deletion in ("done", "IN_USE")
        assert set(told[mutation]) == {wanted}, told
    for one in DEPENDENCES:
        if one.on.__name__ == kind:
            assert await orphans(tenant, one) == []


async def test_a_child_comes_back_or_its_parent_is_deleted_but_not_both(tenant: Tenant) -> None:
    asked = []
    for _ in range(PARENTS):
        model = await tenant.model()
        version = await tenant.version(model)
        await tenant.client.make("deleteVersion", "version", version=version)
        asked += [("restoreVersion", {"version": version}), ("deleteModel", {"model": model})]
    outcomes = await asyncio.gather(*[outcome(tenant, *one) for one in asked])
    pairs = set(zip(outcomes[::2], outcomes[1::2], strict=True))
    assert pairs <= {("done", "IN_USE"), ("CONFLICT", "done")}
    for one in DEPENDENCES:
        assert await orphans(tenant, one) == []
