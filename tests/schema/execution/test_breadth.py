"""Execution by breadth gives the answers of graphql-core, errors included, and asks the database less."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from graphql import GraphQLInterfaceType, GraphQLObjectType, GraphQLUnionType, get_named_type, is_leaf_type
from hypothesis import HealthCheck, given, settings, strategies as st
from starlette.applications import Starlette
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from resolvers.context import Operation
from resolvers.loading.loaders import Loaders
from schema.build import build_schema
from schema.execution import breadth
from schema.execution.breadth import ROWS_AT_A_TIME, BreadthFirst, in_turns
from schema.execution.masking import MaskingSchema
from tests.schema.built import BUILT
from tests.tenant import Tenant

ITEM_BY_ITEM = build_schema()
ITEM_BY_ITEM.execution_context_class = StrawberryGraphQLCoreExecutionContext

# What differs from one moment to the next.
FLEETING = {"download", "parts", "durationSeconds", "cost", "resources"}
ROOTS = ("models", "projects", "runs", "datasets", "teams", "organization", "viewer")


async def answers(app: Starlette, tenant: Tenant, schema: MaskingSchema, query: str) -> tuple[Any, Any]:
    operation = Operation(app.state.services, tenant.actor)
    try:
        result = await schema.execute(query, context_value=operation)
    finally:
        await operation.close()
    return result.data, [(error.message, error.path) for error in result.errors or ()]


async def same(app: Starlette, tenant: Tenant, query: str) -> tuple[Any, Any]:
    """The answer of both ways, which must be one."""
    fast = await answers(app, tenant, BUILT, query)
    assert fast == await answers(app, tenant, ITEM_BY_ITEM, query)
    return fast


@pytest.fixture
async def filled(tenant: Tenant) -> Tenant:
    """An organization with several of everything, some shared and some missing."""
    data = await tenant.dataset_version(rowCount="9007199254740993", source="größe 🙂")
    run = await tenant.run(datasets=[{"datasetVersion": data}], parameters=[{"name": "rate", "value": 0.1}])
    for number in range(3):
        model = await tenant.model(tags=[{"key": "b"}, {"key": "a", "value": str(number)}])
        metric = {"name": "loss", "phase": "TEST", "special": "NAN"}
        base = await tenant.version(model, run=run, metrics=[metric])
        await tenant.version(model, baseVersion=base)
        await tenant.client.make(
            "createExternalArtifact", "artifact", version=base, path="notes", kind="OTHER", uri="http://x/y"
        )
    return tenant


def selection(draw: st.DrawFn, parent: GraphQLObjectType, depth: int) -> str:
    """A selection of fields without arguments, aliased or not, down to a depth."""
    leaves, edges = ["__typename"], {}
    for name, field in parent.fields.items():
        kind = get_named_type(field.type)
        if name in FLEETING:
            continue
        if is_leaf_type(kind):
            leaves += [name, f"other_{name}: {name}"]
        elif isinstance(kind, GraphQLObjectType) and depth:
            edges[name] = kind
    names = st.sampled_from([*leaves, *edges])
    chosen = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    shown = [f"{name} {selection(draw, edges[name], depth - 1)}" if name in edges else name for name in chosen]
    return "{ " + " ".join(shown) + " }"


@st.composite
def queries(draw: st.DrawFn) -> str:
    """A query of one root field."""
    query = BUILT._schema.query_type
    assert query is not None
    name = draw(st.sampled_from(ROOTS))
    kind = get_named_type(query.fields[name].type)
    assert isinstance(kind, GraphQLObjectType)
    arguments = "(first: 3)" if "first" in query.fields[name].args else ""
    return f"{{ {name}{arguments} {selection(draw, kind, 4)} }}"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=queries())
async def test_any_selection_has_the_answer_of_graphql_core(app: Starlette, filled: Tenant, query: str) -> None:
    await same(app, filled, query)


@pytest.fixture
def by_breadth(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The types of the lists that were completed by breadth."""
    seen: list[str] = []
    original = BreadthFirst._by_breadth

    async def noted(self: BreadthFirst, complete: Any, items: Any, item_by_item: Any) -> Any:
        seen.append(items[0].__class__.__name__)
        return await original(self, complete, items, item_by_item)

    monkeypatch.setattr(BreadthFirst, "_by_breadth", noted)
    return seen


async def test_one_list_takes_all_lists_below_it_along(app: Starlette, filled: Tenant, by_breadth: list[str]) -> None:
    query = "{ models { nodes { id tags { key } versions { totalCount edges { cursor node { model { id } } } } } } }"

    data, errors = await same(app, filled, query)

    assert by_breadth == ["Model"]
    assert errors == []
    assert [edge["node"]["model"]["id"] for edge in data["models"]["nodes"][0]["versions"]["edges"]] == [
        data["models"]["nodes"][0]["id"]
    ] * 2


async def test_fragments_directives_and_variables_count(app: Starlette, filled: Tenant) -> None:
    query = """
        query Q($no: Boolean! = false, $few: Int = 1) { models { nodes { ...M name @include(if: $no) } } }
        fragment M on Model { versions(first: $few) { nodes { label @skip(if: $no) ... on ModelVersion { number } } } }
    """

    data, _ = await same(app, filled, query)

    assert all(node.keys() == {"versions"} and len(node["versions"]["nodes"]) == 1 for node in data["models"]["nodes"])


async def test_a_lineage_walk_is_left_to_graphql_core_and_its_parents_too(app: Starlette, filled: Tenant) -> None:
    query = """{ models(first: 2) { nodes { versions(first: 2) { nodes { label
        upstream { steps { depth node { __typename id } } } } } } } }"""

    data, errors = await same(app, filled, query)

    assert errors == []
    assert "Run" in str(data)


async def test_a_bad_argument_is_told_for_each_place(app: Starlette, filled: Tenant) -> None:
    data, errors = await same(app, filled, '{ models { nodes { versions(after: "made up") { nodes { id } } } } }')

    assert data is None
    assert errors[0][1][:3] == ["models", "nodes", 0]


async def test_a_missing_row_of_a_required_edge_is_an_error_at_its_place(
    app: Starlette, filled: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Loaders.row

    def nobody_home(self: Loaders, table: Any, column: str = "id") -> Any:
        loader = original(self, table, column)
        if table.__name__ == "Project":

            async def nothing(keys: list[Any]) -> list[Any]:
                return [None] * len(keys)

            loader.batch_load_fn = nothing
        return loader

    monkeypatch.setattr(Loaders, "row", nobody_home)

    data, errors = await same(app, filled, "{ models { nodes { name project { name } } } }")

    assert data is None
    assert errors[0][1] == ["models", "nodes", 0, "project"]


async def test_lists_inside_a_list_that_is_left_to_graphql_core_still_share_their_statements(
    app: Starlette, filled: Tenant, statements: list[str]
) -> None:
    query = """{ models { nodes { versions(first: 2) { nodes { upstream(depth: 1) { truncated }
        artifacts(first: 2) { nodes { createdBy { name } } } } } } } }"""

    _, errors = await answers(app, filled, BUILT, query)

    assert errors == []
    about_artifacts = [statement for statement in statements if "FROM registry.artifact" in statement]
    assert len(about_artifacts) == 1


async def test_a_shared_row_is_read_and_completed_once(app: Starlette, filled: Tenant, statements: list[str]) -> None:
    data, _ = await answers(app, filled, BUILT, "{ models { nodes { project { name team { name } } } } }")

    first, *others = data["models"]["nodes"]
    assert all(other["project"] is first["project"] for other in others)
    assert len([statement for statement in statements if statement.startswith("SELECT")]) == 3


@pytest.fixture
def twice(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The types of the lists that were begun by breadth and done anew item by item."""
    seen: list[str] = []
    original = BreadthFirst._by_breadth

    async def noted(self: BreadthFirst, complete: Any, items: Any, item_by_item: Any) -> Any:
        def counted() -> Any:
            seen.append(type(items[0]).__name__)
            return item_by_item()

        return await original(self, complete, items, counted)

    monkeypatch.setattr(BreadthFirst, "_by_breadth", noted)
    return seen


LOSS = {"metric": "loss", "phase": "TEST", "maximum": 1.0}
GATES = [{"requiredFacts": {"runtime": True}}, {"approvals": {"count": 1}}, {"metricThreshold": LOSS}]
GATE = "kind __typename ... on Approvals { count } ... on MetricThreshold { metric }"


async def test_gates_are_completed_by_breadth_and_once(
    app: Starlette, filled: Tenant, by_breadth: list[str], twice: list[str]
) -> None:
    for stage in ("STAGING", "PRODUCTION"):
        await filled.client.make("setPromotionPolicy", "promotionPolicy", to=stage, gates=GATES)
    by_breadth.clear()
    query = f"{{ promotionPolicies {{ nodes {{ gates {{ {GATE} }} createdBy {{ name }} }} }} }}"

    data, errors = await same(app, filled, query)

    assert (errors, by_breadth, twice) == ([], ["PromotionPolicy"], [])
    shown = [gate["kind"] for gate in data["promotionPolicies"]["nodes"][0]["gates"]]
    assert shown == ["RequiredFacts", "Approvals", "MetricThreshold"]


REFUSED = f"""mutation($input: PromoteVersionInput!) {{ promoteVersion(input: $input) {{ errors {{ code message path
    ... on GateFailedError {{ verdicts {{ outcome message gate {{ {GATE} }} }} }}
    ... on StaleRevisionError {{ revision version {{ label model {{ name }} }} }} }} }} }}"""


async def test_errors_are_completed_by_breadth_and_once(
    filled: Tenant, by_breadth: list[str], twice: list[str]
) -> None:
    await filled.client.make("setPromotionPolicy", "promotionPolicy", to="STAGING", gates=GATES)
    version = await filled.version()
    by_breadth.clear()

    answer = await filled.client(REFUSED, input={"version": version, "to": "STAGING"})

    (refused,) = answer["promoteVersion"]["errors"]
    assert refused["code"] == "GATE_FAILED"
    shown = [one["gate"]["kind"] for one in refused["verdicts"]]
    assert shown == ["Integrity", "RequiredFacts", "Approvals", "MetricThreshold"]
    assert refused["verdicts"][2]["gate"]["count"] == 1
    assert (by_breadth, twice) == (["GateFailedError"], [])


async def test_the_version_of_a_stale_slot_is_read_once(
    filled: Tenant, by_breadth: list[str], twice: list[str], statements: list[str]
) -> None:
    model = await filled.model()
    first, second = [await filled.version(model) for _ in range(2)]
    await filled.client.make("promoteVersion", "transition", version=first, to="STAGING")
    by_breadth.clear()
    statements.clear()

    given = {"version": second, "to": "STAGING", "expectedRevision": 7}
    answer = await filled.client(REFUSED, input=given)

    (stale,) = answer["promoteVersion"]["errors"]
    assert (stale["code"], stale["revision"]) == ("STALE_REVISION", 1)
    assert stale["version"]["label"]
    assert (by_breadth, twice) == (["StaleRevisionError"], [])
    loaded = [one for one in statements if "= ANY" in one]
    for table in ("model_version", "model"):
        assert len([one for one in loaded if f"FROM registry.{table} " in one]) == 1, table


async def test_what_graphql_core_has_to_do_is_not_begun_by_breadth(
    filled: Tenant, by_breadth: list[str], twice: list[str]
) -> None:
    model = await filled.model()
    await filled.version(model)
    by_breadth.clear()

    document = f"""mutation {{ deleteModel(input: {{model: "{model}"}}) {{ errors {{ code
        ... on InUseError {{ dependents {{ kind node {{ id }} }} }} }} }} }}"""
    (used,) = (await filled.client(document))["deleteModel"]["errors"]

    assert [one["kind"] for one in used["dependents"]] == ["ModelVersion"]
    assert (by_breadth, twice) == ([], [])


# They are delivered one by one.
STREAMED = {"FeedMessage"}


def test_every_type_behind_an_interface_or_a_union_names_the_class_of_its_values() -> None:
    graph = BUILT._schema
    lacking = set()
    for name, shown in graph.type_map.items():
        if isinstance(shown, GraphQLInterfaceType | GraphQLUnionType):
            possible = graph.get_possible_types(shown)
            assert possible, name
            classes = [getattr(one.extensions["strawberry-definition"].origin, "value_class", None) for one in possible]
            if None in classes or len(set(classes)) < len(classes):
                lacking.add(name)
    assert lacking == STREAMED


async def turns_taken_beside(values: list[int]) -> tuple[list[int], int]:
    """Double the values in turns; return them and how often another task ran meanwhile."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    doubled = await in_turns(lambda some: [2 * value for value in some], values)
    beside.cancel()
    with suppress(asyncio.CancelledError):
        await beside
    return doubled, turns


async def test_other_tasks_run_between_every_two_thousand_values() -> None:
    values = list(range(3 * ROWS_AT_A_TIME + 1))
    assert await turns_taken_beside(values) == ([2 * value for value in values], 4)


async def test_few_values_are_completed_without_yielding() -> None:
    values = list(range(ROWS_AT_A_TIME))
    assert await turns_taken_beside(values) == ([2 * value for value in values], 0)


async def test_an_answer_built_in_turns_is_the_answer_of_graphql_core(
    app: Starlette, filled: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breadth, "ROWS_AT_A_TIME", 1)
    data, errors = await same(
        app,
        filled,
        "{ models { nodes { id createdAt owner { name } tags { key } versions { nodes { label number } } } } }",
    )
    assert (len(data["models"]["nodes"]), errors) == (3, [])
