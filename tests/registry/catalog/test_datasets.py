"""Datasets: the same digest is the same version, whoever registers it first."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlmodel import col

from db.session import Database
from db.tables import DatasetVersion
from registry.catalog import datasets
from registry.kernel.errors import InvalidValue, NameTaken, NotFound
from registry.kernel.inputs import BigInt
from tests.registry.told import events_about
from tests.tenant import Tenant, uuid_of

DIGEST = "sha256:2c26b46b68ffc68ff99b453c1d304134"


@pytest.fixture
async def dataset(tenant: Tenant) -> str:
    return await tenant.client.make("createDataset", "dataset", project=tenant.project, name="iris")


async def register(tenant: Tenant, dataset: str, **given: Any) -> DatasetVersion:
    async with tenant.database.change(tenant.org_id) as change:
        return await datasets.create_version(
            change, tenant.actor, dataset_id=uuid_of(dataset), **{"digest": DIGEST, **given}
        )


async def test_a_dataset_name_is_unique_in_its_project(tenant: Tenant, dataset: str) -> None:
    with pytest.raises(NameTaken):
        async with tenant.database.change(tenant.org_id) as change:
            await datasets.create(change, tenant.actor, project_id=uuid_of(tenant.project), name=" iris")


async def test_the_same_digest_is_the_version_that_is_there_as_it_was_first_described(
    tenant: Tenant, dataset: str, database: Database
) -> None:
    first = await register(tenant, dataset, source="s3://here", row_count=BigInt(150))
    again = await register(tenant, dataset, source="s3://there", row_count=BigInt(151))
    assert again.id == first.id
    assert (again.source, again.row_count) == ("s3://here", 150)
    assert len(await events_about(database, tenant.org_id, first.id)) == 1


async def test_the_same_digest_in_another_dataset_is_another_version(tenant: Tenant, dataset: str) -> None:
    other = await tenant.client.make("createDataset", "dataset", project=tenant.project, name="other")
    assert (await register(tenant, dataset)).id != (await register(tenant, other)).id


async def test_clients_that_log_the_same_data_at_once_get_the_same_version(
    tenant: Tenant, dataset: str, database: Database
) -> None:
    made = await asyncio.gather(
        *[
            tenant.client.change("createDatasetVersion", "datasetVersion { id }", dataset=dataset, digest=DIGEST)
            for _ in range(15)
        ]
    )
    assert len({payload["datasetVersion"]["id"] for payload in made}) == 1
    async with database.change(tenant.org_id) as change:
        counted = select(func.count()).where(col(DatasetVersion.dataset_id) == uuid_of(dataset))
        assert (await change.execute(counted)).scalar_one() == 1


@pytest.mark.parametrize(
    "digest",
    [DIGEST, "md5:d41d8cd98f00b204e9800998ecf8427e", "git:0123abcd", "xxh3-128:AbC+/=_-", "a1:" + "x" * 128],
)
async def test_a_digest_is_kept_as_it_was_given(tenant: Tenant, dataset: str, digest: str) -> None:
    assert (await register(tenant, dataset, digest=digest)).digest == digest


@pytest.mark.parametrize(
    "digest",
    [
        "", ":", "sha256", "sha256:", "sha256:short", ":2c26b46b68ff", "SHA256:2c26b46b68ff", "s:2c26b46b68ff",
        "sha256: 2c26b46b68ff", "sha256:2c26b46b68ff\n", "sha256:" + "x" * 129, "sha256:größe-größe",
        "sha256:2c26:2c26",         "a" * 33 + ":2c26b46b68ff", "sha256:２c26b46b68ff",
    ],
)  # fmt: skip
async def test_what_is_no_digest_is_refused(tenant: Tenant, dataset: str, digest: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        await register(tenant, dataset, digest=digest)
    assert refused.value.path == ("digest",)


@pytest.mark.parametrize("row_count", [0, 1, 2**63 - 1])
async def test_a_dataset_has_any_number_of_rows(tenant: Tenant, dataset: str, row_count: int) -> None:
    payload = await tenant.client.change(
        "createDatasetVersion", "datasetVersion { rowCount }", dataset=dataset, digest=DIGEST, rowCount=str(row_count)
    )
    assert payload["datasetVersion"] == {"rowCount": str(row_count)}


async def test_a_dataset_has_no_negative_number_of_rows(tenant: Tenant, dataset: str) -> None:
    with pytest.raises(InvalidValue):
        await register(tenant, dataset, row_count=BigInt(-1))


async def test_where_data_came_from_is_text_of_any_kind(tenant: Tenant, dataset: str) -> None:
    source = "s3://bucket/größe?x=1#y\nfile:///etc/passwd"
    assert (await register(tenant, dataset, source=source)).source == source
    with pytest.raises(InvalidValue):
        await register(tenant, dataset, digest="git:0123abcd", source="x" * 2_001)


async def test_nothing_is_added_to_a_dataset_of_another_organization(tenant: Tenant, neighbor: Tenant) -> None:
    foreign = await neighbor.client.make("createDataset", "dataset", project=neighbor.project, name="iris")
    with pytest.raises(NotFound):
        await register(tenant, foreign)


async def test_what_is_said_about_a_dataset_and_its_versions_changes_and_the_rest_stays(tenant: Tenant) -> None:
    tags = [{"key": "license", "value": "CC0"}]
    dataset = await tenant.client.make(
        "createDataset", "dataset", project=tenant.project, name="old", description="kept", tags=tags
    )
    shown = "name description tags { key value }"
    changed = await tenant.client.change("updateDataset", f"dataset {{ {shown} }}", dataset=dataset, name="new")
    assert changed["dataset"] == {"name": "new", "description": "kept", "tags": tags}
    version = await tenant.dataset_version(description="first", tags=tags)
    changed = await tenant.client.change(
        "updateDatasetVersion",
        "datasetVersion { description tags { key value } }",
        datasetVersion=version,
        description=None,
    )
    assert changed["datasetVersion"] == {"description": None, "tags": tags}
