"""Windows of a list and the cursors that mark places in it."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given, strategies as st

from db.ids import uuid7
from db.tables import Model, Run, Team, Version
from registry.errors import BadInput
from resolvers.keys import ParameterKey
from resolvers.paging import DEFAULT_PAGE, MAX_PAGE, Order, PageArgs, decode_cursor, encode_cursor, page_args

BY_NUMBER, BY_NAME, BY_TIME = Order("number"), Order("name", descending=False), Order("created_at")


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
    assert decode_cursor(encode_cursor(Order(), [row_id]), Model, Order()) == [row_id]
    assert decode_cursor(encode_cursor(BY_NUMBER, [number, row_id]), Version, BY_NUMBER) == [number, row_id]
    assert decode_cursor(encode_cursor(BY_NAME, [name, row_id]), Team, BY_NAME) == [name, row_id]


def test_a_cursor_of_a_time_keeps_its_microseconds() -> None:
    moment, row_id = datetime(2026, 3, 3, 12, 0, 0, 123456, UTC), uuid7()
    assert decode_cursor(encode_cursor(BY_TIME, [moment, row_id]), Run, BY_TIME) == [moment, row_id]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.text() | st.binary().map(lambda content: urlsafe_b64encode(content).decode()) | json_values.map(raw))
def test_a_cursor_that_is_made_up_is_refused_and_never_a_bug(cursor: str) -> None:
    for table, order in ((Model, Order()), (Version, BY_NUMBER), (Team, BY_NAME), (Run, BY_TIME)):
        with pytest.raises(BadInput, match="no cursor of this list"):
            decode_cursor(cursor, table, order)


@pytest.mark.parametrize(
    ("values", "table", "order"),
    [
        ([5], Model, Order()),
        ([None], Model, Order()),
        ([["a"]], Model, Order()),
        (["1", str(uuid7())], Version, BY_NUMBER),
        ([True, str(uuid7())], Version, BY_NUMBER),
        ([1.0, str(uuid7())], Version, BY_NUMBER),
        ([-(2**31) - 1, str(uuid7())], Version, BY_NUMBER),
        ([2**31, str(uuid7())], Version, BY_NUMBER),
        ([1, str(uuid7()), 1], Version, BY_NUMBER),
        ([str(uuid7())], Version, BY_NUMBER),
        (["a\0", str(uuid7())], Team, BY_NAME),
        ([1, str(uuid7())], Team, BY_NAME),
        (["2026-03-03T12:00:00", str(uuid7())], Run, BY_TIME),
        ([0, str(uuid7())], Run, BY_TIME),
        ({"id": str(uuid7())}, Model, Order()),
    ],
)  # fmt: skip
def test_a_cursor_of_other_columns_is_refused(values: Any, table: Any, order: Order) -> None:
    if isinstance(values, list):
        values = [order.identity, *values]
    with pytest.raises(BadInput, match="no cursor of this list"):
        decode_cursor(raw(values), table, order)


def test_a_cursor_of_another_order_is_refused() -> None:
    cursor = encode_cursor(BY_NAME, ["a", uuid7()])
    for other in (Order("name"), Order("created_at", descending=False), Order(), Order(ParameterKey("name"))):
        with pytest.raises(BadInput, match="in this order"):
            decode_cursor(cursor, Team, other)


def test_a_cursor_cut_short_or_grown_is_refused() -> None:
    cursor = encode_cursor(BY_NUMBER, [7, uuid7()])
    for wrong in (cursor[:-1], cursor[:-4], cursor[1:], cursor + "A", cursor * 2, "A" * 3_000):
        with pytest.raises(BadInput, match="no cursor of this list"):
            decode_cursor(wrong, Version, BY_NUMBER)
