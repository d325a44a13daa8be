"""Every failure that a mutation declares can happen, and comes as data with type, code, path and a sentence."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from graphql import GraphQLObjectType, GraphQLUnionType

from db.base import utc_now
from registry import errors
from schema.errors import ERROR_TYPES, as_data
from tests.schema.deletion_cases import in_use, name_taken_since, not_at_rest, parent_deleted
from tests.schema.valid_inputs import (
    DELETIONS_OF,
    MUTATIONS,
    SCHEMA,
    reference_fields,
    refusal_of,
    row_of,
    title,
    unknown,
    valid_input,
)
from tests.tenant import Tenant

Given = dict[str, Any]
LONG = "x" * 201


def declared_errors(mutation: str) -> set[str]:
    """The types of the failures in the payload of a mutation."""
    union = SCHEMA.type_map[f"{title(mutation)}Error"]
    assert isinstance(union, GraphQLUnionType)
    return {member.name for member in union.types}


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
        "query($id: ID!) { node(id: $id) { ... on Version { model { id } } } }", id=given["version"]
    )
    other = await tenant.version(model["node"]["model"]["id"])
    await tenant.deployment(environment=given["environment"], version=other, trafficPercent=60.0)
    return given | {"trafficPercent": 40.01}


async def _too_many_shares(tenant: Tenant, mutation: str) -> Given:
    given = await valid_input(tenant, mutation)
    other = await tenant.version(given["model"])
    await tenant.deployment(environment=given["environment"], version=other, trafficPercent=60.0)
    return given


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


async def _external(tenant: Tenant, _: str) -> Given:
    given = await valid_input(tenant, "createExternalArtifact")
    made = await tenant.client.change("createExternalArtifact", "artifact { id }", **given)
    return {"artifact": made["artifact"]["id"]}


async def _external_with_bad_key(tenant: Tenant, mutation: str) -> Given:
    return await _external(tenant, mutation) | {"idempotencyKey": " "}


def _with(**values: Any) -> Callable[[Tenant, str], Awaitable[Given]]:
    async def given(tenant: Tenant, mutation: str) -> Given:
        return await valid_input(tenant, mutation) | values

    return given


async def _unknown_reference(tenant: Tenant, mutation: str) -> Given:
    given = await valid_input(tenant, mutation)
    name, kind = next((name, kind) for name, kind in reference_fields(mutation).items() if name in given)
    return given | {name: unknown(kind)}


async def _reused_key(tenant: Tenant, mutation: str) -> Given:
    key = {"idempotencyKey": "once"}
    await tenant.client.change("createTeam", "replayed", name=tenant.name(), **key)
    given = await _external(tenant, mutation) if mutation == "completeUpload" else await valid_input(tenant, mutation)
    return given | key


PARENTLESS = ("createTeam", "createEnvironment", "setPrice")
BAD_METRIC = [{"name": "loss", "phase": "TEST", "value": 1.0, "step": "-1"}]
CASES: dict[tuple[str, str], Callable[[Tenant, str], Awaitable[Given]]] = {
    **{(name, "IdempotencyKeyReusedError"): _reused_key for name in MUTATIONS},
    **{(name, "NotFoundError"): _unknown_reference for name in MUTATIONS if name not in PARENTLESS},
    **{
        (name, "NameTakenError"): _taken
        for name in (
            "createTeam", "createProject", "createModel", "createDataset", "createExperiment", "createVersion",
            "createUpload", "createExternalArtifact", "createEnvironment", "createDeployment",
        )
    },
    **{
        (f"update{kind}", "NameTakenError"): _other_has_the_name
        for kind in ("Team", "Project", "Model", "Dataset", "Experiment", "Environment")
    },
    **{(name, "InvalidValueError"): _with(idempotencyKey=" ") for name in DELETIONS_OF},
    **{
        (f"delete{kind}", "InUseError"): in_use
        for kind in (
            "Team", "Project", "Model", "Experiment", "Dataset", "DatasetVersion", "Run", "Version", "Environment",
        )
    },
    **{(f"delete{kind}", "ConflictError"): not_at_rest for kind in ("Run", "Version", "Artifact", "Deployment")},
    **{
        (name, "ConflictError"): parent_deleted
        for name in DELETIONS_OF if name.startswith("restore") and name not in ("restoreTeam", "restoreEnvironment")
    },
    **{
        (f"restore{kind}", "NameTakenError"): name_taken_since
        for kind in ("Team", "Project", "Model", "Experiment", "Dataset", "Artifact", "Environment", "Deployment")
    },
    **{
        (name, "InvalidValueError"): _with(name=LONG)
        for name in (
            "createTeam", "createProject", "createModel", "updateModel", "createDataset", "createExperiment",
            "updateExperiment", "createRun", "setAlias", "removeAlias", "createEnvironment", "updateEnvironment",
            "createDeployment",
            "updateExperiment", "updateTeam", "updateProject", "updateDataset", "updateRun", "createRun", "setAlias",
            "removeAlias",
        )
    },
    ("createDatasetVersion", "InvalidValueError"): _with(digest="unknown"),
    ("updateDatasetVersion", "InvalidValueError"): _with(tags=[{"key": ""}]),
    ("setDatasetProfile", "InvalidValueError"): _with(profile={"rowCount": "-1"}),
    ("setRunRuntime", "InvalidValueError"): _with(runtime={"commit": "main"}),
    ("updateVersion", "InvalidValueError"): _with(signature={}),
    ("setRunRuntime", "ConflictError"): _ended_run,
    ("updateVersion", "ConflictError"): _another_signature,
    ("createVersion", "InvalidValueError"): _with(label=" "),
    ("logParameters", "InvalidValueError"): _with(parameters=[{"name": "a", "value": 1}, {"name": "a", "value": 1}]),
    ("logMetrics", "InvalidValueError"): _with(metrics=BAD_METRIC),
    ("logVersionMetrics", "InvalidValueError"): _with(metrics=BAD_METRIC),
    ("logResourceSamples", "InvalidValueError"): _with(samples=[{"sampledAt": "1066-10-14T00:00:00Z"}]),
    ("logResourceSamples", "ConflictError"): _ended_run,
    ("setPrice", "InvalidValueError"): _with(currency="euro"),
    ("setPrice", "ConflictError"): _earlier_price,
    ("removePrice", "InvalidValueError"): _with(idempotencyKey=" "),
    ("finishRun", "InvalidValueError"): _with(status="RUNNING"),
    ("createUpload", "InvalidValueError"): _with(sha256="abc"),
    ("createExternalArtifact", "InvalidValueError"): _with(path="../model"),
    ("completeUpload", "InvalidValueError"): _external_with_bad_key,
    ("heartbeatRun", "InvalidValueError"): _with(idempotencyKey=" "),
    ("abortUpload", "InvalidValueError"): _with(idempotencyKey=" "),
    ("logParameters", "ConflictError"): _ended_run,
    ("logMetrics", "ConflictError"): _ended_run,
    ("finishRun", "ConflictError"): _ended_run,
    ("createUpload", "ConflictError"): _announced_as_another_kind,
    ("heartbeatRun", "ConflictError"): _ended_run,
    ("completeUpload", "ConflictError"): _external,
    ("abortUpload", "ConflictError"): _external,
    ("setAlias", "ConflictError"): _with(expectedRevision=7),
    ("updateDeployment", "InvalidValueError"): _with(trafficPercent=101.0),
    ("shiftTraffic", "InvalidValueError"): _with(shares=[]),
    ("reportDeployment", "InvalidValueError"): _with(observedAt="1970-01-01T00:00:00Z"),
    ("createDeployment", "ConflictError"): _too_much_traffic,
    ("updateDeployment", "ConflictError"): _with(expectedRevision=7),
    ("shiftTraffic", "ConflictError"): _too_many_shares,
    ("reportDeployment", "ConflictError"): _told_otherwise,
    ("createUpload", "TooLargeError"): _with(sizeBytes=str(2**40)),
    ("completeUpload", "UploadIncompleteError"): _with(),
}  # fmt: skip


def test_every_declared_failure_of_every_mutation_is_tried_below() -> None:
    assert set(CASES) == {(mutation, error) for mutation in MUTATIONS for error in declared_errors(mutation)}


@pytest.mark.parametrize(("mutation", "error"), CASES)
async def test_a_refusal_is_data(tenant: Tenant, mutation: str, error: str) -> None:
    given = await CASES[mutation, error](tenant, mutation)
    refusal = await refusal_of(tenant.client, mutation, given)
    assert refusal["__typename"] == error
    assert refusal["code"] == "".join(f"_{c}" if c.isupper() else c.upper() for c in error)[1:].removesuffix("_ERROR")
    assert refusal["path"], "the client cannot tell which input it is about"
    assert refusal["path"][0] in SCHEMA.type_map[f"{title(mutation)}Input"].fields  # type: ignore[attr-defined]  # an input
    assert refusal["message"].endswith(".")


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_every_failure_tells_at_least_message_path_and_code(mutation: str) -> None:
    interface: Any = SCHEMA.type_map["UserError"]
    for name in declared_errors(mutation):
        member = SCHEMA.type_map[name]
        assert isinstance(member, GraphQLObjectType)
        assert interface in member.interfaces


def test_every_failure_of_the_rules_has_a_type_in_the_graph() -> None:
    # What the command line alone can meet, such as a bad line of a file, is defined where it is raised.
    rules = {failure for failure in errors.Failure.__subclasses__() if failure.__module__ == errors.__name__}
    assert set(ERROR_TYPES) == rules


@pytest.mark.parametrize(
    ("failure", "more"),
    [
        (errors.NotFound("Model", ("model",)), {}),
        (errors.NameTaken("model", "iris", "project"), {"name": "iris"}),
        (
            errors.InUse("model", [errors.Dependent("Version", UUID(int=1), "1.0.0")], 2, ("model",)),
            {"dependents": [errors.Dependent("Version", UUID(int=1), "1.0.0")], "dependent_count": 2},
        ),
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
