"""Everything that has events shows them, page by page, and in one statement for many things."""

from datetime import timedelta
from typing import Any

import pytest

from db.base import utc_now
from registry.events.event_kinds import NOUNS
from schema.building.node import NODES
from schema.root import NODE_TYPES
from tests.tenant import GraphQLFailed, Tenant

PAGE = """query($ids: [ID!]!, $first: Int, $after: String, $last: Int, $before: String, $kinds: [String!],
    $since: DateTime, $until: DateTime) { nodes(ids: $ids) { ... on %s {
    events(first: $first, after: $after, last: $last, before: $before, kinds: $kinds, since: $since, until: $until) {
        nodes { sequence kind subjectId } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount
    } } } }"""
FEED = """query($model: ID, $project: ID, $subject: ID) {
    events(model: $model, project: $project, subject: $subject, first: 100) { nodes { sequence } totalCount } }"""


async def pages(tenant: Tenant, kind: str, *ids: str, **given: Any) -> list[dict[str, Any]]:
    given = {"first": None if {"last", "before"} & given.keys() else 100} | given
    return [node["events"] for node in (await tenant.client(PAGE % kind, ids=ids, **given))["nodes"]]


def kinds(page: dict[str, Any]) -> list[str]:
    return [event["kind"] for event in page["nodes"]]


async def grown(tenant: Tenant) -> list[str]:
    """Two models, the first with a version that was promoted and an alias, and one in another project."""
    first, second = await tenant.model(), await tenant.model()
    version = await tenant.version(first)
    await tenant.client.make("promoteVersion", "transition", version=version, to="STAGING")
    await tenant.client.make("setAlias", "alias", version=version, name="champion")
    await tenant.client.make("updateModel", "model", model=second, description="The second.")
    return [first, second]


def test_every_node_that_has_events_shows_them() -> None:
    have = {noun.table.__name__ for noun in NOUNS.values()} & set(NODES)
    show = {
        node.__name__
        for node in NODE_TYPES
        if any(field.python_name == "events" for field in node.__strawberry_definition__.fields)  # type: ignore[attr-defined]  # set by strawberry.type
    }
    assert show == have


async def test_the_events_of_a_model_are_those_of_the_feed_about_it(tenant: Tenant) -> None:
    models = await grown(tenant)
    shown = await pages(tenant, "Model", *models)
    for model, page in zip(models, shown, strict=True):
        told = (await tenant.client(FEED, model=model))["events"]
        assert [event["sequence"] for event in page["nodes"]] == [event["sequence"] for event in told["nodes"]]
        assert page["totalCount"] == told["totalCount"] == len(page["nodes"])
    assert kinds(shown[1]) == ["model.created", "model.updated"]
    assert {"model.created", "version.created", "version.promoted", "alias.created"} <= set(kinds(shown[0]))


async def test_the_events_of_a_project_are_those_of_the_feed_about_it_each_once(tenant: Tenant) -> None:
    await grown(tenant)
    await tenant.run()
    team = await tenant.client.make("createTeam", "team", name=tenant.name())
    other = await tenant.client.make("createProject", "project", team=team, name=tenant.name())
    mine, others = await pages(tenant, "Project", tenant.project, other)
    assert kinds(others) == ["project.created"]
    told = (await tenant.client(FEED, project=tenant.project))["events"]
    assert [event["sequence"] for event in mine["nodes"]] == [event["sequence"] for event in told["nodes"]]
    assert mine["totalCount"] == told["totalCount"] > 6
    (page,) = await pages(tenant, "Project", tenant.project, last=3)
    assert page["nodes"] == mine["nodes"][-3:]


async def test_anything_else_is_the_subject_of_its_events(tenant: Tenant, neighbor: Tenant) -> None:
    version = await tenant.version()
    await tenant.client.make("updateVersion", "version", version=version, description="Better.")
    (page,) = await pages(tenant, "ModelVersion", version)
    assert kinds(page) == ["version.created", "version.updated"]
    assert {event["subjectId"] for event in page["nodes"]} == {version}
    assert (await neighbor.client(PAGE % "ModelVersion", ids=[version]))["nodes"] == [None]


async def test_the_events_of_the_organization_are_all(tenant: Tenant) -> None:
    await grown(tenant)
    organization = (await tenant.client("{ organization { id } }"))["organization"]["id"]
    (page,) = await pages(tenant, "Organization", organization)
    assert kinds(page)[0] == "organization.created"
    assert page["totalCount"] == (await tenant.client(FEED))["events"]["totalCount"]


async def test_pages_follow_each_other_in_both_directions_with_cursors_of_the_feed(tenant: Tenant) -> None:
    (model, *_) = await grown(tenant)
    (whole,) = await pages(tenant, "Model", model)
    (first,) = await pages(tenant, "Model", model, first=2)
    assert first["nodes"] == whole["nodes"][:2]
    assert first["pageInfo"] | {"startCursor": "", "endCursor": ""} == {
        "hasNextPage": True, "hasPreviousPage": False, "startCursor": "", "endCursor": "",
    }  # fmt: skip
    (rest,) = await pages(tenant, "Model", model, after=first["pageInfo"]["endCursor"])
    assert rest["nodes"] == whole["nodes"][2:]
    assert (rest["pageInfo"]["hasNextPage"], rest["totalCount"]) == (False, whole["totalCount"])
    (back,) = await pages(tenant, "Model", model, last=1, before=first["pageInfo"]["endCursor"])
    assert back["nodes"] == whole["nodes"][:1]
    (end,) = await pages(tenant, "Model", model, last=2)
    assert end["nodes"] == whole["nodes"][-2:]
    assert end["pageInfo"]["hasPreviousPage"]
    cursor = end["pageInfo"]["endCursor"]
    assert (await tenant.client("query($at: String) { events(after: $at) { nodes { kind } } }", at=cursor))["events"]


async def test_kinds_and_times_narrow_the_list_and_its_count(tenant: Tenant) -> None:
    before = utc_now() - timedelta(minutes=1)
    (model, second) = await grown(tenant)
    versions, none = await pages(tenant, "Model", model, second, kinds=["version.*"])
    assert set(kinds(versions)) == {"version.created", "version.promoted"}
    assert (versions["totalCount"], none["nodes"], none["totalCount"]) == (len(versions["nodes"]), [], 0)
    for given, found in [({"since": before}, True), ({"until": before}, False)]:
        (page,) = await pages(tenant, "Model", model, **{name: at.isoformat() for name, at in given.items()})
        assert (page["nodes"] != [], page["totalCount"] > 0) == (found, found)


@pytest.mark.parametrize(
    "given", [{"kinds": ["version.eaten"]}, {"after": "x"}, {"first": 1, "last": 1}, {"first": 101}, {"first": -1}]
)
async def test_arguments_that_cannot_be_meant_are_refused(tenant: Tenant, given: dict[str, Any]) -> None:
    with pytest.raises(GraphQLFailed) as refused:
        await pages(tenant, "ModelVersion", await tenant.version(), **given)
    assert refused.value.code in ("BAD_USER_INPUT", "PAGE_TOO_LARGE")


async def test_pages_of_events_count_in_the_cost_of_an_operation(tenant: Tenant) -> None:
    query = "{ versions(first: 100) { nodes { events(first: 100) { nodes { actor { name } } } } } }"
    with pytest.raises(GraphQLFailed) as refused:
        await tenant.client(query)
    assert refused.value.code == "QUERY_TOO_EXPENSIVE"
