"""Whatever a client can meet in the graph says what it is."""

from collections.abc import Iterator

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    build_schema as parse_schema,
    is_introspection_type,
    is_specified_scalar_type,
)

from tests.schema.built import SCHEMA


def parts_of(shown: GraphQLNamedType) -> Iterator[tuple[str, str | None]]:
    """Each thing inside a type that can have a description, by its coordinate."""
    yield shown.name, shown.description
    if isinstance(shown, GraphQLObjectType | GraphQLInterfaceType):
        for name, field in shown.fields.items():
            yield f"{shown.name}.{name}", field.description
            for argument, definition in field.args.items():
                yield f"{shown.name}.{name}({argument}:)", definition.description
    elif isinstance(shown, GraphQLInputObjectType):
        for name, input_field in shown.fields.items():
            yield f"{shown.name}.{name}", input_field.description
    elif isinstance(shown, GraphQLEnumType):
        for name, value in shown.values.items():
            yield f"{shown.name}.{name}", value.description


def own_types() -> list[GraphQLNamedType]:
    return [
        shown
        for shown in SCHEMA.type_map.values()
        if not is_introspection_type(shown) and not is_specified_scalar_type(shown)
    ]


@pytest.mark.parametrize("shown", own_types(), ids=lambda shown: shown.name)
def test_everything_has_a_description_that_is_a_sentence(shown: GraphQLNamedType) -> None:
    for coordinate, description in parts_of(shown):
        assert description, f"{coordinate} has no description"
        assert description == description.strip(), coordinate
        assert description[-1] in ".…`)", f"{coordinate} breaks off: {description!r}"
        assert description[0].isupper() or not description[0].isalpha(), coordinate


def test_a_blank_description_would_be_found() -> None:
    schema = parse_schema('"""A query."""\ntype Query { "" a(b: Int): Int }')
    found = dict(parts_of(schema.type_map["Query"]))
    assert not found["Query.a"]
    assert found["Query.a(b:)"] is None


def test_every_scalar_of_ours_names_its_specification() -> None:
    scalars = [shown for shown in own_types() if isinstance(shown, GraphQLScalarType)]
    assert {scalar.name for scalar in scalars} >= {"BigInt", "DateTime", "ParameterValue"}
    assert [scalar.name for scalar in scalars if not scalar.specified_by_url] == []
