"""Versions: dense numbers, unique labels, and edges to where a version came from."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlmodel import col

from db.codes import Phase, Stage
from db.session import Database
from db.tables import LineageEdge, Model, ModelVersion, VersionMetric
from registry.catalog import versions
from registry.kernel.errors import InvalidValue, NameTaken, NotFound
from registry.kernel.inputs import Metric, Parameter, ParameterValue, Tag
from tests.registry.told import events_about
from tests.tenant import Tenant, uuid_of


async def create(tenant: Tenant, model: UUID, **given: Any) -> ModelVersion:
    async with tenant.database.change(tenant.org_id) as change:
        return await versions.create(change, tenant.actor, model_id=model, **{"label": tenant.name("v"), **given})


async def edges_into(database: Database, org_id: UUID, row_id: UUID) -> list[tuple[str, str]]:
    """Kind and upstream kind of the edges that lead to a row."""
    async with database.change(org_id) as change:
        found = await change.execute(
            select(col(LineageEdge.kind), col(LineageEdge.upstream_kind))
            .where(col(LineageEdge.downstream_id) == row_id)
            .order_by(col(LineageEdge.id))
        )
        return [(row.kind, row.upstream_kind) for row in found]


async def test_a_new_version_is_in_development_with_the_next_number(tenant: Tenant) -> None:
    model = uuid_of(await tenant.model())
    made = [await create(tenant, model) for _ in range(3)]
    assert [version.number for version in made] == [1, 2, 3]
    assert {version.stage for version in made} == {Stage.DEVELOPMENT}
    async with tenant.database.change(tenant.org_id) as change:
        assert (await change.get_one(Model, (tenant.org_id, model))).version_count == 3


async def test_a_failure_gives_its_number_back(tenant: Tenant) -> None:
    model = uuid_of(await tenant.model())
    await create(tenant, model, label="1")
    failing: list[tuple[type[Exception], dict[str, Any]]] = [
        (NameTaken, {"label": "1"}),
        (InvalidValue, {"label": " "}),
        (InvalidValue, {"tags": [Tag("a"), Tag("a")]}),
        (InvalidValue, {"metrics": [Metric("loss", Phase.TEST, value=None)]}),
        (NotFound, {"run_id": uuid4()}),
        (NotFound, {"base_version_id": uuid4()}),
    ]
    for place, (failure, given) in enumerate(failing):
        with pytest.raises(failure):
            await create(tenant, model, **given)
        assert (await create(tenant, model)).number == place + 2


async def test_a_label_is_unique_in_its_model_only(tenant: Tenant) -> None:
    one, other = uuid_of(await tenant.model()), uuid_of(await tenant.model())
    await create(tenant, one, label="1.0.0")
    with pytest.raises(NameTaken) as refused:
        await create(tenant, one, label=" 1.0.0 ")
    assert refused.value.path == ("label",)
    assert (await create(tenant, other, label="1.0.0")).label == "1.0.0"
    assert (await create(tenant, one, label="1.0.0-RC")).number == 2


async def test_a_version_is_downstream_of_its_run_and_its_base(tenant: Tenant, database: Database) -> None:
    model, run = uuid_of(await tenant.model()), uuid_of(await tenant.run())
    base = await create(tenant, uuid_of(await tenant.model()))
    version = await create(tenant, model, run_id=run, base_version_id=base.id)
    assert await edges_into(database, tenant.org_id, version.id) == [("PRODUCED", "Run"), ("DERIVED", "ModelVersion")]
    assert await edges_into(database, tenant.org_id, base.id) == []


async def test_a_version_that_fails_leaves_no_edge(tenant: Tenant, database: Database) -> None:
    run = uuid_of(await tenant.run())
    model = uuid_of(await tenant.model())
    with pytest.raises(InvalidValue):
        await create(tenant, model, run_id=run, metrics=[Metric("loss", Phase.TEST, value=None)])
    async with database.change(tenant.org_id) as change:
        found = await change.execute(select(LineageEdge).where(col(LineageEdge.upstream_id) == run))
        assert found.all() == []


async def test_a_version_keeps_what_is_said_and_measured_of_it(tenant: Tenant) -> None:
    version = await create(
        tenant,
        uuid_of(await tenant.model()),
        description="First.",
        parameters=[Parameter("depth", ParameterValue(3)), Parameter("eager", ParameterValue(False))],
        tags=[Tag("ready", "yes")],
        metrics=[Metric("loss", Phase.TEST, value=0.5), Metric("loss", Phase.TRAINING, value=0.25)],
    )
    assert (version.parameters, version.tags) == ({"depth": 3, "eager": False}, {"ready": "yes"})
    async with tenant.database.change(tenant.org_id) as change:
        found = await change.execute(select(VersionMetric).where(col(VersionMetric.version_id) == version.id))
        assert sorted((point.phase, point.value) for point in found.scalars()) == [("TEST", 0.5), ("TRAINING", 0.25)]


async def test_metrics_of_a_version_can_be_added_later(tenant: Tenant) -> None:
    version = await create(tenant, uuid_of(await tenant.model()))
    point = {"name": "drift", "phase": "PRODUCTION", "value": 0.1}
    payload = await tenant.client.change(
        "logVersionMetrics", "version { metrics { name phase value } }",
        version=(await only_version(tenant)), metrics=[point],
    )  # fmt: skip
    assert payload["version"]["metrics"] == [point]
    assert version.number == 1


async def only_version(tenant: Tenant) -> str:
    """The global id of the one version there is."""
    answer = await tenant.client("{ models { nodes { versions { nodes { id } } } } }")
    ((version,),) = [model["versions"]["nodes"] for model in answer["models"]["nodes"]]
    return str(version["id"])


async def test_each_version_is_told_once(tenant: Tenant, database: Database) -> None:
    version = await create(tenant, uuid_of(await tenant.model()), label="1.0.0")
    (event,) = await events_about(database, tenant.org_id, version.id)
    assert event.kind == "version.created"
    assert (event.body["after"]["label"], event.body["after"]["number"]) == ("1.0.0", 1)


@pytest.mark.parametrize("reference", ["model", "run_id", "base_version_id"])
async def test_nothing_of_another_organization_can_be_referred_to(
    tenant: Tenant, neighbor: Tenant, reference: str
) -> None:
    foreign = {
        "model": await neighbor.model(),
        "run_id": await neighbor.run(),
        "base_version_id": await neighbor.version(),
    }[reference]
    model = uuid_of(foreign) if reference == "model" else uuid_of(await tenant.model())
    given = {} if reference == "model" else {reference: uuid_of(foreign)}
    with pytest.raises(NotFound):
        await create(tenant, model, **given)
