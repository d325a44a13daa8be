"""Gates: what each of them says of a version, and what it says would open it."""

from datetime import timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from db.base import utc_now
from db.codes import ArtifactKind, Phase, PrincipalKind, RankingDirection, Role
from db.session import Database
from registry.graph import lineage
from registry.promotion.gates.contents import CleanLineage, Integrity, RequiredArtifacts, RequiredFacts
from registry.promotion.gates.gate import Gate
from registry.promotion.gates.kinds import GATES, as_json, of_json
from registry.promotion.gates.measures import EvaluationAge, MetricThreshold, NotWorseThanChampion
from registry.promotion.gates.others import Approvals, ExternalCheck, MinimumStay
from storage.store import ObjectStore
from tests import sending
from tests.stages import Line
from tests.tenant import Tenant, uuid_of

PLAN = """query($version: ID!, $target: PromotionTargetInput!) { version(by: {id: $version}) {
    promotionPlan(target: $target) {
        isPossible obstacle isPermitted isAutomatic revision digest displaces { id } policy { revision } request { id }
        verdicts { gate { __typename } outcome measured bound message } } } }"""
REQUESTED = """query($id: ID!) { node(id: $id) { ... on PromotionRequest {
    plan { stage alias isPossible request { id } version { id } } } } }"""
ACCURACY = {"metric": "accuracy", "phase": "TEST"}
POINT = {"name": "accuracy", "phase": "TEST"}


async def policy(tenant: Tenant, *gates: dict[str, Any], **given: Any) -> str:
    values = {"to": "STAGING", "gates": list(gates), **given}
    return await tenant.client.make("setPromotionPolicy", "promotionPolicy", **values)


async def plan(tenant: Tenant, version: str, to: str = "STAGING") -> dict[str, Any]:
    found: dict[str, Any] = (await tenant.client(PLAN, version=version, target={"stage": to}))["version"][
        "promotionPlan"
    ]
    return found


async def verdict_of(tenant: Tenant, version: str, gate: dict[str, Any], to: str = "STAGING") -> tuple[Any, ...]:
    """Of one gate: outcome, measured, bound and message."""
    await policy(tenant, gate, to=to)
    (kind,) = gate
    found = await plan(tenant, version, to)
    (one,) = [one for one in found["verdicts"] if one["gate"]["__typename"].lower() == kind.lower()]
    return one["outcome"], one["measured"], one["bound"], one["message"]


async def log(tenant: Tenant, version: str, **given: Any) -> None:
    point = {**POINT, "step": "0", **given}
    await tenant.client.make("logVersionMetrics", "version", version=version, metrics=[point])


GATE_OF_EACH_KIND: list[Gate] = [
    MetricThreshold("accuracy", Phase.TEST, minimum=0.5),
    NotWorseThanChampion("accuracy", Phase.TEST, RankingDirection.MAXIMIZE, 0.01),
    EvaluationAge("accuracy", Phase.TEST, 60),
    Integrity(allow_external=True),
    RequiredArtifacts((ArtifactKind.MODEL, ArtifactKind.PLOT)),
    RequiredFacts(runtime=True),
    CleanLineage(3),
    Approvals(2, Role.MAINTAINER),
    ExternalCheck("fairness"),
    MinimumStay(60),
]


def test_gates_of_every_kind_are_looked_at() -> None:
    assert [type(gate) for gate in GATE_OF_EACH_KIND] == list(GATES.values())


@pytest.mark.parametrize("gate", GATE_OF_EACH_KIND, ids=lambda gate: type(gate).__name__)
def test_a_gate_is_read_as_it_was_stored_and_a_setting_of_another_release_is_left_out(gate: Gate) -> None:
    stored = orjson.loads(orjson.dumps(as_json(gate)))

    found = of_json({**stored, "setting_of_another_release": 1})

    assert found == gate
    assert repr(found) == repr(gate)


@pytest.mark.parametrize(
    ("bounds", "value", "outcome", "bound", "message"),
    [
        ({"minimum": 0.9}, 0.9, "PASSED", 0.9, "accuracy (test) is 0.9."),
        ({"minimum": 0.9}, 0.89, "FAILED", 0.9, "accuracy (test) is 0.89; it must be at least 0.9."),
        ({"maximum": 0.2}, 0.2, "PASSED", 0.2, "accuracy (test) is 0.2."),
        ({"maximum": 0.2}, 0.3, "FAILED", 0.2, "accuracy (test) is 0.3; it must be at most 0.2."),
        ({"minimum": 0.1, "maximum": 0.2}, 0.3, "FAILED", 0.2, "accuracy (test) is 0.3; it must be at most 0.2."),
        ({"minimum": -1, "maximum": 0}, 0.0, "PASSED", -1, "accuracy (test) is 0."),
    ],
)
async def test_a_metric_lies_within_bounds(
    tenant: Tenant, bounds: dict[str, float], value: float, outcome: str, bound: float, message: str
) -> None:
    version = await tenant.version()
    await log(tenant, version, value=value)
    found = await verdict_of(tenant, version, {"metricThreshold": ACCURACY | bounds})
    assert found == (outcome, value, bound, message)


async def test_a_metric_that_nobody_measured_is_told_with_those_that_there_are(tenant: Tenant) -> None:
    version = await tenant.version()
    gate = {"metricThreshold": {"metric": "acuracy", "phase": "TEST", "minimum": 0.9}}
    *_, message = await verdict_of(tenant, version, gate)
    assert message.startswith("No acuracy was measured in test; the version has none at all there.")
    await log(tenant, version, value=0.95)
    outcome, measured, bound, message = await verdict_of(tenant, version, gate)
    assert (outcome, measured, bound) == ("FAILED", None, 0.9)
    assert message.startswith("No acuracy was measured in test; the version has accuracy there.")


async def test_ten_metrics_of_version_and_run_are_told_each_once_and_none_of_another_phase(tenant: Tenant) -> None:
    run = await tenant.run()
    version = await tenant.version(run=run)
    of_run = [{**POINT, "name": f"m{nth}", "step": str(step), "value": 1} for nth in range(6) for step in range(3)]
    other = {**POINT, "name": "a", "phase": "TRAINING", "step": "0", "value": 1}
    await tenant.client.make("logRunMetrics", "run", run=run, metrics=[*of_run, other])
    for nth in range(5, 12):
        await log(tenant, version, name=f"m{nth}", value=1)
    *_, message = await verdict_of(tenant, version, {"metricThreshold": ACCURACY | {"minimum": 0.9}})
    assert "the version has m0, m1, m10, m11, m2, m3, m4, m5, m6, m7 there." in message


@pytest.mark.parametrize("special", ["NAN", "POSITIVE_INFINITY", "NEGATIVE_INFINITY"])
async def test_what_is_no_number_passes_no_bound(tenant: Tenant, special: str) -> None:
    version = await tenant.version()
    await log(tenant, version, special=special)
    for gate in ({"minimum": 0.9}, {"maximum": 0.9}):
        outcome, measured, _, message = await verdict_of(tenant, version, {"metricThreshold": ACCURACY | gate})
        assert (outcome, measured) == ("FAILED", None)
        assert message.endswith("and no number: measure it again.")


async def test_the_latest_step_counts_and_a_run_speaks_for_a_version_that_says_nothing(tenant: Tenant) -> None:
    run = await tenant.run()
    await tenant.client.make("logRunMetrics", "run", run=run, metrics=[{**POINT, "value": 0.95}])
    version = await tenant.version(run=run)
    gate = {"metricThreshold": ACCURACY | {"minimum": 0.9}}
    assert (await verdict_of(tenant, version, gate))[:2] == ("PASSED", 0.95)
    await log(tenant, version, value=0.5, step="7")
    await log(tenant, version, value=0.99, step="3")
    assert (await verdict_of(tenant, version, gate))[:2] == ("FAILED", 0.5)


@pytest.mark.parametrize(
    ("direction", "tolerance", "value", "outcome"),
    [
        ("MAXIMIZE", 0.0, 0.9, "PASSED"),
        ("MAXIMIZE", 0.0, 0.89, "FAILED"),
        ("MAXIMIZE", 0.02, 0.89, "PASSED"),
        ("MINIMIZE", 0.0, 0.89, "PASSED"),
        ("MINIMIZE", 0.0, 0.91, "FAILED"),
        ("MINIMIZE", 0.02, 0.91, "PASSED"),
    ],
)
async def test_a_version_is_held_against_the_champion(
    tenant: Tenant, direction: str, tolerance: float, value: float, outcome: str
) -> None:
    line = await Line.of(tenant, 2)
    champion, challenger = line.versions
    await line.to_production(champion)
    await log(tenant, champion, value=0.9)
    await log(tenant, challenger, value=value)
    gate = {"notWorseThanChampion": ACCURACY | {"direction": direction, "tolerance": tolerance}}
    found = await verdict_of(tenant, challenger, gate)
    assert found[:2] == (outcome, value)
    assert found[2] == pytest.approx(0.9 + (tolerance if direction == "MINIMIZE" else -tolerance))


@pytest.mark.parametrize(("direction", "champion"), [("MINIMIZE", 1e308), ("MAXIMIZE", -1e308)])
async def test_a_bound_beyond_all_numbers_is_none(tenant: Tenant, direction: str, champion: float) -> None:
    line = await Line.of(tenant, 2)
    await line.to_production(line.versions[0])
    await log(tenant, line.versions[0], value=champion)
    gate = {"notWorseThanChampion": ACCURACY | {"direction": direction, "tolerance": 1e308}}
    assert (await verdict_of(tenant, line.versions[1], gate))[:3] == ("FAILED", None, None)
    await log(tenant, line.versions[1], value=0.5)
    assert (await verdict_of(tenant, line.versions[1], gate))[:3] == ("PASSED", 0.5, None)


async def test_without_a_champion_any_value_will_do_and_a_champion_without_one_compares_with_nobody(
    tenant: Tenant,
) -> None:
    line = await Line.of(tenant, 2)
    first, second = line.versions
    gate = {"notWorseThanChampion": ACCURACY | {"direction": "MAXIMIZE"}}
    assert (await verdict_of(tenant, first, gate))[0] == "FAILED"
    await log(tenant, first, value=0.5)
    assert (await verdict_of(tenant, first, gate))[:2] == ("PASSED", 0.5)
    await line.to_production(first)
    assert (await verdict_of(tenant, first, gate))[3] == "It is the champion itself."
    await log(tenant, first, step="1", value=None, special="NAN")
    await log(tenant, second, value=0.9)
    outcome, _, _, message = await verdict_of(tenant, second, gate)
    assert outcome == "FAILED"
    assert message.endswith("has no finite accuracy (test): log it for that version.")


async def test_an_evaluation_grows_old(tenant: Tenant) -> None:
    version = await tenant.version()
    gate = {"evaluationAge": ACCURACY | {"maximumAgeSeconds": 3600}}
    assert (await verdict_of(tenant, version, gate))[0] == "FAILED"
    await log(tenant, version, value=0.9, measuredAt="2026-03-03T12:00:00Z")
    outcome, measured, bound, message = await verdict_of(tenant, version, gate)
    assert (outcome, bound) == ("FAILED", 3600)
    assert measured > 3600
    assert message.endswith("evaluate it again.")
    await log(tenant, version, value=0.9)
    assert (await verdict_of(tenant, version, gate))[0] == "PASSED"
    await log(tenant, version, value=None, special="NAN")
    assert (await verdict_of(tenant, version, gate))[0] == "FAILED"
    await log(tenant, version, value=0.9, measuredAt=(utc_now() + timedelta(minutes=4)).isoformat())
    outcome, measured, *_ = await verdict_of(tenant, version, gate)
    assert outcome == "PASSED", "a clock that is a little ahead"
    assert measured >= 0


async def test_files_are_verified_wherever_no_policy_says_otherwise(
    tenant: Tenant, database: Database, store: ObjectStore
) -> None:
    version = await tenant.version()
    artifact = await sending.announced(tenant.client, b"model", version=version, path="model.bin")
    (verdict,) = (await plan(tenant, version))["verdicts"]
    assert (verdict["gate"]["__typename"], verdict["outcome"]) == ("Integrity", "WAITING")
    assert verdict["message"] == "Not yet verified: model.bin. Complete their uploads, or wait."
    refusal = await tenant.client.refusal("promoteVersion", "transition", version=version, to="STAGING")
    assert refusal["code"] == "GATE_FAILED"
    await sending.send(artifact, b"model")
    await sending.complete(tenant.client, artifact["id"])
    await sending.work(database, store)
    (verdict,) = (await plan(tenant, version))["verdicts"]
    assert (verdict["outcome"], verdict["message"]) == ("PASSED", "1 files are verified.")
    await tenant.client.make("promoteVersion", "transition", version=version, to="STAGING")


async def test_what_is_not_what_was_announced_keeps_a_version_back_until_it_is_sent_again(
    tenant: Tenant, database: Database, store: ObjectStore
) -> None:
    version = await tenant.version()
    artifact = await sending.announced(tenant.client, b"model", version=version, path="model.bin")
    await sending.send(artifact, b"MODEL")
    await sending.complete(tenant.client, artifact["id"])
    await sending.work(database, store)
    (verdict,) = (await plan(tenant, version))["verdicts"]
    assert (verdict["outcome"], verdict["measured"], verdict["bound"]) == ("FAILED", 1, 0)
    assert verdict["message"] == "Not what was announced: model.bin. Upload again, or delete them."
    await sending.deliver(tenant.client, database, store, b"model", version=version, path="model.bin")
    assert (await plan(tenant, version))["isPossible"]


async def test_files_that_are_kept_elsewhere_pass_where_a_policy_allows_it(tenant: Tenant) -> None:
    version = await tenant.version()
    given = {"version": version, "path": "model.bin", "kind": "MODEL", "uri": "s3://elsewhere/model"}
    await tenant.client.make("createExternalArtifact", "artifact", **given)
    assert (await verdict_of(tenant, version, {"integrity": {}}))[0] == "FAILED"
    assert (await verdict_of(tenant, version, {"integrity": {"allowExternal": True}}))[0] == "PASSED"


async def test_files_of_each_kind_are_there(tenant: Tenant, database: Database, store: ObjectStore) -> None:
    version = await tenant.version()
    gate = {"requiredArtifacts": {"kinds": ["MODEL", "CONFUSION_MATRIX"]}}
    await sending.deliver(tenant.client, database, store, b"model", version=version, path="m", kind="MODEL")
    found = await verdict_of(tenant, version, gate)
    assert found == ("FAILED", 1, 2, "No file of kind CONFUSION_MATRIX: upload one of each.")
    await sending.deliver(tenant.client, database, store, b"plot", version=version, path="p", kind="CONFUSION_MATRIX")
    assert (await verdict_of(tenant, version, gate))[:3] == ("PASSED", 2, 2)


async def test_a_version_says_what_it_takes_what_it_was_made_with_and_from_which_data(tenant: Tenant) -> None:
    gate = {"requiredFacts": {"signature": True, "runtime": True, "datasets": True}}
    found = await verdict_of(tenant, await tenant.version(), gate)
    message = "It has no signature and no runtime and no datasets: add what is missing."
    assert found == ("FAILED", 0, 3, message)
    run = await tenant.run(datasets=[{"datasetVersion": await tenant.dataset_version()}])
    signature = {"inputs": [{"name": "age", "type": "INT64"}]}
    version = await tenant.version(run=run, signature=signature, runtime={"image": "slim"})
    assert (await verdict_of(tenant, version, gate))[:3] == ("PASSED", 3, 3)


async def test_a_lineage_is_clean_while_nothing_in_it_went_wrong(tenant: Tenant) -> None:
    run = await tenant.run(name="nightly", datasets=[{"datasetVersion": await tenant.dataset_version()}])
    base = await tenant.version(run=run)
    version = await tenant.version(baseVersion=base)
    gate: dict[str, Any] = {"cleanLineage": {}}
    assert (await verdict_of(tenant, version, gate))[0] == "PASSED"
    await tenant.client.make("finishRun", "run", run=run, status="FAILED")
    found = await verdict_of(tenant, version, gate)
    assert found == (
        "FAILED", 1, 0, "It comes from the run nightly that is failed: make it anew from what is sound."
    )  # fmt: skip
    assert (await verdict_of(tenant, version, {"cleanLineage": {"depth": 1}}))[0] == "PASSED"


async def test_a_lineage_that_no_walk_sees_whole_is_not_clean(tenant: Tenant, database: Database) -> None:
    run = await tenant.run()
    version = await tenant.version(run=run)
    many = """insert into registry.lineage_edge (org_id, id, created_at, kind, upstream_kind, upstream_id,
                                                  downstream_kind, downstream_id, valid_from)
        select :org, gen_random_uuid(), now(), 'USED', 'DatasetVersion', gen_random_uuid(), 'Run', :run, now()
          from generate_series(1, :count)"""
    async with database.change(tenant.org_id) as change:
        values = {"org": tenant.org_id, "run": uuid_of(run), "count": lineage.MAX_EDGES}
        await change.execute(text(many), values)
    # As deep as the gate looks there is all that the walk could see, and one edge more.
    outcome, *_, message = await verdict_of(tenant, version, {"cleanLineage": {"depth": 2}})
    assert outcome == "FAILED"
    assert message.startswith("Its lineage is too long to be looked at whole")
    assert (await verdict_of(tenant, version, {"cleanLineage": {"depth": 1}}))[0] == "PASSED"


async def test_another_system_reports_a_check_of_the_contents_as_they_are(tenant: Tenant) -> None:
    version, program = await tenant.version(), await tenant.member(Role.WRITER, PrincipalKind.SERVICE_ACCOUNT)
    gate = {"externalCheck": {"name": "bias-audit"}}
    outcome, *_, message = await verdict_of(tenant, version, gate)
    assert outcome == "WAITING"
    assert message.startswith("Nobody reported the check bias-audit of this version with its present contents.")
    for passed, expected in ((False, "FAILED"), (True, "PASSED")):
        digest = (await plan(tenant, version))["digest"]
        given = {"version": version, "name": "bias-audit", "digest": digest, "passed": passed, "summary": "3 of 3."}
        await program.make("reportCheck", "versionCheck", **given)
        assert (await verdict_of(tenant, version, gate))[:3] == (expected, passed, True)
    await tenant.client.make("updateVersion", "version", version=version, runtime={"image": "slim"})
    assert (await verdict_of(tenant, version, gate))[0] == "WAITING"
    refusal = await tenant.client.refusal("reportCheck", "versionCheck", **given)
    assert (refusal["code"], refusal["path"]) == ("CONFLICT", ["digest"])


async def test_who_made_a_version_vouches_for_it_only_where_the_policy_says_so(tenant: Tenant) -> None:
    version, somebody_else = await tenant.version(), await tenant.member(Role.WRITER)
    given = {"version": version, "name": "audit", "digest": (await plan(tenant, version))["digest"], "passed": True}
    await tenant.client.make("reportCheck", "versionCheck", **given)
    assert (await verdict_of(tenant, version, {"externalCheck": {"name": "audit"}}))[0] == "WAITING"
    lenient = {"externalCheck": {"name": "audit", "allowAuthors": True}}
    assert (await verdict_of(tenant, version, lenient))[0] == "PASSED"
    await somebody_else.make("reportCheck", "versionCheck", **given)
    assert (await verdict_of(tenant, version, {"externalCheck": {"name": "audit"}}))[0] == "PASSED"
    await tenant.client.make("reportCheck", "versionCheck", **given | {"passed": False})
    assert (await verdict_of(tenant, version, {"externalCheck": {"name": "audit"}}))[0] == "FAILED"


async def test_a_version_stays_for_a_while(tenant: Tenant, database: Database) -> None:
    line = await Line.of(tenant, 1)
    (version,) = line.versions
    await line.promote(version, "STAGING")
    gate = {"minimumStay": {"minimumSeconds": 3600}}
    outcome, measured, bound, message = await verdict_of(tenant, version, gate, "PRODUCTION")
    assert (outcome, bound) == ("WAITING", 3600)
    assert measured < 3600
    assert message.endswith("it will be the 3600 s needed.")
    async with database.change(tenant.org_id) as change:
        # The history cannot be rewritten by anybody who acts as the application.
        await change.execute(text("set local role none"))
        await change.execute(
            text("update registry.transition set created_at = created_at - interval '2 hours' where org_id = :org_id"),
            {"org_id": tenant.org_id},
        )
    assert (await verdict_of(tenant, version, gate, "PRODUCTION"))[0] == "PASSED"


async def test_the_plan_is_what_the_promotion_does(tenant: Tenant) -> None:
    line = await Line.of(tenant, 2)
    first, second = line.versions
    await line.promote(first, "STAGING")
    gates: list[dict[str, Any]] = [
        {"metricThreshold": ACCURACY | {"minimum": 0.9}},
        {"requiredFacts": {"runtime": True}},
    ]
    await policy(tenant, *gates, model=line.model)
    await log(tenant, second, value=0.8)
    found = await plan(tenant, second)
    assert (found["isPossible"], found["revision"], found["displaces"]) == (False, 1, {"id": first})
    document = """mutation($input: PromoteVersionInput!) { promoteVersion(input: $input) { errors {
        ... on GateFailedError { code path message verdicts {
            gate { __typename } outcome measured bound message } } } } }"""
    answer = await tenant.client(document, input={"version": second, "to": "STAGING"})
    (error,) = answer["promoteVersion"]["errors"]
    assert error["verdicts"] == found["verdicts"]
    assert [one["outcome"] for one in error["verdicts"]] == ["PASSED", "FAILED", "FAILED"]
    assert (error["code"], error["path"]) == ("GATE_FAILED", ["version"])
    assert error["message"] == (
        "2 gates are closed: accuracy (test) is 0.8; it must be at least 0.9. It has no runtime: add what is missing."
    )
    assert (await line.slots())["STAGING"] == (1, first)
    await log(tenant, second, value=0.95, step="1")
    await tenant.client.make("updateVersion", "version", version=second, runtime={"image": "slim"})
    found = await plan(tenant, second)
    assert found["isPossible"]
    transition = await line.promote(second, "STAGING")
    kept = await tenant.client(
        """query($id: ID!) { node(id: $id) { ... on Transition { digest policyRevision policy { model { id } }
            verdicts { gate { __typename ... on MetricThreshold { metric minimum } } message } } } }""",
        id=transition,
    )
    assert kept["node"]["digest"] == found["digest"]
    assert kept["node"]["policyRevision"] == 1
    assert kept["node"]["policy"] == {"model": {"id": line.model}}
    assert kept["node"]["verdicts"][1]["gate"] == {
        "__typename": "MetricThreshold",
        "metric": "accuracy",
        "minimum": 0.9,
    }
    assert [one["message"] for one in kept["node"]["verdicts"]] == [one["message"] for one in found["verdicts"]]


@pytest.mark.parametrize(
    ("steps", "to", "obstacle"),
    [
        ((), "PRODUCTION", "This version is in stage DEVELOPMENT and cannot go to PRODUCTION from there"),
        (("STAGING",), "STAGING", "This version is in stage STAGING already"),
        (("STAGING",), "PRODUCTION", None),
    ],
)
async def test_the_plan_names_what_stands_in_the_way_of_every_gate(
    tenant: Tenant, steps: tuple[str, ...], to: str, obstacle: str | None
) -> None:
    line = await Line.of(tenant, 1)
    for step in steps:
        await line.promote(line.versions[0], step)
    found = await plan(tenant, line.versions[0], to)
    assert (found["obstacle"] and found["obstacle"].split(":")[0].rstrip(".")) == obstacle
    assert found["isPossible"] == (obstacle is None)


@pytest.mark.parametrize(
    "target",
    [
        {}, {"stage": "ARCHIVED"}, {"stage": "DEVELOPMENT"}, {"stage": None}, {"alias": ""}, {"alias": "production"},
        {"stage": "STAGING", "alias": "champion"},
    ],
)  # fmt: skip
async def test_a_plan_takes_exactly_one_target_that_a_version_can_go_to(tenant: Tenant, target: dict[str, Any]) -> None:
    answer = await tenant.client.post(PLAN, {"version": await tenant.version(), "target": target})
    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize("target", [{"to": "STAGING"}, {"alias": "champion"}])
async def test_an_open_request_shows_its_plan_and_an_ended_one_does_not(tenant: Tenant, target: dict[str, Any]) -> None:
    line = await Line.of(tenant, 1)
    await policy(tenant, {"approvals": {"count": 1}}, **{"to": None, **target}, model=line.model)
    request = await tenant.client.make("requestPromotion", "promotionRequest", version=line.versions[0], **target)
    assert (await tenant.client(REQUESTED, id=request))["node"]["plan"] == {
        "stage": target.get("to"), "alias": target.get("alias"), "isPossible": False,
        "request": {"id": request}, "version": {"id": line.versions[0]},
    }  # fmt: skip
    await tenant.client.make("withdrawPromotion", "promotionRequest", request=request)
    assert (await tenant.client(REQUESTED, id=request))["node"]["plan"] is None


async def test_plans_of_many_versions_cost_more_than_an_operation_may(tenant: Tenant) -> None:
    query = "{ versions(first: 100) { nodes { promotionPlan(target: {stage: STAGING}) { isPossible } } } }"
    answer = await tenant.client.post(query, {})
    assert answer["errors"][0]["extensions"]["code"] == "QUERY_TOO_EXPENSIVE"
    assert (await tenant.client(query.replace("100", "20")))["versions"] == {"nodes": []}


async def test_the_digest_changes_with_files_signature_and_runtime_and_with_nothing_else(
    tenant: Tenant, database: Database, store: ObjectStore
) -> None:
    version, twin = await tenant.version(), await tenant.version()

    async def digest(of: str) -> str:
        found: str = (await plan(tenant, of))["digest"]
        return found

    seen = {await digest(version)}
    assert await digest(twin) in seen
    await log(tenant, version, value=0.9)
    await tenant.client.make("updateVersion", "version", version=version, description="better")
    assert await digest(version) in seen
    await tenant.client.make("updateVersion", "version", version=version, runtime={"image": "slim"})
    seen.add(await digest(version))
    await sending.deliver(tenant.client, database, store, b"model", version=version, path="m")
    seen.add(await digest(version))
    signature = {"inputs": [{"name": "age", "type": "INT64"}]}
    await tenant.client.make("updateVersion", "version", version=version, signature=signature)
    seen.add(await digest(version))
    assert len(seen) == 4
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on ModelVersion { digest } } }"
    answer = await tenant.client(query, ids=[version, twin])
    assert [node["digest"] for node in answer["nodes"]] == [await digest(version), await digest(twin)]
