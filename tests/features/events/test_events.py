"""Following the registry: what happened page by page, what happens live, and going on after a disconnection."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest
from starlette.applications import Starlette

from db.codes import Role
from registry.events.event_log import EVERY_EVENT
from registry.kernel.errors import Forbidden
from registry.promotion.promotion_events import KINDS, PromotionEventKind
from resolvers import ids
from resolvers.context import Operation
from resolvers.events import event_feed
from tests import services
from tests.db.ground import connect
from tests.patience import PATIENCE_S
from tests.stages import Line
from tests.subscribing import Refused, connected, subscribe, subscribed
from tests.tenant import GraphQLFailed, Tenant

FIELDS = "cursor at ... on Event { sequence kind subjectId subject { id __typename } }"
EVENTS = """subscription($after: String, $kinds: [String!], $model: ID, $project: ID, $subject: ID) {
  events(after: $after, kinds: $kinds, model: $model, project: $project, subject: $subject) { __typename %s } }"""
ALL = EVENTS % FIELDS
HISTORY = """query($first: Int, $after: String, $last: Int, $before: String, $kinds: [String!], $model: ID,
  $project: ID, $subject: ID, $since: DateTime, $until: DateTime) {
  events(first: $first, after: $after, last: $last, before: $before, kinds: $kinds, model: $model, project: $project,
    subject: $subject, since: $since, until: $until) {
    totalCount edges { cursor node { sequence at kind subjectId } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
PROMOTIONS = """subscription($model: ID, $stage: Stage, $kinds: [PromotionEventKind!], $after: String) {
  promotionEvents(model: $model, stage: $stage, kinds: $kinds, after: $after) { __typename cursor
    ... on PromotionEvent { kind fromStage toStage reason actor { name } model { id } version { id } } } }"""


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The database as the role that owns the feed."""
    connection = await connect(database_url)
    await connection.execute(f"set role {services.ROLES.owner}")
    yield connection
    await connection.close()


async def page(tenant: Tenant, **given: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await tenant.client(HISTORY, **given))["events"]
    return found


def kinds_of(page: dict[str, Any]) -> list[str]:
    return [edge["node"]["kind"] for edge in page["edges"]]


# --- live ---------------------------------------------------------------------------------------------------------


async def test_a_follower_gets_a_bookmark_at_once_and_then_what_happens(live: str, tenant: Tenant) -> None:
    async with subscribed(live, tenant.client.token, ALL) as following:
        first = await following.next()
        assert first["__typename"] == "Bookmark"
        model = await tenant.model()
        version = await tenant.version(model)
        created, registered = await following.take(2)
        assert [created["kind"], registered["kind"]] == ["model.created", "version.created"]
        assert (created["subjectId"], registered["subject"]) == (model, {"id": version, "__typename": "ModelVersion"})
        assert int(registered["sequence"]) == int(created["sequence"]) + 1


async def test_a_follower_goes_on_where_it_was_cut_off(live: str, tenant: Tenant) -> None:
    async with subscribed(live, tenant.client.token, ALL) as following:
        await following.next()
        await tenant.model()
        cursor = (await following.next())["cursor"]
    missed = [await tenant.model() for _ in range(3)]
    async with subscribed(live, tenant.client.token, ALL, after=cursor) as following:
        assert [event["subjectId"] for event in await following.take(3)] == missed
        latest = await tenant.model()
        assert (await following.next())["subjectId"] == latest


async def test_a_bookmark_is_a_cursor_like_any_other(live: str, tenant: Tenant) -> None:
    async with subscribed(live, tenant.client.token, ALL) as following:
        bookmark = (await following.next())["cursor"]
    model = await tenant.model()
    async with subscribed(live, tenant.client.token, ALL, after=bookmark) as following:
        assert (await following.next())["subjectId"] == model


async def test_filters_combine(live: str, tenant: Tenant) -> None:
    model, other = await tenant.model(), await tenant.model()
    given = {"kinds": ["version.*"], "model": model}
    async with subscribed(live, tenant.client.token, ALL, **given) as following:
        await following.next()
        await tenant.version(other)
        await tenant.client.change("updateModel", "model { id }", model=model, description="new")
        version = await tenant.version(model)
        assert (await following.next())["subjectId"] == version


async def test_a_project_is_followed_with_all_of_its_models(live: str, tenant: Tenant) -> None:
    team = await tenant.client.make("createTeam", "team", name="other")
    elsewhere = await tenant.client.make("createProject", "project", team=team, name="elsewhere")
    model = await tenant.model(project=elsewhere)
    async with subscribed(live, tenant.client.token, ALL, project=elsewhere) as following:
        await following.next()
        await tenant.run()
        await tenant.version()
        version, run = await tenant.version(model), await tenant.run(project=elsewhere)
        assert [event["subjectId"] for event in await following.take(2)] == [version, run]


async def test_a_model_is_followed_with_what_belongs_to_it(live: str, tenant: Tenant) -> None:
    query = f"subscription($model: ID!) {{ modelEvents(model: $model) {{ __typename {FIELDS} }} }}"
    model = await tenant.model()
    async with subscribed(live, tenant.client.token, query, model=model) as following:
        await following.next()
        await tenant.model()
        version = await tenant.version(model)
        await tenant.client.make("setAlias", "alias", version=version, name="champion")
        deployment = await tenant.deployment(version=version)
        got = [event["kind"] for event in await following.take(3)]
        assert got == ["version.created", "alias.created", "deployment.created"]
        assert deployment


@pytest.mark.parametrize("foreign", [True, False])
async def test_a_model_that_is_not_there_for_you_is_not_found(
    live: str, tenant: Tenant, neighbor: Tenant, foreign: bool
) -> None:
    model = await neighbor.model() if foreign else ids.encode("Model", uuid4())
    query = "subscription($model: ID!) { modelEvents(model: $model) { cursor } }"
    async with subscribed(live, tenant.client.token, query, model=model) as following:
        with pytest.raises(Refused) as refused:
            await following.next()
    assert refused.value.code == "NOT_FOUND"


async def test_an_event_tells_who_changed_what_and_where(live: str, tenant: Tenant) -> None:
    model = await tenant.model(description="old")
    told = """before after changedFields hash actor { name } model { id } project { id }
      subject { ... on Model { name description } }"""
    async with subscribed(live, tenant.client.token, EVENTS % f"... on Event {{ {told} }}") as following:
        await following.next()
        await tenant.client.change("updateModel", "model { id }", model=model, description="new")
        event = await following.next()
    assert (event["before"], event["after"]) == ({"description": "old"}, {"description": "new"})
    assert event["changedFields"] == ["description"]
    assert event["actor"] == {"name": "owner"}
    assert (event["model"], event["project"]) == ({"id": model}, {"id": tenant.project})
    assert event["subject"]["description"] == "new"
    assert len(bytes.fromhex(event["hash"])) == 32


async def test_each_event_shows_the_registry_as_it_is_when_it_is_sent(live: str, tenant: Tenant) -> None:
    model = await tenant.model(description="0")
    query = EVENTS % "... on Event { model { description } }"
    async with subscribed(live, tenant.client.token, query, model=model) as following:
        await following.next()
        for number in "123":
            await tenant.client.change("updateModel", "model { id }", model=model, description=number)
            assert (await following.next())["model"] == {"description": number}


async def test_a_follower_who_may_not_read_any_more_is_told_nothing_more(app: Starlette, tenant: Tenant) -> None:
    operation = Operation(app.state.services, tenant.actor)
    messages = await event_feed.follow(operation, None, EVERY_EVENT)
    await anext(messages)
    await tenant.model()
    await anext(messages)
    operation.actor = replace(tenant.actor, grants=())
    await tenant.model()
    with pytest.raises(Forbidden):
        await anext(messages)


async def test_organizations_hear_nothing_of_each_other(live: str, tenant: Tenant, neighbor: Tenant) -> None:
    async with subscribed(live, tenant.client.token, ALL) as following:
        await following.next()
        await neighbor.model()
        model = await tenant.model()
        assert (await following.next())["subjectId"] == model


async def test_what_administrators_see_is_told_to_them_alone(live: str, tenant: Tenant) -> None:
    reader = await tenant.member(Role.READER)
    query = 'query { events(last: 1, kinds: ["api_token.*"]) { nodes { kind subject { id } before after } } }'
    for client, seen in ((tenant.client, True), (reader, False)):
        (event,) = (await client(query))["events"]["nodes"]
        assert (event["after"] is not None, event["subject"]) == (seen, None)
        assert "token_hash" not in (event["after"] or {})


# --- what cannot be -----------------------------------------------------------------------------------------------


async def test_a_cursor_that_cannot_be_gone_on_from_is_told_with_the_one_to_begin_from(
    live: str, tenant: Tenant, neighbor: Tenant, owner: asyncpg.Connection
) -> None:
    found = await page(tenant, last=1)
    head, (first, *_) = found["pageInfo"]["endCursor"], (await page(tenant, first=1))["edges"]
    theirs = (await page(neighbor, last=1))["pageInfo"]["endCursor"]
    await owner.execute("update ev.stream set floor_seq = 2 where org_id = $1", tenant.org_id)
    async with connected(live, tenant.client.token) as connection:
        other = await subscribe(connection, ALL, "other")
        await other.next()
        for cursor, code in ((theirs, "CURSOR_RESET"), (first["cursor"], "CURSOR_EXPIRED"), ("x", "BAD_USER_INPUT")):
            following = await subscribe(connection, ALL, code, after=cursor)
            with pytest.raises(Refused) as refused:
                await following.next()
            assert refused.value.code == code
            assert refused.value.extensions.get("headCursor") == (None if code == "BAD_USER_INPUT" else head)
            with pytest.raises(GraphQLFailed) as failed:
                await page(tenant, first=1, after=cursor)
            assert failed.value.code == code
        model = await tenant.model()
        assert (await other.next())["subjectId"] == model, "the others on the connection go on"


@pytest.mark.parametrize(
    "given",
    [
        {"kinds": ["nonsense"]},
        {"kinds": ["*"]},
        {"kinds": ["version.promotd"]},
        {"kinds": ["version.created"] * 51},
        {"model": "nonsense"},
        {"model": ids.encode("Project", UUID(int=1))},
        {"subject": "nonsense"},
        {"after": ""},
        {"after": "ü" * 34},
    ],
)
async def test_what_no_client_can_mean_is_bad_input(live: str, tenant: Tenant, given: dict[str, Any]) -> None:
    async with subscribed(live, tenant.client.token, ALL, **given) as following:
        with pytest.raises(Refused) as refused:
            await following.next()
    assert refused.value.code == "BAD_USER_INPUT"


@pytest.mark.parametrize("accept", ["text/event-stream", 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0'])
async def test_streams_over_http_tell_the_same(live: str, tenant: Tenant, neighbor: Tenant, accept: str) -> None:
    theirs = (await page(neighbor, last=1))["pageInfo"]["endCursor"]
    headers = {"authorization": f"Bearer {tenant.client.token}", "accept": accept}
    async with httpx2.AsyncClient(headers=headers, timeout=PATIENCE_S) as http:
        for cursor, code in ((theirs, "CURSOR_RESET"), ("x", "BAD_USER_INPUT")):
            sent = {"query": ALL, "variables": {"after": cursor}}
            answer = await http.post(f"{live}/graphql", json=sent)
            assert f'"code":"{code}"' in answer.text
        async with http.stream("POST", f"{live}/graphql", json={"query": ALL}) as stream:
            received = ""
            async for chunk in stream.aiter_text():
                if '"Bookmark"' in chunk:
                    model = await tenant.model()
                received += chunk
                if "model.created" in received:
                    break
        assert model in received


# --- history ------------------------------------------------------------------------------------------------------


async def test_history_is_paged_in_both_directions(tenant: Tenant) -> None:
    for _ in range(3):
        await tenant.version()
    every = await page(tenant, first=100)
    assert every["totalCount"] == len(every["edges"]) > 7
    assert [int(edge["node"]["sequence"]) for edge in every["edges"]] == list(range(1, every["totalCount"] + 1))
    forward: list[Any] = []
    found = await page(tenant, first=4)
    while True:
        forward += found["edges"]
        if not found["pageInfo"]["hasNextPage"]:
            break
        found = await page(tenant, first=4, after=found["pageInfo"]["endCursor"])
        assert found["pageInfo"]["hasPreviousPage"]
    backward: list[Any] = []
    found = await page(tenant, last=4)
    while True:
        backward = found["edges"] + backward
        if not found["pageInfo"]["hasPreviousPage"]:
            break
        found = await page(tenant, last=4, before=found["pageInfo"]["startCursor"])
        assert found["pageInfo"]["hasNextPage"]
    assert forward == every["edges"] == backward


async def test_history_is_filtered_and_counted(tenant: Tenant) -> None:
    model = await tenant.model()
    versions = [await tenant.version(model) for _ in range(3)]
    await tenant.version()
    found = await page(tenant, kinds=["version.created"], model=model, first=2)
    assert (found["totalCount"], [edge["node"]["subjectId"] for edge in found["edges"]]) == (3, versions[:2])
    assert found["pageInfo"]["hasNextPage"]
    assert kinds_of(await page(tenant, subject=model)) == ["model.created"]
    assert (await page(tenant, project=tenant.project, kinds=["version.*"]))["totalCount"] == 4


async def test_history_is_cut_by_time(tenant: Tenant) -> None:
    for _ in range(4):
        await tenant.model()
    every = (await page(tenant, first=100))["edges"]
    for place in (0, 3, len(every) - 1):
        moment = every[place]["node"]["at"]
        later, earlier = await page(tenant, since=moment, first=100), await page(tenant, until=moment, first=100)
        assert (later["edges"], earlier["edges"]) == (every[place:], every[:place])
        assert (later["totalCount"], earlier["totalCount"]) == (len(every) - place, place)
    assert (await page(tenant, since="2999-01-01T00:00:00Z"))["edges"] == []
    assert (await page(tenant, until="1999-01-01T00:00:00Z"))["edges"] == []
    assert datetime.fromisoformat(every[0]["node"]["at"]).tzinfo


async def test_a_page_of_history_takes_as_many_statements_however_long_it_is(
    tenant: Tenant, statements: list[str]
) -> None:
    for _ in range(5):
        await tenant.version()
    query = """query($first: Int) { events(first: $first, kinds: ["version.created"]) { nodes {
      subject { ... on ModelVersion { label } } actor { name } model { name } project { name } after } } }"""
    sent = []
    for first in (1, 5):
        statements.clear()
        await tenant.client(query, first=first)
        sent.append(len(statements))
    # The view opened, the stream, the page; versions, principals, models and projects once each.
    assert sent == [7, 7]


async def test_what_was_read_up_to_now_is_followed_from_there(live: str, tenant: Tenant) -> None:
    end = (await page(tenant, last=1))["pageInfo"]["endCursor"]
    model = await tenant.model()
    async with subscribed(live, tenant.client.token, ALL, after=end) as following:
        assert (await following.next())["subjectId"] == model


# --- promotions ---------------------------------------------------------------------------------------------------


async def test_promotions_are_told_with_their_stages_and_what_decided_them(live: str, tenant: Tenant) -> None:
    line = await Line.of(tenant, 2)
    first, second = line.versions
    await line.to_production(first)
    await line.promote(second, "STAGING")
    query = PROMOTIONS.replace("reason actor", "reason transition { verdicts { outcome } } actor")
    async with subscribed(live, tenant.client.token, query, model=line.model) as following:
        assert (await following.next())["__typename"] == "Bookmark"
        await tenant.version(line.model)
        await line.promote(second, "PRODUCTION", reason="Better.")
        promoted, displaced = await following.take(2)
    del promoted["cursor"]
    assert promoted == {
        "__typename": "PromotionEvent",
        "kind": "PROMOTED",
        "fromStage": "STAGING",
        "toStage": "PRODUCTION",
        "reason": "Better.",
        "actor": {"name": "owner"},
        "model": {"id": line.model},
        "version": {"id": second},
        "transition": {"verdicts": [{"outcome": "PASSED"}]},
    }
    assert (displaced["kind"], displaced["version"], displaced["toStage"]) == ("DISPLACED", {"id": first}, "ARCHIVED")


async def test_promotions_are_followed_by_stage_and_kind(live: str, tenant: Tenant) -> None:
    line = await Line.of(tenant, 1)
    (version,) = line.versions
    async with connected(live, tenant.client.token) as connection:
        begin = (await (await subscribe(connection, ALL)).next())["cursor"]
    await line.promote(version, "STAGING")
    given = {"version": version, "to": "PRODUCTION", "reason": "Please."}
    request = await tenant.client.make("requestPromotion", "promotionRequest", **given)
    await tenant.client.make("completePromotion", "promotionRequest", request=request)
    await tenant.client.make("archiveVersion", "transition", version=version, expectedRevision=1)
    queries: list[tuple[dict[str, Any], list[str]]] = [
        ({"stage": "PRODUCTION"}, ["REQUEST_CREATED", "PROMOTED", "REQUEST_COMPLETED", "ARCHIVED"]),
        ({"kinds": ["PROMOTED"]}, ["PROMOTED", "PROMOTED"]),
        ({"kinds": ["PROMOTED"], "stage": "PRODUCTION"}, ["PROMOTED"]),
        ({}, ["PROMOTED", "REQUEST_CREATED", "PROMOTED", "REQUEST_COMPLETED", "ARCHIVED"]),
    ]
    for asked, expected in queries:
        async with subscribed(live, tenant.client.token, PROMOTIONS, after=begin, **asked) as following:
            got = await following.take(len(expected))
            assert [event["kind"] for event in got] == expected
            assert {event["version"]["id"] for event in got} == {version}


def test_promotion_events_are_those_of_versions_and_of_requests() -> None:
    assert list(KINDS) == list(PromotionEventKind)
    for one, kind in KINDS.items():
        noun, verb = kind.split(".")
        assert one == {"version": "", "promotion_request": "REQUEST_"}[noun] + verb.upper()
