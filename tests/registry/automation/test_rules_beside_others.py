"""Rules beside each other and beside people: one does not undo another, and nobody waits for what one thinks over."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from db.base import utc_now
from db.session import Change, Database
from db.tables import ModelVersion
from registry.promotion.evaluation import Judgment, judge_within
from registry.promotion.targets import Target
from storage.store import ObjectStore
from tests.automation import ACCURACY, Served, held_by, set_rule, wake, work
from tests.stages import Line
from tests.tenant import Tenant, uuid_of

GATE = {"metricThreshold": {"metric": "accuracy", "phase": "TEST", "minimum": 0.9}}
SLOW = {"metricBreach": {**ACCURACY["metricBreach"], "coolDownSeconds": 600}}
QUICK = {"unhealthy": {"reports": 3, "coolDownSeconds": 0}}
OUT = {"gatesOpen": {"to": "PRODUCTION"}}


async def served_under_both(tenant: Tenant, store: ObjectStore) -> Served:
    """A model whose third version a rule without a cool-down took out of production, beside one that has one."""
    served = await Served.of(tenant, 3)
    await served.rule(SLOW, name="slow")
    await served.rule(QUICK, name="quick")
    await served.feel("UNHEALTHY", "UNHEALTHY", "UNHEALTHY")
    await work(tenant, store)
    assert await served.in_production() == 1
    return served


async def test_after_a_rollback_no_rule_promotes_to_production_until_the_longest_cool_down_is_over(
    tenant: Tenant, store: ObjectStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = await served_under_both(tenant, store)
    await served.rule(OUT, name="out")
    served.line.versions.append(await tenant.version(served.line.model))
    await served.line.promote(served.line.versions[3], "STAGING")
    await wake(database, tenant)
    await work(tenant, store)
    assert await served.in_production() == 1
    monkeypatch.setattr("registry.automation.rule_worker.utc_now", lambda: utc_now() + timedelta(seconds=600))
    await wake(database, tenant)
    await work(tenant, store)
    assert await served.in_production() == 3


async def test_a_rule_without_a_cool_down_does_not_end_that_of_another(tenant: Tenant, store: ObjectStore) -> None:
    served = await served_under_both(tenant, store)
    await served.feel("UNHEALTHY", "UNHEALTHY", "UNHEALTHY", version=served.line.versions[1])
    await work(tenant, store)
    assert await served.in_production() == 1


async def test_a_promotion_to_staging_does_not_wait_for_a_cool_down(tenant: Tenant, store: ObjectStore) -> None:
    served = await served_under_both(tenant, store)
    await served.rule({"gatesOpen": {"to": "STAGING"}}, name="up")
    served.line.versions.append(await tenant.version(served.line.model))
    await work(tenant, store)
    assert await held_by(served.line, "STAGING") == 3


def meanwhile(version_id: UUID, happens: Callable[[], Awaitable[Any]]) -> Callable[..., Awaitable[Judgment]]:
    """Judges, and has something happen behind the first judgment of a version before its caller goes on."""
    seen: list[Judgment] = []

    async def judge(change: Change, version: ModelVersion, target: Target) -> Judgment:
        judgment = await judge_within(change, version, target)
        if version.id == version_id:
            seen.append(judgment)
        if len(seen) == 1 and seen[0] is judgment:
            await happens()
        return judgment

    return judge


@pytest.mark.parametrize("waiting", ["a rule", "a request"])
async def test_nobody_who_brings_news_waits_for_a_judgment_and_the_news_is_heard(
    tenant: Tenant, store: ObjectStore, monkeypatch: pytest.MonkeyPatch, waiting: str
) -> None:
    line = await Line.of(tenant, 1)
    given = {"model": line.model, "to": "STAGING", "gates": [GATE], "isAutomatic": True}
    await tenant.client.make("setPromotionPolicy", "promotionPolicy", **given)
    if waiting == "a rule":
        await set_rule(tenant, line.model, {"gatesOpen": {"to": "STAGING"}})
    else:
        await tenant.client.make("requestPromotion", "promotionRequest", version=line.versions[0], to="STAGING")
        await wake(tenant.database, tenant)
    metrics = [{"name": "accuracy", "phase": "TEST", "value": 0.95}]

    async def bring_news() -> None:
        await tenant.client.make("logVersionMetrics", "version", version=line.versions[0], metrics=metrics)

    module = "automation.rule_worker" if waiting == "a rule" else "promotion.request_completion"
    monkeypatch.setattr(f"registry.{module}.judge_within", meanwhile(uuid_of(line.versions[0]), bring_news))
    await work(tenant, store)
    assert await held_by(line, "STAGING") == 0


async def test_one_report_counts_once_however_many_values_it_holds_and_by_its_latest(
    tenant: Tenant, store: ObjectStore
) -> None:
    served = await Served.of(tenant)
    await served.rule(ACCURACY)

    async def report(*values: float) -> None:
        now = utc_now()
        metrics = [
            {"name": "accuracy", "value": value, "measuredAt": (now + timedelta(milliseconds=place)).isoformat()}
            for place, value in enumerate(values)
        ]
        await served.send(None, version=served.line.versions[-1], metrics=metrics, observedAt=now.isoformat())

    await report(0.1, 0.1, 0.1)
    await report(0.1, 0.1)
    await report(0.1, 0.9)
    await work(tenant, store)
    assert await served.in_production() == 1
    await report(0.9, 0.1)
    await report(0.2, 0.2)
    await work(tenant, store)
    assert await served.in_production() == 1
    await report(0.3)
    await work(tenant, store)
    assert await served.in_production() == 0
    (firing,) = await served.firings()
    assert firing["measured"] == ["0.3", "0.2", "0.1"]
