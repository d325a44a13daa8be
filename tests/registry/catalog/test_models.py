"""Models: what may be said about one, what stays, and what is told of each change."""

from typing import Any

import pytest

from db.codes import Role, TaskType
from db.session import Database
from db.tables import Model
from registry.catalog import models
from registry.kernel.errors import InvalidValue, NameTaken, NotFound
from registry.kernel.inputs import Tag
from tests.registry.told import events_about
from tests.tenant import Tenant, uuid_of

FRAMEWORKS = ("sklearn", "PyTorch", "onnx")


async def create(tenant: Tenant, **given: Any) -> Model:
    values = {"project_id": uuid_of(tenant.project), "name": tenant.name(), "framework": "sklearn", **given}
    async with tenant.database.change(tenant.org_id) as change:
        return await models.create(change, tenant.actor, supported_frameworks=FRAMEWORKS, **values)


async def update(tenant: Tenant, model: Model, **given: Any) -> Model:
    async with tenant.database.change(tenant.org_id) as change:
        return await models.update(change, tenant.actor, model_id=model.id, **given)


async def test_a_new_model_has_no_versions_and_belongs_to_who_made_it(tenant: Tenant) -> None:
    model = await create(tenant, name=" iris ", description="A\nB", tags=[Tag("owner", "ada"), Tag("empty")])
    assert (model.name, model.description, model.version_count) == ("iris", "A\nB", 0)
    assert model.tags == {"owner": "ada", "empty": ""}
    assert model.created_by == tenant.actor.principal_id


@pytest.mark.parametrize(
    ("given", "stored"), [("sklearn", "sklearn"), ("pytorch", "PyTorch"), (" ONNX ", "onnx"), ("PYTORCH", "PyTorch")]
)
async def test_a_framework_is_stored_as_it_is_listed(tenant: Tenant, given: str, stored: str) -> None:
    assert (await create(tenant, framework=given)).framework == stored


@pytest.mark.parametrize("framework", ["", " ", "fortran", "sklearn,onnx", "sklearn\0"])
async def test_a_framework_that_is_not_listed_is_refused_with_the_list(tenant: Tenant, framework: str) -> None:
    with pytest.raises(InvalidValue, match="sklearn, PyTorch, onnx") as refused:
        await create(tenant, framework=framework)
    assert refused.value.path == ("framework",)


async def test_a_name_is_unique_in_its_project_only(tenant: Tenant) -> None:
    await create(tenant, name="iris")
    with pytest.raises(NameTaken) as refused:
        await create(tenant, name="iris ")
    assert (refused.value.name, refused.value.path) == ("iris", ("name",))
    team = await tenant.client.make("createTeam", "team", name="other")
    other = await tenant.client.make("createProject", "project", team=team, name="other")
    assert (await create(tenant, project_id=uuid_of(other), name="iris")).name == "iris"
    assert (await create(tenant, name="Iris")).name == "Iris"


async def test_what_is_not_given_stays_and_null_removes_a_description(tenant: Tenant) -> None:
    model = await create(tenant, description="old", tags=[Tag("a", "1")])
    same = await update(tenant, model, name="new")
    assert (same.name, same.description, same.tags) == ("new", "old", {"a": "1"})
    assert (await update(tenant, model, description=None)).description is None
    assert (await update(tenant, model, tags=[])).tags == {}
    assert (await update(tenant, model)).name == "new"


async def test_tags_are_replaced_as_a_whole(tenant: Tenant) -> None:
    model = await create(tenant, tags=[Tag("a", "1"), Tag("b", "2")])
    assert (await update(tenant, model, tags=[Tag("b", "3"), Tag("c", "4")])).tags == {"b": "3", "c": "4"}


async def test_a_change_tells_what_was_before_and_is_after(tenant: Tenant, database: Database) -> None:
    model = await create(tenant, name="old")
    await update(tenant, model, name="new")
    created, updated = await events_about(database, tenant.org_id, model.id)
    assert (created.kind, updated.kind) == ("model.created", "model.updated")
    assert created.actor == f"Principal:{tenant.actor.principal_id}"
    assert created.body["before"] is None
    assert created.body["after"]["name"] == "old"
    assert "version_count" not in created.body["after"]
    assert (updated.body["before"]["name"], updated.body["after"]["name"]) == ("old", "new")
    assert set(updated.body["after"]) == {"name"}


async def test_setting_the_same_values_again_tells_nothing_and_touches_nothing(
    tenant: Tenant, database: Database
) -> None:
    model = await create(tenant, name="größe", description="d", tags=[Tag("a", "1")])
    same = await update(tenant, model, name=" gro\u0308ße", description="d", tags=[Tag("a", "1")])
    assert same.updated_at == model.updated_at
    assert [event.kind for event in await events_about(database, tenant.org_id, model.id)] == ["model.created"]


async def test_a_model_keeps_its_name_where_another_has_the_new_one(tenant: Tenant) -> None:
    await create(tenant, name="taken")
    model = await create(tenant, name="mine")
    with pytest.raises(NameTaken):
        await update(tenant, model, name="taken", description="lost")
    async with tenant.database.change(tenant.org_id) as change:
        kept = await change.get_one(Model, (tenant.org_id, model.id))
        assert (kept.name, kept.description) == ("mine", None)


async def test_nothing_is_made_in_or_changed_of_another_organization(tenant: Tenant, neighbor: Tenant) -> None:
    foreign = await create(neighbor)
    with pytest.raises(NotFound):
        await create(tenant, project_id=uuid_of(neighbor.project))
    with pytest.raises(NotFound):
        await update(tenant, foreign, name="mine")


@pytest.mark.parametrize("given", [{"name": None}, {"tags": None}])
async def test_null_for_what_must_be_there_is_a_request_error(tenant: Tenant, given: dict[str, Any]) -> None:
    answer = await tenant.client.post(
        "mutation($input: UpdateModelInput!) { updateModel(input: $input) { replayed } }",
        {"input": {"model": await tenant.model(), **given}},
    )
    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_null_removes_a_description_over_http_and_absence_keeps_it(tenant: Tenant) -> None:
    model = await tenant.model(description="old")
    shown = "model { description }"
    kept = await tenant.client.change("updateModel", shown, model=model, tags=[{"key": "a"}])
    assert kept["model"] == {"description": "old"}
    removed = await tenant.client.change("updateModel", shown, model=model, description=None)
    assert removed["model"] == {"description": None}


async def test_a_model_belongs_to_its_maker_until_somebody_else_answers_for_it(tenant: Tenant) -> None:
    model = await create(tenant, task=TaskType.FORECASTING)
    assert (model.owner_id, model.task) == (tenant.actor.principal_id, TaskType.FORECASTING)
    other = (await tenant.member(Role.READER)).actor.principal_id
    assert (await update(tenant, model, owner_id=other, task=None)).owner_id == other
    kept = await update(tenant, model, description="new")
    assert (kept.owner_id, kept.task) == (other, None)
    assert (await update(tenant, model, owner_id=None)).owner_id is None
    assert (await create(tenant, owner_id=other)).owner_id == other


async def test_nobody_of_another_organization_answers_for_a_model(tenant: Tenant, neighbor: Tenant) -> None:
    stranger = neighbor.actor.principal_id
    for change in (create(tenant, owner_id=stranger), update(tenant, await create(tenant), owner_id=stranger)):
        with pytest.raises(NotFound) as refused:
            await change
        assert refused.value.path == ("owner",)
