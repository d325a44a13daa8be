"""The checked-in schema is what clients can rely on: it is exactly what the server serves."""

from pathlib import Path

from graphql import build_schema as parse_schema, print_schema

from schema.build import build_schema

SNAPSHOT = Path(__file__).parents[2] / "schema/schema.graphql"


def test_the_checked_in_schema_is_the_one_that_is_served() -> None:
    assert SNAPSHOT.read_text() == build_schema().as_str() + "\n", "Run `make schema` and look at the difference."


def test_the_checked_in_schema_can_be_read_by_any_tool() -> None:
    read = parse_schema(SNAPSHOT.read_text())
    assert read.query_type is not None
    assert print_schema(read).startswith('"""')


def test_refusing_introspection_changes_nothing_in_the_schema() -> None:
    assert build_schema(introspection=False).as_str() == build_schema().as_str()
