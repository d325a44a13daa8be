"""Where a version came from and what came of it, over HTTP."""

from datetime import timedelta
from typing import Any

from sqlalchemy import update
from sqlmodel import col

from db.base import utc_now
from db.session import Database
from db.tables import LineageEdge
from tests.nouns import noun, own_field
from tests.tenant import Tenant, uuid_of

WALK = "truncated steps { depth node { __typename id } } links { kind role upstream downstream }"


async def walk(tenant: Tenant, gid: str, direction: str, arguments: str = "(depth: 20)") -> dict[str, Any]:
    query = f"query($id: ID!) {{ lineageNode(id: $id) {{ {direction}{arguments} {{ {WALK} }} }} }}"
    found: dict[str, Any] = (await tenant.client(query, id=gid))["lineageNode"][direction]
    return found


def steps(found: dict[str, Any]) -> list[tuple[int, str]]:
    return [(step["depth"], step["node"]["id"]) for step in found["steps"]]


async def test_data_leads_to_what_came_of_it_and_back(tenant: Tenant) -> None:
    data = await tenant.dataset_version()
    run = await tenant.run(datasets=[{"datasetVersion": data, "role": "VALIDATION"}])
    base = await tenant.version(run=run)
    derived = await tenant.version(baseVersion=base)
    down = await walk(tenant, data, "downstream")
    assert steps(down) == [(1, run), (2, base), (3, derived)]
    assert [step["node"]["__typename"] for step in down["steps"]] == ["Run", "ModelVersion", "ModelVersion"]
    assert down["links"] == [
        {"kind": "USED", "role": "VALIDATION", "upstream": data, "downstream": run},
        {"kind": "PRODUCED", "role": None, "upstream": run, "downstream": base},
        {"kind": "DERIVED", "role": None, "upstream": base, "downstream": derived},
    ]
    up = await walk(tenant, derived, "upstream")
    assert steps(up) == [(1, base), (2, run), (3, data)]
    assert (await walk(tenant, data, "upstream"))["steps"] == []
    assert not up["truncated"]


async def test_a_thing_is_called_by_what_it_is_within_and_shows_that_it_is_deleted(tenant: Tenant) -> None:
    dataset = await tenant.client.make("createDataset", "dataset", project=tenant.project, name="clicks")
    digest = "sha256:" + "0123456789ab" * 5 + "cdef"
    data = await tenant.client.make("createDatasetVersion", "datasetVersion", dataset=dataset, digest=digest)
    run = await tenant.run(name="trained", datasets=[{"datasetVersion": data}])
    version = await tenant.version(await tenant.model(name="churn"), label="1.4.0", run=run)
    place = await tenant.environment(name="production-eu")
    deployment = await tenant.deployment(version=version, name="churn-api", environment=place)
    query = "query($id: ID!) { lineageNode(id: $id) { title downstream { steps { node { title deletedAt } } } } }"
    found = (await tenant.client(query, id=data))["lineageNode"]
    assert found["title"] == "clicks sha256:0123456789ab"
    nodes = [step["node"] for step in found["downstream"]["steps"]]
    assert [node["title"] for node in nodes] == ["trained", "churn 1.4.0", "churn-api @ production-eu"]
    assert [node["deletedAt"] for node in nodes] == [None] * 3
    await tenant.client.make(
        "updateDeployment", "deployment", deployment=deployment, desiredState="STOPPED", expectedRevision=1
    )
    for kind, gid in (("Deployment", deployment), ("ModelVersion", version)):
        await tenant.client.make(f"delete{noun(kind)}", own_field(kind), **{own_field(kind): gid})
    (_, kept) = (await tenant.client(query, id=data))["lineageNode"]["downstream"]["steps"]
    assert (kept["node"]["title"], kept["node"]["deletedAt"] is None) == ("churn 1.4.0", False)


async def test_a_walk_goes_all_the_way_unless_told_otherwise(tenant: Tenant) -> None:
    chain = [await tenant.version()]
    for _ in range(6):
        chain.append(await tenant.version(baseVersion=chain[-1]))
    assert steps(await walk(tenant, chain[0], "downstream", "")) == list(enumerate(chain[1:], 1))
    assert steps(await walk(tenant, chain[0], "downstream", "(depth: 1)")) == [(1, chain[1])]


async def test_two_ways_to_the_same_data_show_it_once_and_nearest(tenant: Tenant) -> None:
    data = await tenant.dataset_version()
    first = await tenant.run(datasets=[{"datasetVersion": data}])
    second = await tenant.run(datasets=[{"datasetVersion": data}])
    base = await tenant.version(run=first)
    version = await tenant.version(run=second, baseVersion=base)
    up = await walk(tenant, version, "upstream")
    assert [found for found in steps(up) if found[1] == data] == [(2, data)]
    assert len(up["links"]) == 5


async def test_the_past_is_walked_as_it_was(tenant: Tenant, database: Database) -> None:
    run = await tenant.run()
    version = await tenant.version(run=run)
    made = utc_now()
    async with database.change(tenant.org_id) as change:
        edge = update(LineageEdge).where(col(LineageEdge.upstream_id) == uuid_of(run))
        await change.execute(edge.values(valid_to=utc_now()))
    assert (await walk(tenant, run, "downstream"))["steps"] == []
    then = await walk(tenant, run, "downstream", f'(asOf: "{made.isoformat()}")')
    assert steps(then) == [(1, version)]
    for moment in (made - timedelta(days=1), made + timedelta(days=1)):
        assert (await walk(tenant, run, "downstream", f'(asOf: "{moment.isoformat()}")'))["steps"] == []
    assert (await walk(tenant, run, "downstream", "(asOf: null)"))["steps"] == []


async def test_a_list_of_versions_shows_each_its_own_lineage(tenant: Tenant) -> None:
    data = await tenant.dataset_version()
    runs = [await tenant.run(datasets=[{"datasetVersion": data}]) for _ in range(3)]
    model = await tenant.model()
    versions = [await tenant.version(model, run=run) for run in runs]
    answer = await tenant.client(
        f"""query($id: ID!) {{ node(id: $id) {{ ... on Model {{
            versions {{ nodes {{ id upstream {{ {WALK} }} }} }} }} }} }}""",
        id=model,
    )
    found = {node["id"]: steps(node["upstream"]) for node in answer["node"]["versions"]["nodes"]}
    assert found == {version: [(1, run), (2, data)] for version, run in zip(versions, runs, strict=True)}
