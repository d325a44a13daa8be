"""Every failure that a mutation declares can happen, and comes as data with type, code, path and a sentence."""

import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from graphql import GraphQLObjectType

from db.base import utc_now
from db.session import Database
from db.tables import Webhook, WebhookDelivery
from registry.kernel import errors
from registry.kernel.rows import find
from registry.webhooks.vault import Vault
from registry.webhooks.webhooks import MAX_WAITING
from schema.building import mutations
from schema.building.enums import UserErrorCode
from schema.building.mutations import codes_of
from schema.building.user_errors import ERROR_TYPES, as_data
from tests.nouns import noun
from tests.schema.built import SCHEMA
from tests.schema.deletion_cases import in_use, name_taken_since, not_at_rest, parent_deleted
from tests.schema.valid_inputs import (
    DELETIONS_OF,
    MUTATIONS,
    Refusing,
    reference_fields,
    refusal_of,
    row_of,
    title,
    unknown,
    valid_input,
)
from tests.stages import spoil
from tests.tenant import Tenant, found_tenant, uuid_of

Given = dict[str, Any]
LONG = "x" * 201
SHOWN = [shown.__name__ for shown in ERROR_TYPES]
TYPES = {re.sub("(?<=[a-z])(?=[A-Z])", "_", name).upper().removesuffix("_ERROR"): name for name in SHOWN}
"""The types of errors with fields of their own, by code."""


def declared_codes(mutation: str) -> list[str]:
    """The codes that the description of a mutation lists."""
    assert SCHEMA.mutation_type is not None
    _, listed = (SCHEMA.mutation_type.fields[mutation].description or "").split("\n\nErrors: ")
    return re.findall("`([A-Z_]+)`", listed)


async def _taken(tenant: Tenant, mutation: str) -> Given:
    given = await valid_input(tenant, mutation)
    await tenant.client.change(mutation, "replayed", **given)
    return given | ({"sha256": uuid4().hex * 2} if "sha256" in given else {})


async def _announced_as_another_kind(tenant: Tenant, mutation: str) -> Given:
    given = await valid_input(tenant, mutation)
    await tenant.client.change(mutation, "replayed", **given)
    return given | {"kind": "PLOT"}


async def _other_has_the_name(tenant: Tenant, mutation: str) -> Given:
    """The second of two things, to be called as the first is."""
    create, names = mutation.replace("update", "create"), [tenant.name(), tenant.name()]
    given = await valid_input(tenant, create)
    made = [await tenant.client.make(create, row_of(create), **(given | {"name": name})) for name in names]
    return {row_of(create): made[1], "name": names[0]}


async def _too_much_traffic(tenant: Tenant, mutation: str) -> Given:
    given = await valid_input(tenant, mutation)
    model = await tenant.client(
        "query($id: ID!) { node(id: $id) { ... on ModelVersion { model { id } } } }", id=given["version"]
    )
    other = await tenant.version(model["node"]["model"]["id"])
    await tenant.deployment(environment=given["environment"], version=other, trafficPercent=60.0)
    return given | {"trafficPercent": 40.01}


async def _too_many_shares(tenant: Tenant, mutation: str) -> Given:
    given = await valid_input(tenant, mutation)
    other = await tenant.version(given["model"])
    await tenant.deployment(environment=given["environment"], version=other, trafficPercent=60.0)
    return given


async def _crowded(tenant: Tenant, _: str) -> Given:
    """A deployment that is to get more of the traffic than another one of its model leaves."""
    place, model = await tenant.environment(), await tenant.model()
    shares = (60.0, 0.0)
    made = [
        await tenant.deployment(environment=place, version=await tenant.version(model), trafficPercent=share)
        for share in shares
    ]
    return {"deployment": made[1], "trafficPercent": 40.01}


async def _told_otherwise(tenant: Tenant, mutation: str) -> Given:
    given = await valid_input(tenant, mutation) | {"observedAt": utc_now().isoformat()}
    await tenant.client.change(mutation, "replayed", **given)
    return given | {"health": "UNHEALTHY"}


async def _another_signature(tenant: Tenant, _: str) -> Given:
    version = await tenant.version(signature={"inputs": [{"name": "age", "type": "INT64"}]})
    return {"version": version, "signature": {"inputs": [{"name": "age", "type": "FLOAT64"}]}}


async def _ended_run(tenant: Tenant, mutation: str) -> Given:
    given = await valid_input(tenant, mutation)
    await tenant.client.change("finishRun", "replayed", run=given["run"], status="FAILED")
    return given


async def _earlier_price(tenant: Tenant, mutation: str) -> Given:
    given = await valid_input(tenant, mutation)
    await tenant.client.change(mutation, "replayed", **given)
    return given | {"validFrom": "2026-03-03T12:00:00Z"}


async def _unreadable(tenant: Tenant, mutation: str) -> Given:
    """A webhook whose secret was sealed under another key."""
    given = await valid_input(tenant, mutation)
    other = Vault.of("another key that is long enough for a vault")
    async with tenant.database.change(tenant.org_id) as change:
        webhook = await find(change, Webhook, uuid_of(given["webhook"]), "webhook", lock=True)
        webhook.secret = other.seal(b"x" * 32, webhook.id)
    return given


async def _ping(tenant: Tenant, _: str) -> Given:
    given = await valid_input(tenant, "testWebhook")
    return {"delivery": await tenant.client.make("testWebhook", "webhookDelivery", **given)}


async def _too_many_wait(tenant: Tenant, mutation: str) -> Given:
    """A webhook for which as many pings wait as may."""
    given = await valid_input(tenant, mutation)
    async with tenant.database.change(tenant.org_id) as change:
        change.add_all(
            WebhookDelivery(org_id=tenant.org_id, webhook_id=uuid_of(given["webhook"]), kind="webhook.ping")
            for _ in range(MAX_WAITING)
        )
    return given


async def _external(tenant: Tenant, _: str) -> Given:
    given = await valid_input(tenant, "createExternalArtifact")
    made = await tenant.client.change("createExternalArtifact", "artifact { id }", **given)
    return {"artifact": made["artifact"]["id"]}


async def _external_with_bad_key(tenant: Tenant, mutation: str) -> Given:
    return await _external(tenant, mutation) | {"idempotencyKey": " "}


@dataclass(frozen=True)
class OfTheInput:
    """A refusal that follows from the input alone: what makes one of an input that would be accepted."""

    spoiled: Callable[[str, Given], Given]


def _with(**values: Any) -> OfTheInput:
    return OfTheInput(lambda _, given: given | values)


def _with_unknown_reference(mutation: str, given: Given) -> Given:
    name, kind = next((name, kind) for name, kind in reference_fields(mutation).items() if name in given)
    return given | {name: unknown(kind)}


_unknown_reference = OfTheInput(_with_unknown_reference)
_too_many_datasets = OfTheInput(lambda _, given: given | {"datasets": given["datasets"] * 101})


async def _archived(tenant: Tenant, mutation: str) -> Given:
    given = await valid_input(tenant, mutation)
    revision = given.get("expectedRevision")
    await tenant.client.make("archiveVersion", "transition", version=given["version"], expectedRevision=revision)
    return given


async def _put_away(tenant: Tenant, mutation: str) -> Given:
    given = await valid_input(tenant, mutation)
    await tenant.client.make("archiveVersion", "transition", version=given["version"])
    return given


async def _not_archived(tenant: Tenant, _: str) -> Given:
    return {"version": await tenant.version()}


async def _never_there(tenant: Tenant, mutation: str) -> Given:
    given = await valid_input(tenant, mutation)
    return given | {"to": await tenant.version(given["model"])}


async def _staged_elsewhere(tenant: Tenant, _: str) -> Given:
    return await valid_input(tenant, "demoteVersion") | {"expectedRevision": 7}


async def _protected(tenant: Tenant, mutation: str) -> Given:
    """What is asked for is closed by a gate."""
    given = await valid_input(tenant, mutation)
    version = given.get("version") or given.get("to")
    if "request" in given:
        request = await tenant.client(
            "query($id: ID!) { node(id: $id) { ... on PromotionRequest { version { id } } } }", id=given["request"]
        )
        version = request["node"]["version"]["id"]
    target = {"alias": given["name"]} if mutation.endswith("Alias") else {"to": given.get("stage", "STAGING")}
    gate = {"requiredFacts": {"runtime": True}}
    if mutation.startswith("rollBack"):
        gate = {"integrity": {}}
        await spoil(tenant, str(version))
    await tenant.client.make("setPromotionPolicy", "promotionPolicy", **target, gates=[gate])
    return given


async def _asked_twice(tenant: Tenant, mutation: str) -> Given:
    given = await valid_input(tenant, mutation)
    await tenant.client.change(mutation, "replayed", **given)
    return given


async def _set_at_revision(tenant: Tenant, mutation: str) -> Given:
    return await valid_input(tenant, mutation) | {"expectedRevision": 7}


async def _reused_key(tenant: Tenant, mutation: str) -> Given:
    key = {"idempotencyKey": "once"}
    await tenant.client.change("createTeam", "replayed", name=tenant.name(), **key)
    given = await _external(tenant, mutation) if mutation == "completeUpload" else await valid_input(tenant, mutation)
    return given | key


PARENTLESS = ("createTeam", "createEnvironment", "setPrice")
BAD_METRIC = [{"name": "loss", "phase": "TEST", "value": 1.0, "step": "-1"}]
CASES: dict[tuple[str, str], OfTheInput | Callable[[Tenant, str], Awaitable[Given]]] = {
    **{(name, "IDEMPOTENCY_KEY_REUSED"): _reused_key for name in MUTATIONS},
    **{(name, "NOT_FOUND"): _unknown_reference for name in MUTATIONS if name not in PARENTLESS},
    **{
        (name, "NAME_TAKEN"): _taken
        for name in (
            "createTeam", "createProject", "createModel", "createDataset", "createExperiment", "createVersion",
            "createUpload", "createExternalArtifact", "createEnvironment", "createDeployment", "createWebhook",
        )
    },
    **{
        (f"update{noun(kind)}", "NAME_TAKEN"): _other_has_the_name
        for kind in ("Team", "Project", "Model", "Dataset", "Experiment", "Environment", "Webhook")
    },
    **{(name, "INVALID_VALUE"): _with(idempotencyKey=" ") for name in DELETIONS_OF},
    **{
        (f"delete{noun(kind)}", "IN_USE"): in_use
        for kind in (
            "Team", "Project", "Model", "Experiment", "Dataset", "DatasetVersion", "Run", "ModelVersion", "Environment",
        )
    },
    **{(f"delete{kind}", "CONFLICT"): not_at_rest for kind in ("Run", "Version", "Artifact", "Deployment")},
    **{
        (name, "CONFLICT"): parent_deleted
        for name in DELETIONS_OF
        if name.startswith("restore") and name not in ("restoreTeam", "restoreEnvironment", "restoreWebhook")
    },
    **{
        (f"restore{noun(kind)}", "NAME_TAKEN"): name_taken_since
        for kind in (
            "Team", "Project", "Model", "Experiment", "Dataset", "Artifact", "Environment", "Deployment", "Webhook",
        )
    },
    **{
        (name, "INVALID_VALUE"): _with(name=LONG)
        for name in (
            "createTeam", "createProject", "createModel", "updateModel", "createDataset", "createExperiment",
            "updateExperiment", "createRun", "setAlias", "removeAlias", "createEnvironment", "updateEnvironment",
            "createDeployment",
            "updateExperiment", "updateTeam", "updateProject", "updateDataset", "updateRun", "createRun", "setAlias",
            "removeAlias",
        )
    },
    ("createWebhook", "INVALID_VALUE"): _with(url="http://example.com/hook"),
    ("updateWebhook", "INVALID_VALUE"): _with(kinds=["everything"]),
    **{
        (name, "INVALID_VALUE"): _with(idempotencyKey=" ")
        for name in (
            "rotateWebhookSecret", "enableWebhook", "disableWebhook", "testWebhook", "redeliverWebhookDelivery"
        )
    },
    ("enableWebhook", "CONFLICT"): _unreadable,
    ("redeliverWebhookDelivery", "CONFLICT"): _ping,
    ("testWebhook", "CONFLICT"): _too_many_wait,
    ("createDatasetVersion", "INVALID_VALUE"): _with(digest="unknown"),
    ("updateDatasetVersion", "INVALID_VALUE"): _with(tags=[{"key": ""}]),
    ("setDatasetProfile", "INVALID_VALUE"): _with(profile={"rowCount": "-1"}),
    ("setRunRuntime", "INVALID_VALUE"): _with(runtime={"commit": "main"}),
    ("updateVersion", "INVALID_VALUE"): _with(signature={}),
    ("setRunRuntime", "CONFLICT"): _ended_run,
    ("updateVersion", "CONFLICT"): _another_signature,
    ("createVersion", "INVALID_VALUE"): _with(label=" "),
    ("logRunParameters", "INVALID_VALUE"): _with(parameters=[{"name": "a", "value": 1}, {"name": "a", "value": 1}]),
    ("logRunMetrics", "INVALID_VALUE"): _with(metrics=BAD_METRIC),
    ("logRunDatasets", "INVALID_VALUE"): _too_many_datasets,
    ("logRunDatasets", "CONFLICT"): _ended_run,
    ("logVersionMetrics", "INVALID_VALUE"): _with(metrics=BAD_METRIC),
    ("logRunResourceSamples", "INVALID_VALUE"): _with(samples=[{"sampledAt": "1066-10-14T00:00:00Z"}]),
    ("logRunResourceSamples", "CONFLICT"): _ended_run,
    ("setPrice", "INVALID_VALUE"): _with(currency="euro"),
    ("setPrice", "CONFLICT"): _earlier_price,
    ("removePrice", "INVALID_VALUE"): _with(idempotencyKey=" "),
    ("finishRun", "INVALID_VALUE"): _with(status="RUNNING"),
    ("createUpload", "INVALID_VALUE"): _with(sha256="abc"),
    ("createExternalArtifact", "INVALID_VALUE"): _with(path="../model"),
    ("createExternalArtifact", "CONFLICT"): _put_away,
    ("completeUpload", "INVALID_VALUE"): _external_with_bad_key,
    ("heartbeatRun", "INVALID_VALUE"): _with(idempotencyKey=" "),
    ("abortUpload", "INVALID_VALUE"): _with(idempotencyKey=" "),
    ("logRunParameters", "CONFLICT"): _ended_run,
    ("logRunMetrics", "CONFLICT"): _ended_run,
    ("finishRun", "CONFLICT"): _ended_run,
    ("createUpload", "CONFLICT"): _announced_as_another_kind,
    ("heartbeatRun", "CONFLICT"): _ended_run,
    ("completeUpload", "CONFLICT"): _external,
    ("abortUpload", "CONFLICT"): _external,
    ("setAlias", "CONFLICT"): _put_away,
    ("setAlias", "STALE_REVISION"): _with(expectedRevision=7),
    ("removeAlias", "STALE_REVISION"): _with(expectedRevision=7),
    ("rollBackAlias", "INVALID_VALUE"): _with(reason=" "),
    ("rollBackAlias", "CONFLICT"): _never_there,
    ("rollBackAlias", "STALE_REVISION"): _with(expectedRevision=7),
    ("rollBackAlias", "GATE_FAILED"): _protected,
    ("updateDeployment", "INVALID_VALUE"): _with(trafficPercent=101.0),
    ("shiftTraffic", "INVALID_VALUE"): _with(shares=[]),
    ("reportDeployment", "INVALID_VALUE"): _with(observedAt="1970-01-01T00:00:00Z"),
    ("createDeployment", "CONFLICT"): _too_much_traffic,
    ("updateDeployment", "CONFLICT"): _crowded,
    ("updateDeployment", "STALE_REVISION"): _with(expectedRevision=7),
    ("shiftTraffic", "CONFLICT"): _too_many_shares,
    ("reportDeployment", "CONFLICT"): _told_otherwise,
    ("promoteVersion", "INVALID_VALUE"): _with(to="ARCHIVED"),
    ("promoteVersion", "CONFLICT"): _with(to="PRODUCTION"),
    ("promoteVersion", "STALE_REVISION"): _with(expectedRevision=7),
    ("demoteVersion", "INVALID_VALUE"): _with(reason="x" * 2001),
    ("demoteVersion", "CONFLICT"): _archived,
    ("demoteVersion", "STALE_REVISION"): _with(expectedRevision=7),
    ("archiveVersion", "INVALID_VALUE"): _with(reason="x" * 2001),
    ("archiveVersion", "CONFLICT"): _archived,
    ("archiveVersion", "STALE_REVISION"): _staged_elsewhere,
    ("reactivateVersion", "INVALID_VALUE"): _with(reason="x" * 2001),
    ("reactivateVersion", "CONFLICT"): _not_archived,
    ("rollBackModel", "INVALID_VALUE"): _with(reason=" "),
    ("rollBackModel", "CONFLICT"): _never_there,
    ("rollBackModel", "STALE_REVISION"): _with(expectedRevision=7),
    ("promoteVersion", "GATE_FAILED"): _protected,
    ("rollBackModel", "GATE_FAILED"): _protected,
    ("setAlias", "GATE_FAILED"): _protected,
    ("completePromotion", "GATE_FAILED"): _protected,
    ("setPromotionPolicy", "NOT_FOUND"): _unknown_reference,
    ("setPromotionPolicy", "INVALID_VALUE"): _with(gates=[{"approvals": {"count": 0}}]),
    ("setPromotionPolicy", "STALE_REVISION"): _set_at_revision,
    ("removePromotionPolicy", "INVALID_VALUE"): _with(idempotencyKey=" "),
    ("removePromotionPolicy", "STALE_REVISION"): _with(expectedRevision=7),
    ("setAutomationRule", "INVALID_VALUE"): _with(trigger={"unhealthy": {"reports": 0}}),
    ("setAutomationRule", "STALE_REVISION"): _set_at_revision,
    ("removeAutomationRule", "INVALID_VALUE"): _with(idempotencyKey=" "),
    ("removeAutomationRule", "STALE_REVISION"): _with(expectedRevision=7),
    ("requestPromotion", "INVALID_VALUE"): _with(alias="champion"),
    ("requestPromotion", "CONFLICT"): _asked_twice,
    ("requestPromotion", "STALE_REVISION"): _with(expectedRevision=7),
    ("reviewPromotion", "INVALID_VALUE"): _with(comment="x" * 2001),
    ("reviewPromotion", "CONFLICT"): _asked_twice,
    ("completePromotion", "INVALID_VALUE"): _with(idempotencyKey=" "),
    ("completePromotion", "CONFLICT"): _asked_twice,
    ("completePromotion", "STALE_REVISION"): _with(expectedRevision=7),
    ("withdrawPromotion", "INVALID_VALUE"): _with(reason="x" * 2001),
    ("withdrawPromotion", "CONFLICT"): _asked_twice,
    ("reportCheck", "INVALID_VALUE"): _with(summary="x" * 2001),
    ("reportCheck", "CONFLICT"): _with(digest="another"),
    ("createUpload", "TOO_LARGE"): _with(sizeBytes=str(2**40)),
    ("completeUpload", "UPLOAD_INCOMPLETE"): _with(),
}  # fmt: skip


def test_every_declared_failure_of_every_mutation_is_tried_below() -> None:
    assert set(CASES) == {(mutation, code) for mutation in MUTATIONS for code in declared_codes(mutation)}


@pytest.mark.parametrize(("mutation", "code"), CASES)
async def test_a_refusal_is_data(
    refusing: Refusing, database: Database, http: httpx2.AsyncClient, mutation: str, code: str
) -> None:
    case = CASES[mutation, code]
    if isinstance(case, OfTheInput):
        tenant, given = refusing.tenant, case.spoiled(mutation, await refusing.input_of(mutation))
    else:
        tenant = await found_tenant(database, http)
        given = await case(tenant, mutation)
    refusal = await refusal_of(tenant.client, mutation, given)
    assert (refusal["code"], refusal["__typename"]) == (code, TYPES.get(code, "GenericUserError"))
    assert refusal["path"], "the client cannot tell which input it is about"
    assert refusal["path"][0] in SCHEMA.type_map[f"{title(mutation)}Input"].fields  # type: ignore[attr-defined]  # an input
    assert refusal["message"].endswith(".")


def test_every_payload_has_a_list_of_user_errors_and_no_union_of_its_own() -> None:
    payloads = {name: shown for name, shown in SCHEMA.type_map.items() if name.endswith(("Payload", "Result"))}
    lists = {
        name: str(shown.fields["errors"].type)
        for name, shown in payloads.items()
        if isinstance(shown, GraphQLObjectType)
    }
    assert len(lists) > len(MUTATIONS)
    assert set(lists.values()) == {"[UserError!]!"}
    assert {name for name in SCHEMA.type_map if name.endswith("Error")} == {"UserError", *SHOWN}


@pytest.mark.parametrize("name", SHOWN)
def test_an_error_type_has_more_to_say_or_is_the_generic_one(name: str) -> None:
    interface: Any = SCHEMA.type_map["UserError"]
    shown: Any = SCHEMA.type_map[name]
    assert interface in shown.interfaces
    assert (shown.fields.keys() == interface.fields.keys()) == (name == "GenericUserError")


def test_every_failure_of_the_rules_has_a_code_in_the_graph() -> None:
    # What the command line alone can meet, such as a bad line of a file, is defined where it is raised.
    rules = {failure for failure in errors.Failure.__subclasses__() if failure.__module__ == errors.__name__}
    assert set(errors.FAILURES) == rules
    assert {code.value for code in UserErrorCode} == {failure.code for failure in rules}


def test_a_failure_that_has_no_code_in_the_graph_cannot_be_declared() -> None:
    class Unheard(errors.Failure):
        code = "UNHEARD"

    with pytest.raises(ValueError, match="UNHEARD"):
        codes_of([errors.NotFound, Unheard])


async def test_a_failure_that_is_not_declared_ends_the_request(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    class Unheard(errors.Failure):
        code = "UNHEARD"

    async def refuse(*_: Any, **__: Any) -> None:
        raise Unheard("Nobody declared this.")

    monkeypatch.setattr(mutations, "execute_within_deadline", refuse)
    document = 'mutation { createTeam(input: {name: "a"}) { team { id } errors { code } } }'
    answer = await tenant.client.post(document, {})
    assert answer["data"] == {"createTeam": None}
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["UNHEARD"]


@pytest.mark.parametrize(
    ("failure", "more"),
    [
        (errors.NotFound("Model", ("model",)), {}),
        (errors.NameTaken("model", "iris", "project"), {"name": "iris"}),
        (
            errors.InUse("model", [errors.Dependent("ModelVersion", UUID(int=1), "1.0.0")], 2, ("model",)),
            {"dependents": [errors.Dependent("ModelVersion", UUID(int=1), "1.0.0")], "dependent_count": 2},
        ),
        (errors.StaleRevision("It moved.", 3, UUID(int=1)), {"revision": 3, "version_id": UUID(int=1)}),
        (errors.GateFailed([], [1]), {"verdicts": [1]}),
        (errors.TooLarge(2, 1), {"limit_bytes": 1}),
        (errors.UploadIncomplete("These are missing.", (1, 3)), {"part_numbers": [1, 3]}),
        (errors.IdempotencyKeyReused(), {}),
    ],
)
def test_a_failure_is_shown_with_all_it_knows(failure: errors.Failure, more: Given) -> None:
    assert vars(as_data(failure)) == {
        "message": failure.message,
        "path": list(failure.path),
        "code": failure.code,
        **more,
    }


async def test_a_taken_name_is_told_as_it_would_be_stored(tenant: Tenant) -> None:
    await tenant.model(name="größe")
    document = """mutation($input: CreateModelInput!) { createModel(input: $input) {
        errors { ... on NameTakenError { name message } } } }"""
    given = {"project": tenant.project, "name": "  gro\u0308ße ", "framework": "sklearn"}
    (error,) = (await tenant.client(document, input=given))["createModel"]["errors"]
    assert error["name"] == "größe"
    assert "'größe'" in error["message"]


async def test_a_refused_change_leaves_nothing_behind(tenant: Tenant) -> None:
    known = await tenant.dataset_version()
    datasets = [{"datasetVersion": known}, {"datasetVersion": unknown("DatasetVersion")}]
    await tenant.client.refusal("createRun", "run", project=tenant.project, name="half", datasets=datasets)
    answer = await tenant.client(
        "query($id: ID!) { runs { totalCount } lineageNode(id: $id) { downstream { links { kind } } } }", id=known
    )
    assert answer == {"runs": {"totalCount": 0}, "lineageNode": {"downstream": {"links": []}}}


async def test_too_large_tells_the_limit(tenant: Tenant) -> None:
    given = await valid_input(tenant, "createUpload") | {
        "sizeBytes": str(2**40),
        "sha256": hashlib.sha256().hexdigest(),
    }
    document = """mutation($input: CreateUploadInput!) { createUpload(input: $input) {
        errors { ... on TooLargeError { limitBytes } } } }"""
    (error,) = (await tenant.client(document, input=given))["createUpload"]["errors"]
    assert error == {"limitBytes": str(64 * 1024 * 1024)}
