"""Finding things: the questions that people put to lists, over HTTP."""

from typing import Any

import httpx2
import pytest

from db.session import Database
from tests.tenant import Tenant, found_tenant

MODELS = "query($where: ModelWhereInput, $orderBy: ModelOrderInput) { models(where: $where, orderBy: $orderBy)"
MODELS += " { nodes { name } totalCount } }"
VERSIONS = """query($models: ModelWhereInput, $where: ModelVersionWhereInput, $orderBy: ModelVersionOrderInput) {
    models(where: $models, orderBy: {field: NAME}) { nodes { name
        versions(where: $where, orderBy: $orderBy) { nodes { label } totalCount } } } }"""
TABLE = """query(
    $id: ID!, $where: RunWhereInput, $orderBy: RunOrderInput, $first: Int, $after: String, $last: Int, $before: String
) {
    node(id: $id) { ... on Experiment { runs(where: $where, orderBy: $orderBy, first: $first, after: $after,
        last: $last, before: $before) { nodes { name } totalCount pageInfo { startCursor endCursor } } } } }"""


def accuracy(value: float | None, **more: Any) -> dict[str, Any]:
    return {"name": "accuracy", "phase": "VALIDATION", "value": value, **more}


@pytest.fixture(scope="module")
async def shop(database: Database, http: httpx2.AsyncClient) -> Tenant:
    """Two models with versions, and an experiment with runs."""
    tenant = await found_tenant(database, http)
    churn = await tenant.model(name="churn", framework="xgboost", tags=[{"key": "tier", "value": "gold"}])
    iris = await tenant.model(name="Iris", description="Flowers by their petals.")
    await tenant.model(name="empty")
    await tenant.version(churn, label="1.0", metrics=[accuracy(0.8)])
    best = await tenant.version(churn, label="1.1", metrics=[accuracy(0.1), accuracy(0.95, step="7")])
    await tenant.version(iris, label="0.1", metrics=[accuracy(None, special="NAN")])
    await tenant.version(iris, label="0.2", parameters=[{"name": "depth", "value": 4}])
    await tenant.client.make("setAlias", "alias", version=best, name="champion")
    return tenant


async def names(tenant: Tenant, where: dict[str, Any], **order: Any) -> list[str]:
    found = (await tenant.client(MODELS, where=where, orderBy={"field": "NAME", **order}))["models"]
    assert found["totalCount"] == len(found["nodes"])
    return [node["name"] for node in found["nodes"]]


async def test_models_are_found_by_what_people_say_of_them(shop: Tenant) -> None:
    assert await names(shop, {"name": {"contains": "IRIS"}}) == ["Iris"]
    assert await names(shop, {"description": {"contains": "petal"}}) == ["Iris"]
    assert await names(shop, {"framework": {"equals": "xgboost"}}) == ["churn"]
    assert await names(shop, {"tags": {"key": "tier", "in": ["gold", "silver"]}}) == ["churn"]
    assert await names(shop, {"not": {"tags": {"key": "tier"}}}, direction="DESC") == ["empty", "Iris"]
    either = [{"name": {"startsWith": "ch"}}, {"name": {"startsWith": "ir"}}]
    assert await names(shop, {"or": either}) == ["Iris", "churn"]
    assert await names(shop, {"or": either, "not": {"framework": {"equals": "xgboost"}}}) == ["Iris"]


async def test_models_are_found_by_their_versions(shop: Tenant) -> None:
    assert await names(shop, {"stage": "DEVELOPMENT"}) == ["Iris", "churn"]
    assert await names(shop, {"stage": ["PRODUCTION"]}) == []
    good = {"name": "accuracy", "phase": "VALIDATION", "gte": 0.9}
    assert await names(shop, {"versions": {"metrics": good}}) == ["churn"]
    assert await names(shop, {"not": {"versions": {}}}) == ["empty"]
    # The latest value counts, not the best one there ever was.
    poor = {"name": "accuracy", "phase": "VALIDATION", "lt": 0.5}
    assert await names(shop, {"versions": {"metrics": poor}}) == []
    assert await names(shop, {"versions": {"parameters": {"name": "depth", "equals": 4}}}) == ["Iris"]


async def test_models_are_found_by_project_team_and_who_registered_them(shop: Tenant) -> None:
    asked = "{ viewer { id } teams { nodes { id projects { nodes { id } } } } }"
    answer = await shop.client(asked)
    team, viewer = answer["teams"]["nodes"][0]["id"], answer["viewer"]["id"]
    everything = ["Iris", "churn", "empty"]
    assert await names(shop, {"project": shop.project}) == everything
    assert await names(shop, {"team": [team], "createdBy": [viewer]}) == everything
    other = await shop.client.make("createTeam", "team", name=shop.name())
    assert await names(shop, {"team": [other]}) == []
    assert await names(shop, {"project": []}) == []


async def test_lists_inside_lists_take_variables(shop: Tenant) -> None:
    by_accuracy = {"metric": {"name": "accuracy", "phase": "VALIDATION"}, "direction": "DESC"}
    answer = await shop.client(VERSIONS, models={"stage": "DEVELOPMENT"}, orderBy=by_accuracy)
    shown = {m["name"]: [v["label"] for v in m["versions"]["nodes"]] for m in answer["models"]["nodes"]}
    assert shown == {"churn": ["1.1", "1.0"], "Iris": ["0.2", "0.1"]}
    answer = await shop.client(VERSIONS, where={"alias": {"equals": "champion"}})
    shown = {m["name"]: [v["label"] for v in m["versions"]["nodes"]] for m in answer["models"]["nodes"]}
    assert shown == {"churn": ["1.1"], "Iris": [], "empty": []}
    assert [m["versions"]["totalCount"] for m in answer["models"]["nodes"]] == [0, 1, 0]


async def test_the_same_list_is_asked_twice_for_different_things(shop: Tenant) -> None:
    query = """{ models(where: {name: {equals: "churn"}}) { nodes {
        good: versions(where: {metrics: {name: "accuracy", phase: VALIDATION, gt: 0.9}}) { nodes { label } }
        all: versions(orderBy: {field: LABEL}) { nodes { label } }
        none: versions(where: {number: {gt: 99}}) { nodes { label } totalCount } } } }"""
    (found,) = (await shop.client(query))["models"]["nodes"]
    assert [version["label"] for version in found["good"]["nodes"]] == ["1.1"]
    assert [version["label"] for version in found["all"]["nodes"]] == ["1.0", "1.1"]
    assert found["none"] == {"nodes": [], "totalCount": 0}


async def test_a_wrong_filter_inside_a_list_is_refused_as_at_its_root(shop: Tenant) -> None:
    answer = await shop.client.post(VERSIONS, {"where": {"model": [shop.project]}})
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"BAD_USER_INPUT"}
    assert "`where.model.0` takes the id of a Model" in answer["errors"][0]["message"]


async def test_the_runs_of_an_experiment_are_a_table_sorted_by_a_metric(shop: Tenant) -> None:
    experiment = await shop.client.make("createExperiment", "experiment", project=shop.project, name="grid")
    for name, depth, value in [("a", 2, 0.5), ("b", 3, 0.9), ("c", 4, None), ("d", 5, 0.9), ("e", 6, 0.7)]:
        run = await shop.run(experiment=experiment, name=name, parameters=[{"name": "depth", "value": depth}])
        point = accuracy(value) if value is not None else accuracy(None, special="POSITIVE_INFINITY")
        await shop.client.make("logRunMetrics", "run", run=run, metrics=[point])
    await shop.run(experiment=experiment, name="f")
    by_accuracy = {"metric": {"name": "accuracy", "phase": "VALIDATION"}, "direction": "DESC"}

    async def table(**given: Any) -> dict[str, Any]:
        answer = await shop.client(TABLE, id=experiment, **given)
        found: dict[str, Any] = answer["node"]["runs"]
        return {**found, "names": "".join(node["name"] for node in found["nodes"])}

    # What is no finite number counts as nothing, and nothing comes last; equal ones by age, as the direction says.
    assert (await table(orderBy=by_accuracy))["names"] == "dbeafc"
    assert (await table(orderBy={**by_accuracy, "direction": "ASC"}))["names"] == "aebdcf"
    page = await table(orderBy=by_accuracy, first=2)
    assert (page["names"], page["totalCount"]) == ("db", 6)
    page = await table(orderBy=by_accuracy, first=3, after=page["pageInfo"]["endCursor"])
    assert page["names"] == "eaf"
    assert (await table(orderBy=by_accuracy, last=2, before=page["pageInfo"]["startCursor"]))["names"] == "db"
    deep = {"parameters": {"name": "depth", "gte": 4}}
    page = await table(orderBy={"parameter": "depth"}, where=deep)
    assert (page["names"], page["totalCount"]) == ("cde", 3)
    assert (await table(where={"not": deep}, orderBy={"field": "NAME"}))["names"] == "abf"


async def test_runs_are_found_by_the_data_they_read_and_by_who_began_them(shop: Tenant) -> None:
    data = await shop.dataset_version()
    dataset = await shop.client(
        "query($id: ID!) { node(id: $id) { ... on DatasetVersion { dataset { id } } } }", id=data
    )
    parent = await shop.run(name="parent", datasets=[{"datasetVersion": data}])
    await shop.run(name="trial", parentRun=parent)
    query = "query($where: RunWhereInput) { runs(where: $where) { nodes { name } } }"
    for where, wanted in [
        ({"datasetVersion": data}, ["parent"]),
        ({"dataset": [dataset["node"]["dataset"]["id"]]}, ["parent"]),
        ({"parentRun": parent}, ["trial"]),
        ({"hasParentRun": True, "status": ["RUNNING", "LOST"]}, ["trial"]),
        ({"name": {"in": ["parent", "trial"]}, "hasParentRun": False}, ["parent"]),
        ({"parentRun": parent, "status": "FINISHED"}, []),
    ]:
        assert [run["name"] for run in (await shop.client(query, where=where))["runs"]["nodes"]] == wanted


async def test_what_is_deleted_is_listed_where_it_is_asked_for(tenant: Tenant) -> None:
    gone, stays = await tenant.model(name="gone"), await tenant.model(name="stays")
    payload = await tenant.client.change("deleteModel", "replayed", model=gone)
    assert payload["errors"] == []
    query = """query($deleted: DeletedFilter) {
        models(deleted: $deleted, orderBy: {field: NAME}) { nodes { id } totalCount } }"""
    for deleted, wanted in [(None, [stays]), ("EXCLUDE", [stays]), ("ONLY", [gone]), ("INCLUDE", [gone, stays])]:
        found = (await tenant.client(query, deleted=deleted))["models"]
        assert ([node["id"] for node in found["nodes"]], found["totalCount"]) == (wanted, len(wanted))


async def test_what_is_deleted_or_over_does_not_count_for_others(tenant: Tenant) -> None:
    version = await tenant.version(await tenant.model(name="kept"))
    assert await names(tenant, {"stage": "DEVELOPMENT"}) == ["kept"]
    payload = await tenant.client.change("deleteVersion", "replayed", version=version)
    assert payload["errors"] == []
    assert await names(tenant, {"stage": "DEVELOPMENT"}) == []
    assert await names(tenant, {"versions": {}}) == []


async def test_what_is_deleted_is_found_by_what_it_is_a_part_of_even_if_that_is_deleted_too(tenant: Tenant) -> None:
    model = await tenant.model(framework="sklearn")
    version = await tenant.version(model)
    for mutation, given in (("deleteVersion", {"version": version}), ("deleteModel", {"model": model})):
        assert (await tenant.client.change(mutation, "replayed", **given))["errors"] == []
    query = "query($where: ModelVersionWhereInput) { versions(deleted: ONLY, where: $where) { totalCount } }"
    for where, count in (
        ({"framework": {"equals": "sklearn"}}, 1),
        ({"not": {"framework": {"equals": "sklearn"}}}, 0),
        ({"project": [tenant.project]}, 1),
    ):
        assert (await tenant.client(query, where=where))["versions"]["totalCount"] == count


async def test_a_neighbor_is_not_found_by_any_filter(tenant: Tenant, neighbor: Tenant) -> None:
    theirs = await neighbor.model(name="theirs")
    await neighbor.version(theirs)
    await tenant.model(name="ours")
    assert await names(tenant, {"or": [{"name": {"contains": ""}}, {"versions": {}}]}) == ["ours"]
    assert await names(tenant, {"project": neighbor.project}) == []
    assert await names(tenant, {"not": {"project": neighbor.project}}) == ["ours"]
    assert await names(tenant, {"stage": "DEVELOPMENT"}) == []
