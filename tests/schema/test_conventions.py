"""What clients may take for granted of every list, of null, and of the roots."""

from collections.abc import Iterator

import pytest
from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNonNull,
    GraphQLObjectType,
    build_schema as read_schema,
    get_named_type,
)

from tests.schema.built import BUILT

GRAPH = read_schema(BUILT.as_str())
assert GRAPH.query_type is not None
QUERY = GRAPH.query_type
ENDS = ("Connection", "Edge", "Payload", "Error")
TYPES = {
    name: kind
    for name, kind in GRAPH.type_map.items()
    if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType) and not name.startswith("__")
}
CONNECTIONS = {name: kind for name, kind in TYPES.items() if name.endswith("Connection")}
MISSING_ITEMS = {"Query.nodes"}
"""Lists with places that may be null: an unknown id keeps its place, as what is compared does in `…Comparison`."""
ABSENT = {"Upload.parts", "SignatureField.shape"}
"""Lists that are null for who may not see them, or where an empty one says something else."""


def fields() -> Iterator[tuple[str, GraphQLField]]:
    """Every field of the graph by its name and its type's."""
    for name, kind in TYPES.items():
        yield from ((f"{name}.{field}", definition) for field, definition in kind.fields.items())


def test_there_are_lists() -> None:
    assert len(CONNECTIONS) >= 10


@pytest.mark.parametrize("name", CONNECTIONS)
def test_a_page_tells_rows_cursors_where_it_stands_and_how_many_there_are(name: str) -> None:
    listed = name.removesuffix("Connection")
    row = listed.removesuffix("Use")
    told = {field: str(definition.type) for field, definition in CONNECTIONS[name].fields.items()}
    promised = {
        "nodes": f"[{row}!]!",
        "edges": f"[{listed}Edge!]!",
        "pageInfo": "PageInfo!",
        "totalCount": "Int!",
    }
    assert promised.items() <= told.items()


def test_what_is_in_a_list_has_an_identity() -> None:
    nodes = {name: get_named_type(kind.fields["node"].type) for name, kind in TYPES.items() if name.endswith("Edge")}
    rows = {name: one for name, one in nodes.items() if isinstance(one, GraphQLObjectType)}
    without = {name for name, one in rows.items() if "Node" not in {shown.name for shown in one.interfaces}}
    assert without == {"EventEdge"}, "a place in the feed is what an event is known by"


def test_every_list_of_rows_is_paged_in_both_directions() -> None:
    pages = {path: field for path, field in fields() if get_named_type(field.type).name in CONNECTIONS}
    assert {"first", "after"} <= pages.pop("Query.search").args.keys(), (
        "the best come first, nobody begins with the worst"
    )
    unpaged = [path for path, field in pages.items() if not {"first", "after", "last", "before"} <= field.args.keys()]
    assert unpaged == []
    assert [path for path, field in pages.items() if not isinstance(field.type, GraphQLNonNull)] == []


def test_a_plain_list_is_never_null_and_holds_no_null() -> None:
    plain = [(path, str(field.type)) for path, field in fields() if "Comparison." not in path]
    lists = {path: kind for path, kind in plain if "[" in kind}
    assert {path for path, kind in lists.items() if not kind.endswith("!]!")} == MISSING_ITEMS | ABSENT


def test_a_change_that_fails_hides_no_other() -> None:
    assert GRAPH.mutation_type is not None
    kinds = {name: str(field.type) for name, field in GRAPH.mutation_type.fields.items()}
    assert [name for name, kind in kinds.items() if kind.endswith("!")] == []


def test_a_thing_that_is_looked_up_may_be_absent() -> None:
    found = {
        name: field for name, field in QUERY.fields.items() if isinstance(get_named_type(field.type), GraphQLObjectType)
    }
    lookups = {name: field for name, field in found.items() if {"id", "by"} & field.args.keys()}
    assert {"model", "dataset", "experiment"} <= lookups.keys()
    assert [name for name, field in lookups.items() if isinstance(field.type, GraphQLNonNull)] == []


def test_whoever_asks_can_ask_who_they_are() -> None:
    assert str(QUERY.fields["viewer"].type) == "Principal"


def test_who_made_a_thing_and_where_it_is_are_always_known() -> None:
    kinds = {
        path: str(field.type) for path, field in fields() if not path.split(".")[0].endswith(("Payload", "Result"))
    }
    by = (".createdBy", ".setBy")
    assert {kind for path, kind in kinds.items() if path.endswith(by)} == {"Principal!"}
    # A policy or a role is for a project, or for less or more than one; an event may be about none.
    projects = {path: kind for path, kind in kinds.items() if path.endswith(".project")}
    some = ("PromotionPolicy", "Event", "RoleGrant", "Query")
    assert {projects.pop(f"{kind}.project") for kind in some} == {"Project"}
    assert set(projects.values()) == {"Project!"}
    assert {kind for path, kind in kinds.items() if path.endswith(".createdAt")} == {"DateTime!"}
