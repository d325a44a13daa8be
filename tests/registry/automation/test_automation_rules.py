"""Automation rules: set and removed under a revision by administrators; what cannot be meant is refused."""

from typing import Any

import pytest

from db.codes import Role
from db.session import Database
from storage.store import ObjectStore
from tests.automation import ACCURACY, Served, set_rule, work
from tests.registry.told import events_about
from tests.schema.valid_inputs import unknown
from tests.tenant import GraphQLFailed, Tenant, uuid_of

RULE = """query($id: ID!) { node(id: $id) { ... on AutomationRule { name isEnabled trigger stage metric minimum maximum
    reports
    coolDownSeconds revision removedAt environment { id } setBy { name } createdBy { name } model { id } } } }"""


async def look(tenant: Tenant, rule: str) -> dict[str, Any]:
    found: dict[str, Any] = (await tenant.client(RULE, id=rule))["node"]
    return found


async def test_a_rule_shows_what_it_says_and_is_off_unless_it_is_switched_on(tenant: Tenant) -> None:
    model, place = await tenant.model(), await tenant.environment()
    trigger = {"metricBreach": {"metric": "accuracy", "minimum": 0.8, "environment": place}}
    given = {"model": model, "name": "guard", "trigger": trigger}
    rule = await tenant.client.make("setAutomationRule", "automationRule", **given)
    assert await look(tenant, rule) == {
        "name": "guard", "isEnabled": False, "trigger": "METRIC_BREACH", "stage": "PRODUCTION", "metric": "accuracy",
        "minimum": 0.8, "maximum": None, "reports": 3, "coolDownSeconds": 3600, "revision": 1, "removedAt": None,
        "environment": {"id": place}, "setBy": {"name": "owner"}, "createdBy": {"name": "owner"},
        "model": {"id": model},
    }  # fmt: skip


async def test_each_change_is_a_revision_and_an_event_and_the_same_again_is_neither(
    tenant: Tenant, database: Database
) -> None:
    model, admin = await tenant.model(), await tenant.member(Role.ADMIN)
    rule = await set_rule(tenant, model, ACCURACY)
    assert await set_rule(tenant, model, ACCURACY) == rule
    given = {"model": model, "name": "guard", "trigger": {"gatesOpen": {"to": "STAGING"}}, "expectedRevision": 1}
    assert await admin.make("setAutomationRule", "automationRule", **given) == rule
    found = await look(tenant, rule)
    assert (found["revision"], found["trigger"], found["metric"], found["isEnabled"]) == (2, "GATES_OPEN", None, False)
    assert (found["createdBy"], found["setBy"]) == ({"name": "owner"}, {"name": admin.actor.name})
    told = await events_about(database, tenant.org_id, uuid_of(rule))
    assert [event.kind for event in told] == ["automation_rule.created", "automation_rule.updated"]
    assert told[1].body["before"]["metric"] == "accuracy"


async def test_a_rule_that_is_removed_stays_as_history_and_leaves_its_name(tenant: Tenant, database: Database) -> None:
    model = await tenant.model()
    rule = await set_rule(tenant, model, ACCURACY)
    for _ in range(2):
        await tenant.client.make("removeAutomationRule", "automationRule", rule=rule)
    assert await set_rule(tenant, model, ACCURACY) != rule
    listed = """query($where: AutomationRuleWhereInput) { automationRules(where: $where) { totalCount } }"""
    for is_removed in (True, False):
        answer = await tenant.client(listed, where={"isRemoved": is_removed, "model": [model]})
        assert answer["automationRules"]["totalCount"] == 1
    told = await events_about(database, tenant.org_id, uuid_of(rule))
    assert [event.kind for event in told] == ["automation_rule.created", "automation_rule.removed"]


async def test_a_rule_changes_only_for_those_who_know_its_revision(tenant: Tenant) -> None:
    model = await tenant.model()
    await set_rule(tenant, model, ACCURACY, expectedRevision=0)
    given = {"model": model, "name": "guard", "trigger": ACCURACY, "expectedRevision": 0}
    refusal = await tenant.client.refusal("setAutomationRule", "automationRule", **given)
    assert (refusal["code"], refusal["path"]) == ("STALE_REVISION", ["expectedRevision"])


async def test_administrators_alone_set_and_remove_rules(tenant: Tenant) -> None:
    model, promoter = await tenant.model(), await tenant.member(Role.PROMOTER)
    rule = await set_rule(tenant, model, ACCURACY)
    for mutation, given in (
        ("setAutomationRule", {"model": model, "name": "mine", "trigger": ACCURACY}),
        ("removeAutomationRule", {"rule": rule}),
    ):
        with pytest.raises(GraphQLFailed) as refused:
            await promoter.change(mutation, "automationRule { id }", **given)
        assert refused.value.code == "FORBIDDEN"


def breach(**given: Any) -> dict[str, Any]:
    return {"metricBreach": {"metric": "accuracy", **given}}


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"name": " "}, ["name"]),
        ({"name": "x" * 101}, ["name"]),
        ({"trigger": {"gatesOpen": {"to": "ARCHIVED"}}}, ["trigger", "gatesOpen", "to"]),
        ({"trigger": breach()}, ["trigger", "metricBreach"]),
        ({"trigger": breach(minimum=1.0, maximum=0.5)}, ["trigger", "metricBreach"]),
        ({"trigger": breach(minimum=1.0, metric="\u202e")}, ["trigger", "metricBreach", "metric"]),
        ({"trigger": breach(minimum=1.0, reports=101)}, ["trigger", "metricBreach", "reports"]),
        ({"trigger": {"unhealthy": {"reports": 0}}}, ["trigger", "unhealthy", "reports"]),
        ({"trigger": {"unhealthy": {"coolDownSeconds": -1}}}, ["trigger", "unhealthy", "coolDownSeconds"]),
        ({"trigger": {"unhealthy": {"coolDownSeconds": 2_592_001}}}, ["trigger", "unhealthy", "coolDownSeconds"]),
    ],
)
async def test_a_rule_that_cannot_be_meant_is_refused_by_the_place(
    tenant: Tenant, given: dict[str, Any], path: list[str]
) -> None:
    values = {"model": await tenant.model(), "name": "guard", "trigger": ACCURACY, **given}
    refusal = await tenant.client.refusal("setAutomationRule", "automationRule", **values)
    assert (refusal["code"], refusal["path"]) == ("INVALID_VALUE", path)
    assert (await tenant.client("{ automationRules { totalCount } }"))["automationRules"]["totalCount"] == 0


async def test_things_of_a_neighbor_are_not_found(tenant: Tenant, neighbor: Tenant) -> None:
    given = {"name": "guard", "trigger": ACCURACY}
    refusal = await tenant.client.refusal("setAutomationRule", "automationRule", model=await neighbor.model(), **given)
    assert (refusal["code"], refusal["path"]) == ("NOT_FOUND", ["model"])
    for place in (await neighbor.environment(), unknown("Environment")):
        trigger = {"unhealthy": {"environment": place}}
        refusal = await tenant.client.refusal(
            "setAutomationRule", "automationRule", model=await tenant.model(), name="guard", trigger=trigger
        )
        assert (refusal["code"], refusal["path"]) == ("NOT_FOUND", ["trigger", "unhealthy", "environment"])
    rule = await set_rule(neighbor, await neighbor.model(), ACCURACY)
    refusal = await tenant.client.refusal("removeAutomationRule", "automationRule", rule=rule)
    assert refusal["code"] == "NOT_FOUND"


async def test_a_rule_that_is_off_or_removed_does_nothing_and_once_it_is_on_it_looks_at_what_was_reported(
    tenant: Tenant, store: ObjectStore
) -> None:
    served = await Served.of(tenant)
    rule = await served.rule(ACCURACY, isEnabled=False)
    await served.report(0.7, 0.7, 0.7)
    await work(tenant, store)
    await tenant.client.make("removeAutomationRule", "automationRule", rule=rule)
    await served.report(0.7)
    await work(tenant, store)
    assert (await served.in_production(), await served.firings()) == (1, [])
    await served.rule(ACCURACY)
    await work(tenant, store)
    assert await served.in_production() == 0
