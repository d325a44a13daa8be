"""Metric histories: down-sampled in the database as a plain loop would, in one statement for all who ask."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from sqlalchemy import insert

from db.base import utc_now
from db.codes import Phase
from db.session import Database
from db.tables import RunMetric
from db.url import asyncpg_dsn
from registry.kernel.inputs import MAX_STEP
from resolvers.loading.loaders import Loaders
from resolvers.loading.shapes import Reading
from resolvers.tracking.latest_metrics import Points
from resolvers.tracking.metric_histories import CROWDED, Histories, question
from tests import services
from tests.tenant import GraphQLFailed, Tenant, uuid_of

POINT = tuple[int, float | None, str | None]
BUCKETS = (
    "pointCount specialCount buckets { firstStep lastStep pointCount specialCount minimum maximum last lastSpecial }"
)
HISTORY = f"""query($id: ID!, $points: Int!, $from: BigInt, $to: BigInt) {{ node(id: $id) {{ ... on Run {{
    metricHistory(name: "loss", phase: TRAINING, points: $points, fromStep: $from, toStep: $to) {{ {BUCKETS} }}
}} }} }}"""


async def store(database: Database, tenant: Tenant, run: str, points: Sequence[POINT], **values: Any) -> None:
    shared = {"org_id": tenant.org_id, "run_id": uuid_of(run), "phase": Phase.TRAINING, "name": "loss",
              "measured_at": utc_now(), **values}  # fmt: skip
    rows = [{**shared, "step": step, "value": value, "special": special} for step, value, special in points]
    async with database.change(tenant.org_id) as change:
        await change.execute(insert(RunMetric), rows)


async def history_of(tenant: Tenant, run: str, points: int = 500, **steps: int | str) -> dict[str, Any]:
    answer = await tenant.client(HISTORY, id=run, points=points, **steps)
    found: dict[str, Any] = answer["node"]["metricHistory"]
    return found


def down_sampled(points: Sequence[POINT], most: int) -> list[tuple[Any, ...]]:
    """What a history is, by a plain loop over points in the order of their steps."""
    if not points:
        return []
    first, last = points[0][0], points[-1][0]
    width = 1 if len(points) <= most else -(-(last - first) // (most - 1))
    by_range = [-1 if step == first else (step - first - 1) // width for step, _, _ in points]
    largest = max(by_range.count(range_) for range_ in set(by_range))
    if len(points) > most and largest * most > CROWDED * len(points):
        by_range = [-1, *((rank - 1) * (most - 1) // (len(points) - 1) for rank in range(1, len(points)))]
    buckets = []
    for _, group in groupby(zip(by_range, points, strict=True), lambda pair: pair[0]):
        held = [point for _, point in group]
        finite = [value for _, value, _ in held if value is not None]
        buckets.append(
            (
                held[0][0], held[-1][0], len(held), len(held) - len(finite), min(finite, default=None),
                max(finite, default=None), held[-1][1], held[-1][2],
            )
        )  # fmt: skip
    return buckets


VALUES = st.floats(allow_nan=False, allow_infinity=False).map(lambda value: (value, None)) | st.sampled_from(
    [(None, "NAN"), (None, "POSITIVE_INFINITY"), (None, "NEGATIVE_INFINITY")]
)
STEPS = st.integers(0, 60) | st.integers(0, MAX_STEP) | st.sampled_from([0, MAX_STEP - 1, MAX_STEP])
POINTS = st.dictionaries(STEPS, VALUES, max_size=50).map(lambda found: [(step, *found[step]) for step in sorted(found)])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(points=POINTS, most=st.integers(2, 20), ends=st.tuples(STEPS, STEPS) | st.none())
async def test_the_database_samples_as_a_plain_loop_does(
    tenant: Tenant, database: Database, points: list[POINT], most: int, ends: tuple[int, int] | None
) -> None:
    run = await tenant.run()
    if points:
        await store(database, tenant, run, points)
    lowest, highest = (0, MAX_STEP) if ends is None else sorted(ends)
    snapshot = database.new_snapshot(tenant.org_id)
    try:
        asked = question(uuid_of(run), Phase.TRAINING, "loss", lowest, highest)
        loaders = Loaders(Reading(snapshot, tenant.actor))
        history = await loaders.of(Histories(Points(RunMetric, "run_id"), most)).load(asked)
    finally:
        await snapshot.close()
    wanted = [point for point in points if lowest <= point[0] <= highest]
    assert [tuple(bucket)[:-1] for bucket in history.buckets] == down_sampled(wanted, most)
    assert len(history.buckets) <= most
    assert history.point_count == len(wanted)


async def test_few_points_are_shown_as_they_are(tenant: Tenant, database: Database) -> None:
    run = await tenant.run()
    await store(database, tenant, run, [(3, 0.5, None), (MAX_STEP, None, "NAN")])
    one = {"pointCount": 1, "specialCount": 0, "minimum": 0.5, "maximum": 0.5, "last": 0.5, "lastSpecial": None}
    other = {"pointCount": 1, "specialCount": 1, "minimum": None, "maximum": None, "last": None, "lastSpecial": "NAN"}
    assert await history_of(tenant, run, 2) == {
        "pointCount": "2",
        "specialCount": "1",
        "buckets": [
            {"firstStep": "3", "lastStep": "3", **one},
            {"firstStep": str(MAX_STEP), "lastStep": str(MAX_STEP), **other},
        ],
    }


async def test_an_outlier_in_steps_leaves_first_and_last_point(tenant: Tenant, database: Database) -> None:
    run = await tenant.run()
    await store(database, tenant, run, [(step, float(step), None) for step in range(5)] + [(MAX_STEP, 9.0, None)])
    buckets = (await history_of(tenant, run, 4))["buckets"]
    assert [(one["firstStep"], one["pointCount"], one["last"]) for one in buckets] == [
        ("0", 1, 0.0), ("1", 4, 4.0), (str(MAX_STEP), 1, 9.0),
    ]  # fmt: skip


async def test_points_far_off_do_not_press_all_others_into_one_bucket(tenant: Tenant, database: Database) -> None:
    run = await tenant.run()
    await store(database, tenant, run, [(step, float(step), None) for step in range(1_000)] + [(10**12, 9.0, None)])
    buckets = (await history_of(tenant, run, 11))["buckets"]
    assert [one["pointCount"] for one in buckets] == [1, *[100] * 10]
    assert [one["lastStep"] for one in buckets] == ["0", *[str(100 * place) for place in range(1, 10)], str(10**12)]
    assert [one["maximum"] for one in buckets] == [0.0, *[100.0 * place for place in range(1, 10)], 999.0]


async def test_a_deployment_has_histories_along_time(tenant: Tenant) -> None:
    made = await tenant.deployment()
    begun = utc_now() - timedelta(hours=1)

    def minute(number: float) -> str:
        return (begun + timedelta(minutes=number)).isoformat()

    values = [None if place == 5 else float(place % 4) for place in range(13)]
    points = [
        {"name": "load", "measuredAt": minute(place), **({"special": "NAN"} if value is None else {"value": value})}
        for place, value in enumerate(values)
    ]
    other = {"name": "loads", "value": 9.0, "measuredAt": minute(3)}
    report = {"deployment": made, "observedState": "RUNNING", "metrics": [*points, other]}
    await tenant.client.make("reportDeployment", "deployment", **report)
    query = """query($id: ID!, $points: Int!, $from: DateTime, $to: DateTime) { node(id: $id) { ... on Deployment {
        metricHistory(name: "load", points: $points, from: $from, to: $to) { name pointCount specialCount
            buckets { firstMeasuredAt lastMeasuredAt pointCount minimum maximum last lastSpecial } } } } }"""

    async def ask(points: int, **stretch: str) -> dict[str, Any]:
        found: dict[str, Any] = (await tenant.client(query, id=made, points=points, **stretch))["node"]["metricHistory"]
        return found

    history = await ask(4)
    assert (history["name"], history["pointCount"], history["specialCount"]) == ("load", "13", "1")
    ends = [(one["firstMeasuredAt"], one["lastMeasuredAt"]) for one in history["buckets"]]
    assert [[datetime.fromisoformat(end) for end in pair] for pair in ends] == [
        [begun + timedelta(minutes=place) for place in pair] for pair in ((0, 0), (1, 4), (5, 8), (9, 12))
    ]
    assert [(one["pointCount"], one["minimum"], one["maximum"], one["last"]) for one in history["buckets"]] == [
        (1, 0.0, 0.0, 0.0), (4, 0.0, 3.0, 0.0), (4, 0.0, 3.0, 0.0), (4, 0.0, 3.0, 0.0)
    ]  # fmt: skip
    few = await ask(20, **{"from": minute(4), "to": minute(5)})
    assert [(one["last"], one["lastSpecial"]) for one in few["buckets"]] == [(0.0, None), (None, "NAN")]
    with pytest.raises(GraphQLFailed) as refused:
        await ask(4, **{"from": minute(5), "to": minute(4)})
    assert refused.value.code == "BAD_USER_INPUT"


async def test_a_metric_unknown_has_an_empty_history(tenant: Tenant) -> None:
    assert await history_of(tenant, await tenant.run()) == {"pointCount": "0", "specialCount": "0", "buckets": []}


async def test_a_version_has_a_history_too(tenant: Tenant) -> None:
    points = [{"name": "loss", "phase": "TEST", "value": step / 2, "step": step} for step in range(10)]
    version = await tenant.version(metrics=points)
    query = """query($id: ID!) { node(id: $id) { ... on ModelVersion {
        metricHistory(name: " loss", phase: TEST, points: 3) { name buckets { minimum maximum } } } } }"""
    assert (await tenant.client(query, id=version))["node"]["metricHistory"] == {
        "name": "loss",
        "buckets": [{"minimum": 0, "maximum": 0}, {"minimum": 0.5, "maximum": 2.5}, {"minimum": 3, "maximum": 4.5}],
    }


async def test_no_point_of_another_phase_name_run_or_organization_is_counted(
    tenant: Tenant, neighbor: Tenant, database: Database
) -> None:
    run = await tenant.run()
    await store(database, tenant, run, [(1, 1.0, None)])
    await store(database, tenant, run, [(2, 2.0, None)], phase=Phase.TEST)
    await store(database, tenant, run, [(2, 2.0, None)], name="lossy")
    await store(database, tenant, await tenant.run(), [(2, 2.0, None)])
    await store(database, neighbor, await neighbor.run(), [(2, 2.0, None)])
    assert (await history_of(tenant, run))["pointCount"] == "1"
    assert (await neighbor.client(HISTORY, id=run, points=9))["node"] is None


@pytest.mark.parametrize("points", [-1, 0, 1, 2_001, 10_000])
async def test_a_number_of_points_out_of_range_is_refused(tenant: Tenant, points: int) -> None:
    with pytest.raises(GraphQLFailed) as refused:
        await history_of(tenant, await tenant.run(), points)
    assert refused.value.code == "BAD_USER_INPUT"
    assert "`points`" in str(refused.value)


@pytest.mark.parametrize("steps", [{"from": -1}, {"from": 2, "to": 1}, {"to": -5}, {"to": str(2**63)}])
async def test_steps_that_are_none_are_refused(tenant: Tenant, steps: dict[str, Any]) -> None:
    with pytest.raises(GraphQLFailed) as refused:
        await history_of(tenant, await tenant.run(), **steps)
    assert refused.value.code == "BAD_USER_INPUT"


@pytest.mark.parametrize("name", ["", " ", "x" * 201, "\u202e"])
async def test_a_name_that_no_metric_can_have_is_refused(tenant: Tenant, name: str) -> None:
    query = """query($id: ID!, $name: String!) { node(id: $id) { ... on Run {
        metricHistory(name: $name, phase: TEST) { name } } } }"""
    with pytest.raises(GraphQLFailed) as refused:
        await tenant.client(query, id=await tenant.run(), name=name)
    assert refused.value.code == "BAD_USER_INPUT"


@pytest.mark.parametrize("runs", [1, 100])
async def test_several_metrics_of_many_runs_are_one_statement(
    tenant: Tenant, database: Database, statements: list[str], runs: int
) -> None:
    for _ in range(runs):
        run = await tenant.run()
        for name in ("loss", "accuracy"):
            await store(database, tenant, run, [(step, step + 0.5, None) for step in range(4)], name=name)
    query = """query($first: Int!) { runs(first: $first) { nodes { id
        loss: metricHistory(name: "loss", phase: TRAINING) { buckets { last } }
        accuracy: metricHistory(name: "accuracy", phase: TRAINING, toStep: 2) { buckets { last } } } } }"""
    statements.clear()
    for node in (await tenant.client(query, first=runs))["runs"]["nodes"]:
        assert [one["last"] for one in node["loss"]["buckets"]] == [0.5, 1.5, 2.5, 3.5]
        assert [one["last"] for one in node["accuracy"]["buckets"]] == [0.5, 1.5, 2.5]
    # The view opened, the runs, the histories.
    assert len(statements) == 3


async def test_a_table_of_points_that_was_never_analyzed_is_read_by_the_run_that_is_asked_for(
    tenant: Tenant, statements: list[str], worker_id: str
) -> None:
    await history_of(tenant, await tenant.run())
    (statement,) = (statement for statement in statements if "unnest" in statement and "run_metric" in statement)
    name = f"registry_unanalyzed_{worker_id}"
    connection = await asyncpg.connect(asyncpg_dsn(await services.create_database(name)))
    try:
        await connection.execute("set plan_cache_mode = force_generic_plan")
        await connection.execute(f"prepare history as {statement}")
        count = len((await connection.prepare(statement)).get_parameters())
        plan = await connection.fetch(f"explain execute history({', '.join(['null'] * count)})")
    finally:
        await connection.close()
        await services.drop_database(name)
    bounds = [after for (line,), (after,) in pairwise(plan) if "on run_metric" in line]
    assert bounds
    assert all("(run_id = " in bound for bound in bounds)


@pytest.mark.parametrize(("points", "cost"), [(2, 2), (25, 2), (500, 40), (2_000, 160)])
async def test_a_history_counts_in_the_cost_of_an_operation_by_its_points(
    tenant: Tenant, points: int, cost: int
) -> None:
    answer = await tenant.client.post(HISTORY, {"id": await tenant.run(), "points": points})
    assert answer["extensions"]["cost"]["requested"] == 1 + cost
    usual = '{ lineageNode(id: "%s") { ... on Run { metricHistory(name: "a", phase: TEST) { buckets { last } } } } }'
    answer = await tenant.client.post(usual % await tenant.run())
    assert answer["extensions"]["cost"]["requested"] == 1 + 40


async def test_histories_of_too_many_points_in_all_are_refused(tenant: Tenant) -> None:
    history = 'metricHistory(name: "a", phase: TEST, points: 2000) { buckets { last } }'
    query = f"{{ runs(first: 100) {{ nodes {{ a: {history} b: {history} }} }} }}"
    with pytest.raises(GraphQLFailed) as refused:
        await tenant.client(query)
    assert refused.value.code == "QUERY_TOO_EXPENSIVE"
