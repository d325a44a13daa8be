"""Policies: the nearest one holds, each change is a revision, and what cannot be meant is refused."""

from typing import Any

import pytest

from db.codes import Role
from db.session import Database
from tests.registry.told import events_about
from tests.tenant import GraphQLFailed, Tenant, uuid_of

PLAN = """query($version: ID!, $target: PromotionTargetInput!) { version(by: {id: $version}) {
    promotionPlan(target: $target) { policy { id } verdicts { gate { __typename } } } } }"""
ACCURACY = {"metric": "accuracy", "phase": "TEST"}


async def set_policy(tenant: Tenant, **given: Any) -> str:
    return await tenant.client.make("setPromotionPolicy", "promotionPolicy", **{"to": "STAGING", "gates": [], **given})


async def holding(tenant: Tenant, version: str, **target: Any) -> str | None:
    given = {"stage" if name == "to" else name: value for name, value in target.items()} or {"stage": "STAGING"}
    plan = (await tenant.client(PLAN, version=version, target=given))["version"]["promotionPlan"]
    found: str | None = plan["policy"] and plan["policy"]["id"]
    return found


async def test_the_nearest_policy_holds_and_the_next_once_it_is_removed(tenant: Tenant) -> None:
    model = await tenant.model()
    version, other = await tenant.version(model), await tenant.version()
    assert await holding(tenant, version) is None
    of_all = await set_policy(tenant)
    of_project = await set_policy(tenant, project=tenant.project)
    of_model = await set_policy(tenant, model=model)
    assert [await holding(tenant, one) for one in (version, other)] == [of_model, of_project]
    assert await holding(tenant, version, to="PRODUCTION") is None
    for removed, next_ in ((of_model, of_project), (of_project, of_all), (of_all, None)):
        await tenant.client.make("removePromotionPolicy", "promotionPolicy", policy=removed)
        assert await holding(tenant, version) == next_
    assert await set_policy(tenant, model=model) != of_model


async def test_each_change_is_a_revision_with_its_reason_and_an_event(tenant: Tenant, database: Database) -> None:
    gates = [[{"approvals": {}}], [{"approvals": {"count": 2}}], [{"approvals": {"count": 2}}]]
    policy = ""
    for number, asked in enumerate(gates):
        policy = await set_policy(tenant, gates=asked, reason=f"because {number}", isAutomatic=True)
    answer = await tenant.client(
        """query($id: ID!) { node(id: $id) { ... on PromotionPolicy { revision isAutomatic requestExpiresSeconds
            revisions { nodes { revision reason createdBy { name }
                gates { ... on Approvals { count role } } } } } } }""",
        id=policy,
    )
    assert answer["node"]["revision"] == 2, "the third asked for the same"
    assert answer["node"]["isAutomatic"]
    assert answer["node"]["revisions"]["nodes"] == [
        {
            "revision": number + 1, "reason": f"because {number}", "createdBy": {"name": "owner"},
            "gates": [{"count": number + 1, "role": None}],
        }
        for number in (1, 0)
    ]  # fmt: skip
    told = await events_about(database, tenant.org_id, uuid_of(policy))
    assert [event.kind for event in told] == ["promotion_policy.created", "promotion_policy.updated"]
    assert told[1].body["before"]["revision"] == 1


async def test_a_policy_that_asks_for_the_same_again_is_no_new_revision(tenant: Tenant) -> None:
    gates = [{"requiredArtifacts": {"kinds": ["MODEL", "PLOT"]}}, threshold(minimum=0.9)]
    for _ in range(2):
        payload = await tenant.client.change(
            "setPromotionPolicy", "promotionPolicy { revision }", to="STAGING", gates=gates
        )
        assert payload["promotionPolicy"]["revision"] == 1


async def test_the_last_revision_of_a_policy_says_who_removed_it_and_why(tenant: Tenant) -> None:
    policy = await set_policy(tenant, gates=[{"approvals": {}}])
    refusal = await tenant.client.refusal(
        "removePromotionPolicy", "promotionPolicy", policy=policy, expectedRevision=2, reason="too early"
    )
    assert (refusal["code"], refusal["path"]) == ("STALE_REVISION", ["expectedRevision"])
    admin = await tenant.member(Role.ADMIN)
    for _ in range(2):
        given = {"policy": policy, "reason": "Nobody needs it.", "expectedRevision": 1}
        await admin.make("removePromotionPolicy", "promotionPolicy", **given)
    query = """query($id: ID!) { node(id: $id) { ... on PromotionPolicy { revision removedAt revisions { nodes {
        revision isRemoval reason createdBy { name } gates { __typename } } } } } }"""
    found = (await tenant.client(query, id=policy))["node"]
    assert (found["revision"], found["removedAt"] is not None) == (2, True)
    gates = [{"__typename": "Approvals"}]
    assert found["revisions"]["nodes"] == [
        {
            "revision": 2, "isRemoval": True, "reason": "Nobody needs it.", "createdBy": {"name": admin.actor.name},
            "gates": gates,
        },
        {"revision": 1, "isRemoval": False, "reason": None, "createdBy": {"name": "owner"}, "gates": gates},
    ]  # fmt: skip


async def test_a_policy_moves_only_for_those_who_know_its_revision(tenant: Tenant) -> None:
    given = {"to": "STAGING", "gates": [{"approvals": {}}]}
    await set_policy(tenant, expectedRevision=0)
    refusal = await tenant.client.refusal("setPromotionPolicy", "promotionPolicy", **given, expectedRevision=0)
    assert (refusal["code"], refusal["path"]) == ("STALE_REVISION", ["expectedRevision"])
    await set_policy(tenant, gates=given["gates"], expectedRevision=1)


async def test_a_policy_that_follows_a_removed_one_is_known_by_another_revision(tenant: Tenant) -> None:
    policy = await set_policy(tenant)
    await tenant.client.make("removePromotionPolicy", "promotionPolicy", policy=policy)
    await set_policy(tenant, gates=[{"approvals": {}}], expectedRevision=0)
    given = {"to": "STAGING", "gates": []}
    refusal = await tenant.client.refusal("setPromotionPolicy", "promotionPolicy", **given, expectedRevision=1)
    assert refusal["code"] == "STALE_REVISION"
    await set_policy(tenant, gates=[], expectedRevision=3)


async def test_administrators_alone_set_policies(tenant: Tenant) -> None:
    promoter = await tenant.member(Role.PROMOTER)
    with pytest.raises(GraphQLFailed) as refused:
        await promoter.change("setPromotionPolicy", "promotionPolicy { id }", to="STAGING", gates=[])
    assert refused.value.code == "FORBIDDEN"
    await (await tenant.member(Role.ADMIN)).make("setPromotionPolicy", "promotionPolicy", to="STAGING", gates=[])


def threshold(**given: Any) -> dict[str, Any]:
    return {"metricThreshold": {**ACCURACY, **given}}


BAD: list[tuple[dict[str, Any], list[str]]] = [
    ({"gates": [threshold()]}, ["gates", "0"]),
    ({"gates": [threshold(minimum=0.9, maximum=0.1)]}, ["gates", "0"]),
    ({"gates": [threshold(minimum=0.9), threshold(maximum=0.1)]}, ["gates", "1"]),
    ({"gates": [threshold(minimum=0.9, metric=" ")]}, ["gates", "0", "metric"]),
    ({"gates": [threshold(minimum=0.9), threshold(minimum=0.9)]}, ["gates", "1"]),
    ({"gates": [{"approvals": {}}, {"approvals": {"count": 2}}]}, ["gates", "1"]),
    ({"gates": [{"approvals": {"count": 21}}]}, ["gates", "0", "count"]),
    ({"gates": [{"approvals": {"role": "READER"}}]}, ["gates", "0", "role"]),
    ({"gates": [{"requiredFacts": {}}]}, ["gates", "0"]),
    ({"gates": [{"requiredArtifacts": {"kinds": []}}]}, ["gates", "0", "kinds"]),
    ({"gates": [{"minimumStay": {"minimumSeconds": 0}}]}, ["gates", "0", "minimumSeconds"]),
    ({"gates": [{"cleanLineage": {"depth": 21}}]}, ["gates", "0", "depth"]),
    ({"gates": [{"externalCheck": {"name": "\u202e"}}]}, ["gates", "0", "name"]),
    ({"gates": [{"evaluationAge": {**ACCURACY, "maximumAgeSeconds": -1}}]}, ["gates", "0", "maximumAgeSeconds"]),
    (
        {"gates": [{"notWorseThanChampion": {**ACCURACY, "direction": "MINIMIZE", "tolerance": -0.1}}]},
        ["gates", "0", "tolerance"],
    ),
    ({"gates": [{"externalCheck": {"name": f"check {number}"}} for number in range(21)]}, ["gates"]),
    ({"to": "ARCHIVED"}, ["to"]),
    ({"to": None}, ["to"]),
    ({"alias": "champion"}, ["to"]),
    ({"to": None, "alias": "@"}, ["alias"]),
    ({"requestExpiresSeconds": 59}, ["requestExpiresSeconds"]),
    ({"reason": "x" * 2001}, ["reason"]),
]


@pytest.mark.parametrize(("given", "path"), BAD)
async def test_a_policy_that_cannot_be_meant_is_refused_by_the_place(
    tenant: Tenant, given: dict[str, Any], path: list[str]
) -> None:
    values = {"to": "STAGING", "gates": [], **given}
    refusal = await tenant.client.refusal("setPromotionPolicy", "promotionPolicy", **values)
    assert (refusal["code"], refusal["path"]) == ("INVALID_VALUE", path)
    assert (await tenant.client("{ promotionPolicies { totalCount } }"))["promotionPolicies"]["totalCount"] == 0


@pytest.mark.parametrize("gate", [{}, {"approvals": {}, "minimumStay": {"minimumSeconds": 5}}, {"approvals": None}])
async def test_a_gate_is_of_exactly_one_kind(tenant: Tenant, gate: dict[str, Any]) -> None:
    with pytest.raises(GraphQLFailed):
        await tenant.client.change("setPromotionPolicy", "promotionPolicy { id }", to="STAGING", gates=[gate])


async def test_a_model_and_a_project_of_a_neighbor_are_not_found(tenant: Tenant, neighbor: Tenant) -> None:
    for scope in ({"model": await neighbor.model()}, {"project": neighbor.project}):
        refusal = await tenant.client.refusal("setPromotionPolicy", "promotionPolicy", to="STAGING", gates=[], **scope)
        assert (refusal["code"], refusal["path"]) == ("NOT_FOUND", list(scope))


async def test_a_protected_alias_moves_under_the_rules_of_promotion(tenant: Tenant) -> None:
    model = await tenant.model()
    version = await tenant.version(model)
    writer = await tenant.member(Role.WRITER)
    await writer.make("setAlias", "alias", version=version, name="challenger")
    await set_policy(tenant, to=None, alias="@champion", gates=[threshold(minimum=0.9)])
    with pytest.raises(GraphQLFailed) as refused:
        await writer.change("setAlias", "alias { id }", version=version, name="champion")
    assert refused.value.code == "FORBIDDEN"
    refusal = await tenant.client.refusal("setAlias", "alias", version=version, name="champion")
    assert refusal["code"] == "GATE_FAILED"
    point = {"name": "accuracy", "phase": "TEST", "value": 0.95}
    await tenant.client.make("logVersionMetrics", "version", version=version, metrics=[point])
    await tenant.client.make("setAlias", "alias", version=version, name="champion")
    with pytest.raises(GraphQLFailed) as refused:
        await writer.change("removeAlias", "model { id }", model=model, name="champion")
    assert refused.value.code == "FORBIDDEN"
    await tenant.client.make("removeAlias", "model", model=model, name="champion")
