"""What operations of the real graph cost: what their clients expect to be cheap is cheap."""

from pathlib import Path

import pytest
from graphql import OperationDefinitionNode, parse

from schema.build import build_schema
from schema.execution.limits import KnownDocuments, Limits, check, operation_to_run
from schema.execution.query_cost import Meter

SCHEMA = build_schema()._schema
DOCUMENTS = sorted(Path("schema").glob("*/*.graphql"))
ARTIFACTS = "artifacts { nodes { path createdBy { name } } }"
DEEP = f"{{ models {{ nodes {{ owner {{ name }} versions {{ nodes {{ createdBy {{ name }} {ARTIFACTS} }} }} }} }} }}"


def cost_of(query: str, **variables: object) -> int:
    document = parse(query)
    meter = Meter(SCHEMA, document, variables, max_page_size=Limits().max_page_size)
    return check(meter, document, operation_to_run(document, None), Limits()).cost


def test_default_pages_nested_three_deep_with_something_beside_each_row_are_accepted() -> None:
    rows = 20 + 20 * 20 + 20 * 20 * 20
    assert cost_of(DEEP) == rows + rows // 4


def test_a_name_in_its_project_is_one_row() -> None:
    by_name = "models(where: {name: {equals: $name}}) { nodes { versions(where: {label: {equals: $label}}) { nodes { id"
    query = f'query($name: String!, $label: String!) {{ project(by: {{id: "x"}}) {{ {by_name} }} }} }} }} }} }}'
    assert cost_of(query, name="churn", label="1.4.0") == 1 + 1 + 1


@pytest.mark.parametrize(
    "where",
    [
        '{name: {startsWith: "churn"}}',
        "{name: {equals: null}}",
        '{not: {name: {equals: "churn"}}}',
        '{framework: {equals: "sklearn"}}',
        "{}",
    ],
)
def test_what_many_rows_may_have_is_a_page(where: str) -> None:
    assert cost_of(f'{{ project(by: {{id: "x"}}) {{ models(where: {where}) {{ nodes {{ id }} }} }} }}') == 1 + 20


def test_deleted_rows_may_share_a_name() -> None:
    query = '{ project(by: {id: "x"}) { models(deleted: INCLUDE, where: {name: {equals: "churn"}}) { nodes { id } } } }'
    assert cost_of(query) == 1 + 20


def test_a_name_in_the_whole_organization_is_one_row_only_with_its_project() -> None:
    assert cost_of('{ models(where: {name: {equals: "churn"}}) { nodes { id } } }') == 20
    assert cost_of('{ models(where: {name: {equals: "churn"}, project: ["x"]}) { nodes { id } } }') == 1
    assert cost_of('{ models(where: {name: {equals: "churn"}, project: ["x", "y"]}) { nodes { id } } }') == 20
    assert cost_of('{ teams(where: {name: {equals: "risk"}}) { nodes { id } } }') == 1


def test_a_count_is_ten_rows_for_each_list() -> None:
    assert cost_of("{ models(first: 5) { totalCount } }") == 5 + 10
    assert cost_of("{ models(first: 5) { ...C nodes { versions(first: 0) { totalCount } } } }"
                   " fragment C on ModelConnection { totalCount }") == 5 + 10 + 5 * 10  # fmt: skip


def test_metrics_to_choose_and_to_order_by_are_ten_rows_each() -> None:
    metric = '{name: "loss", phase: TEST, atMost: 1}'
    where = f"where: {{metrics: [{metric}], or: [{{metrics: [{metric}, {metric}]}}]}}"
    assert cost_of(f"{{ runs(first: 1, {where}) {{ nodes {{ id }} }} }}") == 1 + 30
    order = 'orderBy: {metric: {name: "loss", phase: TEST}}'
    assert cost_of(f"{{ runs(first: 1, {order}) {{ nodes {{ id }} }} }}") == 1 + 10
    assert cost_of("query($w: RunWhereInput) { runs(first: 1, where: $w) { nodes { id } } }", w={"metrics": [{}]}) == 11


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_a_document_of_ours_costs_a_quarter_of_the_limit_at_most(path: Path) -> None:
    document = parse(path.read_text())
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            meter = Meter(SCHEMA, document, {}, max_page_size=Limits().max_page_size)
            assert check(meter, document, definition, Limits()).cost <= Limits().max_cost // 4


def test_documents_are_remembered_up_to_a_total_size() -> None:
    known, texts = KnownDocuments(characters=100), [f"{{ {name * 40} }}" for name in "abc"]
    for text in texts:
        known.add(text, parse(text))
    assert [known.get(text) is not None for text in texts] == [False, True, True]
    known.add("{ " + "d" * 100 + " }", parse("{ d }"))
    assert known.get(texts[2]) is not None


def test_a_demand_is_remembered_for_the_variables_that_it_depends_on() -> None:
    text = "query($n: Int, $name: String!) { models(first: $n, where: {name: {equals: $name}}) { nodes { id } } }"
    known = KnownDocuments()
    known.add(text, parse(text))
    found = known.get(text)
    assert found is not None
    meter = Meter(SCHEMA, found.document, {"n": 3, "name": "x"}, max_page_size=100)
    demand = check(meter, found.document, operation_to_run(found.document, None), Limits())
    found.remember(None, {"n": 3, "name": "x"}, demand, meter.read)
    assert found.demand(None, {"n": 3, "name": "x"}) == demand
    assert found.demand(None, {"n": 4, "name": "x"}) is None
    assert found.demand("Other", {"n": 3, "name": "x"}) is None
