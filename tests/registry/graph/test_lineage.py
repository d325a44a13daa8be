"""Walks along the lineage: nearest first, each thing once, bounded, at any time, and for many starts at once."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from sqlalchemy import insert, update
from sqlmodel import col

from db.base import utc_now
from db.codes import LineageKind
from db.ids import uuid7
from db.session import Database
from db.tables import LineageEdge
from registry.graph import lineage
from registry.graph.lineage import MAX_DEPTH, Direction, Walk
from tests.tenant import GraphQLFailed, Tenant

Arrow = tuple[UUID, UUID]
UP, DOWN = Direction.UPSTREAM, Direction.DOWNSTREAM


async def draw(database: Database, org_id: UUID, arrows: Iterable[Arrow]) -> None:
    """Write edges between versions that need not exist, as only a bug or an old release could."""
    rows = [
        {
            "org_id": org_id,
            "id": uuid7(),
            "created_at": utc_now(),
            "kind": LineageKind.DERIVED,
            "role": None,
            "upstream_kind": "ModelVersion",
            "upstream_id": upstream,
            "downstream_kind": "ModelVersion",
            "downstream_id": downstream,
            "valid_from": utc_now(),
        }
        for upstream, downstream in arrows
    ]
    if rows:
        async with database.change(org_id) as change:
            await change.execute(insert(LineageEdge), rows)


async def walk(
    tenant: Tenant,
    *starts: UUID,
    direction: Direction = DOWN,
    depth: int = MAX_DEPTH,
    as_of: datetime | None = None,
    max_edges: int = lineage.MAX_EDGES,
) -> dict[UUID, Walk]:
    snapshot = tenant.database.new_snapshot(tenant.org_id)
    try:
        found = await lineage.walk(
            snapshot, tenant.org_id, starts, direction, depth=depth, as_of=as_of, max_edges=max_edges
        )
        return dict(found)
    finally:
        await snapshot.close()


def depths(found: Walk) -> dict[UUID, int]:
    return {step.id: step.depth for step in found.steps}


def arrows_of(found: Walk) -> list[Arrow]:
    return sorted((edge.upstream_id, edge.downstream_id) for edge in found.edges)


def expected(
    arrows: Iterable[Arrow], start: UUID, direction: Direction, depth: int
) -> tuple[dict[UUID, int], list[Arrow]]:
    """The same walk in the simplest way: breadth first over a list in memory."""
    seen, edges, frontier = {start: 0}, set(), {start}
    for level in range(1, depth + 1):
        reached = set()
        for upstream, downstream in arrows:
            near, far = (downstream, upstream) if direction is UP else (upstream, downstream)
            if near in frontier:
                edges.add((upstream, downstream))
                if far not in seen:
                    seen[far] = level
                    reached.add(far)
        frontier = reached
    return {node: found for node, found in seen.items() if node != start}, sorted(edges)


def nodes(count: int) -> list[UUID]:
    return [uuid7() for _ in range(count)]


async def test_a_chain_is_walked_nearest_first_in_both_directions(tenant: Tenant, database: Database) -> None:
    a, b, c, d = nodes(4)
    await draw(database, tenant.org_id, [(c, d), (a, b), (b, c)])
    assert [(step.id, step.depth) for step in (await walk(tenant, a))[a].steps] == [(b, 1), (c, 2), (d, 3)]
    assert [(step.id, step.depth) for step in (await walk(tenant, d, direction=UP))[d].steps] == [
        (c, 1),
        (b, 2),
        (a, 3),
    ]


async def test_a_walk_that_its_depth_ends_says_whether_there_was_more(tenant: Tenant, database: Database) -> None:
    chain = nodes(MAX_DEPTH + 3)
    await draw(database, tenant.org_id, pairwise(chain))
    found = (await walk(tenant, chain[0], depth=2))[chain[0]]
    assert (depths(found), found.truncated) == ({chain[1]: 1, chain[2]: 2}, True)
    found = (await walk(tenant, chain[0], depth=1_000))[chain[0]]
    assert (len(found.steps), found.truncated) == (MAX_DEPTH, True)
    found = (await walk(tenant, chain[-3], depth=2))[chain[-3]]
    assert (depths(found), found.truncated) == ({chain[-2]: 1, chain[-1]: 2}, False)


async def test_in_a_diamond_a_thing_stands_once_by_the_shortest_way(tenant: Tenant, database: Database) -> None:
    a, b, c, d = nodes(4)
    await draw(database, tenant.org_id, [(a, b), (b, c), (c, d), (a, d), (a, c)])
    found = (await walk(tenant, a))[a]
    assert depths(found) == {b: 1, c: 1, d: 1}
    assert arrows_of(found) == sorted([(a, b), (b, c), (c, d), (a, d), (a, c)])


async def test_a_cycle_ends(tenant: Tenant, database: Database) -> None:
    a, b, c = nodes(3)
    await draw(database, tenant.org_id, [(a, b), (b, c), (c, a), (b, b)])
    found = (await walk(tenant, a))[a]
    assert (depths(found), found.truncated) == ({b: 1, c: 2}, False)
    assert arrows_of(found) == sorted([(a, b), (b, c), (c, a), (b, b)])
    assert depths((await walk(tenant, a, direction=UP))[a]) == {c: 1, b: 2}


async def test_a_walk_that_meets_its_bound_says_so(tenant: Tenant, database: Database) -> None:
    start, *far = nodes(11)
    await draw(database, tenant.org_id, [(start, end) for end in far])
    whole = (await walk(tenant, start, max_edges=11))[start]
    assert (len(whole.steps), whole.truncated) == (10, False)
    cut = (await walk(tenant, start, max_edges=9))[start]
    assert (len(cut.steps), cut.truncated) == (9, True)
    nothing = (await walk(tenant, start, max_edges=0))[start]
    assert (nothing.steps, nothing.truncated) == ([], True)


async def test_a_walk_whose_edges_were_left_out_for_those_of_another_says_so(
    tenant: Tenant, database: Database
) -> None:
    crowded, late, last = nodes(3)
    await draw(database, tenant.org_id, [(crowded, end) for end in nodes(10)])
    await draw(database, tenant.org_id, [(late, last)])
    found = await walk(tenant, crowded, late, max_edges=5)
    assert (found[crowded].truncated, found[late].truncated) == (True, True)


async def test_one_look_beyond_the_depth_tells_of_no_walk_that_it_was_whole_unless_it_saw_all(
    tenant: Tenant, database: Database
) -> None:
    starts, ends = nodes(2), nodes(2)
    await draw(database, tenant.org_id, [*zip(starts, ends, strict=True), *[(ends[0], end) for end in nodes(9)]])
    await draw(database, tenant.org_id, [(ends[1], nodes(1)[0])])
    found = await walk(tenant, *starts, depth=1, max_edges=4)
    assert [found[start].truncated for start in starts] == [True, True]


async def test_only_walks_that_had_somewhere_to_go_are_cut(tenant: Tenant, database: Database) -> None:
    a, b, alone = nodes(3)
    ends = nodes(5)
    await draw(database, tenant.org_id, [(a, b), *[(b, end) for end in ends]])
    found = await walk(tenant, a, alone, max_edges=3)
    assert (found[a].truncated, found[alone].truncated) == (True, False)


async def test_a_walk_without_time_is_cut_before_it_reads_more(
    tenant: Tenant, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = nodes(2)
    await draw(database, tenant.org_id, [(a, b)])
    monkeypatch.setattr(lineage, "DEADLINE_S", -1.0)
    found = (await walk(tenant, a))[a]
    assert (found.steps, found.truncated) == ([], True)


async def test_the_past_and_the_future_are_walked_by_what_was_valid_then(tenant: Tenant, database: Database) -> None:
    a, old, new = nodes(3)
    before = utc_now()
    await draw(database, tenant.org_id, [(a, old)])
    while_old = utc_now()
    async with database.change(tenant.org_id) as change:
        ended = update(LineageEdge).where(col(LineageEdge.upstream_id) == a).values(valid_to=utc_now())
        await change.execute(ended)
    await draw(database, tenant.org_id, [(a, new)])
    after = utc_now()
    seen = {
        moment: set(depths((await walk(tenant, a, as_of=moment))[a]))
        for moment in (before - timedelta(days=1), while_old, after, after + timedelta(days=365))
    }
    assert list(seen.values()) == [set(), {old}, {new}, {new}]
    assert set(depths((await walk(tenant, a))[a])) == {new}


async def test_an_edge_is_valid_from_its_first_moment_and_not_at_its_last(tenant: Tenant, database: Database) -> None:
    a, b = nodes(2)
    await draw(database, tenant.org_id, [(a, b)])
    start = utc_now() - timedelta(days=2)
    end = start + timedelta(days=1)
    async with database.change(tenant.org_id) as change:
        bounds = update(LineageEdge).where(col(LineageEdge.upstream_id) == a).values(valid_from=start, valid_to=end)
        await change.execute(bounds)
    microsecond = timedelta(microseconds=1)
    for moment, count in ((start - microsecond, 0), (start, 1), (end - microsecond, 1), (end, 0)):
        assert len((await walk(tenant, a, as_of=moment))[a].steps) == count


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    arrows=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20, unique=True),
    starts=st.sets(st.integers(0, 7), min_size=1),
    direction=st.sampled_from(Direction),
    depth=st.integers(1, 9),
)
async def test_many_starts_at_once_find_what_each_finds_alone(
    tenant: Tenant, arrows: list[tuple[int, int]], starts: set[int], direction: Direction, depth: int
) -> None:
    named = nodes(8)
    drawn = [(named[upstream], named[downstream]) for upstream, downstream in arrows]
    await draw(tenant.database, tenant.org_id, drawn)
    found = await walk(tenant, *[named[start] for start in starts], direction=direction, depth=depth)
    for start in starts:
        own = found[named[start]]
        assert (depths(own), arrows_of(own)) == expected(drawn, named[start], direction, depth)
        assert [step.depth for step in own.steps] == sorted(step.depth for step in own.steps)
        further, _ = expected(drawn, named[start], direction, depth + 1)
        assert own.truncated == (len(further) > len(depths(own)))


async def test_the_same_start_twice_is_one_walk(tenant: Tenant, database: Database) -> None:
    a, b = nodes(2)
    await draw(database, tenant.org_id, [(a, b)])
    assert depths((await walk(tenant, a, a))[a]) == {b: 1}
    assert await walk(tenant) == {}


async def test_a_walk_takes_one_statement_a_level_for_any_number_of_starts(
    tenant: Tenant, database: Database, statements: list[str]
) -> None:
    chains = [nodes(4) for _ in range(5)]
    for chain in chains:
        await draw(database, tenant.org_id, pairwise(chain))
    for count in (1, 5):
        statements.clear()
        await walk(tenant, *[chain[0] for chain in chains[:count]])
        # The view opened, three levels, and once in vain.
        assert len(statements) == 1 + 3 + 1


async def test_edges_of_another_organization_are_not_followed(tenant: Tenant, neighbor: Tenant) -> None:
    a, b = nodes(2)
    await draw(neighbor.database, neighbor.org_id, [(a, b)])
    assert (await walk(tenant, a))[a].steps == []


@pytest.mark.parametrize("depth", [0, -1, MAX_DEPTH + 1, 2**31 - 1])
async def test_a_depth_that_is_not_allowed_is_a_request_error(tenant: Tenant, depth: int) -> None:
    with pytest.raises(GraphQLFailed) as refused:
        await tenant.client(
            "query($id: ID!, $depth: Int!) { lineageNode(id: $id) { upstream(depth: $depth) { truncated } } }",
            id=await tenant.run(),
            depth=depth,
        )
    assert refused.value.code == "BAD_USER_INPUT"
