"""Relay: anything by its global id, and nothing for an id that is not the asker's."""

from typing import Any

import pytest
import strawberry

from db.tables import AutomationRule, Job, Model
from registry.automation.rule_worker import act, newest_passing
from resolvers import ids
from schema.building.node import RowNode, type_of
from schema.root import NODE_TABLES, NODE_TYPES
from tests.automation import set_rule
from tests.schema.valid_inputs import unknown, valid_input
from tests.stages import Line
from tests.tenant import GraphQLFailed, Tenant, uuid_of

NODE = "query($id: ID!) { node(id: $id) { __typename id } }"
NODES = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"


async def one_of_each(tenant: Tenant) -> dict[str, str]:
    """The id of a thing of each kind."""
    version = await tenant.version(
        signature={"inputs": [{"name": "age", "type": "INT64"}]}, runtime={"pythonVersion": "3.12"}
    )
    upload = await tenant.client.change(
        "createUpload", "artifact { id upload { id } }", **await valid_input(tenant, "createUpload")
    )
    answer = await tenant.client(
        "query($id: ID!) { node(id: $id) { ... on ModelVersion {"
        " signature { id } runtime { id } model { id project { id team { id } } } } }"
        " viewer { id } organization { id } }",
        id=version,
    )
    schema = {"columns": [{"name": "age", "type": "INT64"}]}
    data = await tenant.dataset_version(schema=schema, profile={"rowCount": "1"})
    facts = "query($id: ID!) { node(id: $id) { ... on DatasetVersion { schema { id } profile { id } } } }"
    known = (await tenant.client(facts, id=data))["node"]
    dataset = (await tenant.client("{ datasets { nodes { id } } }"))["datasets"]["nodes"][0]["id"]
    model = answer["node"]["model"]
    deployment = await tenant.deployment(version=version)
    seen = {"observedState": "RUNNING", "metrics": [{"name": "latency_s", "value": 0.1}]}
    edges = "environment { id } changes { nodes { id } } reports { nodes { id } } metrics { id }"
    reported = await tenant.client.change(
        "reportDeployment", f"deployment {{ {edges} }}", deployment=deployment, **seen
    )
    deployed = reported["deployment"]
    promoted = await tenant.client.change(
        "promoteVersion", "transition { id version { slotHistory { nodes { id } } } }",
        version=version, to="STAGING",
    )  # fmt: skip
    transition = promoted["transition"]
    policy = await tenant.client.change(
        "setPromotionPolicy", "promotionPolicy { id revisions { nodes { id } } }",
        **await valid_input(tenant, "setPromotionPolicy"),
    )  # fmt: skip
    line = await Line.of(tenant, 1)
    rule = await set_rule(tenant, line.model, {"gatesOpen": {"to": "STAGING"}})
    async with tenant.database.change(tenant.org_id) as change:
        row = await change.get_one(AutomationRule, (tenant.org_id, uuid_of(rule)))
        await act(change, row, await newest_passing(change, row))
    acted = (await tenant.client("{ automationFirings { nodes { id } } }"))["automationFirings"]["nodes"]
    reviewed = await tenant.client.change(
        "reviewPromotion", "promotionRequest { id reviews { nodes { id } } }",
        **await valid_input(tenant, "reviewPromotion"),
    )  # fmt: skip
    named = await tenant.client.change(
        "setAlias", "alias { id revisions { nodes { id } } }", version=version, name="champion"
    )
    return {
        "ModelVersion": version,
        "Model": model["id"],
        "Project": model["project"]["id"],
        "Signature": answer["node"]["signature"]["id"],
        "Runtime": answer["node"]["runtime"]["id"],
        "DatasetSchema": known["schema"]["id"],
        "DatasetProfile": known["profile"]["id"],
        "Team": model["project"]["team"]["id"],
        "AutomationRule": rule,
        "AutomationFiring": acted[0]["id"],
        "Alias": named["alias"]["id"],
        "AliasRevision": named["alias"]["revisions"]["nodes"][0]["id"],
        "Experiment": await tenant.client.make("createExperiment", "experiment", project=tenant.project, name="one"),
        "Run": await tenant.run(),
        "Price": await tenant.client.make("setPrice", "price", **await valid_input(tenant, "setPrice")),
        "Dataset": dataset,
        "DatasetVersion": data,
        "Artifact": upload["artifact"]["id"],
        "Upload": upload["artifact"]["upload"]["id"],
        "Environment": deployed["environment"]["id"],
        "Deployment": deployment,
        "DeploymentChange": deployed["changes"]["nodes"][0]["id"],
        "DeploymentReport": deployed["reports"]["nodes"][0]["id"],
        "DeploymentMetric": deployed["metrics"][0]["id"],
        "Transition": transition["id"],
        "SlotRevision": transition["version"]["slotHistory"]["nodes"][0]["id"],
        "PromotionPolicy": policy["promotionPolicy"]["id"],
        "PromotionPolicyRevision": policy["promotionPolicy"]["revisions"]["nodes"][0]["id"],
        "PromotionRequest": reviewed["promotionRequest"]["id"],
        "PromotionReview": reviewed["promotionRequest"]["reviews"]["nodes"][0]["id"],
        "VersionCheck": await tenant.client.make(
            "reportCheck", "versionCheck", **await valid_input(tenant, "reportCheck")
        ),
        "Webhook": await tenant.client.make("createWebhook", "webhook", **await valid_input(tenant, "createWebhook")),
        "WebhookDelivery": (await valid_input(tenant, "redeliverWebhookDelivery"))["delivery"],
        "Principal": answer["viewer"]["id"],
        "Organization": answer["organization"]["id"],
    }


async def test_everything_is_found_again_by_its_id(tenant: Tenant) -> None:
    things = await one_of_each(tenant)
    assert set(things) == set(NODE_TABLES)
    for kind, gid in things.items():
        assert await tenant.client(NODE, id=gid) == {"node": {"__typename": kind, "id": gid}}


async def test_many_things_come_in_the_order_of_their_ids_with_null_for_what_is_not_there(tenant: Tenant) -> None:
    things = await one_of_each(tenant)
    wanted = [things["Run"], unknown("Run"), things["Model"], things["Run"]]
    answer = await tenant.client(NODES, ids=wanted)
    assert [node and node["id"] for node in answer["nodes"]] == [wanted[0], None, wanted[2], wanted[0]]
    assert await tenant.client(NODES, ids=[]) == {"nodes": []}


async def test_nothing_of_a_neighbor_is_found(tenant: Tenant, neighbor: Tenant) -> None:
    things = await one_of_each(neighbor)
    for kind, gid in things.items():
        assert await tenant.client(NODE, id=gid) == {"node": None}, kind
    answer = await tenant.client(NODES, ids=list(things.values()))
    assert answer == {"nodes": [None] * len(things)}


async def test_the_lineage_node_is_there_for_what_takes_part_in_the_lineage(tenant: Tenant) -> None:
    things = await one_of_each(tenant)
    query = "query($id: ID!) { lineageNode(id: $id) { __typename id createdAt upstream { truncated } } }"
    for kind, gid in things.items():
        found = (await tenant.client(query, id=gid))["lineageNode"]
        assert (found is not None) == (kind in ("DatasetVersion", "Run", "ModelVersion", "Deployment")), kind


async def test_a_model_is_found_by_its_id_or_by_its_project_and_name(tenant: Tenant) -> None:
    model = await tenant.model(name="iris")
    query = "query($by: IdOrName!) { model(by: $by) { id } }"
    assert (await tenant.client(query, by={"id": model}))["model"] == {"id": model}
    by_name = {"name": {"project": tenant.project, "name": "iris"}}
    assert (await tenant.client(query, by=by_name))["model"] == {"id": model}
    assert (await tenant.client(query, by={"id": unknown("Model")}))["model"] is None
    assert (await tenant.client(query, by={"name": {"project": tenant.project, "name": "Iris"}}))["model"] is None
    assert (await tenant.client(query, by={"name": {"project": unknown("Project"), "name": "iris"}}))["model"] is None


@pytest.mark.parametrize(
    "by", [None, {}, {"id": None}, {"name": None}, {"id": "x", "name": {"project": "x", "name": ""}}]
)
async def test_a_model_is_named_in_exactly_one_way(tenant: Tenant, by: Any) -> None:
    with pytest.raises(GraphQLFailed) as refused:
        await tenant.client("query($by: IdOrName!) { model(by: $by) { id } }", by=by)
    assert refused.value.code == "BAD_USER_INPUT"


async def test_a_neighbors_model_is_not_found_by_id_or_name(tenant: Tenant, neighbor: Tenant) -> None:
    model = await neighbor.model(name="secret")
    query = "query($by: IdOrName!) { model(by: $by) { id } }"
    assert (await tenant.client(query, by={"id": model}))["model"] is None
    by_name = {"name": {"project": neighbor.project, "name": "secret"}}
    assert (await tenant.client(query, by=by_name))["model"] is None


@pytest.mark.parametrize("id", ["", "x", "Model:1", "%", "é", "\U0001f600", "a" * 100_000, "TW9kZWw="])
@pytest.mark.parametrize(
    "query",
    [
        "query($id: ID!) { found: node(id: $id) { id } }",
        "query($id: ID!) { found: nodes(ids: [$id]) { id } }",
        "query($id: ID!) { found: lineageNode(id: $id) { id } }",
        "query($id: ID!) { found: model(by: {id: $id}) { id } }",
        'query($id: ID!) { found: model(by: {name: {project: $id, name: "a"}}) { id } }',
    ],
)
async def test_an_id_that_was_never_given_out_is_a_request_error(shared_tenant: Tenant, query: str, id: str) -> None:
    with pytest.raises(GraphQLFailed) as refused:
        await shared_tenant.client(query, id=id)
    assert refused.value.code == "BAD_USER_INPUT"


async def test_more_than_a_hundred_ids_are_too_many(tenant: Tenant) -> None:
    hundred = [unknown("Model") for _ in range(100)]
    assert await tenant.client(NODES, ids=hundred) == {"nodes": [None] * 100}
    for ids_ in (["x"] * 101, [*hundred, tenant.project]):
        with pytest.raises(GraphQLFailed) as refused:
            await tenant.client(NODES, ids=ids_)
        assert refused.value.code in ("PAGE_TOO_LARGE", "BAD_USER_INPUT")


async def test_an_id_of_a_kind_that_is_not_in_the_graph_finds_nothing(tenant: Tenant) -> None:
    assert await tenant.client(NODE, id=ids.encode("ApiToken", uuid_of(tenant.project))) == {"node": None}
    assert await tenant.client(NODE, id=ids.encode("Model", uuid_of(tenant.project))) == {"node": None}


@pytest.mark.parametrize("artifact", ["kind", "state", "path"])
async def test_a_column_called_as_a_word_of_ours_is_shown_as_it_is_stored(tenant: Tenant, artifact: str) -> None:
    given = await valid_input(tenant, "createExternalArtifact")
    stored = {"kind": given["kind"], "state": "EXTERNAL", "path": given["path"]}
    made = await tenant.client.change("createExternalArtifact", f"artifact {{ {artifact} }}", **given)
    assert made["artifact"] == {artifact: stored[artifact]}


async def test_a_principal_shows_whether_it_is_a_person(tenant: Tenant) -> None:
    assert (await tenant.client("{ viewer { kind name } }"))["viewer"] == {"kind": "USER", "name": "owner"}


def test_a_table_stands_for_its_type() -> None:
    assert [type_of(node.table).resolve_type() for node in NODE_TYPES] == list(NODE_TYPES)


def test_a_table_that_no_type_shows_is_named_when_the_schema_is_built() -> None:
    @strawberry.type
    class Query:
        job = strawberry.field(lambda: None, graphql_type=type_of(Job) | None)

    with pytest.raises(TypeError, match=r"No type shows the table Job\."):
        strawberry.Schema(query=Query)


def test_a_table_has_one_type_of_its_own_name() -> None:
    with pytest.raises(TypeError, match="The table Model"):
        type("Model", (RowNode,), {"table": Model})
    with pytest.raises(TypeError, match="The table Job"):
        type("Work", (RowNode,), {"table": Job})
    assert "Job" not in NODE_TABLES
