"""Deny by default: no door into the graph and no kind of thing in it is without a policy, and policies are enforced."""

from collections.abc import Iterable
from typing import Any

import httpx2
import pytest
import strawberry
from graphql import GraphQLInterfaceType, GraphQLObjectType, GraphQLSchema, GraphQLUnionType, get_named_type
from sqlalchemy import delete
from sqlmodel import col
from strawberry.types.base import StrawberryObjectDefinition

from db.codes import Role
from db.session import Database
from db.tables import RoleBinding
from registry.kernel.access import Action
from schema.building.node import RowNode
from schema.root import NODE_TYPES, Mutation, Query, Subscription
from tests.patience import in_time
from tests.schema.built import BUILT, SCHEMA
from tests.tenant import Client, GraphQLFailed, Tenant

ROOTS = (Query, Mutation, Subscription)


def fields_of(shown: Any) -> Iterable[Any]:
    definition: StrawberryObjectDefinition = shown.__strawberry_definition__
    return definition.fields


def without_policy(roots: Iterable[Any]) -> list[str]:
    """The root fields that say nothing about who may use them."""
    return [
        f"{root.__name__}.{field.python_name}"
        for root in roots
        for field in fields_of(root)
        if not isinstance(field.metadata.get("access"), Action)
    ]


def reached(schema: GraphQLSchema, roots: Iterable[str]) -> set[str]:
    """The names of the object types that can be come to from the root types."""
    found: set[str] = set()
    waiting: list[Any] = [schema.type_map[root] for root in roots]
    while waiting:
        shown = waiting.pop()
        if shown.name in found:
            continue
        found.add(shown.name)
        if isinstance(shown, GraphQLUnionType):
            waiting.extend(shown.types)
        if isinstance(shown, GraphQLInterfaceType):
            waiting.extend(schema.get_possible_types(shown))
        if isinstance(shown, GraphQLObjectType | GraphQLInterfaceType):
            waiting.extend(get_named_type(field.type) for field in shown.fields.values())
    return {name for name in found if isinstance(schema.type_map[name], GraphQLObjectType)}


def test_every_root_field_says_who_may_use_it() -> None:
    assert without_policy(ROOTS) == []


def test_a_root_field_without_policy_would_be_found() -> None:
    @strawberry.type
    class Open:
        answer: int = 42

    assert without_policy([Open]) == ["Open.answer"]


def test_every_kind_of_row_says_who_may_see_it() -> None:
    assert [node.__name__ for node in NODE_TYPES if not isinstance(node.access, Action)] == []


def test_every_kind_of_row_in_the_graph_is_among_the_nodes() -> None:
    rows = {
        name
        for name, shown in BUILT.schema_converter.type_map.items()
        if isinstance(origin := getattr(shown.definition, "origin", None), type)
        and issubclass(origin, RowNode)
        and isinstance(SCHEMA.type_map[name], GraphQLObjectType)
    }
    assert rows == {node.__name__ for node in NODE_TYPES}


def test_no_type_can_be_come_to_but_through_a_root_field_with_a_policy() -> None:
    shown = {
        name
        for name, shown in SCHEMA.type_map.items()
        if isinstance(shown, GraphQLObjectType) and not name.startswith("__")
    }
    assert reached(SCHEMA, [root.__name__ for root in ROOTS]) == shown


ARGUMENTS = {
    "search": '(text: "team")',
    "node": '(id: "{team}")',
    "nodes": '(ids: ["{team}"])',
    "lineageNode": '(id: "{team}")',
    "model": '(by: {{id: "{model}"}})',
    "version": '(by: {{id: "{version}"}})',
    "team": '(by: {{id: "{team}"}})',
    "project": '(by: {{id: "{project}"}})',
    "run": '(id: "{run}")',
    "artifact": '(id: "{artifact}")',
    "deployment": '(by: {{id: "{deployment}"}})',
    "experiment": '(by: {{name: {{project: "{project}", name: "any"}}}})',
    "environment": '(by: {{name: "none"}})',
    "webhook": '(by: {{name: "none"}})',
    "runComparison": '(runs: ["{run}"])',
    "versionComparison": '(versions: ["{version}"])',
    "runtimeDifference": '(from: "{version}", to: "{version}")',
    "dataset": '(by: {{name: {{project: "{project}", name: "data"}}}})',
}


def read_of(field: Any, **ids: str) -> str:
    """A query of one root field."""
    name = BUILT.config.name_converter.get_graphql_name(field)
    leaf = name in ("supportedFrameworks", "serverVersion")
    return f"{{ {name}{ARGUMENTS.get(name, '').format(**ids)} {'' if leaf else '{ __typename }'} }}"


@pytest.fixture(scope="module")
async def stranger(shared_tenant: Tenant, database: Database) -> Client:
    """A principal of the organization that has no role."""
    client = await shared_tenant.member(Role.READER)
    async with database.change(shared_tenant.org_id) as change:
        of_stranger = col(RoleBinding.principal_id) == client.actor.principal_id
        await change.execute(delete(RoleBinding).where(of_stranger))
    return client


@pytest.fixture(scope="module")
async def made(shared_tenant: Tenant) -> dict[str, str]:
    """The ids of things that root fields find."""
    tenant = shared_tenant
    version = await tenant.version(runtime={"image": "slim"})
    await tenant.client.make("createDataset", "dataset", project=tenant.project, name="data")
    external = {"version": version, "path": "a", "kind": "OTHER", "uri": "s3://a/b"}
    return {
        "project": tenant.project,
        "team": await tenant.client.make("createTeam", "team", name="one"),
        "model": await tenant.model(),
        "version": version,
        "run": await tenant.run(),
        "deployment": await tenant.deployment(version=version),
        "artifact": await tenant.client.make("createExternalArtifact", "artifact", **external),
    }


@pytest.mark.parametrize("field", list(fields_of(Query)), ids=lambda field: field.python_name)
async def test_a_principal_without_any_role_reads_nothing(
    shared_tenant: Tenant, made: dict[str, str], stranger: Client, field: Any
) -> None:
    query = read_of(field, **made)
    assert await shared_tenant.client(query)
    with pytest.raises(GraphQLFailed) as refused:
        await stranger(query)
    assert refused.value.code == "FORBIDDEN"


STREAMS = {
    "heartbeat": "heartbeat(everySeconds: 1) { at }",
    "events": "events { cursor }",
    "model_events": 'modelEvents(model: "%s") { cursor }',
    "promotion_events": "promotionEvents { cursor }",
}


@pytest.mark.parametrize("field", list(fields_of(Subscription)), ids=lambda field: field.python_name)
async def test_a_principal_without_any_role_hears_nothing(made: dict[str, str], stranger: Client, field: Any) -> None:
    asked = STREAMS[field.python_name]
    asked = asked % made["model"] if "%s" in asked else asked
    # A stream that goes on would be read for ever.
    async with in_time():
        response = await stranger.http.post(
            "/graphql",
            json={"query": f"subscription {{ {asked} }}"},
            headers={"authorization": f"Bearer {stranger.token}", "accept": "text/event-stream"},
        )
    assert "FORBIDDEN" in response.text


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer x", "Basic eDp5", "Bearer mrgp_" + "0" * 38])
async def test_nobody_is_served_without_a_good_token(http: httpx2.AsyncClient, authorization: str | None) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    response = await http.post("/graphql", json={"query": "{ serverVersion }"}, headers=headers)
    assert response.status_code == 401
    assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert "data" not in response.json()
