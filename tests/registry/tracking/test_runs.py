"""Runs: parameters stay once set, an ended run takes nothing more, and what a run read is in the lineage."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlmodel import col

from db.base import utc_now
from db.codes import DatasetRole, Phase, RunStatus
from db.session import Database
from db.tables import DatasetVersion, LineageEdge, Run
from registry.kernel.errors import Conflict, InvalidValue, NotFound
from registry.kernel.inputs import MAX_PARAMETERS, DatasetUse, Metric, Parameter, ParameterValue
from registry.tracking import runs
from storage.store import ObjectStore
from tests.registry.told import events_about
from tests.sending import work
from tests.tenant import Tenant, uuid_of

USED = """query($id: ID!) { node(id: $id) { ... on Run { datasets(first: 20) { edges { role node { id } } } } } }"""


def parameter(name: str, value: object) -> Parameter:
    return Parameter(name, ParameterValue(value))


async def create(tenant: Tenant, **given: Any) -> Run:
    async with tenant.database.change(tenant.org_id) as change:
        return await runs.create(
            change, tenant.actor, **{"project_id": uuid_of(tenant.project), "name": "run", **given}
        )


async def log(tenant: Tenant, run: UUID, *parameters: Parameter) -> Run:
    async with tenant.database.change(tenant.org_id) as change:
        return await runs.log_parameters(change, tenant.actor, run_id=run, parameters=parameters)


async def finish(tenant: Tenant, run: UUID, **given: Any) -> Run:
    async with tenant.database.change(tenant.org_id) as change:
        return await runs.finish(change, tenant.actor, run_id=run, **given)


async def test_a_new_run_is_going_on(tenant: Tenant) -> None:
    run = await create(tenant)
    assert (run.status, run.ended_at, run.parameters) == (RunStatus.RUNNING, None, {})


async def test_runs_may_share_a_name(tenant: Tenant) -> None:
    assert (await create(tenant)).id != (await create(tenant)).id


async def test_a_run_has_a_description_and_a_page_elsewhere_that_change_and_go(tenant: Tenant) -> None:
    page = "https://ci.example.com/jobs/17?tab=log#end"
    shown = "run { description externalUrl }"
    run = await tenant.run(description="Deeper trees.", externalUrl=page)
    same = (await tenant.client.change("updateRun", shown, run=run, name="renamed"))["run"]
    assert same == {"description": "Deeper trees.", "externalUrl": page}
    gone = (await tenant.client.change("updateRun", shown, run=run, description=None, externalUrl=None))["run"]
    assert gone == {"description": None, "externalUrl": None}


@pytest.mark.parametrize(
    "address",
    [
        "", " https://a.example", "ci.example.com/17", "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd",
        "https://", "https://[::1", "http://a.example:99999/", "https://user:secret@a.example/", "https://a.example/\u202e",
        "https://a.example/" + "x" * 2_000,
    ],
)  # fmt: skip
async def test_what_is_no_page_is_refused(tenant: Tenant, address: str) -> None:
    refused = await tenant.client.refusal("createRun", "run", project=tenant.project, name="run", externalUrl=address)
    assert (refused["code"], refused["path"]) == ("INVALID_VALUE", ["externalUrl"])
    assert "secret" not in refused["message"]


async def test_a_parameter_stays_once_it_is_set(tenant: Tenant) -> None:
    run = await create(tenant, parameters=[parameter("depth", 3)])
    with pytest.raises(Conflict, match="'depth'") as refused:
        await log(tenant, run.id, parameter("new", 1), parameter("depth", 4))
    assert refused.value.path == ("parameters",)
    assert (await log(tenant, run.id, parameter("depth", 3), parameter("rate", 0.1))).parameters == {
        "depth": 3,
        "rate": 0.1,
    }


@pytest.mark.parametrize(("before", "after"), [(True, 1), (0, False), (1, "1"), ("true", True), (1.5, "1.5")])
async def test_a_value_of_another_type_is_another_value(tenant: Tenant, before: object, after: object) -> None:
    run = await create(tenant, parameters=[parameter("p", before)])
    with pytest.raises(Conflict):
        await log(tenant, run.id, parameter("p", after), parameter("q", 1))
    assert (await log(tenant, run.id)).parameters["p"] is before or isinstance(before, str | float)


async def test_the_same_parameters_again_tell_nothing(tenant: Tenant, database: Database) -> None:
    run = await create(tenant, parameters=[parameter("a", 1.0), parameter("b", "x")])
    await log(tenant, run.id, parameter("a", 1.0))
    await log(tenant, run.id, parameter("a", 1), parameter("b", "x"))
    await log(tenant, run.id)
    assert [event.kind for event in await events_about(database, tenant.org_id, run.id)] == ["run.created"]


async def test_a_set_parameter_keeps_the_way_it_was_written(tenant: Tenant) -> None:
    run = await create(tenant, parameters=[parameter("rate", 1.0)])
    merged = (await log(tenant, run.id, parameter("rate", 1), parameter("new", 1))).parameters
    assert isinstance(merged["rate"], float)


async def test_a_run_has_at_most_a_thousand_parameters_in_all(tenant: Tenant) -> None:
    run = await create(tenant, parameters=[parameter(f"p{place}", place) for place in range(MAX_PARAMETERS)])
    assert len((await log(tenant, run.id, parameter("p0", 0))).parameters) == MAX_PARAMETERS
    with pytest.raises(InvalidValue, match="at most 1000"):
        await log(tenant, run.id, parameter("one-more", 1))


async def test_parameters_whose_text_is_large_are_kept(tenant: Tenant) -> None:
    # Short as a number, 309 digits where it is written out.
    run = await create(tenant, parameters=[parameter(f"p{place}", 1e308) for place in range(300)])
    assert len(run.parameters) == 300
    # Before and after are together larger than one of them may be.
    run = await create(tenant, parameters=[parameter(f"p{place}", "x") for place in range(900)])
    run = await log(
        tenant, run.id, parameter("q0", "x" * 6000), parameter("q1", "x" * 6000), parameter("q2", "x" * 6000)
    )
    assert len((await log(tenant, run.id, parameter("q3", "x"))).parameters) == 904


async def test_the_parameters_of_a_run_fit_into_a_line_of_an_export(tenant: Tenant) -> None:
    run = await create(tenant)
    for place in range(2):
        await log(tenant, run.id, *[parameter(f"p{place}.{number}", "x" * 6000) for number in range(40)])
    with pytest.raises(InvalidValue, match="bytes"):
        await log(tenant, run.id, *[parameter(f"q{number}", "x" * 6000) for number in range(10)])


@pytest.mark.parametrize("status", [RunStatus.FINISHED, RunStatus.FAILED, RunStatus.CANCELED])
async def test_an_ended_run_takes_nothing_more(tenant: Tenant, status: RunStatus) -> None:
    run = await create(tenant)
    ended = await finish(tenant, run.id, status=status)
    assert ended.status == status
    assert ended.ended_at is not None
    with pytest.raises(Conflict, match=status):
        await log(tenant, run.id, parameter("a", 1))
    async with tenant.database.change(tenant.org_id) as change:
        with pytest.raises(Conflict, match=status):
            await runs.log_metrics(change, tenant.actor, run_id=run.id, metrics=[Metric("loss", Phase.TEST, value=1.0)])
        with pytest.raises(Conflict, match=status):
            await runs.log_datasets(change, tenant.actor, run_id=run.id, datasets=[])


async def test_ending_a_run_again_in_the_same_way_changes_nothing(tenant: Tenant, database: Database) -> None:
    run = await create(tenant)
    first = await finish(tenant, run.id, status=RunStatus.FAILED)
    again = await finish(tenant, run.id, status=RunStatus.FAILED)
    assert again.ended_at == first.ended_at
    assert [event.kind for event in await events_about(database, tenant.org_id, run.id)] == ["run.created", "run.ended"]
    with pytest.raises(Conflict, match="as FAILED"):
        await finish(tenant, run.id, status=RunStatus.FINISHED)


async def test_a_run_does_not_end_by_going_on(tenant: Tenant) -> None:
    run = await create(tenant)
    with pytest.raises(InvalidValue) as refused:
        await finish(tenant, run.id, status=RunStatus.RUNNING)
    assert refused.value.path == ("status",)


async def test_a_run_ends_after_it_began_and_not_in_the_future(tenant: Tenant) -> None:
    run = await create(tenant)
    for moment in (
        run.started_at - timedelta(microseconds=1),
        utc_now() + timedelta(hours=1),
        datetime(1969, 12, 31, tzinfo=UTC),
        datetime(9999, 12, 31, tzinfo=UTC),
        utc_now().replace(tzinfo=None),
    ):
        with pytest.raises(InvalidValue) as refused:
            await finish(tenant, run.id, ended_at=moment)
        assert refused.value.path == ("endedAt",)
    assert (await finish(tenant, run.id, ended_at=run.started_at)).ended_at == run.started_at
    ahead = await finish(tenant, (await create(tenant)).id, ended_at=utc_now() + timedelta(minutes=4))
    assert ahead.ended_at is not None
    assert run.started_at < ahead.ended_at <= utc_now()


async def test_what_a_run_read_is_upstream_of_it_in_its_role(tenant: Tenant) -> None:
    data = await tenant.dataset_version()
    used = [{"datasetVersion": data, "role": role} for role in DatasetRole]
    run = await tenant.run(datasets=used)
    answer = await tenant.client(
        "query($id: ID!) { lineageNode(id: $id) { upstream { steps { node { id } } links { kind role upstream } } } }",
        id=run,
    )
    walk = answer["lineageNode"]["upstream"]
    assert walk["steps"] == [{"node": {"id": data}}]
    assert {(link["kind"], link["role"]) for link in walk["links"]} == {("USED", role.value) for role in DatasetRole}


async def test_a_dataset_version_stands_once_in_each_role_and_at_most_a_hundred_are_read(tenant: Tenant) -> None:
    data = uuid_of(await tenant.dataset_version())
    for datasets in ([DatasetUse(data)] * 2, [DatasetUse(data)] * 101):
        with pytest.raises(InvalidValue) as refused:
            await create(tenant, datasets=datasets)
        assert refused.value.path == ("datasets",)


async def test_data_that_turn_up_on_the_way_are_upstream_of_the_run_too(tenant: Tenant, database: Database) -> None:
    first, second = await tenant.dataset_version(), await tenant.dataset_version()
    run = await tenant.run(datasets=[{"datasetVersion": first}])
    more = [{"datasetVersion": one, "role": role} for one in (first, second) for role in ("TRAINING", "TEST", "TEST")]
    for _ in range(2):
        await tenant.client.make("logRunDatasets", "run", run=run, datasets=more)
    used = (await tenant.client(USED, id=run))["node"]["datasets"]["edges"]
    assert [(use["node"]["id"], use["role"]) for use in used] == [
        (first, "TRAINING"), (first, "TEST"), (second, "TRAINING"), (second, "TEST")
    ]  # fmt: skip
    async with database.change(tenant.org_id) as change:
        edges = select(col(LineageEdge.id)).where(col(LineageEdge.downstream_id) == uuid_of(run))
        ids = (await change.execute(edges)).scalars().all()
    told = [[event.kind for event in await events_about(database, tenant.org_id, edge)] for edge in ids]
    assert told == [["lineage_edge.created"]] * 4


async def test_a_run_uses_at_most_a_hundred_data_in_all(tenant: Tenant) -> None:
    dataset = await tenant.client.make("createDataset", "dataset", project=tenant.project, name="many")
    async with tenant.database.change(tenant.org_id) as change:
        rows = [
            DatasetVersion(
                org_id=tenant.org_id,
                dataset_id=uuid_of(dataset),
                digest=f"sha256:{place}",
                created_by=tenant.actor.principal_id,
            )
            for place in range(101)
        ]
        change.add_all(rows)
    run = await create(tenant, datasets=[DatasetUse(row.id) for row in rows[:60]])
    for chosen, free in ((rows[60:], False), (rows[50:100], True), (rows[100:], False), (rows[:100], True)):
        async with tenant.database.change(tenant.org_id) as change:
            given = [DatasetUse(row.id) for row in chosen]
            if free:
                await runs.log_datasets(change, tenant.actor, run_id=run.id, datasets=given)
                continue
            with pytest.raises(InvalidValue, match="at most 100"):
                await runs.log_datasets(change, tenant.actor, run_id=run.id, datasets=given)


async def test_a_request_that_waits_for_data_is_looked_at_when_its_run_tells_of_some(
    tenant: Tenant, database: Database, store: ObjectStore
) -> None:
    gate = {"requiredFacts": {"datasets": True}}
    await tenant.client.make("setPromotionPolicy", "promotionPolicy", to="STAGING", gates=[gate], isAutomatic=True)
    run = await tenant.run()
    version = await tenant.version(run=run)
    request = await tenant.client.make("requestPromotion", "promotionRequest", version=version, to="STAGING")
    await work(database, store)
    data = {"datasetVersion": await tenant.dataset_version()}
    await tenant.client.make("logRunDatasets", "run", run=run, datasets=[data])
    await work(database, store)
    found = await tenant.client("query($id: ID!) { node(id: $id) { ... on PromotionRequest { state } } }", id=request)
    assert found["node"]["state"] == "COMPLETED"


async def test_data_of_another_organization_cannot_be_read(tenant: Tenant, neighbor: Tenant) -> None:
    foreign = uuid_of(await neighbor.dataset_version())
    with pytest.raises(NotFound) as refused:
        await create(tenant, datasets=[DatasetUse(foreign)])
    assert refused.value.path == ("datasets", "0", "datasetVersion")
