"""For each mutation an input that is accepted: what tests of all mutations change one value of."""

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from inspect import isawaitable
from typing import Any
from uuid import UUID, uuid4

from db.codes import DeliveryState, Role
from db.tables import WebhookDelivery
from registry.deletion.deletion import DELETIONS
from resolvers import ids
from tests.nouns import noun, own_field
from tests.schema.built import SCHEMA
from tests.tenant import Client, Tenant, uuid_of

_ALL: tuple[str, ...] = tuple(SCHEMA.mutation_type.fields) if SCHEMA.mutation_type else ()
BATCHES: dict[str, str] = {
    name: single[0].lower() + single[1:].removesuffix("Input")
    for name in _ALL
    if (items := SCHEMA.type_map[f"{name[0].upper()}{name[1:]}Input"].fields.get("items"))  # type: ignore[attr-defined]  # an input
    for single in [str(items.type).strip("[]!")]
}
"""The batch forms, each with the mutation that it is of."""

MUTATIONS = tuple(name for name in _ALL if name not in BATCHES)

DELETIONS_OF: dict[str, str] = {
    f"{verb}{noun(table.__name__)}": table.__name__ for verb in ("delete", "restore") for table in DELETIONS
}
"""The mutations that delete and restore, with the kind of thing."""

# The payload's field for the row, where the mutation is not named after it.
_ROWS = {
    "updateTeam": "team",
    "updateProject": "project",
    "updateDataset": "dataset",
    "updateRun": "run",
    "logRunParameters": "run",
    "logRunMetrics": "run",
    "logRunDatasets": "run",
    "logRunResourceSamples": "run",
    "setPrice": "price",
    "removePrice": "price",
    "finishRun": "run",
    "heartbeatRun": "run",
    "updateExperiment": "experiment",
    "setRunRuntime": "run",
    "updateVersion": "version",
    "updateDatasetVersion": "datasetVersion",
    "setDatasetProfile": "datasetVersion",
    "setAlias": "alias",
    "removeAlias": "model",
    "rollBackAlias": "alias",
    "logVersionMetrics": "version",
    "updateModel": "model",
    "updateEnvironment": "environment",
    "updateDeployment": "deployment",
    "reportDeployment": "deployment",
    "shiftTraffic": "environment",
    "promoteVersion": "transition",
    "demoteVersion": "transition",
    "archiveVersion": "transition",
    "reactivateVersion": "transition",
    "rollBackModel": "transition",
    "setPromotionPolicy": "promotionPolicy",
    "removePromotionPolicy": "promotionPolicy",
    "setAutomationRule": "automationRule",
    "removeAutomationRule": "automationRule",
    "requestPromotion": "promotionRequest",
    "reviewPromotion": "promotionRequest",
    "completePromotion": "promotionRequest",
    "withdrawPromotion": "promotionRequest",
    "reportCheck": "versionCheck",
    "createUpload": "artifact",
    "completeUpload": "artifact",
    "abortUpload": "artifact",
    "createExternalArtifact": "artifact",
    "updateWebhook": "webhook",
    "rotateWebhookSecret": "webhook",
    "enableWebhook": "webhook",
    "disableWebhook": "webhook",
    "testWebhook": "webhookDelivery",
    "redeliverWebhookDelivery": "webhookDelivery",
}
_KINDS = {
    "version": "ModelVersion",
    "baseVersion": "ModelVersion",
    "to": "ModelVersion",
    "parentRun": "Run",
    "owner": "Principal",
    "policy": "PromotionPolicy",
    "request": "PromotionRequest",
    "onlyProject": "Project",
    "onlyModel": "Model",
    "delivery": "WebhookDelivery",
    "rule": "AutomationRule",
}


def row_of(mutation: str) -> str:
    """The name of the payload's field for the row."""
    made = re.sub("^(create|delete|restore)", "", mutation)
    return _ROWS.get(mutation) or made[0].lower() + made[1:]


def title(mutation: str) -> str:
    """How the mutation's types begin."""
    return mutation[0].upper() + mutation[1:]


def reference_fields(mutation: str) -> dict[str, str]:
    """The fields of a mutation's input that hold the id of a thing, with the kind of the thing."""
    fields: dict[str, Any] = SCHEMA.type_map[f"{title(mutation)}Input"].fields  # type: ignore[attr-defined]  # an input
    return {
        name: _KINDS.get(name, name[0].upper() + name[1:])
        for name, field in fields.items()
        if str(field.type).rstrip("!") == "ID"
    }


def unknown(kind: str) -> str:
    """A well-formed id of nothing."""
    return ids.encode(kind, UUID(int=uuid4().int))


async def valid_input(tenant: Tenant, mutation: str) -> dict[str, Any]:
    """An input of this mutation that is accepted once, with every reference that it can have but one of two owners."""
    point = {"name": "loss", "phase": "TRAINING", "value": 0.5, "step": "1"}
    make: dict[str, Any] = {
        "createTeam": lambda: {"name": tenant.name()},
        "updateTeam": lambda: {"name": tenant.name()},
        "updateProject": lambda: {"name": tenant.name()},
        "updateDataset": lambda: {"name": tenant.name()},
        "updateRun": lambda: {"name": tenant.name()},
        "createProject": lambda: {"name": tenant.name()},
        "createModel": lambda: {"project": tenant.project, "name": tenant.name(), "framework": "sklearn"},
        "updateModel": lambda: {"name": tenant.name()},
        "updateDatasetVersion": lambda: {"description": tenant.name()},
        "setDatasetProfile": lambda: {"profile": {"rowCount": "3"}},
        "createDataset": lambda: {"project": tenant.project, "name": tenant.name()},
        "createDatasetVersion": lambda: {"digest": f"sha256:{uuid4().hex}"},
        "createExperiment": lambda: {"project": tenant.project, "name": tenant.name()},
        "updateExperiment": lambda: {"name": tenant.name()},
        "createRun": lambda: {"project": tenant.project, "name": tenant.name()},
        "logRunParameters": lambda: {"parameters": [{"name": "depth", "value": 3}]},
        "logRunMetrics": lambda: {"metrics": [point]},
        "logRunDatasets": partial(_read, tenant),
        "logRunResourceSamples": lambda: {"samples": [{"sampledAt": "2026-03-03T12:00:00Z", "cpuPercent": 50.0}]},
        "setPrice": lambda: {"resource": "RUN_HOUR", "hardware": tenant.name(), "amount": "0.5", "currency": "EUR"},
        "removePrice": dict,
        "finishRun": dict,
        "heartbeatRun": dict,
        "setRunRuntime": lambda: {"runtime": {"pythonVersion": "3.12"}},
        "updateVersion": lambda: {"description": tenant.name()},
        "createVersion": lambda: {"label": tenant.name()},
        "logVersionMetrics": lambda: {"metrics": [point]},
        "setAlias": lambda: {"name": tenant.name()},
        "removeAlias": partial(_aliased, tenant),
        "rollBackAlias": partial(_moved_on, tenant),
        "createEnvironment": lambda: {"name": tenant.name()},
        "updateEnvironment": lambda: {"name": tenant.name()},
        "createDeployment": lambda: {"name": tenant.name()},
        "updateDeployment": partial(_deployed, tenant),
        "reportDeployment": partial(_reported, tenant),
        "shiftTraffic": partial(_shared, tenant),
        "promoteVersion": lambda: {"to": "STAGING", "expectedRevision": 0},
        "demoteVersion": partial(_staged, tenant),
        "archiveVersion": dict,
        "setPromotionPolicy": partial(_protecting, tenant),
        "removePromotionPolicy": dict,
        "setAutomationRule": partial(_automated, tenant),
        "removeAutomationRule": dict,
        "requestPromotion": lambda: {"to": "STAGING"},
        "reviewPromotion": partial(_of_another, tenant),
        "completePromotion": dict,
        "withdrawPromotion": dict,
        "reportCheck": partial(_checked, tenant),
        "reactivateVersion": partial(_archived, tenant),
        "rollBackModel": partial(_displaced, tenant),
        "createWebhook": lambda: {"name": tenant.name(), "url": "https://example.com/hook", "kinds": ["version.*"]},
        "updateWebhook": lambda: {"name": tenant.name()},
        "rotateWebhookSecret": dict,
        "enableWebhook": dict,
        "disableWebhook": dict,
        "testWebhook": dict,
        "redeliverWebhookDelivery": partial(_delivered, tenant),
        "createUpload": lambda: {"path": tenant.name(), "kind": "MODEL", "sha256": uuid4().hex * 2, "sizeBytes": "9"},
        "completeUpload": dict,
        "abortUpload": dict,
        "createExternalArtifact": lambda: {"path": tenant.name(), "kind": "MODEL", "uri": "s3://elsewhere/model"},
    }
    if mutation in DELETIONS_OF:
        return await _deletable(tenant, mutation)
    made = make[mutation]()
    given: dict[str, Any] = await made if isawaitable(made) else made
    for name, kind in reference_fields(mutation).items():
        # An artifact has one owner: a version or a run.
        if name not in given and not (name == "run" and "path" in given) and mutation != "setPromotionPolicy":
            given[name] = await _made(tenant, kind)
    return given


@dataclass(frozen=True)
class Refusing:
    """An organization whose tests are all refused. Nothing is used up, so one input of each mutation is enough."""

    tenant: Tenant
    reader: Client
    _inputs: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def input_of(self, mutation: str) -> dict[str, Any]:
        """An input of this mutation that would be accepted."""
        if mutation not in self._inputs:
            self._inputs[mutation] = await valid_input(self.tenant, mutation)
        return deepcopy(self._inputs[mutation])


async def _deletable(tenant: Tenant, mutation: str) -> dict[str, Any]:
    """What can be deleted, or a thing that is deleted."""
    kind = DELETIONS_OF[mutation]
    made = await _made(tenant, kind)
    given = {own_field(kind): made}
    if kind == "Run":
        await tenant.client.make("finishRun", "run", **given)
    if kind == "Deployment":
        await tenant.client.make("updateDeployment", "deployment", **given, desiredState="STOPPED")
    if kind == "Artifact":
        await tenant.client.make("abortUpload", "artifact", **given)
    if mutation.startswith("restore"):
        await tenant.client.make(f"delete{noun(kind)}", row_of(mutation), **given)
    return given


async def _read(tenant: Tenant) -> dict[str, Any]:
    return {"datasets": [{"datasetVersion": await tenant.dataset_version(), "role": "TEST"}]}


async def _aliased(tenant: Tenant) -> dict[str, Any]:
    name, model = tenant.name(), await tenant.model()
    await tenant.client.make("setAlias", "alias", version=await tenant.version(model), name=name)
    return {"model": model, "name": name}


async def _moved_on(tenant: Tenant) -> dict[str, Any]:
    """An alias that pointed at another version before."""
    name, model = tenant.name(), await tenant.model()
    versions = [await tenant.version(model) for _ in range(2)]
    for version in versions:
        await tenant.client.make("setAlias", "alias", version=version, name=name)
    return {"model": model, "name": name, "to": versions[0], "reason": "It forgets."}


async def _staged(tenant: Tenant) -> dict[str, Any]:
    version = await tenant.version()
    await tenant.client.make("promoteVersion", "transition", version=version, to="STAGING")
    return {"version": version, "expectedRevision": 1}


async def _archived(tenant: Tenant) -> dict[str, Any]:
    version = await tenant.version()
    await tenant.client.make("archiveVersion", "transition", version=version)
    return {"version": version}


async def _displaced(tenant: Tenant) -> dict[str, Any]:
    model = await tenant.model()
    versions = [await tenant.version(model) for _ in range(2)]
    for version in versions:
        await tenant.client.make("promoteVersion", "transition", version=version, to="STAGING")
    return {"model": model, "stage": "STAGING", "to": versions[0], "reason": "It forgets.", "expectedRevision": 2}


async def _protecting(tenant: Tenant) -> dict[str, Any]:
    gate = {"metricThreshold": {"metric": "accuracy", "phase": "TEST", "minimum": 0.9}}
    return {"model": await tenant.model(), "to": "STAGING", "gates": [gate]}


async def _automated(tenant: Tenant) -> dict[str, Any]:
    trigger = {"metric": "accuracy", "minimum": 0.8, "environment": await tenant.environment()}
    return {"name": tenant.name(), "trigger": {"metricBreach": trigger}, "isEnabled": True}


async def _of_another(tenant: Tenant) -> dict[str, Any]:
    """A request that the owner may review: a writer made the version and asks for it."""
    model, writer = await tenant.model(), await tenant.member(Role.WRITER)
    version = await writer.make("createVersion", "version", model=model, label=tenant.name())
    request = await writer.make("requestPromotion", "promotionRequest", version=version, to="STAGING")
    return {"request": request, "decision": "APPROVED"}


async def _checked(tenant: Tenant) -> dict[str, Any]:
    version = await tenant.version()
    answer = await tenant.client("query($id: ID!) { node(id: $id) { ... on ModelVersion { digest } } }", id=version)
    return {"version": version, "name": tenant.name(), "digest": answer["node"]["digest"], "passed": True}


async def _deployed(tenant: Tenant) -> dict[str, Any]:
    model = await tenant.model()
    deployment = await tenant.deployment(version=await tenant.version(model))
    return {"deployment": deployment, "version": await tenant.version(model), "trafficPercent": 50.0}


async def _reported(tenant: Tenant) -> dict[str, Any]:
    version = await tenant.version()
    deployment = await tenant.deployment(version=version)
    return {"deployment": deployment, "version": version, "observedState": "RUNNING"}


async def _shared(tenant: Tenant) -> dict[str, Any]:
    model, environment = await tenant.model(), await tenant.environment()
    deployment = await tenant.deployment(version=await tenant.version(model), environment=environment)
    share = {"deployment": deployment, "trafficPercent": 50.0}
    return {"model": model, "environment": environment, "shares": [share]}


async def _delivered(tenant: Tenant) -> dict[str, Any]:
    """An entry of the log that can be sent again, as a worker leaves it behind."""
    webhook = await tenant.client.make("createWebhook", "webhook", **await valid_input(tenant, "createWebhook"))
    row = WebhookDelivery(
        org_id=tenant.org_id,
        webhook_id=uuid_of(webhook),
        sequence=1,
        kind="team.created",
        state=DeliveryState.DELIVERED,
    )
    async with tenant.database.change(tenant.org_id) as change:
        change.add(row)
    return {"delivery": ids.encode("WebhookDelivery", row.id)}


async def refusal_of(client: Client, mutation: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The one error of a mutation that was refused, whatever its input's fields are called."""
    row = row_of(mutation)
    payload = await client.change(mutation, f"{row} {{ id }}", **given)
    assert payload[row] is None
    (error,) = payload["errors"]
    found: dict[str, Any] = error
    return found


async def _made(tenant: Tenant, kind: str) -> str:
    if kind == "Model":
        return await tenant.model()
    if kind == "ModelVersion":
        return await tenant.version()
    if kind == "Principal":
        return str((await tenant.client("{ viewer { id } }"))["viewer"]["id"])
    if kind == "Run":
        return await tenant.run()
    if kind == "Deployment":
        return await tenant.deployment()
    if kind == "WebhookDelivery":
        return str((await _delivered(tenant))["delivery"])
    makers = {
        "Artifact": "createUpload",
        "Price": "setPrice",
        "PromotionPolicy": "setPromotionPolicy",
        "PromotionRequest": "requestPromotion",
        "AutomationRule": "setAutomationRule",
    }
    mutation = makers.get(kind, f"create{noun(kind)}")
    row = row_of(mutation)
    payload = await tenant.client.change(mutation, f"{row} {{ id }}", **await valid_input(tenant, mutation))
    made: str = payload[row]["id"]
    return made
