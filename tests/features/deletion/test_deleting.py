"""Deleting and restoring: what goes out of sight, what stays, and what stands in the way."""

from typing import Any

import pytest

from db.base import utc_now
from db.session import Database
from tests.nouns import noun, own_field
from tests.registry.told import events_about
from tests.schema.deletion_cases import ended_run, put_in_service
from tests.tenant import Tenant, uuid_of

IN_USE = "errors { ... on InUseError { dependentCount dependents { id kind name node { id } } } }"


async def delete(tenant: Tenant, kind: str, id: str) -> None:
    field = own_field(kind)
    await tenant.client.make(f"delete{noun(kind)}", field, **{field: id})


async def labels(tenant: Tenant, model: str) -> list[tuple[int, str]]:
    shown = "... on Model { versions { nodes { number label } } }"
    answer = await tenant.client(f"query($id: ID!) {{ node(id: $id) {{ {shown} }} }}", id=model)
    return [(one["number"], one["label"]) for one in answer["node"]["versions"]["nodes"]]


async def test_a_deleted_model_is_in_no_list_and_has_no_name_but_is_found_by_its_id(tenant: Tenant) -> None:
    gone, kept = await tenant.model(name="iris"), await tenant.model(name="wine")
    await delete(tenant, "Model", gone)
    answer = await tenant.client(
        """query($id: ID!, $project: ID!) {
            models { totalCount nodes { id } } model(by: {name: {project: $project, name: "iris"}}) { id }
            node(id: $id) { ... on Model { name deletedAt updatedAt createdAt } } }""",
        id=gone,
        project=tenant.project,
    )
    assert answer["models"] == {"totalCount": 1, "nodes": [{"id": kept}]}
    assert answer["model"] is None
    assert answer["node"]["name"] == "iris"
    assert answer["node"]["deletedAt"] > answer["node"]["createdAt"]


async def test_a_name_is_free_once_its_thing_is_deleted_and_restoring_takes_another(tenant: Tenant) -> None:
    first = await tenant.model(name="iris")
    await delete(tenant, "Model", first)
    second = await tenant.model(name="iris")
    refused = await tenant.client.refusal("restoreModel", "model", model=first)
    assert (refused["code"], refused["path"]) == ("NAME_TAKEN", ["name"])
    shown = "model { id name deletedAt }"
    restored = await tenant.client.change("restoreModel", shown, model=first, name=" iris-2 ")
    assert restored["model"] == {"id": first, "name": "iris-2", "deletedAt": None}
    assert (await tenant.client("{ models { totalCount } }"))["models"]["totalCount"] == 2
    await delete(tenant, "Model", second)
    assert await tenant.model(name="iris")


async def test_what_depends_on_a_thing_is_listed(tenant: Tenant) -> None:
    model, version = await tenant.model(), await tenant.version()
    derived = [await tenant.version(model, label=f"v{place}", baseVersion=version) for place in range(2)]
    alias = await tenant.client.make("setAlias", "alias", version=version, name="champion")
    payload = await tenant.client.change("deleteVersion", f"version {{ id }} {IN_USE}", version=version)
    (error,) = payload["errors"]
    assert (payload["version"], error["code"], error["path"]) == (None, "IN_USE", ["version"])
    assert error["dependentCount"] == 3
    assert error["dependents"] == [
        {"id": gid, "kind": kind, "name": name, "node": {"id": gid}}
        for gid, kind, name in (
            (alias, "Alias", "champion"),
            (derived[0], "ModelVersion", "v0"),
            (derived[1], "ModelVersion", "v1"),
        )
    ]


async def test_of_many_dependents_the_first_are_listed_and_all_are_counted(tenant: Tenant) -> None:
    model = await tenant.model()
    made = [await tenant.version(model) for _ in range(22)]
    await delete(tenant, "ModelVersion", made[0])
    (error,) = (await tenant.client.change("deleteModel", IN_USE, model=model))["errors"]
    assert error["dependentCount"] == 21
    assert [one["id"] for one in error["dependents"]] == made[1:21]


async def test_what_was_deleted_before_does_not_stand_in_the_way(tenant: Tenant) -> None:
    model = await tenant.model()
    await delete(tenant, "ModelVersion", await tenant.version(model))
    await delete(tenant, "Model", model)


async def test_a_deleted_thing_takes_no_change(tenant: Tenant) -> None:
    model, run = await tenant.model(), await ended_run(tenant)
    await delete(tenant, "Model", model)
    await delete(tenant, "Run", run)
    for mutation, row, given in (
        ("updateModel", "model", {"model": model, "name": "new"}),
        ("createVersion", "version", {"model": model, "label": "1"}),
        ("createVersion", "version", {"model": await tenant.model(), "label": "1", "run": run}),
        ("updateRun", "run", {"run": run, "name": "new"}),
        ("createRun", "run", {"project": tenant.project, "name": "child", "parentRun": run}),
    ):
        assert (await tenant.client.refusal(mutation, row, **given))["code"] == "NOT_FOUND", mutation


async def test_numbers_and_labels_are_never_given_again(tenant: Tenant) -> None:
    model = await tenant.model()
    for label in ("a", "b"):
        last = await tenant.version(model, label=label)
    await delete(tenant, "ModelVersion", last)
    shown = "query($id: ID!) { node(id: $id) { ... on Model { versionCount } } }"
    assert (await tenant.client(shown, id=model))["node"] == {"versionCount": 1}
    refused = await tenant.client.refusal("createVersion", "version", model=model, label="b")
    assert (refused["code"], refused["path"]) == ("NAME_TAKEN", ["label"])
    await tenant.version(model, label="c")
    assert await labels(tenant, model) == [(3, "c"), (1, "a")]
    await tenant.client.make("restoreVersion", "version", version=last)
    assert await labels(tenant, model) == [(3, "c"), (2, "b"), (1, "a")]


async def test_deleting_and_restoring_again_change_and_tell_nothing(tenant: Tenant, database: Database) -> None:
    model = await tenant.model()
    for _ in range(2):
        await delete(tenant, "Model", model)
    for _ in range(2):
        await tenant.client.make("restoreModel", "model", model=model)
    told = await events_about(database, tenant.org_id, uuid_of(model))
    assert [event.kind for event in told] == ["model.created", "model.deleted", "model.restored"]
    assert told[1].body["before"] == {"deleted_at": None}


async def test_the_lineage_keeps_what_was_deleted(tenant: Tenant) -> None:
    data = await tenant.dataset_version()
    run = await ended_run(tenant, datasets=[{"datasetVersion": data}])
    version = await tenant.version(run=run)
    await delete(tenant, "ModelVersion", version)
    await delete(tenant, "Run", run)
    walk = "downstream { steps { node { id ... on ModelVersion { deletedAt } } } links { kind } }"
    answer = await tenant.client(f"query($id: ID!) {{ lineageNode(id: $id) {{ {walk} }} }}", id=data)
    found = answer["lineageNode"]["downstream"]
    assert [step["node"]["id"] for step in found["steps"]] == [run, version]
    assert found["steps"][1]["node"]["deletedAt"] is not None
    assert [link["kind"] for link in found["links"]] == ["USED", "PRODUCED"]


async def test_a_dataset_version_is_free_once_the_runs_that_used_it_are_deleted_and_holds_them_back(
    tenant: Tenant,
) -> None:
    data = await tenant.dataset_version()
    run = await ended_run(tenant, datasets=[{"datasetVersion": data}])
    (error,) = (await tenant.client.change("deleteDatasetVersion", IN_USE, datasetVersion=data))["errors"]
    assert [one["id"] for one in error["dependents"]] == [run]
    await delete(tenant, "Run", run)
    await delete(tenant, "DatasetVersion", data)
    refused = await tenant.client.refusal("restoreRun", "run", run=run)
    assert (refused["code"], refused["path"]) == ("CONFLICT", ["run"])
    assert "dataset version 'sha256:" in refused["message"]
    await tenant.client.make("restoreDatasetVersion", "datasetVersion", datasetVersion=data)
    assert await tenant.client.make("restoreRun", "run", run=run) == run


async def test_data_that_was_deleted_and_registered_again_is_another_version(tenant: Tenant) -> None:
    dataset = await tenant.client.make("createDataset", "dataset", project=tenant.project, name="data")
    given = {"dataset": dataset, "digest": "sha256:0123456789abcdef"}
    first = await tenant.client.make("createDatasetVersion", "datasetVersion", **given)
    await delete(tenant, "DatasetVersion", first)
    second = await tenant.client.make("createDatasetVersion", "datasetVersion", **given)
    assert second != first
    refused = await tenant.client.refusal("restoreDatasetVersion", "datasetVersion", datasetVersion=first)
    assert (refused["code"], refused["path"]) == ("CONFLICT", ["datasetVersion"])
    await delete(tenant, "DatasetVersion", second)
    await tenant.client.make("restoreDatasetVersion", "datasetVersion", datasetVersion=first)


async def test_a_deleted_file_frees_its_path_and_comes_back_at_another(tenant: Tenant) -> None:
    given: dict[str, Any] = {"run": await ended_run(tenant), "kind": "PLOT", "uri": "s3://elsewhere/plot"}
    first = await tenant.client.make("createExternalArtifact", "artifact", path="roc.png", **given)
    await delete(tenant, "Artifact", first)
    await tenant.client.make("createExternalArtifact", "artifact", path="ROC.png", **given)
    assert (await tenant.client.refusal("restoreArtifact", "artifact", artifact=first))["code"] == "NAME_TAKEN"
    bad = await tenant.client.refusal("restoreArtifact", "artifact", artifact=first, path="../roc.png")
    assert (bad["code"], bad["path"]) == ("INVALID_VALUE", ["path"])
    payload = await tenant.client.change("restoreArtifact", "artifact { path }", artifact=first, path="old/roc.png")
    assert payload["artifact"] == {"path": "old/roc.png"}


@pytest.mark.parametrize("stage", ["STAGING", "PRODUCTION"])
async def test_what_is_in_service_stays_until_it_is_taken_out(tenant: Tenant, stage: str) -> None:
    version = await tenant.version()
    await put_in_service(tenant, version, stage)
    refused = await tenant.client.refusal("deleteVersion", "version", version=version)
    assert refused["code"] == "CONFLICT"
    assert stage in refused["message"]
    await put_in_service(tenant, version, "ARCHIVED")
    await delete(tenant, "ModelVersion", version)


@pytest.mark.parametrize("name", ["", " ", "\u200b", "x" * 201, "a\u202eb", "a\nb"])
async def test_a_bad_new_name_is_refused_and_the_thing_stays_deleted(tenant: Tenant, name: str) -> None:
    model = await tenant.model()
    await delete(tenant, "Model", model)
    refused = await tenant.client.refusal("restoreModel", "model", model=model, name=name)
    assert (refused["code"], refused["path"]) == ("INVALID_VALUE", ["name"])
    assert (await tenant.client("{ models { totalCount } }"))["models"]["totalCount"] == 0


async def test_a_deployment_goes_once_it_is_stopped_and_leaves_its_past(tenant: Tenant) -> None:
    version = await tenant.version()
    deployment = await tenant.deployment(version=version)
    walk = "query($id: ID!, $at: DateTime) { lineageNode(id: $id) { downstream(asOf: $at) { steps { node { id } } } } }"
    then = utc_now().isoformat()
    await tenant.client.make("updateDeployment", "deployment", deployment=deployment, desiredState="STOPPED")
    (error,) = (await tenant.client.change("deleteVersion", IN_USE, version=version))["errors"]
    assert [one["kind"] for one in error["dependents"]] == ["Deployment"]
    await delete(tenant, "Deployment", deployment)
    now, before = [(await tenant.client(walk, id=version, at=at))["lineageNode"]["downstream"] for at in (None, then)]
    assert now == {"steps": []}
    assert before == {"steps": [{"node": {"id": deployment}}]}
    await delete(tenant, "ModelVersion", version)
