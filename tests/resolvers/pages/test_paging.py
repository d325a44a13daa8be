"""Windows of a list and the cursors that mark places in it."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given, settings, strategies as st
from strawberry.types import get_object_definition

from db.codes import DatasetRole
from db.ids import uuid7
from db.tables import Model, ModelVersion, Run, Team
from registry.kernel.errors import BadInput
from resolvers.pages.paging import DEFAULT_PAGE, MAX_PAGE, Order, PageArgs, decode_cursor, encode_cursor, page_args
from resolvers.pages.relations import Children, Used
from resolvers.pages.sort_keys import ParameterKey
from schema.root import NODE_TYPES

BY_NUMBER, BY_NAME, BY_TIME = Order("number"), Order("name", descending=False), Order("created_at")
MODELS, TEAMS, RUNS = (Children(table, "org_id") for table in (Model, Team, Run))
VERSIONS = Children(ModelVersion, "model_id")


def marked(children: Children, order: Order) -> list[Any]:
    """What a cursor of a list in an order begins with."""
    cursor = encode_cursor(children, order, [])
    found: list[Any] = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    return found


def raw(value: Any) -> str:
    """A cursor made up by a client that has looked inside one."""
    return urlsafe_b64encode(orjson.dumps(value)).decode().rstrip("=")


def test_without_arguments_a_page_is_the_beginning_of_the_list() -> None:
    assert page_args(None, None, None, None) == PageArgs(DEFAULT_PAGE, None, backward=False)


@pytest.mark.parametrize("size", [0, 1, MAX_PAGE])
def test_a_page_has_the_size_that_was_asked_for_in_either_direction(size: int) -> None:
    assert page_args(size, "c", None, None) == PageArgs(size, "c", backward=False)
    assert page_args(None, None, size, "c") == PageArgs(size, "c", backward=True)


@pytest.mark.parametrize("size", [-1, MAX_PAGE + 1, 2**31, -(2**31)])
def test_a_page_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(BadInput, match="0 to 100"):
        page_args(size, None, None, None)
    with pytest.raises(BadInput, match="0 to 100"):
        page_args(None, None, size, None)


WINDOWS = [(1, None, 1, None), (1, None, None, "c"), (None, "c", 1, None), (None, "c", None, "c")]


@pytest.mark.parametrize("window", WINDOWS)
def test_a_page_goes_in_one_direction(window: tuple[Any, Any, Any, Any]) -> None:
    with pytest.raises(BadInput, match="either forward"):
        page_args(*window)


names = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=200)


@given(st.uuids(), st.integers(0, 2**31 - 1), names)
def test_a_cursor_comes_back_as_the_values_it_was_made_of(row_id: UUID, number: int, name: str) -> None:
    for children, order, values in (
        (MODELS, Order(), [row_id]),
        (VERSIONS, BY_NUMBER, [number, row_id]),
        (TEAMS, BY_NAME, [name, row_id]),
    ):
        assert decode_cursor(encode_cursor(children, order, values), children, order) == values


def test_a_cursor_of_a_time_keeps_its_microseconds() -> None:
    moment, row_id = datetime(2026, 3, 3, 12, 0, 0, 123456, UTC), uuid7()
    assert decode_cursor(encode_cursor(RUNS, BY_TIME, [moment, row_id]), RUNS, BY_TIME) == [moment, row_id]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None)
@given(st.text() | st.binary().map(lambda content: urlsafe_b64encode(content).decode()) | json_values.map(raw))
def test_a_cursor_that_is_made_up_is_refused_and_never_a_bug(cursor: str) -> None:
    for children, order in ((MODELS, Order()), (VERSIONS, BY_NUMBER), (TEAMS, BY_NAME), (RUNS, BY_TIME)):
        with pytest.raises(BadInput, match="as you got it"):
            decode_cursor(cursor, children, order)


@pytest.mark.parametrize(
    ("values", "children", "order"),
    [
        ([5], MODELS, Order()),
        ([None], MODELS, Order()),
        ([["a"]], MODELS, Order()),
        (["1", str(uuid7())], VERSIONS, BY_NUMBER),
        ([True, str(uuid7())], VERSIONS, BY_NUMBER),
        ([1.0, str(uuid7())], VERSIONS, BY_NUMBER),
        ([-(2**31) - 1, str(uuid7())], VERSIONS, BY_NUMBER),
        ([2**31, str(uuid7())], VERSIONS, BY_NUMBER),
        ([1, str(uuid7()), 1], VERSIONS, BY_NUMBER),
        ([str(uuid7())], VERSIONS, BY_NUMBER),
        (["a\0", str(uuid7())], TEAMS, BY_NAME),
        ([1, str(uuid7())], TEAMS, BY_NAME),
        (["2026-03-03T12:00:00", str(uuid7())], RUNS, BY_TIME),
        ([0, str(uuid7())], RUNS, BY_TIME),
        ({"id": str(uuid7())}, MODELS, Order()),
    ],
)  # fmt: skip
def test_a_cursor_of_other_columns_is_refused(values: Any, children: Children, order: Order) -> None:
    if isinstance(values, list):
        values = [*marked(children, order), *values]
    with pytest.raises(BadInput, match="no cursor of this list"):
        decode_cursor(raw(values), children, order)


def test_a_cursor_of_another_order_is_refused() -> None:
    cursor = encode_cursor(TEAMS, BY_NAME, ["a", uuid7()])
    for other in (Order("name"), Order("created_at", descending=False), Order(), Order(ParameterKey("name"))):
        with pytest.raises(BadInput, match="in this order"):
            decode_cursor(cursor, TEAMS, other)


def test_a_cursor_of_another_list_in_the_same_order_is_refused() -> None:
    cursor = encode_cursor(MODELS, BY_NAME, ["a", uuid7()])
    for other in (TEAMS, RUNS, Children(Model, "project_id"), Used(Run, "upstream_id")):
        with pytest.raises(BadInput, match="belongs to another list"):
            decode_cursor(cursor, other, BY_NAME)


def test_a_cursor_that_names_no_list_is_refused_as_that_of_another() -> None:
    for order, values in ((Order(), [uuid7()]), (BY_NAME, ["a", uuid7()]), (Order(ParameterKey("a")), [1, uuid7()])):
        with pytest.raises(BadInput, match="belongs to another list"):
            decode_cursor(raw([order.identity, *map(str, values)]), TEAMS, order)


def test_the_cursor_of_a_role_is_one_of_all_roles() -> None:
    all_roles, one_role = Used(Run, "upstream_id"), Used(Run, "upstream_id", frozenset({DatasetRole.TEST}))
    values = [uuid7()]
    assert decode_cursor(encode_cursor(one_role, Order(), values), all_roles, Order()) == values


def test_no_two_lists_of_the_graph_share_cursors() -> None:
    fields = [field for node in NODE_TYPES for field in get_object_definition(node, strict=True).fields]
    edges = [field.metadata["edge"] for field in fields if "edge" in field.metadata]
    lists = {Children(edge.table, edge.child_key) for edge in edges}
    assert len({marked(children, Order())[0] for children in lists}) == len(lists) > 20


def test_a_cursor_cut_short_or_grown_is_refused() -> None:
    cursor = encode_cursor(VERSIONS, BY_NUMBER, [7, uuid7()])
    assert len(cursor) < 80
    for wrong in (cursor[:-1], cursor[:-4], cursor[1:], cursor + "A", cursor * 2, "A" * 3_000):
        with pytest.raises(BadInput, match="no cursor of this list"):
            decode_cursor(wrong, VERSIONS, BY_NUMBER)
