"""Loaders: one statement for all keys, answers in the order of the keys, nothing of another organization."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from db.base import utc_now
from db.codes import LineageKind
from db.ids import uuid7
from db.session import Database
from db.tables import LineageEdge, Model, ModelVersion, Run, RunMetric, Team
from registry.graph.lineage import Direction
from registry.kernel.access import Actor
from registry.kernel.errors import TooExpensive
from resolvers.loading.loaders import Loaders
from resolvers.loading.shapes import Reading
from resolvers.pages.paging import Order, PageArgs
from resolvers.pages.relations import Children
from resolvers.tracking.latest_metrics import Latest, Points
from tests.tenant import Tenant, uuid_of

BY_NUMBER, VERSIONS = Order("number"), Children(ModelVersion, "model_id")


@pytest.fixture
async def loaders(tenant: Tenant, database: Database) -> AsyncIterator[Loaders]:
    snapshots = []

    def open_loaders(actor: Actor) -> Loaders:
        snapshots.append(database.new_snapshot(actor.org_id))
        return Loaders(Reading(snapshots[-1], actor))

    yield open_loaders(tenant.actor)
    for snapshot in snapshots:
        await snapshot.close()


async def test_rows_come_in_the_order_of_their_keys_in_one_statement(
    tenant: Tenant, loaders: Loaders, statements: list[str]
) -> None:
    made = [uuid_of(await tenant.model()) for _ in range(3)]
    keys = [made[2], uuid7(), made[0], made[2]]
    statements.clear()
    rows = await asyncio.gather(*[loaders.row(Model).load(key) for key in keys])
    assert [row and row.id for row in rows] == [made[2], None, made[0], made[2]]
    assert len(statements) == 2


async def test_pages_hold_the_children_of_their_parent_newest_first(tenant: Tenant, loaders: Loaders) -> None:
    parents = [await tenant.model() for _ in range(2)]
    for parent in parents:
        for _ in range(3):
            await tenant.version(parent)
    args = PageArgs(2)
    load = loaders.page(VERSIONS, BY_NUMBER, args).load
    pages = await asyncio.gather(*[load(uuid_of(parent)) for parent in parents], load(uuid7()))
    assert [[row.number for row in page.nodes] for page in pages] == [[3, 2], [3, 2], []]
    assert [(page.has_next, page.has_previous) for page in pages] == [(True, False), (True, False), (False, False)]
    assert [row.model_id for page in pages for row in page.nodes] == [uuid_of(p) for p in parents for _ in range(2)]
    assert await asyncio.gather(*[page.count() for page in pages]) == [3, 3, 0]


async def test_a_page_backward_is_the_end_of_the_list_in_the_order_of_the_list(
    tenant: Tenant, loaders: Loaders
) -> None:
    model = await tenant.model()
    for _ in range(4):
        await tenant.version(model)
    page = await loaders.page(VERSIONS, BY_NUMBER, PageArgs(3, backward=True)).load(uuid_of(model))
    assert [row.number for row in page.nodes] == [3, 2, 1]
    assert (page.has_next, page.has_previous) == (False, True)
    before = PageArgs(5, page.cursor(1), backward=True)
    page = await loaders.page(VERSIONS, BY_NUMBER, before).load(uuid_of(model))
    assert [row.number for row in page.nodes] == [4, 3]


async def test_a_bounded_list_ends_at_its_limit(tenant: Tenant, loaders: Loaders) -> None:
    model = await tenant.model()
    for _ in range(4):
        await tenant.version(model)
    load = loaders.bounded(ModelVersion, "model_id", Order("number", descending=False), 3).load
    assert [row.number for row in await load(uuid_of(model))] == [1, 2, 3]
    assert await load(uuid7()) == []


async def test_the_latest_point_of_a_metric_is_the_one_with_the_greatest_step(tenant: Tenant, loaders: Loaders) -> None:
    run = await tenant.run()
    points = [
        {"name": name, "phase": phase, "value": float(step), "step": str(step)}
        for name, phase, step in [
            ("b", "TEST", 1), ("a", "TRAINING", 9), ("a", "TRAINING", 10), ("a", "TEST", 2), ("a", "TRAINING", 3),
        ]
    ]  # fmt: skip
    await tenant.client.make("logRunMetrics", "run", run=run, metrics=points)
    latest = await loaders.of(Latest(Points(RunMetric, "run_id"), 100)).load(uuid_of(run))
    found = [(row.phase, row.name, row.step) for row in latest]
    assert found == [("TEST", "a", 2), ("TEST", "b", 1), ("TRAINING", "a", 10)]
    assert len(await loaders.of(Latest(Points(RunMetric, "run_id"), 2)).load(uuid_of(run))) == 2


async def test_nothing_of_another_organization_is_loaded(tenant: Tenant, neighbor: Tenant, loaders: Loaders) -> None:
    model, run = await neighbor.model(), await neighbor.run()
    version = await neighbor.version(model, run=run)
    assert await loaders.row(Model).load(uuid_of(model)) is None
    assert (await loaders.page(VERSIONS, BY_NUMBER, PageArgs()).load(uuid_of(model))).nodes == []
    assert await loaders.bounded(ModelVersion, "run_id", Order(), 9).load(uuid_of(run)) == []
    assert await loaders.count(Children(Team, "org_id")).load(neighbor.org_id) == 0
    walk = await loaders.walk(Direction.UPSTREAM, 5, None).load(uuid_of(version))
    assert (walk.steps, walk.edges) == ([], [])


async def test_a_loader_is_made_once_for_the_same_arguments(loaders: Loaders) -> None:
    now = utc_now()
    assert loaders.row(Run) is loaders.row(Run)
    assert loaders.row(Run) is not loaders.row(Run, "name")
    runs, again = [loaders.page(Children(Run, "project_id"), Order(), PageArgs(3, "a")) for _ in range(2)]
    assert runs is again
    assert loaders.walk(Direction.UPSTREAM, 5, now) is not loaders.walk(Direction.UPSTREAM, 5, None)


async def test_all_walks_of_an_operation_share_what_may_be_walked(
    tenant: Tenant, loaders: Loaders, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = [uuid_of(await tenant.dataset_version()) for _ in range(2)]
    run = uuid_of(await tenant.run())
    async with database.change(tenant.org_id) as change:
        for upstream in (first, second):
            change.add(
                LineageEdge(
                    org_id=tenant.org_id, kind=LineageKind.USED, upstream_kind="DatasetVersion", upstream_id=upstream,
                    downstream_kind="Run", downstream_id=run, valid_from=utc_now(),
                )
            )  # fmt: skip
    monkeypatch.setattr(loaders, "_walkable", 1)
    shallow, deep = [loaders.walk(Direction.DOWNSTREAM, depth, None) for depth in (5, 6)]
    walks = await asyncio.gather(shallow.load(first), deep.load(second))
    assert sum(len(walk.edges) for walk in walks) == 1
    assert (walks[0].edges != [], walks[1].truncated) == (True, True)


async def test_a_list_of_more_parents_than_a_query_may_have_is_refused(tenant: Tenant, loaders: Loaders) -> None:
    many, few = [loaders.page(VERSIONS, BY_NUMBER, PageArgs(size)) for size in (100, 99)]
    with pytest.raises(TooExpensive, match="smaller pages"):
        await many.load_many([uuid7() for _ in range(201)])
    assert len(await few.load_many([uuid7() for _ in range(201)])) == 201
