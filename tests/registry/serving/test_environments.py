"""Environments: made by those who organize, named once, found by name."""

from typing import Any

import pytest

from db.codes import Role
from db.session import Database
from tests.registry.told import events_about
from tests.tenant import GraphQLFailed, Tenant, uuid_of

BY = "query($by: IdOrOwnName!) { environment(by: $by) { id name description tags { key value } createdBy { name } } }"


async def by(tenant: Tenant, **by: str) -> Any:
    return (await tenant.client(BY, by=by))["environment"]


async def test_an_environment_is_found_by_its_id_and_by_its_name_in_any_spelling(tenant: Tenant) -> None:
    made = await tenant.environment(name="größe", description="Live", tags=[{"key": "region", "value": "eu"}])

    found = await by(tenant, name=" gro\u0308ße ")

    assert found == await by(tenant, id=made)
    assert found == {
        "id": made,
        "name": "größe",
        "description": "Live",
        "tags": [{"key": "region", "value": "eu"}],
        "createdBy": {"name": "owner"},
    }
    assert await by(tenant, name="Größe") is None


async def test_another_organization_has_its_own_environments(tenant: Tenant, neighbor: Tenant) -> None:
    theirs = await neighbor.environment(name="production")
    assert await by(tenant, name="production") is None
    assert await by(tenant, id=theirs) is None
    assert await tenant.environment(name="production") != theirs


async def test_environments_are_listed_by_name(tenant: Tenant) -> None:
    for name in ("staging", "edge", "production"):
        await tenant.environment(name=name)
    listed = (await tenant.client("{ environments { totalCount nodes { name } } }"))["environments"]
    assert listed == {"totalCount": 3, "nodes": [{"name": name} for name in ("edge", "production", "staging")]}


async def test_a_name_is_taken_once(tenant: Tenant) -> None:
    await tenant.environment(name="production")
    refused = await tenant.client.refusal("createEnvironment", "environment", name=" production ")
    assert (refused["code"], refused["path"]) == ("NAME_TAKEN", ["name"])


async def test_what_is_said_of_an_environment_changes_and_what_is_not_given_stays(
    tenant: Tenant, database: Database
) -> None:
    made = await tenant.environment(name="eu", description="Old")

    await tenant.client.make("updateEnvironment", "environment", environment=made, name="eu-west")
    await tenant.client.make("updateEnvironment", "environment", environment=made, description=None)

    found = await by(tenant, name="eu-west")
    assert (found["id"], found["description"]) == (made, None)
    told = await events_about(database, tenant.org_id, uuid_of(made))
    assert [event.kind for event in told] == ["environment.created", "environment.updated", "environment.updated"]
    assert told[1].body["before"] == {"name": "eu"}


async def test_a_writer_neither_makes_nor_changes_an_environment(tenant: Tenant) -> None:
    made = await tenant.environment()
    writer = await tenant.member(Role.WRITER)
    for mutation, given in (("updateEnvironment", {"environment": made}), ("createEnvironment", {})):
        with pytest.raises(GraphQLFailed) as refused:
            await writer.make(mutation, "environment", name="mine", **given)
        assert refused.value.code == "FORBIDDEN"
    maintainer = await tenant.member(Role.MAINTAINER)
    await maintainer.make("updateEnvironment", "environment", environment=made, name="ours")
