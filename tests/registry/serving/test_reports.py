"""Reports of agents: stored, heard once, shown unless late; only what changes is an event."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import col

from db.base import utc_now
from db.codes import LineageKind, ObservedState, Role
from db.session import Database
from db.tables import Deployment, LineageEdge
from registry.kernel.errors import InvalidValue
from registry.kernel.inputs import Measurement
from registry.serving import reports
from tests.registry.told import events_about
from tests.schema.valid_inputs import unknown
from tests.tenant import Tenant, uuid_of

SEEN = """query($id: ID!) { node(id: $id) { ... on Deployment { observedState observedAt health healthMessage inSync
    revision observedVersion { id } reports { totalCount nodes { observedState health healthMessage observedAt
    observedVersion { id } deployment { id } createdBy { name } } }
    metrics { name value special measuredAt } metricPoints { totalCount nodes { name value measuredAt } } } } }"""


def ago(**given: float) -> str:
    return (utc_now() - timedelta(**given)).isoformat()


async def report(tenant: Tenant, deployment: str, state: str = "RUNNING", **given: Any) -> str:
    return await tenant.client.make(
        "reportDeployment", "deployment", deployment=deployment, observedState=state, **given
    )


async def refused(tenant: Tenant, deployment: str, **given: Any) -> tuple[str, list[str]]:
    values = {"deployment": deployment, "observedState": "RUNNING", **given}
    refusal = await tenant.client.refusal("reportDeployment", "deployment", **values)
    return refusal["code"], refusal["path"]


async def seen(tenant: Tenant, deployment: str) -> dict[str, Any]:
    found: dict[str, Any] = (await tenant.client(SEEN, id=deployment))["node"]
    return found


async def test_a_report_shows_on_its_deployment_and_stays(tenant: Tenant) -> None:
    version = await tenant.version()
    made = await tenant.deployment(version=version)

    await report(tenant, made, version=version, health="DEGRADED", healthMessage="slow")

    found = await seen(tenant, made)
    assert (found["observedState"], found["health"], found["healthMessage"]) == ("RUNNING", "DEGRADED", "slow")
    assert found["observedVersion"] == {"id": version}
    assert (found["inSync"], found["revision"]) == (True, 1)
    (kept,) = found["reports"]["nodes"]
    assert kept == {
        "observedState": "RUNNING",
        "health": "DEGRADED",
        "healthMessage": "slow",
        "observedAt": found["observedAt"],
        "observedVersion": {"id": version},
        "deployment": {"id": made},
        "createdBy": {"name": "owner"},
    }


async def test_a_deployment_is_in_sync_while_it_does_what_is_wanted(tenant: Tenant) -> None:
    model = await tenant.model()
    first, second = await tenant.version(model), await tenant.version(model)
    made = await tenant.deployment(version=first)
    states = []
    for wanted, state, version in [
        ({}, "PENDING", first),
        ({}, "RUNNING", first),
        ({"version": second}, "RUNNING", first),
        ({}, "RUNNING", second),
        ({"desiredState": "STOPPED"}, "RUNNING", second),
        ({}, "STOPPED", None),
    ]:
        if wanted:
            await tenant.client.make("updateDeployment", "deployment", deployment=made, **wanted)
        await report(tenant, made, state, **({"version": version} if version else {}))
        states.append((await seen(tenant, made))["inSync"])
    assert states == [False, True, False, True, False, True]


async def test_only_what_becomes_other_than_before_is_an_event(tenant: Tenant, database: Database) -> None:
    version = await tenant.version()
    made = await tenant.deployment(version=version)
    for place, health in enumerate(("HEALTHY", "HEALTHY", "HEALTHY", "UNHEALTHY")):
        await report(tenant, made, version=version, health=health, healthMessage=f"beat {place}")
    told = await events_about(database, tenant.org_id, uuid_of(made))
    assert [event.kind for event in told] == ["deployment.created", "deployment.observed", "deployment.observed"]
    assert told[2].body == {
        "v": 1,
        "before": {"health": "HEALTHY", "health_message": "beat 2"},
        "after": {"health": "UNHEALTHY", "health_message": "beat 3"},
    }
    found = await seen(tenant, made)
    assert (found["reports"]["totalCount"], found["healthMessage"]) == (4, "beat 3")


async def test_a_late_report_is_kept_and_does_not_turn_back_what_is_shown(tenant: Tenant) -> None:
    made = await tenant.deployment()
    await report(tenant, made, health="HEALTHY", observedAt=ago(minutes=1))
    await report(tenant, made, "FAILED", health="UNHEALTHY", observedAt=ago(minutes=2))
    found = await seen(tenant, made)
    assert (found["observedState"], found["health"]) == ("RUNNING", "HEALTHY")
    assert [one["observedState"] for one in found["reports"]["nodes"]] == ["FAILED", "RUNNING"]


async def test_what_is_seen_to_run_shows_in_the_lineage_from_the_moment_of_the_report(
    tenant: Tenant, database: Database
) -> None:
    model = await tenant.model()
    old, new = await tenant.version(model), await tenant.version(model)
    made = await tenant.deployment(version=new)
    moments = [ago(minutes=minutes) for minutes in (5, 4, 3, 2)]
    for state, version, moment in zip(
        ("PENDING", "RUNNING", "RUNNING", "FAILED"), (old, old, new, new), moments, strict=True
    ):
        await report(tenant, made, state, version=version, observedAt=moment)
    await report(tenant, made, version=old, observedAt=ago(minutes=6))
    async with database.change(tenant.org_id) as change:
        edge = select(LineageEdge).where(
            col(LineageEdge.downstream_id) == uuid_of(made), col(LineageEdge.kind) == LineageKind.OBSERVED
        )
        edges = (await change.execute(edge.order_by(col(LineageEdge.id)))).scalars().all()
    seen_ = [
        (one.upstream_id, one.valid_from.isoformat(), str(one.valid_to and one.valid_to.isoformat())) for one in edges
    ]
    assert seen_ == [(uuid_of(old), moments[1], moments[2]), (uuid_of(new), moments[2], moments[3])]


async def test_a_report_that_changes_nothing_asks_nothing_of_the_lineage(tenant: Tenant, statements: list[str]) -> None:
    version = await tenant.version()
    made = await tenant.deployment(version=version)
    counts = []
    for health in ("HEALTHY", "HEALTHY", "DEGRADED"):
        statements.clear()
        await report(tenant, made, version=version, health=health)
        counts.append(sum("lineage_edge" in statement for statement in statements))
    assert counts[0] > 0
    assert counts[1:] == [0, 0]


async def test_the_same_report_sent_again_is_heard_once(tenant: Tenant) -> None:
    made, moment = await tenant.deployment(), ago(seconds=5)
    given: dict[str, Any] = {"health": "HEALTHY", "observedAt": moment, "metrics": [{"name": "load", "value": 0.5}]}
    await asyncio.gather(*[report(tenant, made, **given) for _ in range(5)])
    found = await seen(tenant, made)
    assert (found["reports"]["totalCount"], found["metricPoints"]["totalCount"]) == (1, 1)


async def test_an_agent_does_not_say_two_things_of_one_moment_and_two_agents_may(tenant: Tenant) -> None:
    made, moment = await tenant.deployment(), ago(seconds=5)
    await report(tenant, made, health="HEALTHY", observedAt=moment)
    assert await refused(tenant, made, health="UNHEALTHY", observedAt=moment) == ("CONFLICT", ["observedAt"])
    agent = await tenant.member(Role.WRITER)
    other = {"deployment": made, "observedState": "RUNNING", "health": "UNHEALTHY", "observedAt": moment}
    await agent.make("reportDeployment", "deployment", **other)
    assert (await seen(tenant, made))["reports"]["totalCount"] == 2


async def test_metrics_show_their_latest_value_and_their_history(tenant: Tenant) -> None:
    made = await tenant.deployment()
    for minutes, value in ((3, 1.0), (1, 3.0), (2, 2.0)):
        moment = ago(minutes=minutes)
        await report(tenant, made, observedAt=moment, metrics=[{"name": "load", "value": value}])
    await report(tenant, made, metrics=[{"name": "drift", "special": "NAN"}])
    found = await seen(tenant, made)
    assert [(one["name"], one["value"], one["special"]) for one in found["metrics"]] == [
        ("drift", None, "NAN"),
        ("load", 3.0, None),
    ]
    assert [one["value"] for one in found["metricPoints"]["nodes"]] == [None, 3.0, 2.0, 1.0]


async def test_a_metric_of_the_same_moment_is_replaced_and_the_last_of_a_list_wins(tenant: Tenant) -> None:
    made, moment = await tenant.deployment(), ago(minutes=1)
    for values in ([1.0, 2.0], [3.0]):
        points = [{"name": "load", "value": value, "measuredAt": moment} for value in values]
        await report(tenant, made, metrics=points)
    found = await seen(tenant, made)
    assert [one["value"] for one in found["metricPoints"]["nodes"]] == [3.0]


async def test_a_version_that_is_not_told_stays_as_last_seen(tenant: Tenant) -> None:
    version = await tenant.version()
    made = await tenant.deployment(version=version)
    await report(tenant, made, version=version)
    await report(tenant, made, "FAILED")
    found = await seen(tenant, made)
    assert found["observedVersion"] == {"id": version}
    assert found["reports"]["nodes"][0]["observedVersion"] is None


async def test_a_version_of_another_model_is_not_what_a_deployment_runs(tenant: Tenant) -> None:
    made = await tenant.deployment()
    assert await refused(tenant, made, version=await tenant.version()) == ("INVALID_VALUE", ["version"])
    assert await refused(tenant, made, version=unknown("ModelVersion")) == ("NOT_FOUND", ["version"])
    assert (await seen(tenant, made))["reports"]["totalCount"] == 0


async def test_a_deployment_that_is_not_there_takes_no_reports(tenant: Tenant, database: Database) -> None:
    made = await tenant.deployment()
    async with database.change(tenant.org_id) as change:
        row = await change.get_one(Deployment, (tenant.org_id, uuid_of(made)))
        row.deleted_at = utc_now()
    for gone in (made, unknown("Deployment")):
        assert await refused(tenant, gone) == ("NOT_FOUND", ["deployment"])


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        utc_now() - timedelta(days=31),
        utc_now() + timedelta(hours=1),
        datetime(9999, 12, 31, tzinfo=UTC),
        utc_now().replace(tzinfo=None),
    ],
)
async def test_a_report_is_of_the_last_thirty_days(tenant: Tenant, database: Database, moment: datetime) -> None:
    made = uuid_of(await tenant.deployment())
    for given, path in (
        ({"observed_at": moment}, ("observedAt",)),
        ({"metrics": [Measurement("load", 1.0, measured_at=moment)]}, ("metrics", "0", "measuredAt")),
    ):
        async with database.change(tenant.org_id) as change:
            with pytest.raises(InvalidValue) as refusal:
                await reports.take(
                    change, tenant.actor, deployment_id=made, observed_state=ObservedState.RUNNING, **given
                )
        assert refusal.value.path == path


async def test_a_report_of_a_clock_that_is_a_little_ahead_is_of_now(tenant: Tenant) -> None:
    made, before = await tenant.deployment(), utc_now()
    await report(tenant, made, health="HEALTHY", observedAt=(before + timedelta(minutes=4)).isoformat())
    seen = (await tenant.client(SEEN, id=made))["node"]["observedAt"]
    assert before <= datetime.fromisoformat(seen) <= utc_now()


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"metrics": [{"name": "load", "value": 1.0}] * 101}, ["metrics"]),
        ({"metrics": [{"name": "load", "value": 1.0}, {"name": "load"}]}, ["metrics", "1", "value"]),
        ({"metrics": [{"name": "load", "value": 1.0, "special": "NAN"}]}, ["metrics", "0", "value"]),
        ({"metrics": [{"name": " ", "value": 1.0}]}, ["metrics", "0", "name"]),
        ({"healthMessage": "x" * 2_001}, ["healthMessage"]),
        ({"healthMessage": "a\u0007b"}, ["healthMessage"]),
    ],
)
async def test_what_cannot_be_stored_is_refused_whole(tenant: Tenant, given: dict[str, Any], path: list[str]) -> None:
    made = await tenant.deployment()
    assert await refused(tenant, made, health="HEALTHY", **given) == ("INVALID_VALUE", path)
    found = await seen(tenant, made)
    assert (found["reports"]["totalCount"], found["health"]) == (0, "UNKNOWN")


async def test_reports_of_one_deployment_at_once_are_all_kept(tenant: Tenant) -> None:
    made = await tenant.deployment()
    moments = [ago(seconds=seconds) for seconds in range(1, 11)]
    await asyncio.gather(*[report(tenant, made, observedAt=moment) for moment in moments])
    found = await seen(tenant, made)
    assert found["reports"]["totalCount"] == 10
    assert datetime.fromisoformat(found["observedAt"]) == datetime.fromisoformat(max(moments))
