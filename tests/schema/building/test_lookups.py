"""One thing by its id or by what people call it: the root fields for one thing."""

from typing import Any

import pytest

from tests.schema.valid_inputs import unknown, valid_input
from tests.tenant import GraphQLFailed, Tenant

VERSION = "query($by: VersionBy!) { version(by: $by) { id } }"


async def version(tenant: Tenant, **by: Any) -> str | None:
    """The id of the version that is found."""
    found = (await tenant.client(VERSION, by=by))["version"]
    return None if found is None else str(found["id"])


async def test_a_version_is_found_by_its_id_label_number_or_alias(tenant: Tenant) -> None:
    model = await tenant.model(name="churn")
    first, second = [await tenant.version(model, label=label) for label in ("1.0", "2.0")]
    await tenant.client.make("setAlias", "alias", version=first, name="champion")
    for of in ({"id": model}, {"name": {"project": tenant.project, "name": "churn"}}):
        assert await version(tenant, label={"model": of, "label": " 2.0 "}) == second
        assert await version(tenant, number={"model": of, "number": 2}) == second
        assert await version(tenant, alias={"model": of, "alias": "champion"}) == first
        for nothing in ({"label": "3.0"}, {"number": 0}, {"alias": "best"}):
            assert await version(tenant, **{key: {"model": of, key: value} for key, value in nothing.items()}) is None
    assert await version(tenant, id=second) == second
    assert await version(tenant, number={"model": {"id": unknown("Model")}, "number": 1}) is None
    missing = {"name": {"project": tenant.project, "name": "iris"}}
    assert await version(tenant, alias={"model": missing, "alias": "champion"}) is None


async def test_an_alias_is_looked_up_with_or_without_its_at_sign(tenant: Tenant) -> None:
    model = await tenant.model()
    first = await tenant.version(model)
    await tenant.client.make("setAlias", "alias", version=first, name="@champion")
    for alias in ("champion", "@champion", " @champion ", "@ champion"):
        assert await version(tenant, alias={"model": {"id": model}, "alias": alias}) == first
    for alias in ("@@champion", "@ @champion"):
        with pytest.raises(GraphQLFailed) as refused:
            await version(tenant, alias={"model": {"id": model}, "alias": alias})
        assert refused.value.code == "BAD_USER_INPUT"
        assert "No alias begins with `@`" in str(refused.value)


async def test_a_deleted_version_is_found_by_its_id_alone(tenant: Tenant) -> None:
    gone = await tenant.version(model := await tenant.model(), label="1.0")
    await tenant.client.make("deleteVersion", "version", version=gone)
    assert await version(tenant, id=gone) == gone
    assert await version(tenant, label={"model": {"id": model}, "label": "1.0"}) is None
    assert await version(tenant, number={"model": {"id": model}, "number": 1}) is None


@pytest.mark.parametrize(
    "by",
    [
        {},
        {"id": None},
        {"id": "x", "number": {"model": {"id": "x"}, "number": 1}},
        {"label": {"model": {}, "label": "1.0"}},
        {"alias": {"model": {"id": "$project"}, "alias": "champion"}},
        {"number": {"model": {"id": "x"}, "number": 2**31}},
    ],
)
async def test_a_version_is_named_in_exactly_one_way(tenant: Tenant, by: Any) -> None:
    if "alias" in by:
        by["alias"]["model"]["id"] = tenant.project
    with pytest.raises(GraphQLFailed) as refused:
        await version(tenant, **by)
    assert refused.value.code == "BAD_USER_INPUT"


async def test_a_neighbors_version_is_not_found_in_any_way(tenant: Tenant, neighbor: Tenant) -> None:
    model = await neighbor.model(name="churn")
    theirs = await neighbor.version(model, label="1.0")
    await neighbor.client.make("setAlias", "alias", version=theirs, name="champion")
    assert await version(tenant, id=theirs) is None
    for of in ({"id": model}, {"name": {"project": neighbor.project, "name": "churn"}}):
        for named in ({"label": "1.0"}, {"number": 1}, {"alias": "champion"}):
            assert await version(tenant, **{key: {"model": of, key: value} for key, value in named.items()}) is None


async def test_runs_and_artifacts_are_found_by_their_ids(tenant: Tenant, neighbor: Tenant) -> None:
    file = await valid_input(tenant, "createExternalArtifact")
    made = {
        "run": await tenant.run(),
        "artifact": await tenant.client.make("createExternalArtifact", "artifact", **file),
    }
    for field, gid in made.items():
        query = f"query($id: ID!) {{ {field}(id: $id) {{ id }} }}"
        assert await tenant.client(query, id=gid) == {field: {"id": gid}}
        assert await neighbor.client(query, id=gid) == {field: None}
        with pytest.raises(GraphQLFailed) as refused:
            await tenant.client(query, id=tenant.project)
        assert refused.value.code == "BAD_USER_INPUT"


async def test_teams_projects_and_deployments_are_found_by_id_or_name(tenant: Tenant, neighbor: Tenant) -> None:
    asked = "query($id: ID!) { node(id: $id) { ... on Project { team { id } } } }"
    team = (await tenant.client(asked, id=tenant.project))["node"]["team"]["id"]
    environment = await tenant.environment()
    deployment = await tenant.deployment(name="churn-api", environment=environment)
    ways = {
        ("team", "IdOrOwnName"): (team, "team"),
        ("project", "IdOrNameInTeam"): (tenant.project, {"team": team, "name": "project"}),
        ("deployment", "IdOrNameInEnvironment"): (deployment, {"environment": environment, "name": "churn-api"}),
    }
    for (field, kind), (gid, name) in ways.items():
        query = f"query($by: {kind}!) {{ found: {field}(by: $by) {{ id }} }}"
        for by in ({"id": gid}, {"name": name}):
            assert await tenant.client(query, by=by) == {"found": {"id": gid}}
        assert await neighbor.client(query, by={"id": gid}) == {"found": None}
        if isinstance(name, dict):
            assert await neighbor.client(query, by={"name": name}) == {"found": None}
            assert await tenant.client(query, by={"name": name | {"name": "other"}}) == {"found": None}
