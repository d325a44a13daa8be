"""Whoever has the fields of an interface implements it."""

import pytest
from graphql import GraphQLInterfaceType, GraphQLObjectType

from tests.schema.built import SCHEMA

TYPES = SCHEMA.type_map
SHARED = ("Taggable", "Deletable", "Authored", "ProjectResource", "Measured")


@pytest.mark.parametrize("name", SHARED)
def test_every_object_with_the_fields_of_an_interface_implements_it(name: str) -> None:
    interface = TYPES[name]
    assert isinstance(interface, GraphQLInterfaceType)
    wanted = {field: str(definition.type) for field, definition in interface.fields.items()}
    having, implementing = set(), set()
    for kind in TYPES.values():
        if isinstance(kind, GraphQLObjectType):
            if wanted.items() <= {field: str(one.type) for field, one in kind.fields.items()}.items():
                having.add(kind.name)
            if interface in kind.interfaces:
                implementing.add(kind.name)
    assert having == implementing
    assert len(having) >= 2
