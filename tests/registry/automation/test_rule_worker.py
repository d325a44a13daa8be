"""What automation rules do: promote what passes, take back what fails, once for each cause, never against people."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlmodel import col

from db.base import utc_now
from db.codes import JobKind, Role
from db.session import Database
from db.tables import Job
from storage.store import ObjectStore
from tests import sending
from tests.automation import ACCURACY, Served, firings_of, held_by, set_rule, wake, work
from tests.registry.told import events_about
from tests.stages import Line, spoil
from tests.tenant import Client, Tenant, uuid_of

TO_STAGING, TO_PRODUCTION = ({"gatesOpen": {"to": stage}} for stage in ("STAGING", "PRODUCTION"))
GOOD = {"name": "accuracy", "phase": "TEST", "value": 0.95}
AUDIT = {"externalCheck": {"name": "audit", "allowAuthors": True}}
GATE = {"metricThreshold": {"metric": "accuracy", "phase": "TEST", "minimum": 0.9}}


async def protect(tenant: Tenant, model: str, *gates: dict[str, Any], to: str = "STAGING") -> None:
    await tenant.client.make("setPromotionPolicy", "promotionPolicy", model=model, to=to, gates=list(gates))


async def log(tenant: Tenant, version: str, value: float = 0.95) -> None:
    await tenant.client.make("logVersionMetrics", "version", version=version, metrics=[{**GOOD, "value": value}])


async def test_a_version_is_promoted_once_its_metrics_pass_the_gates(
    tenant: Tenant, store: ObjectStore, database: Database
) -> None:
    admin, line = await tenant.member(Role.ADMIN), await Line.of(tenant, 0)
    await protect(tenant, line.model, GATE)
    given = {"model": line.model, "name": "up", "trigger": TO_STAGING, "isEnabled": True}
    rule = await admin.make("setAutomationRule", "automationRule", **given)
    line.versions.append(await tenant.version(line.model))
    await work(tenant, store)
    assert await held_by(line, "STAGING") is None
    await log(tenant, line.versions[0])
    await work(tenant, store)
    assert await held_by(line, "STAGING") == 0
    (firing,) = await firings_of(line)
    reason = "Rule up: every gate for STAGING was open."
    assert firing == {
        "state": "DONE", "reason": reason, "measured": [], "ruleRevision": 1, "slotRevision": 0,
        "rule": {"name": "up"}, "version": {"id": line.versions[0]}, "deployment": None,
        "transition": {
            "kind": "PROMOTION", "reason": reason, "version": {"id": line.versions[0]},
            "automationRule": {"name": "up"}, "createdBy": {"name": admin.actor.name},
        },
    }  # fmt: skip
    told = await events_about(database, tenant.org_id, uuid_of(rule))
    assert [event.kind for event in told] == ["automation_rule.created", "automation_rule.fired"]
    assert told[1].actor == admin.actor.signature


async def test_a_new_version_a_report_of_a_check_and_the_last_file_are_news(
    tenant: Tenant, store: ObjectStore, database: Database
) -> None:
    line = await Line.of(tenant, 0)
    await set_rule(tenant, line.model, TO_STAGING)
    line.versions.append(await tenant.version(line.model))
    await work(tenant, store)
    assert await held_by(line, "STAGING") == 0
    await protect(tenant, line.model, AUDIT, {"requiredArtifacts": {"kinds": ["MODEL"]}})
    line.versions.append(await tenant.version(line.model))
    await sending.deliver(tenant.client, database, store, b"x", version=line.versions[1], path="m", kind="MODEL")
    assert await held_by(line, "STAGING") == 0
    digest = await tenant.client(
        "query($id: ID!) { node(id: $id) { ... on ModelVersion { digest } } }", id=line.versions[1]
    )
    given = {"version": line.versions[1], "name": "audit", "digest": digest["node"]["digest"], "passed": True}
    await tenant.client.make("reportCheck", "versionCheck", **given)
    await work(tenant, store)
    assert await held_by(line, "STAGING") == 1


async def test_the_newest_that_passes_goes_and_older_ones_stay(tenant: Tenant, store: ObjectStore) -> None:
    line = await Line.of(tenant, 4)
    await protect(tenant, line.model, GATE)
    for version in line.versions[:3]:
        await log(tenant, version)
    await set_rule(tenant, line.model, TO_STAGING)
    await work(tenant, store)
    await wake(tenant.database, tenant)
    await work(tenant, store)
    assert await line.stages() == ["DEVELOPMENT", "DEVELOPMENT", "STAGING", "DEVELOPMENT"]
    assert len(await firings_of(line)) == 1


async def test_nothing_older_follows_once_the_slot_is_free_again(tenant: Tenant, store: ObjectStore) -> None:
    line = await Line.of(tenant, 3)
    await line.to_production(line.versions[1])
    await line.promote(line.versions[2], "STAGING")
    await tenant.client.make("demoteVersion", "transition", version=line.versions[2])
    await set_rule(tenant, line.model, TO_STAGING)
    await work(tenant, store)
    assert await line.stages() == ["DEVELOPMENT", "PRODUCTION", "DEVELOPMENT"]


@pytest.mark.parametrize("mutation", ["demoteVersion", "archiveVersion"])
async def test_what_people_took_out_is_not_put_back(tenant: Tenant, store: ObjectStore, mutation: str) -> None:
    line = await Line.of(tenant, 1)
    await set_rule(tenant, line.model, TO_STAGING)
    await work(tenant, store)
    assert await held_by(line, "STAGING") == 0
    await tenant.client.make(mutation, "transition", version=line.versions[0])
    if mutation == "archiveVersion":
        await tenant.client.make("reactivateVersion", "transition", version=line.versions[0])
    await log(tenant, line.versions[0])
    await work(tenant, store)
    assert await line.stages() == ["DEVELOPMENT"]


async def test_a_newer_one_that_people_took_out_does_not_displace_what_they_put_there(
    tenant: Tenant, store: ObjectStore
) -> None:
    line = await Line.of(tenant, 2)
    await line.promote(line.versions[1], "STAGING")
    await tenant.client.make("demoteVersion", "transition", version=line.versions[1])
    await line.promote(line.versions[0], "STAGING")
    await set_rule(tenant, line.model, TO_STAGING)
    await work(tenant, store)
    assert await line.stages() == ["STAGING", "DEVELOPMENT"]


async def test_an_approval_is_waited_for(tenant: Tenant, store: ObjectStore, database: Database) -> None:
    writer, line = await tenant.member(Role.WRITER), await Line.of(tenant, 0)
    await protect(tenant, line.model, {"approvals": {}})
    await set_rule(tenant, line.model, TO_STAGING)
    line.versions.append(await writer.make("createVersion", "version", model=line.model, label="one"))
    request = await writer.make("requestPromotion", "promotionRequest", version=line.versions[0], to="STAGING")
    await work(tenant, store)
    assert (await held_by(line, "STAGING"), await firings_of(line)) == (None, [])
    await tenant.client.make("reviewPromotion", "promotionRequest", request=request, decision="APPROVED")
    await wake(database, tenant)
    await work(tenant, store)
    assert await held_by(line, "STAGING") == 0
    answer = await tenant.client("query($id: ID!) { node(id: $id) { ... on PromotionRequest { state } } }", id=request)
    assert answer["node"] == {"state": "COMPLETED"}


async def test_two_rules_bring_a_version_to_production(tenant: Tenant, store: ObjectStore, database: Database) -> None:
    line = await Line.of(tenant, 2)
    await line.to_production(line.versions[0])
    await set_rule(tenant, line.model, TO_STAGING, name="up")
    await set_rule(tenant, line.model, TO_PRODUCTION, name="out")
    for _ in range(2):
        await wake(database, tenant)
        await work(tenant, store)
    assert await line.stages() == ["ARCHIVED", "PRODUCTION"]
    assert [firing["rule"]["name"] for firing in await firings_of(line)] == ["up", "out"]


async def test_a_breach_in_so_many_reports_rolls_back_with_the_reason(
    tenant: Tenant, store: ObjectStore, database: Database
) -> None:
    served = await Served.of(tenant)
    rule = await served.rule(ACCURACY)
    await served.report(0.5, 0.9, 0.7, 0.72)
    await work(tenant, store)
    assert await served.in_production() == 1
    await served.report(0.71)
    await work(tenant, store)
    assert await served.in_production() == 0
    (firing,) = await served.firings()
    assert firing["measured"] == ["0.71", "0.72", "0.7"]
    assert firing["reason"].startswith("Rule guard: accuracy was 0.71, 0.72, 0.7 in 3 reports of serving-")
    assert firing["reason"].endswith(", below 0.8.")
    assert firing["version"] == {"id": served.line.versions[1]}
    assert firing["deployment"] == {"id": served.deployment}
    assert firing["transition"] == {
        "kind": "ROLLBACK", "reason": firing["reason"], "version": {"id": served.line.versions[0]},
        "automationRule": {"name": "guard"}, "createdBy": {"name": "owner"},
    }  # fmt: skip
    told = [event.kind for event in await events_about(database, tenant.org_id, uuid_of(rule))]
    assert told == ["automation_rule.created", "automation_rule.fired"]
    await served.report(0.1, 0.1, 0.1)
    await work(tenant, store)
    assert len(await served.firings()) == 1, "these are reports of what is no longer in production"


@pytest.mark.parametrize(
    ("bounds", "values", "acts", "side"),
    [
        ({"minimum": 0.8}, (0.8, 0.8, 0.8), False, ""),
        ({"maximum": 0.8}, (0.8, 0.8, 0.8), False, ""),
        ({"maximum": 0.8}, (0.9, 0.81, 5.0), True, "above 0.8"),
        ({"minimum": 0.2, "maximum": 0.8}, (0.9, 0.1, 0.9), True, "below 0.2 or above 0.8"),
        ({"minimum": 0.2, "maximum": 0.8}, (0.9, 0.5, 0.9), False, ""),
        ({"minimum": 0.8}, ("NAN", "NAN", "NAN"), True, "no finite number"),
        ({"minimum": 0.8}, ("POSITIVE_INFINITY", 0.1, 0.1), True, "below 0.8 or no finite number"),
        ({"minimum": 0.8}, (0.1, 0.9, "NAN", "NAN"), False, ""),
    ],
)
async def test_a_value_on_the_bound_is_good_and_one_that_is_no_number_is_bad(
    tenant: Tenant, store: ObjectStore, bounds: dict[str, float], values: tuple[Any, ...], acts: bool, side: str
) -> None:
    served = await Served.of(tenant)
    await served.rule({"metricBreach": {"metric": "accuracy", "coolDownSeconds": 0, **bounds}})
    await served.report(*values)
    await work(tenant, store)
    assert await served.in_production() == (0 if acts else 1)
    assert [firing["reason"].endswith(f", {side}.") for firing in await served.firings()] == ([True] if acts else [])


async def test_reports_of_another_version_or_of_before_it_came_do_not_count(tenant: Tenant, store: ObjectStore) -> None:
    served = await Served.of(tenant)
    await served.rule(ACCURACY)
    before = [(utc_now() - timedelta(hours=hours)).isoformat() for hours in (3, 2, 1)]
    other = served.line.versions[0]
    # Of the version before; of a time when this one was not there; by a deployment that never said what it runs.
    await served.report(0.1, 0.1, 0.1, version=other)
    for moment in before:
        await served.report(0.1, observedAt=moment)
    silent = await tenant.deployment(version=served.line.versions[1])
    await served.report(0.1, 0.1, 0.1, version=None, deployment=silent)
    await work(tenant, store)
    assert (await served.in_production(), await served.firings()) == (1, [])
    await served.report(0.1)
    await served.report(0.1, 0.1, version=None)
    await work(tenant, store)
    assert await served.in_production() == 0, "it runs what it said last"


async def test_the_reports_of_one_deployment_count_and_only_where_the_rule_looks(
    tenant: Tenant, store: ObjectStore
) -> None:
    served = await Served.of(tenant)
    elsewhere = await tenant.deployment(version=served.line.versions[1])
    await served.rule({"metricBreach": {**ACCURACY["metricBreach"], "environment": served.environment}})
    await served.report(0.1, 0.1)
    await served.report(0.1, 0.1, 0.1, 0.1, deployment=elsewhere)
    await work(tenant, store)
    assert await served.in_production() == 1
    await served.report(0.9, deployment=elsewhere)
    await served.report(0.1)
    await work(tenant, store)
    assert await served.in_production() == 0, "a good deployment elsewhere hides nothing"


async def test_a_deployment_that_is_stopped_is_not_looked_at(tenant: Tenant, store: ObjectStore) -> None:
    served = await Served.of(tenant)
    await served.report(0.1, 0.1, 0.1)
    await tenant.client.make("updateDeployment", "deployment", deployment=served.deployment, desiredState="STOPPED")
    await served.rule(ACCURACY)
    await work(tenant, store)
    assert await served.in_production() == 1


async def test_unhealthy_reports_in_a_row_roll_back_and_those_that_say_nothing_are_passed_over(
    tenant: Tenant, store: ObjectStore
) -> None:
    served = await Served.of(tenant)
    await served.rule({"unhealthy": {"reports": 2, "coolDownSeconds": 0}})
    await served.feel("UNHEALTHY", "DEGRADED", "UNHEALTHY")
    await work(tenant, store)
    assert await served.in_production() == 1
    await served.feel("UNKNOWN", "UNHEALTHY")
    await work(tenant, store)
    assert await served.in_production() == 0
    (firing,) = await served.firings()
    assert firing["measured"] == ["UNHEALTHY", "UNHEALTHY"]
    assert "Rule guard: health was UNHEALTHY in 2 reports of serving-" in firing["reason"]


async def test_with_nothing_to_go_back_to_that_is_noted_once(
    tenant: Tenant, store: ObjectStore, database: Database
) -> None:
    served = await Served.of(tenant, 1)
    rule = await served.rule(ACCURACY)
    for _ in range(2):
        await served.report(0.1, 0.1, 0.1)
        await work(tenant, store)
    (firing,) = await served.firings()
    assert (firing["state"], firing["transition"]) == ("FAILED", None)
    assert "No version that PRODUCTION held before can come back" in firing["reason"]
    told = [event.kind for event in await events_about(database, tenant.org_id, uuid_of(rule))]
    assert told == ["automation_rule.created", "automation_rule.failed"]
    async with database.change(tenant.org_id) as change:
        left = await change.execute(select(col(Job.id)).where(col(Job.org_id) == tenant.org_id))
        assert left.all() == [], "nothing is tried again"


async def test_bytes_that_are_not_what_they_were_do_not_come_back(tenant: Tenant, store: ObjectStore) -> None:
    served = await Served.of(tenant)
    await spoil(tenant, served.line.versions[0])
    await served.rule(ACCURACY)
    await served.report(0.1, 0.1, 0.1)
    await work(tenant, store)
    (firing,) = await served.firings()
    assert (firing["state"], await served.in_production()) == ("FAILED", 1)
    assert "Kept elsewhere and never read" in firing["reason"]


async def test_after_a_rollback_the_model_is_left_alone_for_the_cool_down_and_looked_at_when_it_is_over(
    tenant: Tenant, store: ObjectStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = await Served.of(tenant, 3)
    await served.rule({"metricBreach": {**ACCURACY["metricBreach"], "coolDownSeconds": 600}})
    await served.report(0.1, 0.1, 0.1)
    await work(tenant, store)
    assert await served.in_production() == 1
    await served.report(0.1, 0.1, 0.1, version=served.line.versions[1])
    await work(tenant, store)
    assert (await served.in_production(), len(await served.firings())) == (1, 1)
    monkeypatch.setattr("registry.automation.rule_worker.utc_now", lambda: utc_now() + timedelta(seconds=600))
    await wake(database, tenant)
    await work(tenant, store)
    assert await served.in_production() == 0
    assert [firing["version"]["id"] for firing in await served.firings()] == served.line.versions[:0:-1]


async def test_a_good_report_wakes_no_worker(tenant: Tenant, database: Database) -> None:
    served = await Served.of(tenant)
    await served.rule(ACCURACY)

    async def due() -> int:
        async with database.change(tenant.org_id) as change:
            fires = col(Job.kind) == JobKind.FIRE_RULE
            past = utc_now() - timedelta(days=365)
            waiting = col(Job.org_id) == tenant.org_id, fires, col(Job.run_after) > past
            woken = update(Job).where(*waiting).values(run_after=past).returning(col(Job.id))
            return len((await change.execute(woken)).all())

    assert await due() == 1, "it was set"
    await served.report(0.9, 0.8)
    await served.feel("HEALTHY", "UNHEALTHY")
    assert await due() == 0
    await served.report(0.7)
    assert await due() == 1


async def test_a_value_that_is_replaced_counts_as_it_is_now(tenant: Tenant, store: ObjectStore) -> None:
    served = await Served.of(tenant)
    await served.rule(ACCURACY)
    moments = [(utc_now() + timedelta(milliseconds=place)).isoformat() for place in range(3)]
    for moment in moments:
        await served.report(0.1, observedAt=moment)
    await served.report(0.9, observedAt=moments[1])
    await work(tenant, store)
    assert await served.in_production() == 1
    await served.report(0.1, observedAt=moments[1])
    await work(tenant, store)
    assert await served.in_production() == 0


async def test_many_workers_at_once_have_one_effect(tenant: Tenant, store: ObjectStore, database: Database) -> None:
    served = await Served.of(tenant, 4)
    for name, trigger in (("metric", ACCURACY), ("health", {"unhealthy": {"reports": 3, "coolDownSeconds": 0}})):
        await served.rule(trigger, name=name)
    for _ in range(3):
        await served.report(0.1, health="UNHEALTHY")
    await asyncio.gather(*[work(tenant, store) for _ in range(6)])
    assert await served.in_production() == 2
    assert len(await served.firings()) == 1


async def test_a_rule_and_a_person_who_roll_back_at_once_have_one_effect(tenant: Tenant, store: ObjectStore) -> None:
    served = await Served.of(tenant, 4)
    await served.rule(ACCURACY)
    await served.report(0.1, 0.1, 0.1)
    revision = await served.line.revision("PRODUCTION")
    payload, _ = await asyncio.gather(served.line.roll_back(expectedRevision=revision), work(tenant, store))
    assert await served.in_production() == 2
    done = [firing for firing in await served.firings() if firing["state"] == "DONE"]
    assert len(done) == (1 if payload["errors"] else 0)


@pytest.mark.parametrize(
    ("mutation", "made", "given"),
    [
        ("updateVersion", "version", {"description": "new"}),
        ("reportCheck", "versionCheck", {"name": "audit", "passed": True}),
        ("createExternalArtifact", "artifact", {"path": "a", "kind": "OTHER", "uri": "s3://a/b"}),
    ],
)
async def test_a_change_brings_its_news_before_it_locks_the_version_as_workers_have_the_job_before_they_do(
    tenant: Tenant, statements: list[str], mutation: str, made: str, given: dict[str, Any]
) -> None:
    version = await tenant.version()
    if mutation == "reportCheck":
        query = "query($id: ID!) { version(by: {id: $id}) { digest } }"
        given = {**given, "digest": (await tenant.client(query, id=version))["version"]["digest"]}
    statements.clear()
    await tenant.client.make(mutation, made, version=version, **given)
    sent = [statement.upper() for statement in statements]
    news = next(place for place, one in enumerate(sent) if "INSERT INTO REGISTRY.JOB" in one)
    table = "FROM REGISTRY.MODEL_VERSION"
    locked = next(place for place, one in enumerate(sent) if table in one and "NO KEY UPDATE" in one)
    assert news < locked


async def test_metrics_and_descriptions_that_come_while_a_worker_acts_are_all_kept(
    tenant: Tenant, store: ObjectStore
) -> None:
    line = await Line.of(tenant, 3)
    await protect(tenant, line.model, GATE)
    await set_rule(tenant, line.model, TO_STAGING)

    async def describe(client: Client, version: str) -> None:
        for place in range(5):
            await client.make("updateVersion", "version", version=version, description=f"word {place}")
            await log(tenant, version)
            await work(tenant, store)

    await asyncio.gather(*[describe(tenant.client, version) for version in line.versions])
    await wake(tenant.database, tenant)
    await work(tenant, store)
    assert await held_by(line, "STAGING") == 2
