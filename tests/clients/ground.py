"""An organization with at least one of everything that a screen shows."""

import hashlib
import json
from pathlib import Path
from typing import Any

from db.codes import Role
from tests.tenant import Tenant

SCREENS = {path.stem[3:]: path for path in sorted((Path(__file__).parents[2] / "schema/screens").glob("*.graphql"))}
POINTS = [
    {"name": "accuracy", "phase": "TEST", "value": 0.9},
    {"name": "loss", "phase": "TRAINING", "value": 0.7, "step": "1"},
    {"name": "loss", "phase": "TRAINING", "special": "NAN", "step": "2"},
    {"name": "loss", "phase": "TRAINING", "value": 0.5, "step": "3"},
    {"name": "gradient", "phase": "TRAINING", "special": "POSITIVE_INFINITY"},
]
SETTINGS = [{"name": "rate", "value": 0.1}, {"name": "loss", "value": "mse"}]
RUNTIME = {
    "pythonVersion": "3.12.1",
    "packages": [{"name": "numpy", "version": "2.1.0"}],
    "image": "train:1",
    "repository": "https://code.test/digits",
    "commit": "a" * 40,
    "hardware": {"cpu": "x86", "cpuCount": 8, "memoryBytes": "9000000000", "gpu": "H100", "gpuCount": 1},
}
SAMPLES = [
    {
        "sampledAt": f"2026-01-01T00:0{minute}:00Z",
        "cpuPercent": 50.0,
        "gpuPercent": 90.0,
        "memoryBytes": "4000000000",
        "gpuMemoryBytes": "8000000000",
        **{name: str(minute) for name in ("diskReadBytes", "diskWrittenBytes", "networkReceivedBytes")},
        "networkSentBytes": "0",
    }
    for minute in (1, 2)
]
TAGS = [{"key": "owner", "value": "ada"}]


def signature(number: int) -> dict[str, Any]:
    """What the version of this number takes and gives; each other than the one before."""
    field = {"name": f"pixels_{number}", "type": "FLOAT32", "shape": [-1, 64], "description": "Gray values."}
    parameter = {"name": "threshold", "type": "FLOAT64", "default": 0.5}
    feature = {"name": "edges", "type": "INT64", "description": "How many.", "source": "features.edges"}
    return {"inputs": [field], "outputs": [field], "parameters": [parameter], "features": [feature]}


def data_of(number: int) -> dict[str, Any]:
    """What is known of the dataset version of this number; its schema is other than the one before."""
    measured = {"count": "9", "nullCount": "1", "distinctCount": "8", "minimum": 0, "maximum": 1, "mean": 0.5}
    column = {"name": f"pixels_{number}", "type": "FLOAT32", "description": "Gray values."}
    profile = {"rowCount": "9", "columns": [{"name": "pixels", "stddev": 0.1, **measured}]}
    told = {"description": "All of them.", "tags": TAGS, "source": "s3://data", "rowCount": "9"}
    return {"schema": {"columns": [column]}, "profile": profile, **told}


async def files(tenant: Tenant, amount: int, **owner: str) -> None:
    """Give a run or a version files whose bytes are elsewhere, and one that is being uploaded."""
    for number in range(amount):
        path, sha256 = f"plots/{number}.png", hashlib.sha256(tenant.name().encode()).hexdigest()
        given: dict[str, Any] = {"path": path, "kind": "PLOT", "sha256": sha256, "sizeBytes": "5", **owner}
        await tenant.client.make("createExternalArtifact", "artifact", uri="s3://elsewhere/roc.png", **given)
    given = {"path": "log.txt", "kind": "LOG", "sha256": hashlib.sha256(b"log").hexdigest(), "sizeBytes": "3", **owner}
    await tenant.client.make("createUpload", "artifact", **given)


async def deploy(tenant: Tenant, version: str, amount: int) -> None:
    """Give a version deployments of its own environments, each reported twice."""
    environment = await tenant.environment(description="For all.", tags=TAGS)
    for _ in range(amount):
        wanted: dict[str, Any] = {"endpoint": "https://models.test/digits", "reason": "It is better.", "tags": TAGS}
        deployment = await tenant.deployment(version=version, environment=environment, trafficPercent=1.5, **wanted)
        for health in ("HEALTHY", "DEGRADED"):
            seen = {"observedState": "RUNNING", "version": version, "health": health, "healthMessage": "Two of three."}
            metrics = [{"name": "latency_ms", "value": 12.5}, {"name": "drift", "special": "NAN"}]
            await tenant.client.make("reportDeployment", "deployment", deployment=deployment, metrics=metrics, **seen)


async def protect(tenant: Tenant, stage: str, *others: dict[str, Any]) -> None:
    """Let a stage of all models ask for an accuracy, and for other things."""
    gates = [{"metricThreshold": {"metric": "accuracy", "phase": "TEST", "minimum": 0.5}}, *others]
    await tenant.client.make("setPromotionPolicy", "promotionPolicy", to=stage, gates=gates)


async def promote(tenant: Tenant, version: str, *stages: str) -> None:
    """Send a version without files on from stage to stage; what stood there makes way."""
    for stage in stages:
        plan = """query($version: ID!, $to: Stage!) {
            version(by: {id: $version}) { promotionPlan(target: {stage: $to}) { revision } } }"""
        revision = (await tenant.client(plan, version=version, to=stage))["version"]["promotionPlan"]["revision"]
        moved = {"version": version, "to": stage, "expectedRevision": revision, "reason": "It is better."}
        await tenant.client.make("promoteVersion", "transition", **moved)


async def ask(tenant: Tenant, version: str, amount: int) -> None:
    """Have a version in STAGING reviewed for PRODUCTION and under other names, one of them refused, and checked."""
    reviewer, make = await tenant.member(Role.MAINTAINER), tenant.client.make
    named = [{"alias": f"candidate-{number}"} for number in range(amount)]
    for target in ({"to": "PRODUCTION"}, *named, {"alias": "refused"}):
        request = await make("requestPromotion", "promotionRequest", version=version, reason="It is better.", **target)
        decision = "REJECTED" if target == {"alias": "refused"} else "APPROVED"
        reviewed = {"request": request, "decision": decision, "comment": "As it should be."}
        await reviewer.make("reviewPromotion", "promotionRequest", **reviewed)
    found = await tenant.client("query($id: ID!) { node(id: $id) { ... on ModelVersion { digest } } }", id=version)
    told = {"summary": "Nothing found.", "url": "https://checks.test/1", "digest": found["node"]["digest"]}
    for number in range(amount):
        await make("reportCheck", "versionCheck", version=version, name=f"check-{number}", passed=True, **told)


async def grow(tenant: Tenant, amount: int) -> dict[str, str]:
    """Fill every list with `amount` rows; the ids that the screens take, by the placeholders of their variables.

    The run that is shown is a trial with trials of its own; the version, in STAGING and asked for in PRODUCTION, is
    derived from another and has derived ones.
    """
    make, project = tenant.client.make, tenant.project
    await make("setPrice", "price", resource="GPU_HOUR", amount="2.5", currency="EUR")
    experiment = await make(
        "createExperiment", "experiment", project=project, name=tenant.name(), description="Why?", tags=TAGS
    )
    dataset = await make(
        "createDataset", "dataset", project=project, name=tenant.name(), description="Digits.", tags=TAGS
    )
    search = await tenant.run(experiment=experiment)
    owner = (await tenant.client("{ viewer { id } }"))["viewer"]["id"]
    told = {"description": "Reads digits.", "tags": TAGS}
    model = await tenant.model(task="CLASSIFICATION", owner=owner, **told)
    base = await tenant.version(signature=signature(-1))
    await protect(tenant, "STAGING")
    # What was in production once and is in no slot any more.
    await promote(tenant, await tenant.version(model, metrics=POINTS), "STAGING", "PRODUCTION")
    for number in range(amount):
        digest = f"sha256:{hashlib.sha256(tenant.name().encode()).hexdigest()}"
        data = await make("createDatasetVersion", "datasetVersion", dataset=dataset, digest=digest, **data_of(number))
        settings = {
            "parameters": SETTINGS,
            "tags": TAGS,
            "experiment": experiment,
            "heartbeatTimeoutSeconds": 3600,
            "runtime": RUNTIME,
        }
        run = await tenant.run(datasets=[{"datasetVersion": data}], parentRun=search, **settings)
        for _ in range(amount):
            child = await tenant.run(parentRun=run, **settings)
            await make("logRunMetrics", "run", run=child, metrics=POINTS)
            await make("finishRun", "run", run=child)
        await make("logRunMetrics", "run", run=run, metrics=POINTS)
        await make("logRunResourceSamples", "run", run=run, samples=SAMPLES)
        given = {"run": run, "baseVersion": base, "parameters": SETTINGS, "metrics": POINTS, "runtime": RUNTIME, **told}
        version = await tenant.version(model, label=f"1.{number}", signature=signature(number), **given)
        await promote(tenant, version, "STAGING", *(["PRODUCTION"] if number + 1 < amount else []))
        for _ in range(amount):
            await tenant.version(baseVersion=version)
        await make("setAlias", "alias", version=version, name=f"alias-{number}")
        await files(tenant, amount, run=run)
        if number + 1 == amount:
            # The others are or were in production, and stay as they are.
            await files(tenant, amount, version=version)
        await deploy(tenant, version, amount)
        await make("finishRun", "run", run=run)
    await protect(tenant, "PRODUCTION", {"approvals": {"count": 2, "role": "MAINTAINER"}})
    await ask(tenant, version, amount)
    # How long a run goes on, and what it costs, is another answer at each moment until it ends.
    await make("finishRun", "run", run=search)
    return {
        "PASTE_A_MODEL_ID": model,
        "PASTE_A_VERSION_ID": version,
        "PASTE_AN_EXPERIMENT_ID": experiment,
        "PASTE_A_RUN_ID": run,
        "PASTE_ANOTHER_RUN_ID": search,
        "PASTE_ANOTHER_VERSION_ID": base,
        "PASTE_A_DATASET_ID": dataset,
    }


def variables_of(screen: str, ids: dict[str, str]) -> dict[str, Any]:
    """The variables beside a screen, with the ids in place of their placeholders."""
    given: dict[str, Any] = json.loads(SCREENS[screen].with_suffix(".json").read_text())
    return {name: pasted(value, ids) for name, value in given.items()}


def pasted(value: Any, ids: dict[str, str]) -> Any:
    """A variable with ids in place of placeholders."""
    if isinstance(value, list):
        return [pasted(each, ids) for each in value]
    return ids.get(value, value) if isinstance(value, str) else value
