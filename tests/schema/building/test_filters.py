"""The arguments `where` and `orderBy`: every list has them, and what cannot be meant is refused with its place."""

from typing import Any

import pytest
from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLObjectType

from db import tables
from db.base import Deletable, Row, Time, columns
from db.projects import is_placed
from resolvers.filters.findable import FINDABLE
from schema.building.filters import MAX_CHARACTERS, MAX_CONDITIONS, MAX_NESTING, MAX_VALUES
from schema.root import NODE_TYPES
from tests.schema.built import SCHEMA
from tests.tenant import GraphQLFailed, Tenant

TABLES = {table.__name__: table for table in FINDABLE}
LISTS = {
    f"{name}.{field}": definition
    for name, shown in SCHEMA.type_map.items()
    if isinstance(shown, GraphQLObjectType)
    for field, definition in shown.fields.items()
    # A search has its own order and its own words, and the feed has one order and is asked as it is followed.
    if str(definition.type).endswith("Connection!") and field not in ("search", "events")
}
RUNS = "query($where: RunWhereInput, $orderBy: RunOrderInput, $after: String) "
RUNS += "{ runs(where: $where, orderBy: $orderBy, after: $after) { nodes { id } edges { cursor } } }"


def test_there_are_lists() -> None:
    assert len(LISTS) > 20


@pytest.mark.parametrize("path", LISTS)
def test_a_list_can_be_filtered_and_ordered(path: str) -> None:
    kind = str(LISTS[path].type).removesuffix("Connection!").removesuffix("Use")
    assert kind in TABLES, f"Declare in resolvers/filters/findable.py what rows of {kind} can be found by."
    taken = {name: str(argument.type) for name, argument in LISTS[path].args.items()}
    assert taken.items() >= {"where": f"{kind}WhereInput", "orderBy": f"{kind}OrderInput"}.items()
    assert ("deleted" in taken) == ("deleted_at" in {column.name for column in columns(TABLES[kind])})


@pytest.mark.parametrize("kind", TABLES)
def test_what_is_ordered_by_are_columns_or_computed_each_with_its_sentence(kind: str) -> None:
    shown = SCHEMA.type_map[f"{kind}OrderField"]
    assert isinstance(shown, GraphQLEnumType)
    names = {column.name for column in columns(TABLES[kind])}
    findable = FINDABLE[TABLES[kind]]
    assert {value.value for value in shown.values.values()} <= names | findable.computed.keys()
    assert {name.lower() for name in shown.values} == findable.orders.keys() | findable.computed.keys()


@pytest.mark.parametrize("kind", TABLES)
def test_conditions_combine(kind: str) -> None:
    where = SCHEMA.type_map[f"{kind}WhereInput"]
    assert isinstance(where, GraphQLInputObjectType)
    shown = {name: str(field.type) for name, field in where.fields.items()}
    combined = {"and": f"[{kind}WhereInput!]", "or": f"[{kind}WhereInput!]", "not": f"{kind}WhereInput"}
    assert shown.items() >= combined.items()


def test_ids_are_of_kinds_that_there_are() -> None:
    kinds = {node.__name__ for node in NODE_TYPES}
    named = {
        said.filter.kind
        for found in FINDABLE.values()
        for said in found.filters.values()
        if hasattr(said.filter, "kind")
    }
    assert {"Project", "Principal"} <= named <= kinds


# What a list is not asked for, and why.
UNASKED: dict[str, dict[type[Row], set[str]]] = {
    "the argument `deleted` asks it": {table: {"deleted_at"} for table in FINDABLE if issubclass(table, Deletable)},
    "all lists of these rows are below it": {
        tables.Alias: {"model_id"},
        tables.DeploymentChange: {"deployment_id"},
        tables.DeploymentReport: {"deployment_id"},
        tables.DeploymentMetric: {"deployment_id"},
        tables.PromotionPolicyRevision: {"policy_id"},
        tables.PromotionReview: {"request_id"},
        tables.VersionCheck: {"version_id", "model_id"},
    },
    "it is followed as an edge, from one thing to one": {
        tables.Transition: {"undone_id", "cause_id"},
        tables.SlotRevision: {"transition_id"},
        tables.AutomationFiring: {"transition_id"},
    },
    "another moment tells when it was": {
        tables.DeploymentMetric: {"created_at"},
        tables.SlotRevision: {"created_at"},
        tables.AliasRevision: {"created_at"},
    },
    "the graph does not show it": {tables.DeploymentMetric: {"report_id"}},
    # A filter `project` asks it of their model or dataset.
    "it follows from what they belong to": {
        table: {"project_id"}
        for table in FINDABLE
        if issubclass(table, Row) and is_placed(table) and "project_id" not in table.belongs_to
    },
}


def asked_of(filter_: Any) -> set[str]:
    """The columns of a row that a filter looks at."""
    return {getattr(filter_, name) for name in ("column", "own_key", "start", "end") if hasattr(filter_, name)}


@pytest.mark.parametrize("kind", TABLES)
def test_tags_moments_and_references_can_be_asked_for(kind: str) -> None:
    table: Any = TABLES[kind]
    refers = {key.parent.name for key in columns(table)[0].table.foreign_keys} - {"org_id"}
    wanted = refers | {one.name for one in columns(table) if one.name == "tags" or isinstance(one.type, Time)}
    asked = {name for said in FINDABLE[table].filters.values() for name in asked_of(said.filter)}
    unasked = {name for tables_ in UNASKED.values() for name in tables_.get(table, set())}
    assert wanted - asked == unasked


def nested(levels: int) -> dict[str, Any]:
    where: dict[str, Any] = {"name": {"equals": "a"}}
    for level in range(levels - 1):
        where = {"not": where} if level % 2 else {"and": [where]}
    return where


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": {"contains": "a" * (MAX_CHARACTERS + 1)}}, "`where.name.contains` has 1001 characters"),
    ({"or": [{}, {"name": {"in": ["a"] * (MAX_VALUES + 1)}}]}, "`where.or.1.name.in` has 101 values"),
    ({"tags": [{"key": "a" * (MAX_CHARACTERS + 1)}]}, "`where.tags.0.key` has 1001"),
    ({"parameters": {"name": "a", "in": ["x"] * (MAX_VALUES + 1)}}, "`where.parameters.0.in` has 101"),
    ({"not": nested(MAX_NESTING)}, f"nests more than {MAX_NESTING} levels"),
    ({"and": [{"name": {"equals": "a"}}] * (MAX_CONDITIONS + 1)}, f"the {MAX_CONDITIONS} conditions"),
    ({"tags": [{"key": "a"}] * (MAX_CONDITIONS + 1)}, f"the {MAX_CONDITIONS} conditions"),
    ({"and": [{}] * (MAX_CONDITIONS + 1)}, f"`where.and.50` is one more than the {MAX_CONDITIONS} conditions"),
    ({"or": [{"not": {"and": []}}] * (MAX_CONDITIONS + 1)}, f"the {MAX_CONDITIONS} conditions"),
    ({"status": ["LOST"] * (MAX_VALUES + 1)}, "`where.status` has 101 values"),
    ({"project": ["nonsense"]}, "`where.project.0`: This is no id of this server"),
    ({"and": [{"project": ["$team"]}]}, "`where.and.0.project.0` takes the id of a Project"),
    ({"not": {"createdBy": ["$team"]}}, "`where.not.createdBy.0` takes the id of a Principal"),
    ({"createdAt": {"gt": "yesterday"}}, "DateTime takes"),
    ({"parameters": {"name": "a", "equals": {"b": 1}}}, "ParameterValue takes"),
    ({"status": "SLEEPING"}, "SLEEPING"),
    ({"nothing": {}}, "nothing"),
]  # fmt: skip


def filled(value: Any, team: str) -> Any:
    if isinstance(value, dict):
        return {name: filled(inner, team) for name, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, team) for inner in value]
    return team if value == "$team" else value


@pytest.mark.parametrize(("where", "told"), WRONG, ids=[told for _, told in WRONG])
async def test_a_filter_that_cannot_be_meant_is_refused(tenant: Tenant, where: dict[str, Any], told: str) -> None:
    team = (await tenant.client("{ teams { nodes { id } } }"))["teams"]["nodes"][0]["id"]
    with pytest.raises(GraphQLFailed) as refused:
        await tenant.client(RUNS, where=filled(where, team))
    assert refused.value.code == "BAD_USER_INPUT"
    assert told in refused.value.errors[0]["message"]


async def test_numbers_that_compare_with_nothing_are_refused(tenant: Tenant) -> None:
    for number in ("1e999", "-1e999"):
        for where in (f'metrics: {{name: "a", phase: TEST, gt: {number}}}', f'parameters: {{name: "a", lt: {number}}}'):
            with pytest.raises(GraphQLFailed) as refused:
                await tenant.client(f"{{ runs(where: {{{where}}}) {{ nodes {{ id }} }} }}")
            assert refused.value.code == "BAD_USER_INPUT"


async def test_as_much_as_is_allowed_is_answered(tenant: Tenant) -> None:
    for where in (
        nested(MAX_NESTING),
        {"or": [{"name": {"contains": "%" * MAX_CHARACTERS}}] * MAX_CONDITIONS},
        {"name": {"in": ["a"] * MAX_VALUES}},
        {"metrics": [{"name": "a", "phase": "TEST", "gt": 1e308, "lte": -1e308}] * (MAX_CONDITIONS // 4)},
        {"parameters": {"name": "a", "in": [2**63 - 1, 1e308, "", True]}},
        {"startedAt": {"gt": "0001-01-01T00:00:00Z", "lt": "9999-12-31T23:59:59Z"}},
        {},
        None,
    ):
        assert (await tenant.client(RUNS, where=where))["runs"]["nodes"] == []
    sizes = (
        "{ projects { nodes { datasets(where: {versions: {rowCount: {gt: -9223372036854775808}}}) { totalCount } } } }"
    )
    assert (await tenant.client(sizes))["projects"]["nodes"] == [{"datasets": {"totalCount": 0}}]


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"direction": "DESC"},
        {"field": "NAME", "parameter": "depth"},
        {"metric": {"name": "a", "phase": "TEST"}, "field": "NAME"},
        {"parameter": "a" * (MAX_CHARACTERS + 1)},
        {"metric": {"name": "a" * (MAX_CHARACTERS + 1), "phase": "TEST"}},
        {"field": "PARAMETERS"},
        {"metric": {"name": "a"}},
    ],
)
async def test_an_order_that_cannot_be_meant_is_refused(tenant: Tenant, order: dict[str, Any]) -> None:
    with pytest.raises(GraphQLFailed) as refused:
        await tenant.client(RUNS, orderBy=order)
    assert refused.value.code == "BAD_USER_INPUT"


async def test_a_cursor_belongs_to_its_order(tenant: Tenant) -> None:
    await tenant.run(parameters=[{"name": "depth", "value": 3}])
    loss = {"name": "loss", "phase": "TEST"}
    orders: list[Any] = [
        None,
        {"field": "NAME"},
        {"field": "NAME", "direction": "DESC"},
        {"field": "ENDED_AT"},
        {"parameter": "depth"},
        {"parameter": "width"},
        {"metric": loss},
        {"metric": {**loss, "phase": "TRAINING"}},
    ]
    cursors = [(await tenant.client(RUNS, orderBy=order))["runs"]["edges"][0]["cursor"] for order in orders]
    for cursor, made_under in zip(cursors, orders, strict=True):
        for order in orders:
            if order == made_under:
                assert (await tenant.client(RUNS, orderBy=order, after=cursor))["runs"]["nodes"] == []
                continue
            with pytest.raises(GraphQLFailed) as refused:
                await tenant.client(RUNS, orderBy=order, after=cursor)
            assert refused.value.code == "BAD_USER_INPUT"
