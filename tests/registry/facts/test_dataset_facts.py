"""Schemas and profiles of dataset versions."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from db import tables
from db.codes import DataType
from registry.facts import dataset_facts
from registry.facts.dataset_facts import ColumnProfile, DatasetColumn, DatasetProfile, DatasetSchema
from registry.kernel.errors import InvalidValue
from registry.kernel.inputs import BigInt, ParameterValue
from tests.blocking import until_it_waits
from tests.tenant import Tenant, uuid_of

SHOWN = """query($id: ID!) { node(id: $id) { ... on DatasetVersion {
    schema { columns { name type nullable } datasetVersions { totalCount } }
    profile { rowCount columns { name count minimum maximum mean } datasetVersion { id } } } } }"""


async def profiled(tenant: Tenant, version: str, **given: Any) -> tables.DatasetVersion:
    async with tenant.database.change(tenant.org_id) as change:
        return await dataset_facts.set_profile(
            change, tenant.actor, dataset_version_id=uuid_of(version), profile=DatasetProfile(**given)
        )


async def test_a_schema_is_shared_and_a_profile_is_a_versions_own(tenant: Tenant) -> None:
    schema = {"columns": [{"name": "age", "type": "INT8", "nullable": False}]}
    column = {"name": "age", "count": "9", "minimum": 1, "maximum": "old", "mean": 1.5}
    one = await tenant.dataset_version(schema=schema, profile={"rowCount": "9", "columns": [column]})
    await tenant.dataset_version(schema=schema)
    node = (await tenant.client(SHOWN, id=one))["node"]
    assert node["schema"] == {**schema, "datasetVersions": {"totalCount": 2}}
    assert node["profile"] == {"rowCount": "9", "columns": [column], "datasetVersion": {"id": one}}


async def test_a_later_profile_takes_the_place_of_the_earlier_one(tenant: Tenant) -> None:
    version = await tenant.dataset_version(profile={"rowCount": "9"})
    await profiled(tenant, version, row_count=BigInt(10), columns=[ColumnProfile("a", minimum=ParameterValue(1))])
    profile = (await tenant.client(SHOWN, id=version))["node"]["profile"]
    assert (profile["rowCount"], profile["columns"][0]["minimum"]) == ("10", 1)


async def test_a_profile_waits_for_the_one_that_is_being_set_and_takes_its_place(tenant: Tenant) -> None:
    version = await tenant.dataset_version()
    async with tenant.database.change(tenant.org_id) as change:
        first = DatasetProfile(row_count=BigInt(1))
        await dataset_facts.set_profile(change, tenant.actor, dataset_version_id=uuid_of(version), profile=first)
        waiting = asyncio.create_task(profiled(tenant, version, row_count=BigInt(2)))
        await until_it_waits(waiting, change)
    await waiting
    assert (await tenant.client(SHOWN, id=version))["node"]["profile"]["rowCount"] == "2"


async def test_data_that_is_known_gets_the_schema_that_it_lacks_and_keeps_one_that_it_has(tenant: Tenant) -> None:
    dataset = await tenant.client.make("createDataset", "dataset", project=tenant.project, name="data")
    digest = f"sha256:{uuid4().hex}"
    shown = "datasetVersion { id description schema { columns { name } } profile { rowCount } }"
    made = []
    for given in (
        {},
        {"schema": {"columns": [{"name": "a", "type": "INT8"}]}, "description": "late"},
        {"schema": {"columns": [{"name": "b", "type": "INT8"}]}, "profile": {"rowCount": "1"}},
    ):
        values = {"dataset": dataset, "digest": digest, **given}
        made.append((await tenant.client.change("createDatasetVersion", shown, **values))["datasetVersion"])
    assert len({one.pop("id") for one in made}) == 1
    a = {"columns": [{"name": "a"}]}
    assert made == [
        {"description": None, "schema": None, "profile": None},
        {"description": None, "schema": a, "profile": None},
        {"description": None, "schema": a, "profile": {"rowCount": "1"}},
    ]


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"row_count": -1}, ("rowCount",)),
        ({"row_count": 2**63}, ("rowCount",)),
        ({"columns": [ColumnProfile("a"), ColumnProfile("a")]}, ("columns", "1", "name")),
        ({"columns": [ColumnProfile("a", null_count=BigInt(-1))]}, ("columns", "0", "nullCount")),
        ({"columns": [ColumnProfile("a", mean=float("nan"))]}, ("columns", "0", "mean")),
        ({"columns": [ColumnProfile("a", stddev=-1.0)]}, ("columns", "0", "stddev")),
        ({"columns": [ColumnProfile("a", maximum=ParameterValue(float("inf")))]}, ("columns", "0", "maximum")),
        ({"columns": [ColumnProfile("a", maximum=ParameterValue("x" * 6001))]}, ("columns", "0", "maximum")),
    ],
)
async def test_a_profile_that_cannot_be_is_refused_at_its_place(
    tenant: Tenant, given: dict[str, Any], path: tuple[str, ...]
) -> None:
    version = await tenant.dataset_version()
    with pytest.raises(InvalidValue) as refused:
        await profiled(tenant, version, **given)
    assert refused.value.path == ("profile", *path)


@pytest.mark.parametrize(
    ("columns", "path"),
    [([], ()), ([DatasetColumn("a", DataType.INT8), DatasetColumn("a ", DataType.INT8)], ("1", "name"))],
)
async def test_a_schema_has_columns_with_names_of_their_own(
    tenant: Tenant, columns: list[DatasetColumn], path: tuple[str, ...]
) -> None:
    with pytest.raises(InvalidValue) as refused:
        async with tenant.database.change(tenant.org_id) as change:
            await dataset_facts.keep(change, tenant.actor, DatasetSchema(columns))
    assert refused.value.path == ("schema", "columns", *path)
