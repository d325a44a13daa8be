"""The row is the object: what a graph type shows of itself are columns of its table, no more null than they are."""

from typing import Any

import pytest
from strawberry.types.base import StrawberryOptional

from db.base import columns
from schema.building.node import RowNode
from schema.root import NODE_TABLES, NODE_TYPES


def data_fields(node: type[RowNode]) -> list[Any]:
    """The fields that are read from the row as they are; `gid` is made by the record."""
    fields = node.__strawberry_definition__.fields  # type: ignore[attr-defined]  # set by strawberry.type
    return [field for field in fields if field.base_resolver is None and field.python_name != "gid"]


@pytest.mark.parametrize("node", NODE_TYPES, ids=lambda node: node.__name__)
def test_every_data_field_is_a_column(node: type[RowNode]) -> None:
    assert {field.python_name for field in data_fields(node)} <= {column.name for column in columns(node.table)}


@pytest.mark.parametrize("node", NODE_TYPES, ids=lambda node: node.__name__)
def test_a_field_may_be_null_exactly_where_its_column_may(node: type[RowNode]) -> None:
    nullable = {column.name: bool(column.nullable) for column in columns(node.table)}
    for field in data_fields(node):
        assert isinstance(field.type, StrawberryOptional) == nullable[field.python_name], field.python_name


@pytest.mark.parametrize("node", NODE_TYPES, ids=lambda node: node.__name__)
def test_no_secret_column_is_shown(node: type[RowNode]) -> None:
    secret = {column.name for column in columns(node.table) if "secret" in column.info}
    assert not secret & {field.python_name for field in data_fields(node)}


def test_a_kind_has_one_name_in_graph_table_and_global_id() -> None:
    assert all(kind == table.__name__ for kind, table in NODE_TABLES.items())
    assert len(NODE_TABLES) == len(NODE_TYPES)
