"""The guard refuses what asks for too much, in work bounded by the document and not by what it would expand to."""

import pytest
from graphql import DocumentNode, GraphQLError, get_introspection_query, parse

from schema.execution.limits import Limits, check, operation_to_run
from schema.execution.query_cost import Demand, Meter
from schema.execution.repetitions import Repetitions
from tests.server.doors.door_stub import make_schema

SCHEMA = make_schema()
PAGE_OF_EVERYTHING = """
    { models(first: 100) { nodes { id versions(first: 10) { edges { node { number
        artifacts(first: 3) { nodes { path } } } } } } } }
"""


def demand_of(query: str, variables: dict[str, object] | None = None, limits: Limits | None = None) -> Demand:
    document = parse(query)
    operation = operation_to_run(document, None)
    chosen = limits or Limits()
    return check(meter_of(document, variables), document, operation, chosen)


def meter_of(document: DocumentNode, variables: dict[str, object] | None = None) -> Meter:
    return Meter(SCHEMA._schema, document, variables or {}, max_page_size=Limits().max_page_size)


def code_of(query: str, variables: dict[str, object] | None = None, limits: Limits | None = None) -> str:
    with pytest.raises(GraphQLError) as refused:
        demand_of(query, variables, limits)
    assert refused.value.extensions is not None
    return str(refused.value.extensions["code"])


async def codes_after_execution(query: str, **arguments: object) -> list[str]:
    result = await SCHEMA.execute(query, **arguments)  # type: ignore[arg-type]  # any argument of execute
    return [str((error.extensions or {})["code"]) for error in result.errors or ()]


def chained_fragments(levels: int, body: str) -> str:
    """Each fragment spreads the next one twice, in two fields: 2^levels when written out."""
    links = (
        f"fragment F{i} on Model {{ a: parent {{ ...F{i + 1} }} b: parent {{ ...F{i + 1} }} }} " for i in range(levels)
    )
    return f"{{ model {{ ...F0 }} }} {''.join(links)} fragment F{levels} on Model {{ {body} }}"


# --- cost: rows that may be fetched -------------------------------------------------------------------------------


def test_a_page_costs_its_rows_and_those_below_them() -> None:
    assert demand_of(PAGE_OF_EVERYTHING).cost == 100 + 1_000 + 3_000


def test_edges_and_nodes_are_the_same_rows() -> None:
    assert demand_of("{ models(first: 10) { nodes { id } edges { node { id } cursor } } }").cost == 10


def test_what_hangs_on_edges_and_on_nodes_is_fetched_for_both() -> None:
    versions = "versions(first: 2) { nodes { number } }"
    both = f"{{ models(first: 10) {{ nodes {{ {versions} }} edges {{ node {{ {versions} }} }} }} }}"
    assert demand_of(both).cost == 10 * (1 + 2 + 2)


def test_a_page_is_paid_for_even_if_only_its_information_is_read() -> None:
    assert demand_of("{ models(first: 50) { pageInfo { hasNextPage } } }").cost == 50


def test_the_default_of_first_is_not_paid_for_by_those_who_page_backward() -> None:
    assert demand_of("{ models(last: 1) { nodes { id } } }").cost == 1
    assert (
        demand_of("query ($n: Int, $c: String) { models(last: $n, before: $c) { nodes { id } } }", {"n": 3}).cost == 3
    )
    assert demand_of('{ models(before: "x") { nodes { id } } }').cost == 20


def test_scalars_are_free_and_a_single_object_costs_one() -> None:
    assert demand_of("{ hello me model { id name } }").cost == 1


def test_the_default_page_counts_where_no_size_is_given() -> None:
    assert demand_of("{ models { nodes { id } } }").cost == 20


def test_a_plain_list_costs_the_bound_in_its_metadata() -> None:
    assert demand_of("{ model { tags { path } } }").cost == 1 + 7


def test_ids_cost_one_row_each() -> None:
    assert demand_of('{ nodes(ids: ["a", "b", "c"]) { id } }').cost == 3
    assert demand_of("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ["a", "b"]}).cost == 2


def test_a_page_size_is_read_from_variables_and_their_defaults() -> None:
    query = "query ($n: Int = 30) { models(first: $n) { nodes { id } } }"
    assert demand_of(query, {"n": 40}).cost == 40
    assert demand_of(query).cost == 30
    assert demand_of("query ($n: Int) { models(first: $n) { nodes { id } } }").cost == 20


def test_a_page_size_written_as_a_float_counts_because_graphql_accepts_it() -> None:
    assert demand_of("query ($n: Int) { models(first: $n) { nodes { id } } }", {"n": 40.0}).cost == 40


def test_the_larger_of_first_and_last_counts() -> None:
    assert demand_of("{ models(first: 5, last: 9) { nodes { id } } }").cost == 9


def test_fragments_cost_what_they_select_at_each_place() -> None:
    query = "{ models(first: 10) { ...Page } again: models(first: 5) { ...Page } } fragment Page on ModelConnection {"
    assert demand_of(query + " nodes { versions(first: 3) { nodes { number } } } }").cost == 15 * (1 + 3)


@pytest.mark.parametrize("size", ["101", "-1", "2147483647"])
def test_a_page_beyond_the_limit_is_refused(size: str) -> None:
    assert code_of(f"{{ models(first: {size}) {{ nodes {{ id }} }} }}") == "PAGE_TOO_LARGE"
    query = "query ($n: Int) { models(first: $n) { nodes { id } } }"
    assert code_of(query, {"n": int(size)}) == "PAGE_TOO_LARGE"
    assert code_of(query, {"n": float(size)}) == "PAGE_TOO_LARGE"


def test_more_ids_than_a_page_are_refused() -> None:
    assert code_of("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ["x"] * 101}) == "PAGE_TOO_LARGE"


@pytest.mark.parametrize("size", ["99999999999", "9" * 5_000, "1.5", "null", "[1, 2]", '"x"', "{a: 1}", "true"])
async def test_a_page_size_that_is_no_number_is_left_to_validation(size: str) -> None:
    assert demand_of(f"{{ models(first: {size}) {{ nodes {{ id }} }} }}").cost <= 100
    codes = await codes_after_execution(f"{{ models(first: {size}) {{ nodes {{ id }} }} }}")
    assert codes == [] if size == "null" else codes in (["GRAPHQL_VALIDATION_FAILED"], ["BAD_USER_INPUT"])


@pytest.mark.parametrize("size", [2**40, 10**400, 1.5, [1], "x", {"a": 1}, True])
async def test_a_variable_that_is_no_number_is_left_to_coercion(size: object) -> None:
    query = "query ($n: Int) { models(first: $n) { nodes { id } } }"
    assert demand_of(query, {"n": size}).cost == 100
    assert await codes_after_execution(query, variable_values={"n": size}) == ["BAD_USER_INPUT"]


def test_a_query_over_the_cost_limit_is_refused() -> None:
    deep = "artifacts(first: 2) { nodes { path } }"
    assert code_of(f"{{ models(first: 100) {{ nodes {{ versions(first: 100) {{ nodes {{ {deep} }} }} }} }} }}") == (
        "QUERY_TOO_EXPENSIVE"
    )
    assert code_of(PAGE_OF_EVERYTHING, limits=Limits(max_cost=4_099)) == "QUERY_TOO_EXPENSIVE"


async def test_the_answer_tells_the_cost_except_for_subscriptions() -> None:
    answered = await SCHEMA.execute("{ models(first: 7) { nodes { id } } }")
    assert answered.extensions == {"cost": {"requested": 7, "limit": 20_000}}
    async for event in await SCHEMA.stream("subscription { ticks(to: 1) }"):
        assert not event.extensions


# --- other limits -------------------------------------------------------------------------------------------------


def nested(depth: int) -> str:
    return "{ model " + "{ parent " * (depth - 2) + "{ id }" + " }" * (depth - 2) + " }"


def test_depth_is_counted_in_fields() -> None:
    assert demand_of(nested(12)).depth == 12
    assert code_of(nested(13)) == "QUERY_TOO_DEEP"


def test_depth_is_counted_through_fragments() -> None:
    query = "{ model { parent { ...A } } } fragment A on Model { parent { ...B } } fragment B on Model { id }"
    assert demand_of(query).depth == 4


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ " + " ".join(f"a{i}: hello" for i in range(31)) + " }", "TOO_MANY_ROOT_FIELDS"),
        ("{ model { " + " ".join(f"a{i}: name" for i in range(31)) + " } }", "TOO_MANY_ALIASES"),
        ("{ hello " + "@skip(if: false) " * 51 + "}", "TOO_MANY_DIRECTIVES"),
        ("{ " + "... { hello } " * 21 + "}", "TOO_MANY_ROOT_FIELDS"),
        ("{ " + "...A " * 21 + "} fragment A on Query { hello }", "TOO_MANY_ROOT_FIELDS"),
        ("query " + "@a " * 51 + "{ hello }", "TOO_MANY_DIRECTIVES"),
        ("{ model { " + "...A @a " * 51 + "} } fragment A on Model { id }", "TOO_MANY_DIRECTIVES"),
    ],
)
def test_each_limit_has_its_code(query: str, code: str) -> None:
    assert code_of(query) == code


def test_limits_are_those_of_the_operation_that_runs() -> None:
    document = parse(f"query Deep {nested(13)} query Cheap {{ hello }}")
    check(meter_of(document), document, operation_to_run(document, "Cheap"), Limits())


def test_several_operations_need_a_name() -> None:
    assert code_of("query A { hello } query B { hello }") == "OPERATION_NAME_REQUIRED"


async def test_the_introspection_query_of_graphiql_passes() -> None:
    query = get_introspection_query(
        specified_by_url=True, directive_is_repeatable=True, schema_description=True, input_value_deprecation=True
    )
    assert demand_of(query) == Demand(depth=0, width=1)
    assert not (await SCHEMA.execute(query)).errors


async def test_nested_introspection_is_refused_by_validation() -> None:
    query = "{ __schema { types " + "{ fields { type " * 4 + "{ name }" + " } }" * 4 + " } }"
    assert await codes_after_execution(query) == ["GRAPHQL_VALIDATION_FAILED"]


async def test_without_introspection_neither_schema_nor_suggestions_leave() -> None:
    closed = make_schema(introspection=False)
    introspected = await closed.execute("{ __schema { types { name } } }")
    assert introspected.errors
    misspelled = await closed.execute("{ modell { id } models(frist: 1) { nodes { id } } }")
    assert [error.message for error in misspelled.errors or ()] == [
        "Cannot query field 'modell' on type 'Query'.",
        "Unknown argument 'frist' on field 'Query.models'.",
    ]


# --- attacks: refused, in bounded work ----------------------------------------------------------------------------


def visits_of(query: str) -> int:
    document = parse(query)
    meter = Meter(SCHEMA._schema, document, {}, max_page_size=100)
    meter.measure(operation_to_run(document, None))
    return meter.visits


def test_chained_fragments_are_refused_after_one_visit_each() -> None:
    query = chained_fragments(20, "id")
    assert visits_of(query) == 2 + 20 * 4 + 1
    assert code_of(query) == "QUERY_TOO_DEEP"
    generous = Limits(max_depth=100, max_aliases=10**9)
    assert code_of(query, limits=generous) == "QUERY_TOO_EXPENSIVE"


def test_chained_fragments_of_unknown_types_are_refused_without_expanding_them() -> None:
    query = chained_fragments(20, "id").replace("Model", "Nothing").replace("model", "nothing").replace("parent", "x")
    generous = Limits(max_depth=100, max_aliases=10**9)
    assert code_of(query, limits=generous) == "QUERY_TOO_EXPENSIVE"


def test_twenty_nested_double_spreads_of_the_same_fragment_cost_one_visit_per_spread() -> None:
    links = "".join(f"fragment F{i} on Query {{ ...F{i + 1} ...F{i + 1} }} " for i in range(20))
    query = f"{{ ...F0 ...F0 }} {links} fragment F20 on Query {{ hello }}"
    assert visits_of(query) == 2 + 20 * 2 + 1
    assert code_of(query) == "TOO_MANY_ROOT_FIELDS"


def test_the_count_of_repetitions_stops_at_its_limit() -> None:
    counted = Repetitions(parse(chained_fragments(25, "id")))
    assert counted.exceed(max_selections=500, max_pairs=500)
    assert counted.visits < 600


@pytest.mark.parametrize(
    "selection",
    [
        "id " * 120,
        "parent { id } " * 80,
        "... { id } " * 120,
        ("parent { " + "id " * 12 + "} ") * 12,
        "".join(f"...F{i} " for i in range(110)),
    ],
)
def test_repeated_fields_are_refused_before_validation_compares_them(selection: str) -> None:
    fragments = "".join(f"fragment F{i} on Model {{ id }} " for i in range(110) if f"...F{i} " in selection)
    generous = Limits(max_pairs=3_000)
    assert code_of(f"{{ model {{ {selection} }} }} {fragments}", limits=generous) == "QUERY_TOO_EXPENSIVE"


def test_repeated_fields_are_counted_in_what_will_not_run() -> None:
    unused = "fragment Unused on Model { " + "id " * 120 + "}"
    assert code_of(f"{{ hello }} {unused}") == "QUERY_TOO_EXPENSIVE"
    document = parse("query A { hello } query B { model { " + "id " * 120 + "} }")
    with pytest.raises(GraphQLError):
        check(meter_of(document), document, operation_to_run(document, "A"), Limits())


async def test_cyclic_and_unknown_fragments_are_left_to_validation() -> None:
    cyclic = "{ model { ...A } } fragment A on Model { parent { ...B } } fragment B on Model { parent { ...A } }"
    assert await codes_after_execution(cyclic) == ["GRAPHQL_VALIDATION_FAILED"]
    assert await codes_after_execution("{ ...Nowhere }") == ["GRAPHQL_VALIDATION_FAILED"]


def test_fragments_that_nest_without_fields_do_not_exhaust_the_stack() -> None:
    chain = "".join(f"fragment F{i} on Query {{ ...F{i + 1} }} " for i in range(250))
    assert code_of(f"{{ ...F0 }} {chain} fragment F250 on Query {{ hello }}") == "QUERY_TOO_DEEP"


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("#" + "x" * 5_000_000 + "\n{ hello }", "DOCUMENT_TOO_LARGE"),
        ("#\n" * 201 + "{ hello }", "DOCUMENT_TOO_LARGE"),
        (" ".join(f"query Q{i} {{ hello }}" for i in range(2_000)), "DOCUMENT_TOO_LARGE"),
        ("{ hello }" + " ".join(f"fragment F{i} on Query {{ hello }}" for i in range(5_000)), "DOCUMENT_TOO_LARGE"),
        ("{ " + "hello " * 2_000 + "}", "DOCUMENT_TOO_LARGE"),
        ("{ " + " ".join(f"a{i}: hello" for i in range(1_000)) + " }", "DOCUMENT_TOO_LARGE"),
        ("{ " + "hello " * 1_900 + "}", "TOO_MANY_ROOT_FIELDS"),
        ("{ model { " + "id " * 1_900 + "} }", "QUERY_TOO_EXPENSIVE"),
        ("{ model " * 210 + "}" * 210, "QUERY_TOO_DEEP"),
        ("{ hello(name: " + "[" * 300 + "]" * 300 + ") }", "QUERY_TOO_DEEP"),
        ("{ " + "x" * 50_000 + " }", "GRAPHQL_VALIDATION_FAILED"),
        ('{ hello(name: "a\\u0000b") }', "BAD_USER_INPUT"),
        ('{ hello(name: """a\x00b""") }', "BAD_USER_INPUT"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else None,
)
async def test_an_attack_gets_one_short_answer(document: str, code: str) -> None:
    result = await SCHEMA.execute(document)
    assert result.errors
    assert (result.errors[0].extensions or {})["code"] == code
    assert len(result.errors) == 1
    assert len(result.errors[0].message) <= 300


async def test_at_most_five_request_errors_are_told() -> None:
    assert await codes_after_execution("{ a b c d e f g h i j }") == ["GRAPHQL_VALIDATION_FAILED"] * 5


async def test_a_variable_that_no_database_can_hold_is_refused() -> None:
    query = "query ($name: String!) { hello(name: $name) }"
    for text in ("a\x00b", "\ud800"):
        assert await codes_after_execution(query, variable_values={"name": text}) == ["BAD_USER_INPUT"]
