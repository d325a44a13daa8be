"""Inputs are made from what the rules declare, and what cannot be meant is refused before any rule runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID, uuid4

import pytest
from strawberry import UNSET
from typing_extensions import Doc

from registry.kernel.errors import BadInput
from registry.kernel.inputs import KEEP, Keep, Of
from resolvers import ids
from schema.building.inputs import declared, input_type, values_of
from tests.schema.valid_inputs import MUTATIONS, Refusing, reference_fields, refusal_of, title, unknown
from tests.tenant import GraphQLFailed, Tenant

REFERENCES = [(mutation, name) for mutation in MUTATIONS for name in reference_fields(mutation)]
ILL_FORMED = ["", "x", "TW9kZWw6", "Model:1", "%00", "\u202e", "é", "a" * 10_000, str(uuid4()), "TW9kZWw6MQ=="]


@dataclass(frozen=True)
class Leaf:
    """A value object."""

    tree_id: Annotated[UUID, Of("Tree"), Doc("Of which tree.")]
    color: Annotated[str, Doc("Its color.")] = "green"


async def plant(
    change: object,
    *,
    tree_id: Annotated[UUID, Of("Tree"), Doc("Which tree.")],
    name: Annotated[str | Keep, Doc("A new name.")] = KEEP,
    note: Annotated[str | Keep | None, Doc("A new note; null removes it.")] = KEEP,
    leaves: Annotated[Sequence[Leaf], Doc("Its leaves.")] = (),
    height: Annotated[int | None, Doc("In metres.")] = None,
    supplied: str = "",
) -> None:
    """A rule."""


FIELDS = declared(plant)
INPUT = input_type("PlantInput", FIELDS, "What it takes.")


def given(**values: Any) -> Any:
    return INPUT(tree=ids.encode("Tree", UUID(int=1)), **values)


def test_a_rule_takes_from_its_caller_what_it_documents_and_nothing_else() -> None:
    assert [field.name for field in FIELDS] == ["tree_id", "name", "note", "leaves", "height"]
    assert [field.graph_name for field in FIELDS] == ["tree", "name", "note", "leaves", "height"]
    assert FIELDS[0].description == "Which tree."


def test_what_was_not_given_is_absent() -> None:
    assert values_of(given(), FIELDS) == {"tree_id": UUID(int=1), "leaves": []}


def test_an_id_comes_back_as_the_id_of_its_row_also_inside_a_list() -> None:
    leaf_input = type(given(leaves=[]).leaves)
    assert leaf_input is list
    (leaf_type,) = {field.shape for field in FIELDS if field.name == "leaves"}
    made = leaf_type.graphql_type.__args__[0](tree=ids.encode("Tree", UUID(int=2)))
    assert values_of(given(leaves=[made]), FIELDS)["leaves"] == [Leaf(UUID(int=2))]


def test_the_id_of_another_kind_is_refused_with_the_name_of_the_argument() -> None:
    with pytest.raises(BadInput, match="`tree` takes the id of a Tree, and this is the id of a Bush"):
        values_of(INPUT(tree=ids.encode("Bush", UUID(int=1))), FIELDS)


def test_null_is_a_value_only_where_the_rule_takes_none() -> None:
    assert values_of(given(height=None), FIELDS)["height"] is None
    assert "height" not in values_of(given(height=UNSET), FIELDS)


@pytest.mark.parametrize(("mutation", "name"), REFERENCES)
async def test_an_id_that_was_never_given_out_is_a_request_error(refusing: Refusing, mutation: str, name: str) -> None:
    sound = await refusing.input_of(mutation)
    for wrong in [*ILL_FORMED, unknown("Organization"), unknown("Foo")]:
        with pytest.raises(GraphQLFailed) as refused:
            await refusing.tenant.client.change(mutation, "replayed", **{**sound, name: wrong})
        assert refused.value.code == "BAD_USER_INPUT", wrong


@pytest.mark.parametrize(("mutation", "name"), REFERENCES)
async def test_an_id_of_nothing_is_an_answer_that_names_the_input(refusing: Refusing, mutation: str, name: str) -> None:
    sound = await refusing.input_of(mutation)
    if name == "run" and "version" in sound and "path" in sound:
        del sound["version"]
    kind = reference_fields(mutation)[name]
    error = await refusal_of(refusing.tenant.client, mutation, {**sound, name: unknown(kind)})
    assert error == {
        "__typename": "GenericUserError",
        "code": "NOT_FOUND",
        "path": [name],
        "message": f"There is no {kind} with this id, or none that you may see.",
    }


async def test_an_input_names_the_place_in_a_list_that_it_is_about(tenant: Tenant) -> None:
    known = await tenant.dataset_version()
    datasets = [{"datasetVersion": known}, {"datasetVersion": unknown("DatasetVersion")}]
    error = await tenant.client.refusal("createRun", "run", project=tenant.project, name="a", datasets=datasets)
    assert (error["code"], error["path"]) == ("NOT_FOUND", ["datasets", "1", "datasetVersion"])
    tags = [{"key": "a", "value": "b"}, {"key": " "}]
    error = await tenant.client.refusal(
        "createModel", "model", project=tenant.project, name="a", framework="sklearn", tags=tags
    )
    assert (error["code"], error["path"]) == ("INVALID_VALUE", ["tags", "1", "key"])


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_a_field_that_the_input_does_not_have_is_a_request_error(refusing: Refusing, mutation: str) -> None:
    given = await refusing.input_of(mutation)
    with pytest.raises(GraphQLFailed) as refused:
        await refusing.tenant.client.change(mutation, "replayed", **given, surprise=1)
    assert refused.value.code == "BAD_USER_INPUT"
    assert "surprise" in refused.value.errors[0]["message"]


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_an_input_can_stand_in_the_document_itself(shared_tenant: Tenant, mutation: str) -> None:
    with pytest.raises(GraphQLFailed) as refused:
        await shared_tenant.client(f"mutation {{ {mutation}(input: {{surprise: 1}}) {{ replayed }} }}")
    assert refused.value.code == "GRAPHQL_VALIDATION_FAILED"
    assert f"{title(mutation)}Input" in refused.value.errors[0]["message"]


@pytest.mark.parametrize("value", ["tags: null", "tags: [null]", "tags: [{key: null}]", "tags: [1]", 'tags: "a"'])
async def test_a_list_holds_no_null_and_nothing_of_another_type(shared_tenant: Tenant, value: str) -> None:
    given = f'project: "{shared_tenant.project}", name: "a", framework: "sklearn", {value}'
    with pytest.raises(GraphQLFailed) as refused:
        await shared_tenant.client(f"mutation {{ createModel(input: {{{given}}}) {{ replayed }} }}")
    assert refused.value.code == "GRAPHQL_VALIDATION_FAILED"


async def test_one_value_may_stand_for_a_list_of_one(tenant: Tenant) -> None:
    payload = await tenant.client.change(
        "createModel", "model { tags { key value } }",
        project=tenant.project, name="a", framework="sklearn", tags={"key": "team"},
    )  # fmt: skip
    assert payload["model"]["tags"] == [{"key": "team", "value": ""}]
