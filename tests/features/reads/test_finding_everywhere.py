"""Finding versions, data, files and principals in the whole organization, over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import update
from sqlmodel import col

from db.codes import PrincipalKind, Role, RunStatus
from db.session import Database
from db.tables import Run
from tests.tenant import Tenant, found_tenant, join, uuid_of

SHA256 = "ab" * 32
DIGEST = f"sha256:{'77' * 32}"
LABELS = "query($where: ModelVersionWhereInput) { versions(where: $where) { nodes { label } totalCount } }"


@pytest.fixture(scope="module")
async def shop(database: Database, http: httpx2.AsyncClient) -> Tenant:
    """Versions of two models, some of them with a run, data, files and facts."""
    tenant = await found_tenant(database, http)
    churn, iris = await tenant.model(name="churn", framework="xgboost"), await tenant.model(name="iris")
    schema = {"columns": [{"name": "age", "type": "INT64"}]}
    data = await tenant.dataset_version(digest=DIGEST, description="All of May.", schema=schema)
    runtime = {"pythonVersion": "3.12.4", "packages": [{"name": "Torch_Vision", "version": "0.21.0"}]}
    run = await tenant.run(name="trained", datasets=[{"datasetVersion": data}], runtime=runtime)
    point = {"name": "accuracy", "phase": "TEST"}
    await tenant.version(churn, label="poor", metrics=[point | {"value": 0.5}])
    good = await tenant.version(
        churn, label="good", metrics=[point | {"value": 0.95}], run=run, runtime=runtime,
        signature={"inputs": [{"name": "age", "type": "INT64"}]},
    )  # fmt: skip
    await tenant.version(iris, label="other", metrics=[point | {"value": 0.99}])
    file = {"kind": "MODEL", "uri": "s3://x/y", "sha256": SHA256, "sizeBytes": "7"}
    await tenant.client.make("createExternalArtifact", "artifact", version=good, path="model.bin", **file)
    return tenant


async def labels(tenant: Tenant, **where: Any) -> list[str]:
    """The versions that are found, by label."""
    found = (await tenant.client(LABELS, where=where))["versions"]
    assert found["totalCount"] == len(found["nodes"])
    return sorted(one["label"] for one in found["nodes"])


async def test_versions_are_found_by_framework_metric_and_project(shop: Tenant) -> None:
    accurate = {"name": "accuracy", "phase": "TEST", "gt": 0.9}
    assert await labels(shop, metrics=accurate) == ["good", "other"]
    assert await labels(shop, metrics=accurate, framework={"equals": "xgboost"}, project=shop.project) == ["good"]
    team = (await shop.client("{ teams { nodes { id } } }"))["teams"]["nodes"][0]["id"]
    assert await labels(shop, team=team) == ["good", "other", "poor"]
    assert await labels(shop, team=[]) == []


async def test_versions_are_found_by_the_bytes_that_they_hold(shop: Tenant) -> None:
    assert await labels(shop, artifacts={"sha256": {"equals": SHA256}}) == ["good"]
    assert await labels(shop, artifacts={"sha256": {"equals": "cd" * 32}}) == []
    holding = "query($where: ArtifactWhereInput) { artifacts(where: $where) { nodes { path version { label } } } }"
    found = await shop.client(holding, where={"sha256": {"equals": SHA256}})
    assert found["artifacts"]["nodes"] == [{"path": "model.bin", "version": {"label": "good"}}]


async def test_versions_are_found_by_the_data_and_the_packages_behind_them(shop: Tenant) -> None:
    digest = (
        "query($where: DatasetVersionWhereInput) { datasetVersions(where: $where) { nodes { id dataset { id } } } }"
    )
    where = {"digest": {"equals": DIGEST}, "project": shop.project, "hasSchema": True}
    (data,) = (await shop.client(digest, where=where))["datasetVersions"]["nodes"]
    assert (await shop.client(digest, where={"description": {"contains": "june"}}))["datasetVersions"]["nodes"] == []
    assert await labels(shop, datasetVersion=data["id"]) == ["good"]
    assert await labels(shop, dataset=data["dataset"]["id"]) == ["good"]
    assert await labels(shop, hasRuntime=False) == ["other", "poor"]
    assert await labels(shop, hasSignature=True) == ["good"]
    for package, expected in (
        ({"name": "torch.vision"}, ["good"]),
        ({"name": "torch-vision", "startsWith": "0.21."}, ["good"]),
        ({"name": "torch-vision", "in": ["0.20.0"]}, []),
        ({"name": "torch"}, []),
    ):
        assert await labels(shop, runtime={"packages": package}) == expected
    runs = "query($where: RunWhereInput) { runs(where: $where) { nodes { name } } }"
    made = {"runtime": {"packages": {"name": "torch-vision"}, "pythonVersion": {"startsWith": "3.12"}}}
    assert (await shop.client(runs, where=made))["runs"]["nodes"] == [{"name": "trained"}]
    listed = "query($where: RuntimeWhereInput) { runtimes(where: $where) { nodes { pythonVersion } } }"
    packages = {"packages": {"name": "torch-vision"}}
    assert (await shop.client(listed, where=packages))["runtimes"]["nodes"] == [{"pythonVersion": "3.12.4"}]


async def test_who_can_be_an_owner_is_listed_and_shows_what_it_answers_for(
    tenant: Tenant, neighbor: Tenant, database: Database, http: httpx2.AsyncClient
) -> None:
    await join(database, http, tenant.org_id, "robot", Role.WRITER, PrincipalKind.SERVICE_ACCOUNT)
    reader = await join(database, http, tenant.org_id, "ann", Role.READER)
    asked = """query($where: PrincipalWhereInput) { principals(where: $where) { nodes {
        id name models { nodes { name } } versions { totalCount } } } }"""
    everybody = (await reader(asked))["principals"]["nodes"]
    assert [one["name"] for one in everybody] == ["ann", "owner", "robot"]
    (robot,) = (await reader(asked, where={"kind": "SERVICE_ACCOUNT"}))["principals"]["nodes"]
    await tenant.version(await tenant.model(name="churn", owner=robot["id"]))
    (robot,) = (await reader(asked, where={"name": {"equals": "robot"}}))["principals"]["nodes"]
    assert (robot["models"], robot["versions"]) == ({"nodes": [{"name": "churn"}]}, {"totalCount": 0})
    (owner,) = (await reader(asked, where={"name": {"equals": "owner"}}))["principals"]["nodes"]
    assert (owner["models"], owner["versions"]) == ({"nodes": []}, {"totalCount": 1})
    assert len((await neighbor.client(asked))["principals"]["nodes"]) == 1


async def test_runs_are_ordered_by_how_long_they_took_and_those_that_go_on_come_last(
    tenant: Tenant, database: Database
) -> None:
    began = datetime(2026, 1, 1, tzinfo=UTC)
    lasted = {"slow": 300.0, "quick": 60.000001, "quicker": 60.0, "goes on": None}
    for name, seconds in lasted.items():
        run = uuid_of(await tenant.run(name=name))
        ended = None if seconds is None else began + timedelta(seconds=seconds)
        async with database.change(tenant.org_id) as change:
            status = RunStatus.RUNNING if ended is None else RunStatus.FINISHED
            times = update(Run).values(status=status, started_at=began, ended_at=ended)
            await change.execute(times.where(col(Run.org_id) == tenant.org_id, col(Run.id) == run))
    query = """query($direction: OrderDirection!, $after: String) {
        runs(first: 1, after: $after, orderBy: {field: DURATION_SECONDS, direction: $direction}) {
            nodes { name } pageInfo { endCursor } } }"""
    for direction, expected in (
        ("ASC", ["quicker", "quick", "slow", "goes on"]),
        ("DESC", ["slow", "quick", "quicker", "goes on"]),
    ):
        seen: list[str] = []
        after = None
        while page := (await tenant.client(query, direction=direction, after=after))["runs"]:
            if not page["nodes"]:
                break
            seen, after = [*seen, page["nodes"][0]["name"]], page["pageInfo"]["endCursor"]
        assert seen == expected
