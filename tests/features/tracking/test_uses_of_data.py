"""Which data a run used and which runs used some data, each with the role, from either end."""

from typing import Any

import httpx2
import pytest
from sqlalchemy import update
from sqlmodel import col

from db.base import utc_now
from db.session import Database
from db.tables import LineageEdge
from tests.tenant import GraphQLFailed, Tenant, found_tenant, uuid_of

ROLES = ("TRAINING", "VALIDATION", "TEST")
USES = "query($id: ID!, $role: [DatasetRole!], $where: %sWhereInput, $orderBy: %sOrderInput,"
USES += " $deleted: DeletedFilter, $first: Int = 20,"
USES += (
    " $after: String) { node(id: $id) { ... on %s { %s(role: $role, where: $where, orderBy: $orderBy, first: $first,"
)
USES += " deleted: $deleted, after: $after) { totalCount nodes { id } edges { role cursor node { id } }"
USES += " pageInfo { hasNextPage endCursor } } } } }"
OF_RUN = USES % ("DatasetVersion", "DatasetVersion", "Run", "datasets")
OF_DATA = USES % ("Run", "Run", "DatasetVersion", "runs")


async def uses(tenant: Tenant, document: str, id_: str, **given: Any) -> dict[str, Any]:
    (listed,) = (await tenant.client(document, id=id_, **given))["node"].values()
    return dict(listed)


def told(listed: dict[str, Any]) -> list[tuple[str, str]]:
    """Each row with its role."""
    assert [edge["node"] for edge in listed["edges"]] == listed["nodes"]
    return [(edge["node"]["id"], edge["role"]) for edge in listed["edges"]]


async def using(tenant: Tenant, *data: tuple[str, str]) -> str:
    return await tenant.run(datasets=[{"datasetVersion": version, "role": role} for version, role in data])


@pytest.fixture(scope="module")
async def owner(database: Database, http: httpx2.AsyncClient) -> Tenant:
    return await found_tenant(database, http)


async def test_a_run_tells_its_data_in_the_order_given_with_their_roles(owner: Tenant) -> None:
    first, second = await owner.dataset_version(rowCount="9"), await owner.dataset_version(rowCount="5")
    given = [(second, "TRAINING"), (first, "VALIDATION"), (second, "TEST")]
    run = await using(owner, *given)
    listed = await uses(owner, OF_RUN, run)
    assert (told(listed), listed["totalCount"]) == (given, 3)
    by_rows = await uses(owner, OF_RUN, run, orderBy={"field": "ROW_COUNT", "direction": "DESC"})
    assert told(by_rows) == [(first, "VALIDATION"), (second, "TEST"), (second, "TRAINING")]
    assert told(await uses(owner, OF_RUN, await owner.run())) == []


async def test_data_tell_the_runs_that_used_them_the_last_first(owner: Tenant) -> None:
    data, other = await owner.dataset_version(), await owner.dataset_version()
    runs = [await using(owner, (data, role), (other, "TEST")) for role in ROLES]
    listed = await uses(owner, OF_DATA, data)
    assert told(listed) == list(zip(runs, ROLES, strict=True))[::-1]
    assert listed["totalCount"] == 3


async def test_uses_are_asked_for_by_role_and_by_what_is_used(owner: Tenant) -> None:
    data = await owner.dataset_version()
    both, test = await using(owner, (data, "TRAINING"), (data, "VALIDATION")), await using(owner, (data, "TEST"))
    for role, wanted in (
        ("TEST", [(test, "TEST")]),
        (["VALIDATION", "TEST"], [(test, "TEST"), (both, "VALIDATION")]),
        ([], []),
    ):
        listed = await uses(owner, OF_DATA, data, role=role)
        assert (told(listed), listed["totalCount"]) == (wanted, len(wanted))
    await owner.client.make("finishRun", "run", run=both)
    listed = await uses(owner, OF_DATA, data, role="TRAINING", where={"status": "FINISHED", "datasetVersion": data})
    assert (told(listed), listed["totalCount"]) == ([(both, "TRAINING")], 1)
    assert told(await uses(owner, OF_RUN, both, where={"digest": {"equals": "sha256:0"}})) == []


@pytest.mark.parametrize("order", [None, {"field": "NAME"}, {"parameter": "rate", "direction": "DESC"}])
async def test_pages_show_a_thing_once_for_each_role(owner: Tenant, order: Any) -> None:
    data = await owner.dataset_version()
    for _ in range(4):
        await owner.run(
            name="same",
            parameters=[{"name": "rate", "value": 0.5}],
            datasets=[{"datasetVersion": data, "role": role} for role in ROLES],
        )
    whole = told(await uses(owner, OF_DATA, data, orderBy=order))
    assert len(whole) == len(set(whole)) == 12
    seen, after, more = [], None, True
    while more:
        listed = await uses(owner, OF_DATA, data, orderBy=order, first=5, after=after)
        seen += told(listed)
        more, after = listed["pageInfo"]["hasNextPage"], listed["pageInfo"]["endCursor"]
        assert after == listed["edges"][-1]["cursor"]
    assert seen == whole


async def test_pages_go_backward(owner: Tenant) -> None:
    data = await owner.dataset_version()
    run = await using(owner, *[(data, role) for role in ROLES])
    query = "query($id: ID!, $before: String) { node(id: $id) { ... on Run { datasets(last: 2, before: $before) {"
    query += " edges { role cursor } pageInfo { hasPreviousPage } } } } }"
    end = (await owner.client(query, id=run))["node"]["datasets"]
    assert [edge["role"] for edge in end["edges"]] == ["VALIDATION", "TEST"]
    assert end["pageInfo"] == {"hasPreviousPage": True}
    before = (await owner.client(query, id=run, before=end["edges"][0]["cursor"]))["node"]["datasets"]
    assert [edge["role"] for edge in before["edges"]] == ["TRAINING"]


async def test_deleted_things_are_in_no_list_of_uses_unless_asked_for(owner: Tenant) -> None:
    data = await owner.dataset_version()
    gone, stays = [await using(owner, (data, "TEST")) for _ in range(2)]
    await owner.client.make("finishRun", "run", run=gone)
    await owner.client.change("deleteRun", "run { id }", run=gone)
    listed = await uses(owner, OF_DATA, data)
    assert (told(listed), listed["totalCount"]) == ([(stays, "TEST")], 1)
    assert told(await uses(owner, OF_DATA, data, deleted="ONLY")) == [(gone, "TEST")]
    # What was deleted still tells what it used.
    assert told(await uses(owner, OF_RUN, gone)) == [(data, "TEST")]


async def test_a_use_that_ended_is_in_no_list(owner: Tenant) -> None:
    data = await owner.dataset_version()
    run = await using(owner, (data, "TRAINING"), (data, "TEST"))
    async with owner.database.change(owner.org_id) as change:
        ended = (col(LineageEdge.downstream_id) == uuid_of(run)) & (col(LineageEdge.role) == "TEST")
        await change.execute(update(LineageEdge).where(ended).values(valid_to=utc_now()))
    assert told(await uses(owner, OF_RUN, run)) == [(data, "TRAINING")]
    assert (await uses(owner, OF_DATA, data))["totalCount"] == 1


async def test_another_organization_sees_nothing_of_it(owner: Tenant, neighbor: Tenant) -> None:
    data = await owner.dataset_version()
    await using(owner, (data, "TEST"))
    assert (await neighbor.client(OF_DATA, id=data))["node"] is None


async def test_a_role_that_there_is_not_is_a_request_error(owner: Tenant) -> None:
    with pytest.raises(GraphQLFailed) as refused:
        await uses(owner, OF_RUN, await owner.run(), role=["READING"])
    assert refused.value.code == "BAD_USER_INPUT"
