"""Pages: any way of cutting a list shows each row once, in one order, and tells truly whether there is more."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from typing import Any

import httpx2
import orjson
import pytest
from hypothesis import Phase, given, settings, strategies as st
from sqlalchemy import update
from sqlmodel import col

from db.base import utc_now
from db.session import Database
from db.tables import Model
from tests.tenant import GraphQLFailed, Tenant, found_tenant

ROWS = 23
PAGE = "nodes { id } edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
LISTS = ("models", "teams", "versions")
# Each example is several requests: a failing one is told as it was found.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
over_http = settings(phases=PHASES, max_examples=6, deadline=None)


@pytest.fixture(scope="module")
async def full(database: Database, http: httpx2.AsyncClient) -> Tenant:
    """An organization with lists that are longer than a page."""
    tenant = await found_tenant(database, http)
    for place in range(ROWS - 1):
        # In another order than they are made in.
        await tenant.client.make("createTeam", "team", name=f"{place * 7 % ROWS:02}")
        await tenant.model()
    model = await tenant.model()
    for _ in range(ROWS):
        await tenant.version(model)
    return tenant


async def page(tenant: Tenant, name: str, more: str = "", **window: Any) -> dict[str, Any]:
    """One page of a list."""
    inner = "models(first: 1) { nodes { versions(%s) { %s } } }" if name == "versions" else f"{name}(%s) {{ %s }}"
    types = {"first": "Int", "last": "Int", "after": "String", "before": "String"}
    arguments = ", ".join(f"{argument}: ${argument}" for argument in window) or "first: 20"
    declared = ", ".join(f"${argument}: {types[argument]}" for argument in window)
    document = f"query{f'({declared})' if declared else ''} {{ {inner % (arguments, PAGE + more)} }}"
    answer: Any = await tenant.client(document, **window)
    return dict(answer["models"]["nodes"][0]["versions"] if name == "versions" else answer[name])


def ids_of(found: dict[str, Any]) -> list[str]:
    return [node["id"] for node in found["nodes"]]


async def forward(tenant: Tenant, name: str, sizes: Iterable[int]) -> list[str]:
    """All ids, from the beginning, in pages of these sizes."""
    seen: list[str] = []
    after: str | None = None
    for size in sizes:
        found = await page(tenant, name, first=size, after=after)
        assert found["pageInfo"]["hasPreviousPage"] == (after is not None)
        seen += ids_of(found)
        if not found["pageInfo"]["hasNextPage"]:
            break
        after = found["pageInfo"]["endCursor"]
    return seen


async def backward(tenant: Tenant, name: str, sizes: Iterable[int]) -> list[str]:
    """All ids in the order of the list, from its end, in pages of these sizes."""
    seen: list[str] = []
    before: str | None = None
    for size in sizes:
        found = await page(tenant, name, last=size, before=before)
        assert found["pageInfo"]["hasNextPage"] == (before is not None)
        seen = ids_of(found) + seen
        if not found["pageInfo"]["hasPreviousPage"]:
            break
        before = found["pageInfo"]["startCursor"]
    return seen


enough = st.lists(st.integers(1, 9), min_size=ROWS, max_size=ROWS)


@pytest.mark.parametrize("name", LISTS)
@over_http
@given(enough)
async def test_pages_of_any_size_show_each_row_once_in_both_directions(
    full: Tenant, name: str, sizes: list[int]
) -> None:
    whole = ids_of(await page(full, name, first=100))
    assert len(whole) == len(set(whole)) == ROWS
    assert await forward(full, name, sizes) == whole
    assert await backward(full, name, sizes) == whole


@pytest.mark.parametrize("name", LISTS)
async def test_every_cursor_leads_to_its_neighbors(full: Tenant, name: str) -> None:
    edges = (await page(full, name, first=100))["edges"]
    ids = [edge["node"]["id"] for edge in edges]
    for place in (0, 1, ROWS // 2, ROWS - 2, ROWS - 1):
        cursor = edges[place]["cursor"]
        assert ids_of(await page(full, name, first=100, after=cursor)) == ids[place + 1 :]
        assert ids_of(await page(full, name, last=100, before=cursor)) == ids[:place]


@pytest.mark.parametrize("name", LISTS)
async def test_the_total_is_that_of_the_whole_list_on_every_page(full: Tenant, name: str) -> None:
    windows: list[dict[str, Any]] = [{"first": 0}, {"first": 1}, {"last": 3}, {"first": 100}]
    for window in windows:
        assert (await page(full, name, " totalCount", **window))["totalCount"] == ROWS


@pytest.mark.parametrize("name", LISTS)
async def test_the_same_cursors_stand_at_the_ends_of_a_page(full: Tenant, name: str) -> None:
    found = await page(full, name, first=5)
    assert found["pageInfo"]["startCursor"] == found["edges"][0]["cursor"]
    assert found["pageInfo"]["endCursor"] == found["edges"][-1]["cursor"]
    assert ids_of(found) == [edge["node"]["id"] for edge in found["edges"]]


async def test_an_empty_page_has_no_cursors_and_tells_whether_there_is_more(full: Tenant) -> None:
    nothing = {"startCursor": None, "endCursor": None}
    found = await page(full, "models", first=0)
    assert (found["nodes"], found["edges"]) == ([], [])
    assert found["pageInfo"] == {"hasNextPage": True, "hasPreviousPage": False, **nothing}
    found = await page(full, "models", last=0)
    assert found["pageInfo"] == {"hasNextPage": False, "hasPreviousPage": True, **nothing}
    found = await page(full, "datasets", first=5)
    assert found["pageInfo"] == {"hasNextPage": False, "hasPreviousPage": False, **nothing}


async def test_a_page_has_twenty_rows_unless_told_otherwise(full: Tenant) -> None:
    nothing: list[dict[str, Any]] = [
        {},
        {"first": None},
        {"after": None},
        {"last": None},
        {"first": None, "last": None},
    ]
    for window in nothing:
        assert len(ids_of(await page(full, "models", **window))) == 20
    last = (await page(full, "models", last=1))["edges"][0]["cursor"]
    assert len(ids_of(await page(full, "models", before=last))) == 20


@pytest.mark.parametrize("size", [-1, 101, 1_000_000, 2**31 - 1])
@pytest.mark.parametrize("argument", ["first", "last"])
async def test_a_page_of_another_size_is_refused(full: Tenant, argument: str, size: int) -> None:
    with pytest.raises(GraphQLFailed) as refused:
        await page(full, "models", "", **{argument: size})
    assert refused.value.code == "PAGE_TOO_LARGE"


@pytest.mark.parametrize("size", [2**31, "5", 1.5, True, [5]])
@pytest.mark.parametrize("argument", ["first", "last"])
async def test_a_size_that_is_no_int_is_a_request_error(full: Tenant, argument: str, size: Any) -> None:
    with pytest.raises(GraphQLFailed) as refused:
        await page(full, "models", **{argument: size})
    assert refused.value.code == "BAD_USER_INPUT"


async def test_a_page_goes_forward_or_backward(full: Tenant) -> None:
    cursor = (await page(full, "models", first=3))["pageInfo"]["endCursor"]
    for window in (
        {"first": 3, "last": 3},
        {"first": 3, "before": cursor},
        {"last": 3, "after": cursor},
        {"after": cursor, "before": cursor},
    ):
        with pytest.raises(GraphQLFailed) as refused:
            await page(full, "models", **window)
        assert refused.value.code == "BAD_USER_INPUT"


def made_up(value: Any) -> str:
    return urlsafe_b64encode(orjson.dumps(value)).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    ["x", "é", "🚀", "null", "=", "A" * 1_999, "A" * 50_000, made_up([]), made_up([5]), made_up({}), made_up([None]),
     made_up(["00000000-0000-0000-0000-00000000000g"]), made_up([[[[]]]])],
)  # fmt: skip
@pytest.mark.parametrize("name", LISTS)
async def test_a_cursor_that_was_made_up_is_a_request_error(full: Tenant, name: str, cursor: str) -> None:
    windows: list[dict[str, Any]] = [{"first": 5, "after": cursor}, {"last": 5, "before": cursor}]
    for window in windows:
        with pytest.raises(GraphQLFailed) as refused:
            await page(full, name, **window)
        assert refused.value.code == "BAD_USER_INPUT"
        assert "as you got it" in refused.value.errors[0]["message"]


async def test_a_cursor_of_a_list_with_another_order_is_a_request_error(full: Tenant) -> None:
    cursors = {name: (await page(full, name, first=1))["pageInfo"]["endCursor"] for name in LISTS}
    for own in LISTS:
        for other in LISTS:
            if own != other:
                with pytest.raises(GraphQLFailed) as refused:
                    await page(full, own, first=5, after=cursors[other])
                assert refused.value.code == "BAD_USER_INPUT"


async def test_a_cursor_of_another_list_in_the_same_order_is_a_request_error(full: Tenant) -> None:
    asked = "query($after: String) { %s(first: 1, after: $after, orderBy: {field: NAME}) { pageInfo { endCursor } } }"
    cursor = (await full.client(asked % "models"))["models"]["pageInfo"]["endCursor"]
    await full.client(asked % "models", after=cursor)
    for other in ("datasets", "teams"):
        with pytest.raises(GraphQLFailed) as refused:
            await full.client(asked % other, after=cursor)
        assert refused.value.code == "BAD_USER_INPUT"
        assert "another list" in refused.value.errors[0]["message"]


async def test_a_cursor_is_a_place_below_every_parent(tenant: Tenant) -> None:
    models = [await tenant.model() for _ in range(2)]
    for model in models:
        for _ in range(3):
            await tenant.version(model)
    asked = "query($ids: [ID!]!, $after: String) { nodes(ids: $ids) { ... on Model {"
    asked += " versions(first: 9, after: $after) { nodes { number } edges { cursor } } } } }"
    (one,) = (await tenant.client(asked, ids=models[:1]))["nodes"]
    both = (await tenant.client(asked, ids=models, after=one["versions"]["edges"][1]["cursor"]))["nodes"]
    assert [model["versions"]["nodes"] for model in both] == [[{"number": 1}], [{"number": 1}]]


async def test_rows_of_the_same_moment_keep_one_order(tenant: Tenant, database: Database) -> None:
    for _ in range(9):
        await tenant.model()
    async with database.change(tenant.org_id) as change:
        own = col(Model.org_id) == tenant.org_id
        await change.execute(update(Model).where(own).values(created_at=utc_now()))
    whole = ids_of(await page(tenant, "models", first=100))
    for _ in range(3):
        assert await forward(tenant, "models", [2] * 9) == whole


async def test_a_row_that_comes_while_paging_moves_no_other(tenant: Tenant) -> None:
    made = [await tenant.model() for _ in range(6)]
    first = await page(tenant, "models", first=3)
    await tenant.model()
    second = await page(tenant, "models", first=3, after=first["pageInfo"]["endCursor"])
    assert ids_of(first) + ids_of(second) == made[::-1]


async def test_a_project_is_paged_within_its_team(tenant: Tenant) -> None:
    teams = [await tenant.client.make("createTeam", "team", name=name) for name in ("x", "y")]
    for team in teams:
        for name in "cab":
            await tenant.client.make("createProject", "project", team=team, name=name)
    answer = await tenant.client(
        """query($ids: [ID!]!) { nodes(ids: $ids) { ... on Team { projects(first: 2) {
            totalCount nodes { name team { id } } pageInfo { hasNextPage } } } } }""",
        ids=teams,
    )
    for team, node in zip(teams, answer["nodes"], strict=True):
        assert node["projects"] == {
            "totalCount": 3,
            "nodes": [{"name": "a", "team": {"id": team}}, {"name": "b", "team": {"id": team}}],
            "pageInfo": {"hasNextPage": True},
        }


async def test_a_list_goes_on_behind_the_longest_path(tenant: Tenant) -> None:
    version = await tenant.version()
    for last in "ab":
        path = "/".join(['"' * 255] * 3 + ['"' * 250 + last])
        await tenant.client.make(
            "createExternalArtifact", "artifact", version=version, path=path, kind="OTHER", uri="s3://a/b"
        )
    query = """query($after: String) { artifacts(first: 1, after: $after, orderBy: {field: PATH}) {
        nodes { path } pageInfo { endCursor } } }"""
    first = (await tenant.client(query))["artifacts"]
    second = (await tenant.client(query, after=first["pageInfo"]["endCursor"]))["artifacts"]
    assert [found["nodes"][0]["path"][-1] for found in (first, second)] == ["a", "b"]


async def test_a_cursor_of_a_moment_that_no_calendar_has_is_a_request_error(tenant: Tenant) -> None:
    await tenant.model()
    query = """query($after: String) { models(first: 1, after: $after, orderBy: {field: CREATED_AT}) {
        pageInfo { endCursor } } }"""
    cursor = (await tenant.client(query))["models"]["pageInfo"]["endCursor"]
    mark, _, row_id = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    for moment in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        with pytest.raises(GraphQLFailed) as refused:
            await tenant.client(query, after=made_up([mark, moment, row_id]))
        assert refused.value.code == "BAD_USER_INPUT"
