"""A team lets the registry promote what passes and take back what fails: one effect for each cause, whoever dies."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlmodel import col

from db.base import utc_now
from db.codes import JobKind
from db.tables import AutomationFiring, Job
from tests.automation import ACCURACY, Served as Serving, firings_of, held_by, set_rule, wake, work
from tests.dependencies import Dependencies, Served
from tests.patience import in_time
from tests.replicas import KILLED, end_of, process
from tests.stages import Line
from tests.tenant import Tenant

GATE = {"metricThreshold": {"metric": "accuracy", "phase": "TEST", "minimum": 0.9}}
STORY = """query($model: ID!) { node(id: $model) { ... on Model {
    automationRules { nodes { name trigger firings { totalCount } } }
    transitions(first: 20) { nodes { kind automationRule { name } } } } } }"""


async def let_leases_end(tenant: Tenant) -> None:
    """What time does for the jobs of a worker that is dead."""
    async with tenant.database.change(tenant.org_id) as change:
        past = utc_now() - timedelta(seconds=1)
        taken = col(Job.org_id) == tenant.org_id, col(Job.lease_until).is_not(None)
        await change.execute(update(Job).where(*taken).values(lease_until=past))


async def told(tenant: Tenant) -> list[str]:
    """The kinds of all events about what rules did and what moved by them."""
    async with tenant.database.change(tenant.org_id) as change:
        kinds = await change.execute(
            text(
                "select kind from ev.event where org_id = :org_id and (kind like 'automation_rule.f%'"
                " or kind in ('version.rolled_back', 'version.displaced', 'version.promoted')) order by seq"
            ),
            {"org_id": tenant.org_id},
        )
        return list(kinds.scalars())


async def test_a_version_goes_to_production_by_itself_and_comes_back_when_it_fails(
    survivor: Served, tenant: Tenant
) -> None:
    store = survivor.services.store
    serving = await Serving.of(tenant, 1)
    model = serving.line.model
    gates = [GATE, {"notWorseThanChampion": {"metric": "accuracy", "phase": "TEST", "direction": "MAXIMIZE"}}]
    await tenant.client.make("setPromotionPolicy", "promotionPolicy", model=model, to="STAGING", gates=gates)
    for name, stage in (("to staging", "STAGING"), ("to production", "PRODUCTION")):
        await set_rule(tenant, model, {"gatesOpen": {"to": stage}}, name=name)
    await serving.rule(ACCURACY, name="guard")
    champion = {"name": "accuracy", "phase": "TEST", "value": 0.92}
    await tenant.client.make("logVersionMetrics", "version", version=serving.line.versions[0], metrics=[champion])
    for label, value in (("worse", 0.91), ("better", 0.95)):
        metrics = [{"name": "accuracy", "phase": "TEST", "value": value}]
        serving.line.versions.append(await tenant.version(model, label=label, metrics=metrics))
        await work(tenant, store)
        await wake(tenant.database, tenant)
        await work(tenant, store)
    assert await serving.line.stages() == ["ARCHIVED", "DEVELOPMENT", "PRODUCTION"]

    await serving.report(0.9, 0.7, 0.7, 0.6)
    await work(tenant, store)

    assert await serving.line.stages() == ["PRODUCTION", "DEVELOPMENT", "ARCHIVED"]
    for _ in range(2):
        await wake(tenant.database, tenant)
        await work(tenant, store)
    assert await serving.line.stages() == ["PRODUCTION", "DEVELOPMENT", "ARCHIVED"], "it does not come again"
    story = (await tenant.client(STORY, model=model))["node"]
    assert {rule["name"]: rule["firings"]["totalCount"] for rule in story["automationRules"]["nodes"]} == {
        "guard": 1, "to production": 1, "to staging": 1,
    }  # fmt: skip
    moved = [(one["kind"], one["automationRule"]) for one in story["transitions"]["nodes"][::-1][2:]]
    assert moved == [
        ("PROMOTION", {"name": "to staging"}), ("PROMOTION", {"name": "to production"}), ("DISPLACEMENT", None),
        ("ROLLBACK", {"name": "guard"}), ("DISPLACEMENT", None),
    ]  # fmt: skip


@pytest.mark.parametrize("point", ["while a version moves", "while a rule notes what it did"])
@pytest.mark.parametrize("acts", ["promotes", "rolls back"])
async def test_a_worker_that_dies_in_the_middle_leaves_one_effect_to_another(
    own: Dependencies, survivor: Served, tenant: Tenant, acts: str, point: str
) -> None:
    if acts == "promotes":
        line = await Line.of(tenant, 1)
        await set_rule(tenant, line.model, {"gatesOpen": {"to": "STAGING"}})
        stage, before, after = "STAGING", None, 0
    else:
        serving = await Serving.of(tenant)
        await serving.rule(ACCURACY)
        await serving.report(0.1, 0.1, 0.1)
        line, stage, before, after = serving.line, "PRODUCTION", 1, 0
    earlier = await told(tenant)
    async with process(own, "worker", dying=point) as dying:
        assert await end_of(dying) == KILLED
    assert (await held_by(line, stage), await firings_of(line), await told(tenant)) == (before, [], earlier)
    await work(tenant, survivor.services.store)
    assert await held_by(line, stage) == before, "its lease still runs"

    await let_leases_end(tenant)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(process(own, "worker"))
        async with in_time():
            while await held_by(line, stage) == before:
                await asyncio.sleep(0.1)

    assert await held_by(line, stage) == after
    assert [firing["state"] for firing in await firings_of(line)] == ["DONE"]
    moved = ["version.promoted"] if acts == "promotes" else ["version.rolled_back", "version.displaced"]
    assert (await told(tenant))[len(earlier) :] == [*moved, "automation_rule.fired"]


async def test_two_workers_and_many_reports_at_once_have_one_effect_for_each_version(
    own: Dependencies, tenant: Tenant
) -> None:
    serving = await Serving.of(tenant, 4)
    await serving.rule(ACCURACY)
    others = [
        await tenant.deployment(version=serving.line.versions[-1], environment=await tenant.environment())
        for _ in range(4)
    ]

    async def keep_failing(deployment: str) -> None:
        for _ in range(6):
            await serving.report(0.1, deployment=deployment)

    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(process(own, "worker"))
        await asyncio.gather(*[keep_failing(deployment) for deployment in others])
        async with in_time():
            while await jobs_left(tenant):
                await asyncio.sleep(0.1)
    assert await serving.in_production() == 2, "what the reports are about was taken out once"
    async with tenant.database.change(tenant.org_id) as change:
        states: Any = await change.execute(
            select(col(AutomationFiring.state)).where(col(AutomationFiring.org_id) == tenant.org_id)
        )
        assert states.scalars().all() == ["DONE"]


async def jobs_left(tenant: Tenant) -> bool:
    async with tenant.database.change(tenant.org_id) as change:
        due = col(Job.org_id) == tenant.org_id, col(Job.kind) == JobKind.FIRE_RULE
        return (await change.execute(select(col(Job.id)).where(*due).limit(1))).one_or_none() is not None
