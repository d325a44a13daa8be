"""`before` and `after` of events use the names and the values of the graph."""

import re
from collections import defaultdict
from typing import Any

import httpx2
import pytest
from graphql import GraphQLObjectType, get_named_type, is_leaf_type

from db.base import columns
from db.session import Database
from registry.events.event_kinds import NOUNS
from registry.kernel.rows import shown
from resolvers import ids
from resolvers.events.event_images import field_names, shown_image
from schema.building.node import NODES
from tests.clients.ground import grow
from tests.schema.built import SCHEMA
from tests.tenant import Tenant, found_tenant

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-")
UNSHOWN = {
    "organizationId", "foldedPath", "bucket", "objectKey", "Upload.artifactId", "VersionCheck.modelId",
}  # fmt: skip
"""What an event says and the type does not show."""
LATER = {"updatedAt", "versionCount", "heartbeatAt", "lastUsedAt", "metrics"}
"""What changes without an event of its own, and the points that one call logged."""


def fields_of(kind: str) -> dict[str, Any]:
    found = SCHEMA.type_map[kind]
    assert isinstance(found, GraphQLObjectType)
    return dict(found.fields)


def is_known(kind: str, name: str) -> bool:
    """Whether a type has the field, or the reference that a name with `Id` stands for."""
    fields = fields_of(kind)
    return name in fields or (name.endswith("Id") and name.removesuffix("Id") in fields)


@pytest.mark.parametrize("noun", sorted(NOUNS))
def test_an_event_calls_each_column_as_the_type_does(noun: str) -> None:
    table: Any = NOUNS[noun].table
    names = field_names(table.__name__, dict.fromkeys(shown(table)))
    assert len(set(names)) == len(names)
    assert not [name for name in names if "_" in name]
    if table.__name__ in NODES:
        unknown = {name for name in names if not is_known(table.__name__, name)}
        assert {name for name in unknown if f"{table.__name__}.{name}" not in UNSHOWN} <= UNSHOWN


def selection_of(kind: str, state: dict[str, Any]) -> str:
    """A selection of what the events of a thing have said of it."""
    wanted, fields = [], fields_of(kind)
    for name in sorted(state.keys() - LATER):
        if name in fields and is_leaf_type(get_named_type(fields[name].type)):
            wanted.append(name)
        elif name in fields and isinstance(of := get_named_type(fields[name].type), GraphQLObjectType):
            inner = [one for one, field in of.fields.items() if is_leaf_type(get_named_type(field.type))]
            wanted.append(f"{name} {{ {' '.join(inner)} }}")
        elif name.endswith("Id") and name.removesuffix("Id") in fields:
            wanted.append(f"{name}: {name.removesuffix('Id')} {{ id }}")
    return " ".join(wanted)


def flat(value: Any) -> Any:
    """A reference as its id; the entries of a list without what is null, which need not be stored."""
    if isinstance(value, list):
        return [flat(one) for one in value]
    if isinstance(value, dict):
        return value["id"] if value.keys() == {"id"} else {key: one for key, one in value.items() if one is not None}
    return value


@pytest.fixture(scope="module")
async def told(database: Database, http: httpx2.AsyncClient) -> tuple[Tenant, list[dict[str, Any]]]:
    """All events of an organization with two of everything."""
    tenant, events, after = await found_tenant(database, http), [], None
    await grow(tenant, 2)
    query = """query($after: String) { events(first: 100, after: $after) {
        nodes { kind subjectId before after changedFields } pageInfo { hasNextPage endCursor } } }"""
    while True:
        page = (await tenant.client(query, after=after))["events"]
        events += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return tenant, events
        after = page["pageInfo"]["endCursor"]


async def test_what_events_say_of_a_thing_is_what_the_graph_shows_of_it(
    told: tuple[Tenant, list[dict[str, Any]]],
) -> None:
    tenant, events = told
    states: dict[str, dict[str, Any]] = defaultdict(dict)
    for event in events:
        states[event["subjectId"]] |= event["after"] or {}
    compared = set()
    for subject, state in states.items():
        kind = ids.decode(subject).kind
        if kind not in NODES or not (selection := selection_of(kind, state)):
            continue
        node = (
            await tenant.client(
                f"query($id: ID!) {{ node(id: $id) {{ ... on {kind} {{ {selection} }} }} }}", id=subject
            )
        )["node"]
        if node is None:
            continue
        assert {name: flat(value) for name, value in node.items()} == {name: flat(state[name]) for name in node}, kind
        compared.add(kind)
    assert compared >= {
        "Alias", "Artifact", "Dataset", "DatasetProfile", "DatasetSchema", "DatasetVersion", "Deployment",
        "Environment", "Experiment", "Model", "Principal", "Project", "PromotionPolicy", "PromotionRequest", "Run",
        "Runtime", "Signature", "Team", "ModelVersion", "VersionCheck",
    }  # fmt: skip


async def test_no_event_shows_a_name_a_time_or_an_id_of_the_database(
    told: tuple[Tenant, list[dict[str, Any]]],
) -> None:
    for event in told[1]:
        for side in ("before", "after"):
            for name, value in (event[side] or {}).items():
                assert "_" not in name, event["kind"]
                assert name in event["changedFields"]
                assert not isinstance(value, str) or not UUID.match(value), (event["kind"], name)
                if name.endswith("At") and value is not None:
                    assert MOMENT.fullmatch(value), (event["kind"], name)
                if name.endswith("Id") and value is not None:
                    assert ids.decode(value).kind, (event["kind"], name)


def test_an_image_that_was_too_large_names_its_fields_as_the_graph_does() -> None:
    stored = {"sha256": "ab", "columns": ["created_by", "id", "model_id", "parameters"]}
    assert shown_image("ModelVersion", stored) == {
        "sha256": "ab", "fields": ["createdById", "id", "modelId", "parameters"],
    }  # fmt: skip
    assert sorted(field_names("ModelVersion", stored)) == ["createdById", "id", "modelId", "parameters"]
    assert shown_image("DatasetSchema", {"columns": []}) == {"columns": []}


def test_what_a_later_release_stored_is_shown_as_it_is() -> None:
    assert shown_image("Thing", {"some_name": {"inner_name": 1}, "kind": None}) == {
        "someName": {"innerName": 1}, "kind": None,
    }  # fmt: skip
    assert shown_image("Model", None) is None


@pytest.mark.parametrize("noun", sorted(NOUNS))
def test_every_id_in_an_image_is_a_global_id_of_a_known_kind(noun: str) -> None:
    table = NOUNS[noun].table
    value = "01890000-0000-7000-8000-000000000000"
    kinds = {"scope_kind": "PROJECT", "upstream_kind": "Run", "downstream_kind": "ModelVersion"}
    uuids = [column.name for column in columns(table) if type(column.type).__name__ == "Uuid"]
    image = shown_image(table.__name__, {**kinds, **dict.fromkeys(uuids, value)})
    assert image is not None
    for name, shown_value in image.items():
        if name not in ("scopeKind", "upstreamKind", "downstreamKind"):
            assert name.endswith(("Id", "id"))
            assert ids.decode(shown_value).kind in SCHEMA.type_map or table.__name__ not in NODES
