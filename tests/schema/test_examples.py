"""The tabs of GraphiQL: each tells what it is for; the examples, read from top to bottom, do what they say."""

import hashlib
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from graphql import DocumentNode, OperationDefinitionNode, parse
from starlette.applications import Starlette

from db.base import utc_now
from db.codes import Role
from db.session import Database
from resolvers.context import Operation
from schema.build import build_schema
from storage.store import ObjectStore
from tests.patience import PATIENCE_S
from tests.sending import work
from tests.tenant import Client, Tenant

FOLDER = Path(__file__).parents[2] / "schema/examples"
SCREENS = sorted((FOLDER.parent / "screens").glob("*.graphql"))
EXAMPLES = sorted(FOLDER.glob("*.graphql"))
PASTE = "PASTE_A_{}_ID"
PASTED = {
    **{kind: PASTE.format(kind.upper()) for kind in ("model", "run", "version")},
    "artifact": "PASTE_AN_ARTIFACT_ID",
    "webhook": "PASTE_A_WEBHOOK_ID",
    "promotionRequest": PASTE.format("REQUEST"),
}
every_tab = pytest.mark.parametrize("tab", EXAMPLES + SCREENS, ids=lambda tab: str(tab.stem))
ASKING = [example for example in EXAMPLES if "subscription" not in example.read_text()]


def text_of(stem: str) -> str:
    return (FOLDER / f"{stem}.graphql").read_text()


def operations(document: DocumentNode) -> list[OperationDefinitionNode]:
    return [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]


def variables_of(example: Path, pasted: dict[str, str]) -> dict[str, Any]:
    """The variables beside an example, after a reader has pasted the ids that are known so far."""
    beside = example.with_suffix(".json")
    given: dict[str, Any] = json.loads(beside.read_text()) if beside.exists() else {}
    return {name: with_ids(value, pasted) for name, value in given.items()}


def with_ids(value: Any, pasted: dict[str, str]) -> Any:
    """A variable with ids in place of placeholders, wherever they stand in it."""
    if isinstance(value, list):
        return [with_ids(each, pasted) for each in value]
    if isinstance(value, dict):
        return {name: with_ids(each, pasted) for name, each in value.items()}
    return pasted.get(value, value) if isinstance(value, str) else value


def ids_in(answer: dict[str, Any]) -> dict[str, str]:
    """What a mutation made, by the placeholder that asks for it."""
    made: dict[str, str] = {}
    for payload in answer.values():
        for kind, placeholder in PASTED.items():
            if isinstance(payload, dict) and payload.get(kind) and "id" in payload[kind]:
                made[placeholder] = payload[kind]["id"]
    return made


async def read_through(tenant: Tenant, example: Path, pasted: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The answers of all operations of an example, run from top to bottom."""
    answers: dict[str, dict[str, Any]] = {}
    for operation in operations(parse(example.read_text())):
        assert operation.name is not None
        answers[operation.name.value] = await run(tenant, example, operation.name.value, pasted)
        pasted |= ids_in(answers[operation.name.value])
    return answers


async def run(
    tenant: Tenant, example: Path, operation: str, pasted: dict[str, str], client: Client | None = None
) -> dict[str, Any]:
    response = await tenant.http.post(
        "/graphql",
        json={
            "query": example.read_text(),
            "variables": variables_of(example, pasted),
            "operationName": operation,
        },
        headers={"authorization": f"Bearer {(client or tenant.client).token}"},
    )
    answer: dict[str, Any] = response.json()
    assert "errors" not in answer, answer["errors"]
    data: dict[str, Any] = answer["data"]
    return data


async def filled(tenant: Tenant) -> dict[str, str]:
    """A registry with a version that learned from data; what a reader can paste."""
    data = await tenant.dataset_version()
    training = await tenant.run(datasets=[{"datasetVersion": data, "role": "TRAINING"}])
    metrics = [{"name": "accuracy", "phase": "TEST", "value": 0.9}]
    model = await tenant.model(name="digits-reader")
    earlier = await tenant.version(model, label="0.9.0")
    version = await tenant.version(model, label="1.0.0", run=training, metrics=metrics)
    return {
        PASTE.format("PROJECT"): tenant.project,
        PASTE.format("MODEL"): model,
        PASTE.format("VERSION"): version,
        PASTE.format("DATASET_VERSION"): data,
        "PASTE_ANOTHER_VERSION_ID": earlier,
    }


@every_tab
def test_a_tab_begins_with_a_title_and_a_sentence(tab: Path) -> None:
    title, sentence, rest = tab.read_text().split("\n", 2)
    assert title.startswith("# ")
    assert sentence.startswith("# ")
    assert sentence.endswith((".", "?"))
    assert not rest.startswith("#")


@every_tab
def test_every_operation_has_a_name_for_its_tab(tab: Path) -> None:
    assert all(operation.name is not None for operation in operations(parse(tab.read_text())))


@every_tab
def test_variables_beside_a_tab_are_those_it_takes(tab: Path) -> None:
    taken = {
        variable.variable.name.value
        for operation in operations(parse(tab.read_text()))
        for variable in operation.variable_definitions or ()
    }
    assert set(variables_of(tab, {})) == taken


@pytest.mark.parametrize("example", ASKING, ids=lambda example: str(example.stem))
async def test_an_example_runs_from_top_to_bottom(example: Path, tenant: Tenant) -> None:
    answers = await read_through(tenant, example, await filled(tenant))
    assert all(value is not None for answer in answers.values() for value in answer.values())


@pytest.mark.parametrize("example", ASKING, ids=lambda example: str(example.stem))
async def test_an_example_without_variables_runs_in_an_empty_registry(example: Path, tenant: Tenant) -> None:
    if not example.with_suffix(".json").exists():
        await read_through(tenant, example, {})


async def test_the_model_is_found_by_its_name(tenant: Tenant) -> None:
    pasted = await filled(tenant)
    answers = await read_through(tenant, FOLDER / "20_model_by_name.graphql", pasted)
    assert [node["label"] for node in answers["ModelByName"]["model"]["versions"]["nodes"]] == ["1.0.0", "0.9.0"]


async def test_the_lineage_goes_from_a_version_to_its_data(tenant: Tenant) -> None:
    answers = await read_through(tenant, FOLDER / "30_where_did_it_come_from.graphql", await filled(tenant))
    (model,) = answers["WhereDidItComeFrom"]["models"]["nodes"]
    steps = model["versions"]["nodes"][0]["upstream"]["steps"]
    assert [step["node"]["__typename"] for step in steps] == ["Run", "DatasetVersion"]


async def test_the_lineage_goes_from_data_to_the_versions_that_learned_from_it(tenant: Tenant) -> None:
    answers = await read_through(tenant, FOLDER / "40_who_learned_from_it.graphql", await filled(tenant))
    (dataset,) = answers["WhoLearnedFromIt"]["datasets"]["nodes"]
    steps = dataset["versions"]["nodes"][0]["downstream"]["steps"]
    assert [step["node"]["title"].split()[-1] for step in steps][1:] == ["1.0.0"]


async def test_the_board_shows_what_runs_where_and_the_lineage_leads_there_from_the_data(tenant: Tenant) -> None:
    pasted = await filled(tenant)
    place = await tenant.environment(name="production")
    version = pasted[PASTE.format("VERSION")]
    made = await tenant.deployment(environment=place, version=version, name="reader", reason="first release")
    seen = {"observedState": "RUNNING", "version": version, "metrics": [{"name": "load", "value": 0.5}]}
    await tenant.client.make("reportDeployment", "deployment", deployment=made, **seen)
    answers = await read_through(tenant, FOLDER / "45_what_runs_where.graphql", pasted)
    (shown,) = answers["WhatRunsWhere"]["environments"]["nodes"][0]["deployments"]["nodes"]
    assert (shown["name"], shown["version"]["label"], shown["inSync"]) == ("reader", "1.0.0", True)
    assert shown["changes"]["nodes"][0]["reason"] == "first release"
    assert [metric["value"] for metric in shown["metrics"]] == [0.5]
    (dataset,) = answers["WhereDoesItRunNow"]["datasets"]["nodes"]
    reached = dataset["versions"]["nodes"][0]["downstream"]["steps"][-1]
    assert reached["node"]["environment"] == {"name": "production"}


async def test_two_versions_are_compared(tenant: Tenant) -> None:
    answers = await read_through(tenant, FOLDER / "47_compare_versions.graphql", await filled(tenant))
    compared = answers["CompareVersions"]["versionComparison"]
    assert [version["label"] for version in compared["versions"]] == ["0.9.0", "1.0.0"]
    (metric,) = compared["metrics"]
    assert metric["values"] == [None, {"value": 0.9, "special": None, "step": "0"}]


async def test_a_champion_is_chosen_with_the_reason(tenant: Tenant) -> None:
    answers = await read_through(tenant, FOLDER / "49_choose_a_champion.graphql", await filled(tenant))
    chosen = answers["ChooseChampion"]["model"]["championCandidates"]
    assert (chosen["selected"], chosen["champion"]) == ({"label": "1.0.0"}, None)
    assert [(place["version"]["label"], place["reasons"][0]) for place in chosen["places"]] == [
        ("1.0.0", "accuracy (test) is 0.9."), ("0.9.0", "No accuracy was measured in test."),
    ]  # fmt: skip


async def test_rules_are_set_and_tell_what_they_did(tenant: Tenant, database: Database, store: ObjectStore) -> None:
    example, pasted = FOLDER / "56_automate.graphql", await filled(tenant)
    await read_through(tenant, example, pasted)
    await work(database, store)
    rules = (await run(tenant, example, "WhatTheRulesDid", {}))["automationRules"]["nodes"]
    assert [(rule["name"], [one["version"]["label"] for one in rule["firings"]["nodes"]]) for rule in rules] == [
        ("accuracy guard", []), ("to staging", ["1.0.0"]),
    ]  # fmt: skip


async def test_the_history_of_a_metric_and_the_best_run_are_shown(tenant: Tenant) -> None:
    given = {"project": tenant.project, "name": tenant.name()}
    experiment = await tenant.client.make("createExperiment", "experiment", **given)
    for value in (0.7, 0.9):
        run = await tenant.run(experiment=experiment, name=f"reached {value}")
        point = {"name": "accuracy", "phase": "TEST", "value": value}
        await tenant.client.make("logRunMetrics", "run", run=run, metrics=[point])
        await tenant.client.make("finishRun", "run", run=run)
    answers = await read_through(tenant, FOLDER / "48_how_did_it_learn.graphql", {})
    runs = answers["HowDidItLearn"]["runs"]["nodes"]
    assert [bucket["last"] for run in runs for bucket in run["metricHistory"]["buckets"]] == [0.9, 0.7]
    (shown,) = answers["WhichRunIsBest"]["experiments"]["nodes"]
    assert [place["run"]["name"] for place in shown["bestRuns"]["places"]] == ["reached 0.9", "reached 0.7"]


async def test_of_many_at_once_the_one_that_is_refused_does_not_hold_up_the_others(tenant: Tenant) -> None:
    answers = await read_through(tenant, FOLDER / "52_many_at_once.graphql", await filled(tenant))
    results = answers["ManyVersions"]["createVersions"]["results"]
    assert [[error["code"] for error in each["errors"]] for each in results] == [[], [], ["NAME_TAKEN"]]


async def test_what_is_deleted_comes_back_under_another_name(tenant: Tenant) -> None:
    answers = await read_through(tenant, FOLDER / "54_delete_and_restore.graphql", await filled(tenant))
    assert [model["name"] for model in answers["DeletedModels"]["models"]["nodes"]] == ["passing-thought"]
    restored = answers["RestoreModel"]["restoreModel"]["model"]
    assert (restored["name"], restored["deletedAt"]) == ("second-thought", None)


async def test_a_policy_is_set_and_a_plan_says_what_it_waits_for(tenant: Tenant) -> None:
    pasted = await filled(tenant)
    answers = await read_through(tenant, FOLDER / "55_set_a_policy.graphql", pasted)
    assert answers["SetPolicy"]["setPromotionPolicy"]["errors"] == []
    (policy,) = answers["WhichPolicies"]["promotionPolicies"]["nodes"]
    assert [gate["kind"] for gate in policy["gates"]] == [
        *("MetricThreshold", "NotWorseThanChampion", "RequiredFacts", "Approvals")
    ]
    example, pasted["STAGING"] = FOLDER / "56_plan_a_promotion.graphql", "PRODUCTION"
    plan = (await run(tenant, example, "PlanPromotion", pasted))["version"]["promotionPlan"]
    assert [one["outcome"] for one in plan["verdicts"]] == ["PASSED", "PASSED", "PASSED", "FAILED", "WAITING"]
    assert "a promotion leads from DEVELOPMENT to STAGING" in plan["obstacle"]


async def test_a_version_is_promoted_replaced_and_rolled_back(tenant: Tenant) -> None:
    answers = await read_through(tenant, FOLDER / "57_promote_and_roll_back.graphql", await filled(tenant))
    payloads = [payload for answer in answers.values() for payload in answer.values() if "errors" in payload]
    assert [payload["errors"] for payload in payloads] == [[]] * 5
    assert answers["WhatIsWhere"]["model"]["production"]["version"] == {"label": "1.0.0"}
    back = answers["RollBack"]["rollBackModel"]["transition"]
    assert (back["version"], back["undone"]["version"]) == ({"label": "0.9.0"}, {"label": "1.0.0"})


async def test_a_promotion_is_asked_for_reviewed_by_somebody_else_and_completed(tenant: Tenant) -> None:
    example, pasted = FOLDER / "58_request_and_review.graphql", await filled(tenant)
    pasted |= ids_in(await run(tenant, example, "RequestPromotion", pasted))
    waiting = await run(tenant, example, "WhatWaitsForAReview", pasted)
    assert [node["id"] for node in waiting["promotionRequests"]["nodes"]] == [pasted[PASTE.format("REQUEST")]]
    (refused,) = (await run(tenant, example, "ReviewPromotion", pasted))["reviewPromotion"]["errors"]
    assert refused["code"] == "CONFLICT"
    somebody_else = await tenant.member(Role.MAINTAINER)
    reviewed = await run(tenant, example, "ReviewPromotion", pasted, somebody_else)
    assert reviewed["reviewPromotion"]["errors"] == []
    completed = (await run(tenant, example, "CompletePromotion", pasted))["completePromotion"]["promotionRequest"]
    assert (completed["state"], completed["transition"]["toStage"]) == ("COMPLETED", "STAGING")


async def test_what_was_in_production_at_a_time_is_told_with_who_put_it_there(tenant: Tenant) -> None:
    pasted = await filled(tenant)
    promoting = FOLDER / "57_promote_and_roll_back.graphql"
    await run(tenant, promoting, "PromoteFirst", pasted)
    example, pasted["2026-03-03T12:00:00Z"] = FOLDER / "59_what_was_in_production.graphql", utc_now().isoformat()
    await run(tenant, promoting, "PromoteNext", pasted)
    (held,) = (await run(tenant, example, "InProductionAt", pasted))["slotHistory"]["nodes"]
    assert (held["version"], held["transition"]["createdBy"]) == ({"label": "0.9.0"}, {"name": "owner"})
    assert held["validTo"] is not None
    went = (await run(tenant, example, "HowVersionsWent", pasted))["transitions"]["nodes"]
    assert [one["kind"] for one in went].count("PROMOTION") == 4


async def test_what_an_alias_was_at_a_time_is_told_with_who_set_it(tenant: Tenant) -> None:
    example, pasted = FOLDER / "59_where_an_alias_pointed.graphql", await filled(tenant)
    await run(tenant, example, "SetAndMove", pasted)
    pasted["2026-03-03T12:00:00Z"] = utc_now().isoformat()
    back = (await run(tenant, example, "RollBackAlias", pasted))["rollBackAlias"]
    assert back == {"alias": {"revision": 3, "version": {"label": "0.9.0"}}, "errors": []}
    (was,) = (await run(tenant, example, "AliasAt", pasted))["aliasHistory"]["nodes"]
    assert (was["version"], was["createdBy"]) == ({"label": "1.0.0"}, {"name": "owner"})
    assert (was["reason"], was["validTo"] is not None) == ("More accurate.", True)
    went = (await run(tenant, example, "HowAliasesWent", pasted))["model"]["aliasHistory"]["nodes"]
    assert [one["kind"] for one in went] == ["ROLLBACK", "MOVE", "MOVE"]


async def test_the_steps_of_registering_end_with_a_version(tenant: Tenant) -> None:
    answers = await read_through(tenant, FOLDER / "50_register_a_version.graphql", await filled(tenant))
    payload = answers["RegisterVersion"]["createVersion"]
    assert payload["errors"] == []
    assert payload["version"]["metrics"] == [{"name": "accuracy", "phase": "TEST", "value": 0.93}]


async def test_the_steps_of_uploading_end_with_a_download(
    tenant: Tenant, database: Database, store: ObjectStore
) -> None:
    example, pasted = FOLDER / "60_upload_a_file.graphql", await filled(tenant)
    announced = await run(tenant, example, "UploadAnnounce", pasted)
    pasted |= ids_in(announced)
    (part,) = announced["createUpload"]["artifact"]["upload"]["parts"]
    async with httpx2.AsyncClient(timeout=PATIENCE_S) as http:
        assert (await http.put(part["url"], content=b"hello")).status_code == 200
        completed = await run(tenant, example, "UploadComplete", pasted)
        assert completed["completeUpload"]["errors"] == []
        await work(database, store)
        file = (await run(tenant, example, "UploadDownload", pasted))["node"]
        assert file["state"] == "AVAILABLE"
        got = await http.get(file["download"]["url"])
    assert hashlib.sha256(got.content).hexdigest() == variables_of(example, {})["sha256"]


async def test_a_webhook_is_created_and_sent_a_ping(tenant: Tenant) -> None:
    answers = await read_through(tenant, FOLDER / "65_webhooks.graphql", await filled(tenant))
    assert answers["CreateWebhook"]["createWebhook"]["secret"].startswith("whsec_")
    assert answers["TestWebhook"]["testWebhook"]["webhookDelivery"]["kind"] == "webhook.ping"
    assert answers["EnableWebhook"]["enableWebhook"]["errors"] == []


async def test_the_live_stream_begins_with_a_beat(app: Starlette, tenant: Tenant) -> None:
    context = Operation(app.state.services, tenant.actor)
    stream: Any = await build_schema().subscribe(text_of("70_heartbeat"), context_value=context)
    first = await anext(stream)
    await stream.aclose()
    assert first.errors is None
    assert first.data["heartbeat"]["serverVersion"]


async def test_what_happens_is_followed_from_a_bookmark_on(app: Starlette, tenant: Tenant) -> None:
    context = Operation(app.state.services, tenant.actor)
    stream: Any = await build_schema().subscribe(text_of("69_follow_events"), context_value=context)
    bookmark = await anext(stream)
    await tenant.model(name="followed")
    event = await anext(stream)
    await stream.aclose()
    await context.close()
    assert bookmark.data["events"].keys() == {"__typename", "cursor", "at"}
    assert event.data["events"]["subject"] == {"__typename": "Model", "name": "followed"}
