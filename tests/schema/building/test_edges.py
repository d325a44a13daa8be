"""Every edge is declared as data and fetched for all parents of a list in one statement."""

from typing import Any

import httpx2
import pytest
from sqlalchemy import PrimaryKeyConstraint, UniqueConstraint, select
from sqlmodel import col
from strawberry.types.base import StrawberryList, StrawberryOptional

from db import tables
from db.base import columns
from db.codes import Role
from db.session import Database
from registry.automation.rule_worker import act
from resolvers import ids
from resolvers.filters.findable import FINDABLE
from schema.building.edges import Edge
from schema.building.node import RowNode
from schema.root import NODE_TYPES
from tests.automation import ACCURACY, Served
from tests.schema.built import BUILT
from tests.schema.valid_inputs import valid_input
from tests.tenant import Client, Tenant, found_tenant, join, uuid_of

# No edges of rows: values inside the row, walks, plans, choices, and URLs that are signed on request.
COMPUTED = {
    "tags", "parameters", "inputs", "outputs", "features", "columns", "packages", "hardware",
    "signature_change", "schema_change",
    "gates", "verdicts", "measured", "upstream", "downstream", "download", "parts", "url",
    "in_sync", "duration_seconds", "champion_candidates", "promotion_plan", "plan",
}  # fmt: skip
EDGES = [
    (node, field)
    for node in NODE_TYPES
    for field in node.__strawberry_definition__.fields  # type: ignore[attr-defined]  # set by strawberry.type
    if field.base_resolver is not None and field.python_name not in COMPUTED
]
every_edge = pytest.mark.parametrize(
    ("node", "field"), EDGES, ids=[f"{node.__name__}.{field.python_name}" for node, field in EDGES]
)
# What an edge has to be told.
BY_LOSS = '(metric: "loss", phase: TRAINING, direction: MINIMIZE)'
ARGUMENTS = {
    "metricHistory": '(name: "loss", phase: TRAINING)',
    "Deployment.metricHistory": '(name: "load")',
    "Model.version": "(number: 1)",
    **{f"best{of}": BY_LOSS for of in ("Runs", "Trials", "Versions")},
}
SCALARS = {"metricCount", "modelCount", "successRate", "digest", "status", "title", "versionCount", "eventsBehind"}
PARENTS = 3


def edge_of(field: Any) -> Edge:
    found = field.metadata["edge"]
    assert isinstance(found, Edge)
    return found


def graph_name(field: Any) -> str:
    name: str = BUILT.config.name_converter.get_graphql_name(field)
    return name


def arguments_of(node: type[RowNode], field: Any) -> str:
    """What a field has to be given."""
    name = graph_name(field)
    return ARGUMENTS.get(f"{node.__name__}.{name}", ARGUMENTS.get(name, ""))


def is_connection(field: Any) -> bool:
    """Whether the edge is a page; otherwise it is a row or a plain list."""
    return not isinstance(field.type, StrawberryOptional | StrawberryList) and any(
        argument.python_name == "after" for argument in field.arguments
    )


@every_edge
def test_an_edge_says_which_rows_belong_to_which(node: type[RowNode], field: Any) -> None:
    edge = edge_of(field)
    assert edge.parent_key in {column.name for column in columns(node.table)}
    assert edge.child_key in {column.name for column in columns(edge.between or edge.table)}


@every_edge
def test_an_edge_is_found_by_an_index(node: type[RowNode], field: Any) -> None:
    edge = edge_of(field)
    table = columns(edge.between or edge.table)[0].table
    keys = [[column.name for column in index.columns] for index in table.indexes]
    keys += [
        [column.name for column in constraint.columns]
        for constraint in table.constraints
        if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint)
    ]
    wanted = ["org_id"] if edge.child_key == "org_id" else ["org_id", edge.child_key]
    assert [key for key in keys if key[: len(wanted)] == wanted], f"{table.name}.{edge.child_key} has no index"


@pytest.fixture(scope="module")
async def full(database: Database, http: httpx2.AsyncClient) -> Tenant:
    """An organization with some parents of every edge, each with children."""
    tenant = await found_tenant(database, http)
    base, run = await tenant.version(), await tenant.run()
    for _ in range(PARENTS):
        team = await tenant.client.make("createTeam", "team", name=tenant.name())
        await tenant.client.make("createProject", "project", team=team, name=tenant.name())
        schema = {"columns": [{"name": tenant.name(), "type": "STRING"}]}
        data = await tenant.dataset_version(schema=schema, profile={"rowCount": "1"})
        signature, runtime = {"inputs": schema["columns"]}, {"image": tenant.name()}
        named = {"project": tenant.project, "name": tenant.name()}
        experiment = await tenant.client.make("createExperiment", "experiment", **named)
        own_run = await tenant.run(
            datasets=[{"datasetVersion": data}], experiment=experiment, parentRun=run, runtime=runtime
        )
        point = {"name": "loss", "phase": "TRAINING", "value": 0.5}
        await tenant.client.make("logRunMetrics", "run", run=own_run, metrics=[point])
        version = await tenant.version(run=own_run, baseVersion=base, metrics=[point], signature=signature)
        for owner in ({"version": version}, {"run": run}):
            given = await valid_input(tenant, "createUpload")
            given.pop("version")
            await tenant.client.change("createUpload", "replayed", **given, **owner)
        await tenant.client.make("setAlias", "alias", version=version, name=tenant.name())
        guarded = tenant.name()
        await tenant.client.make("setPromotionPolicy", "promotionPolicy", alias=guarded, gates=[])
        asked_for = await tenant.client.make(
            "requestPromotion", "promotionRequest", version=await tenant.version(), alias=guarded
        )
        await tenant.client.make("completePromotion", "promotionRequest", request=asked_for)
        deployment = await tenant.deployment(version=version)
        seen = {"observedState": "RUNNING", "version": version, "metrics": [{"name": "load", "value": 0.5}]}
        await tenant.client.make("reportDeployment", "deployment", deployment=deployment, **seen)
        await join(database, http, tenant.org_id, tenant.name(), Role.READER)
        samples = (await valid_input(tenant, "logRunResourceSamples"))["samples"]
        await tenant.client.make("logRunResourceSamples", "run", run=own_run, samples=samples)
        await tenant.client.make("setPrice", "price", **await valid_input(tenant, "setPrice"))
        for mutation in ("setPromotionPolicy", "reportCheck"):
            await tenant.client.change(mutation, "replayed", **await valid_input(tenant, mutation))
        for decision in ("REJECTED", "APPROVED"):
            asked = await valid_input(tenant, "reviewPromotion")
            await tenant.client.change("reviewPromotion", "replayed", **asked | {"decision": decision})
        await tenant.client.make("completePromotion", "promotionRequest", request=asked["request"])
        await tenant.client.make(
            "setPromotionPolicy", "promotionPolicy", project=await new_project_of(tenant), alias="best", gates=[]
        )
        rolled_back = await valid_input(tenant, "rollBackModel")
        await tenant.client.make("rollBackModel", "transition", **rolled_back)
        protected = {"model": rolled_back["model"], "to": "STAGING", "gates": []}
        await tenant.client.make("setPromotionPolicy", "promotionPolicy", **protected)
        judged = await tenant.version(rolled_back["model"])
        await tenant.client.make("promoteVersion", "transition", version=judged, to="STAGING")
        only = {"onlyProject": tenant.project, "onlyModel": await tenant.model()}
        given = await valid_input(tenant, "createWebhook") | only
        await tenant.client.make("createWebhook", "webhook", **given)
        await tenant.client.make(
            "redeliverWebhookDelivery", "webhookDelivery", **await valid_input(tenant, "redeliverWebhookDelivery")
        )
        await fired(tenant)
    return tenant


async def fired(tenant: Tenant) -> None:
    """A rule that took the second version of a model out of production, by what a deployment reported."""
    serving = await Served.of(tenant)
    rule = await serving.rule({"metricBreach": {**ACCURACY["metricBreach"], "environment": serving.environment}})
    await serving.report(0.1, 0.1, 0.1)
    async with tenant.database.change(tenant.org_id) as change:
        await act(change, await change.get_one(tables.AutomationRule, (tenant.org_id, uuid_of(rule))), None)


async def new_project_of(tenant: Tenant) -> str:
    """A project without anything."""
    team = await tenant.client.make("createTeam", "team", name=tenant.name())
    return await tenant.client.make("createProject", "project", team=team, name=tenant.name())


async def parents_of(tenant: Tenant, node: type[RowNode], edge: Edge) -> list[str]:
    """Global ids of rows that have this edge, none of them at the far end of another one's."""
    table = node.table
    key = next(column for column in columns(table) if column.name == edge.parent_key)
    statement = select(col(table.id)).where(col(table.org_id) == tenant.org_id, key.is_not(None))
    async with tenant.database.change(tenant.org_id) as change:
        found = (await change.execute(statement.order_by(col(table.id).desc()).limit(PARENTS))).scalars()
        return [ids.encode(node.__name__, row_id) for row_id in found]


async def statements_of(client: Client, statements: list[str], query: str, gids: list[str]) -> list[str]:
    """What a query sends, from the opening of its snapshot on."""
    statements.clear()
    await client(query, ids=gids)
    return list(statements)


# Events are filtered by arguments of their own and have one order.
LISTS = [(node, field) for node, field in EDGES if is_connection(field) and field.python_name != "events"]


@every_edge
async def test_an_edge_takes_one_statement_for_any_number_of_parents(
    full: Tenant, statements: list[str], node: type[RowNode], field: Any
) -> None:
    parents = await parents_of(full, node, edge_of(field))
    assert len(parents) == (1 if node.__name__ == "Organization" else PARENTS)
    row = "sequence" if field.python_name == "events" else "id"
    inner = "{ __typename }" if not is_connection(field) else f"{{ nodes {{ {row} }} pageInfo {{ hasNextPage }} }}"
    inner = "" if graph_name(field) in SCALARS else inner
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on %s { %s %s } } }"
    asked = graph_name(field) + arguments_of(node, field)
    one = query % (node.__name__, asked, inner)
    for gids in (parents[:1], parents):
        # The view opened, the parents, the edge.
        assert len(await statements_of(full.client, statements, one, gids)) == 3
    if is_connection(field):
        counted = query % (node.__name__, asked, f"{{ nodes {{ {row} }} pageInfo {{ hasNextPage }} totalCount }}")
        for gids in (parents[:1], parents):
            assert len(await statements_of(full.client, statements, counted, gids)) == 4


@pytest.mark.parametrize(
    ("node", "field"), LISTS, ids=[f"{node.__name__}.{field.python_name}" for node, field in LISTS]
)
async def test_a_list_that_is_filtered_and_ordered_takes_one_statement_for_any_number_of_parents(
    full: Tenant, statements: list[str], node: type[RowNode], field: Any
) -> None:
    parents = await parents_of(full, node, edge_of(field))
    order = next(iter(FINDABLE[edge_of(field).table].orders)).upper()
    given = f"where: {{not: {{or: []}}}}, orderBy: {{field: {order}, direction: DESC}}"
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on %s { %s(%s) { nodes { id } totalCount } } } }"
    query = query % (node.__name__, graph_name(field), given)
    for gids in (parents[:1], parents):
        # The view opened, the parents, the page, the number.
        assert len(await statements_of(full.client, statements, query, gids)) == 4


@pytest.mark.parametrize(
    "name",
    [
        "teams",
        "projects",
        "models",
        "runs",
        "datasets",
        "environments",
        "deployments",
        "versions",
        "datasetVersions",
        "artifacts",
        "runtimes",
        "principals",
    ],
)
async def test_a_list_of_the_organization_takes_one_statement(full: Tenant, statements: list[str], name: str) -> None:
    sent = await statements_of(full.client, statements, f"{{ {name} {{ nodes {{ id }} }} }}", [])
    assert len(sent) == 2
    sent = await statements_of(full.client, statements, f"{{ {name} {{ totalCount edges {{ cursor }} }} }}", [])
    assert len(sent) == 3


async def test_edges_of_edges_take_one_statement_a_level(full: Tenant, statements: list[str]) -> None:
    # The oldest have runs.
    query = """{ models(first: 9, orderBy: {field: CREATED_AT}) { nodes { versions(first: 9) { nodes {
        run { versions(first: 9) { nodes { artifacts(first: 2) { nodes { upload { state } } } } } } } } } } }"""
    sent = await statements_of(full.client, statements, query, [])
    assert len(sent) == 1 + 6


@pytest.mark.parametrize("count", [1, PARENTS])
async def test_a_walk_takes_one_statement_a_level_and_one_for_each_kind_of_thing(
    full: Tenant, statements: list[str], count: int
) -> None:
    versions = await tenant_versions(full)
    query = """query($ids: [ID!]!) { nodes(ids: $ids) { ... on ModelVersion {
        upstream(depth: 9) { steps { node { __typename id } } links { kind } } } } }"""
    sent = await statements_of(full.client, statements, query, versions[:count])
    # From a version to its run and base, from the run to its data, and once in vain from there.
    levels, kinds = 3, 3
    assert len(sent) == 1 + 1 + levels + kinds


async def tenant_versions(tenant: Tenant) -> list[str]:
    """The versions that have a run."""
    answer = await tenant.client("{ runs { nodes { versions { nodes { id } } } } }")
    return [version["id"] for run in answer["runs"]["nodes"] for version in run["versions"]["nodes"]]


async def test_a_query_without_rows_opens_nothing(full: Tenant, statements: list[str]) -> None:
    assert await statements_of(full.client, statements, "{ serverVersion supportedFrameworks }", []) == []
