"""Metric points: finite or special, replaced when logged again, and safe to log from many clients at once."""

import asyncio
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import col

from db.base import utc_now
from db.codes import Phase, SpecialValue
from db.session import Database
from db.tables import Run, RunMetric
from registry.kernel.errors import InvalidValue
from registry.kernel.inputs import MAX_METRICS, BigInt, Metric
from registry.tracking import metrics
from tests.registry.told import events_about
from tests.tenant import Tenant, uuid_of


async def log(tenant: Tenant, run: str, *points: Metric) -> None:
    async with tenant.database.change(tenant.org_id) as change:
        await metrics.log(change, tenant.actor, await change.get_one(Run, (tenant.org_id, uuid_of(run))), points)


async def stored(database: Database, tenant: Tenant, run: str) -> list[RunMetric]:
    async with database.change(tenant.org_id) as change:
        statement = select(RunMetric).where(col(RunMetric.run_id) == uuid_of(run))
        found = await change.execute(statement.order_by(col(RunMetric.name), col(RunMetric.step)))
        return list(found.scalars())


async def refusal(tenant: Tenant, *points: Metric) -> InvalidValue:
    run = await tenant.run()
    with pytest.raises(InvalidValue) as refused:
        await log(tenant, run, *points)
    assert await stored(tenant.database, tenant, run) == []
    return refused.value


async def test_a_point_is_stored_with_its_time(tenant: Tenant, database: Database) -> None:
    run, moment = await tenant.run(), datetime(2026, 3, 3, 12, 0, 0, 123456, UTC)
    await log(tenant, run, Metric(" loss ", Phase.TEST, 0.5, step=BigInt(7), measured_at=moment))
    (point,) = await stored(database, tenant, run)
    assert (point.name, point.phase, point.step, point.value) == ("loss", "TEST", 7, 0.5)
    assert (point.special, point.measured_at) == (None, moment)


@pytest.mark.parametrize("value", [0.0, -0.0, 1e308, -1e308, 5e-324, 0.1 + 0.2, 2.0**53 + 2])
async def test_a_finite_value_comes_back_to_the_last_bit(tenant: Tenant, value: float) -> None:
    point = {"name": "v", "phase": "TEST", "value": value}
    payload = await tenant.client.change(
        "logRunMetrics", "run { metrics { value special } }", run=await tenant.run(), metrics=[point]
    )
    assert payload["run"]["metrics"] == [{"value": value, "special": None}]


@pytest.mark.parametrize(
    ("value", "special"),
    [
        (math.nan, SpecialValue.NAN),
        (math.inf, SpecialValue.POSITIVE_INFINITY),
        (-math.inf, SpecialValue.NEGATIVE_INFINITY),
    ],
)
async def test_what_is_not_finite_is_stored_as_what_it_is(
    tenant: Tenant, database: Database, value: float, special: SpecialValue
) -> None:
    run = await tenant.run()
    await log(tenant, run, Metric("a", Phase.TEST, value), Metric("b", Phase.TEST, special=special))
    assert [(point.value, point.special) for point in await stored(database, tenant, run)] == [(None, special)] * 2


@pytest.mark.parametrize("special", list(SpecialValue))
async def test_a_special_value_is_sent_and_read_under_its_name(tenant: Tenant, special: SpecialValue) -> None:
    point = {"name": "loss", "phase": "TRAINING", "special": special.value}
    payload = await tenant.client.change(
        "logRunMetrics", "run { metrics { value special } }", run=await tenant.run(), metrics=[point]
    )
    assert payload["run"]["metrics"] == [{"value": None, "special": special.value}]


@pytest.mark.parametrize(
    ("value", "special"), [(None, None), (1.0, SpecialValue.NAN), (0.0, SpecialValue.POSITIVE_INFINITY)]
)
async def test_a_point_has_one_value(tenant: Tenant, value: float | None, special: SpecialValue | None) -> None:
    failure = await refusal(tenant, Metric("good", Phase.TEST, 1.0), Metric("bad", Phase.TEST, value, special))
    assert failure.path == ("metrics", "1", "value")


@pytest.mark.parametrize("step", [-1, -(2**63), 2**63])
async def test_a_step_outside_of_its_range_is_refused(tenant: Tenant, step: int) -> None:
    assert (await refusal(tenant, Metric("loss", Phase.TEST, 1.0, step=BigInt(step)))).path == ("metrics", "0", "step")


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 3, 3, 12),  # noqa: DTZ001  # what must not pass
        datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
    ],
)
async def test_a_time_without_offset_or_before_1970_or_in_the_future_is_refused(
    tenant: Tenant, moment: datetime
) -> None:
    failure = await refusal(tenant, Metric("loss", Phase.TEST, 1.0, measured_at=moment))
    assert failure.path == ("metrics", "0", "measuredAt")


async def test_a_time_up_to_five_minutes_ahead_is_stored_as_now_and_a_later_one_is_refused(tenant: Tenant) -> None:
    run, before = await tenant.run(), utc_now()
    await log(tenant, run, Metric("loss", Phase.TEST, 1.0, measured_at=before + timedelta(minutes=4)))
    query = "query($id: ID!) { node(id: $id) { ... on Run { metrics { measuredAt } } } }"
    (shown,) = (await tenant.client(query, id=run))["node"]["metrics"]
    assert before <= datetime.fromisoformat(shown["measuredAt"]) <= utc_now()
    await log(tenant, run, Metric("loss", Phase.TEST, 1.0, measured_at=datetime(1970, 1, 1, tzinfo=UTC)))
    failure = await refusal(tenant, Metric("loss", Phase.TEST, 1.0, measured_at=utc_now() + timedelta(minutes=6)))
    assert failure.path == ("metrics", "0", "measuredAt")
    assert "5 minutes in the future" in failure.message


@pytest.mark.parametrize("moment", ["2026-03-03T12:00:00", "yesterday", 0])
async def test_a_time_that_is_none_is_a_request_error(tenant: Tenant, moment: Any) -> None:
    answer = await tenant.client.post(
        "mutation($input: LogRunMetricsInput!) { logRunMetrics(input: $input) { replayed } }",
        {
            "input": {
                "run": await tenant.run(),
                "metrics": [{"name": "a", "phase": "TEST", "value": 1.0, "measuredAt": moment}],
            }
        },
    )
    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_thousand_points_are_taken_at_once_and_not_one_more(tenant: Tenant, database: Database) -> None:
    points = [Metric("loss", Phase.TRAINING, 1.0, step=BigInt(step)) for step in range(MAX_METRICS + 1)]
    run = await tenant.run()
    await log(tenant, run, *points[:MAX_METRICS])
    assert len(await stored(database, tenant, run)) == MAX_METRICS
    assert (await refusal(tenant, *points)).path == ("metrics",)


METRICS = """query($id: ID!, $names: [String!], $phases: [Phase!]) { node(id: $id) { ... on ModelVersion {
    metricCount metrics(names: $names, phases: $phases) { name phase value } } } }"""


async def test_metrics_beyond_the_first_hundred_are_counted_and_found_by_name_and_phase(tenant: Tenant) -> None:
    points = [
        {"name": f"m{place:03}", "phase": phase, "value": float(step), "step": step}
        for place in range(60) for phase in ("TRAINING", "TEST") for step in range(2)
    ]  # fmt: skip
    version = await tenant.version(metrics=points)

    async def ask(**given: list[str]) -> list[tuple[str, str, float]]:
        found = (await tenant.client(METRICS, id=version, **given))["node"]
        assert found["metricCount"] == 120
        return [(one["phase"], one["name"], one["value"]) for one in found["metrics"]]

    every = [(phase, f"m{place:03}", 1.0) for phase in ("TEST", "TRAINING") for place in range(60)]
    assert await ask() == every[:100]
    assert await ask(phases=["TRAINING"]) == every[60:]
    assert await ask(phases=["TRAINING", "TEST", "VALIDATION"]) == every[:100]
    assert await ask(names=[" m059", "m001", "m001", "else"]) == [every[1], every[59], every[61], every[119]]
    assert await ask(names=["m059"], phases=["TRAINING"]) == [every[119]]
    assert await ask(names=[]) == await ask(phases=[]) == []
    answer = await tenant.client.post(METRICS, {"id": version, "names": [f"m{place}" for place in range(101)]})
    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_metrics_of_a_deployment_are_counted_and_found_by_name(tenant: Tenant) -> None:
    metrics_ = [{"name": name, "value": 1.0} for name in ("load", "drift", "load")]
    made = await tenant.deployment()
    await tenant.client.make(
        "reportDeployment", "deployment", deployment=made, observedState="RUNNING", metrics=metrics_
    )
    query = """query($id: ID!) { node(id: $id) { ... on Deployment { metricCount
        all: metrics { name } one: metrics(names: ["load", "else"]) { name } } } }"""
    assert (await tenant.client(query, id=made))["node"] == {
        "metricCount": 2,
        "all": [{"name": "drift"}, {"name": "load"}],
        "one": [{"name": "load"}],
    }


async def test_counting_metrics_counts_in_the_cost_of_an_operation(tenant: Tenant) -> None:
    query = "query($id: ID!) { node(id: $id) { ... on Run { %s } } }"
    costs = []
    for asked in ("id", "metricCount"):
        answer = await tenant.client.post(query % asked, {"id": await tenant.run()})
        costs.append(answer["extensions"]["cost"]["requested"])
    assert costs == [1, 11]


async def test_a_thousand_points_fit_into_one_request(tenant: Tenant) -> None:
    points = [
        {"name": "loss", "phase": "TRAINING", "value": 0.1 + step, "step": str(step),
         "measuredAt": "2026-03-03T12:00:00Z"}
        for step in range(MAX_METRICS)
    ]  # fmt: skip
    payload = await tenant.client.change(
        "logRunMetrics", "run { metrics { step } }", run=await tenant.run(), metrics=points
    )
    assert payload["run"]["metrics"] == [{"step": str(MAX_METRICS - 1)}]


async def test_the_same_point_logged_again_is_replaced(tenant: Tenant, database: Database) -> None:
    run = await tenant.run()
    await log(tenant, run, Metric("loss", Phase.TEST, 1.0), Metric("loss", Phase.TRAINING, 1.0))
    await log(tenant, run, Metric("loss", Phase.TEST, special=SpecialValue.NAN))
    points = await stored(database, tenant, run)
    assert {(point.phase, point.value, point.special) for point in points} == {
        ("TEST", None, "NAN"),
        ("TRAINING", 1.0, None),
    }


async def test_of_the_same_point_twice_in_one_list_the_last_one_counts(tenant: Tenant, database: Database) -> None:
    run = await tenant.run()
    await log(tenant, run, Metric("größe", Phase.TEST, 1.0), Metric("gro\u0308ße ", Phase.TEST, 2.0))
    assert [point.value for point in await stored(database, tenant, run)] == [2.0]


async def test_one_bad_point_refuses_the_whole_list(tenant: Tenant) -> None:
    failure = await refusal(tenant, Metric("good", Phase.TEST, 1.0), Metric(" ", Phase.TEST, 1.0))
    assert failure.path == ("metrics", "1", "name")


async def test_points_are_data_and_make_no_events(tenant: Tenant, database: Database) -> None:
    run = await tenant.run()
    await log(tenant, run, *[Metric("loss", Phase.TEST, 1.0, step=BigInt(step)) for step in range(9)])
    assert len(await events_about(database, tenant.org_id, uuid_of(run))) == 1


async def test_points_of_a_version_are_told_with_all_their_values(tenant: Tenant, database: Database) -> None:
    version = await tenant.version()
    for value in (0.5, 0.99):
        point = {"name": "accuracy", "phase": "TEST", "value": value}
        await tenant.client.make("logVersionMetrics", "version", version=version, metrics=[point])
    _, first, second = await events_about(database, tenant.org_id, uuid_of(version))
    assert (first.kind, second.kind) == ("version.measured", "version.measured")
    told = [event.body["after"]["metrics"][0]["value"] for event in (first, second)]
    assert told == [0.5, 0.99]


async def test_clients_that_log_the_same_points_at_once_do_not_lock_each_other(
    tenant: Tenant, database: Database
) -> None:
    run = await tenant.run()

    async def client(number: int) -> list[Any]:
        steps = [(number * 7 + place) % 40 for place in range(40)]
        points = [{"name": "loss", "phase": "TEST", "value": float(number), "step": step} for step in steps]
        errors: list[Any] = (await tenant.client.insist("logRunMetrics", "run { id }", run=run, metrics=points))[
            "errors"
        ]
        return errors

    assert await asyncio.gather(*[client(number) for number in range(20)]) == [[]] * 20
    points = await stored(database, tenant, run)
    assert [point.step for point in points] == list(range(40))
    assert len({point.value for point in points}) == 1, "lists were mixed"


async def test_versions_take_points_without_a_lock_and_still_in_one_order(tenant: Tenant) -> None:
    version = await tenant.version()

    async def client(number: int) -> list[Any]:
        names = [f"m{place}" for place in range(60)]
        points = [{"name": name, "phase": "TEST", "value": 1.0} for name in (names if number % 2 else names[::-1])]
        payload = await tenant.client.insist("logVersionMetrics", "version { id }", version=version, metrics=points)
        errors: list[Any] = payload["errors"]
        return errors

    assert await asyncio.gather(*[client(number) for number in range(20)]) == [[]] * 20
