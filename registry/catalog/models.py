"""Models: named lines of versions."""

from collections.abc import Sequence
from typing import Annotated

from typing_extensions import Doc

from db.base import unique_key
from db.codes import TaskType
from db.session import Change
from db.tables import Model, Principal, Project
from registry.kernel import inputs
from registry.kernel.access import Action, Actor, require
from registry.kernel.errors import InvalidValue, NameTaken
from registry.kernel.inputs import KEEP, Keep
from registry.kernel.paths import scope_name
from registry.kernel.rows import add, alter, find

NAME_KEY = unique_key(Model, "project_id", "name")


async def create(
    change: Change,
    actor: Actor,
    *,
    project_id: Annotated[inputs.ProjectId, Doc("Where it lives.")],
    name: Annotated[str, Doc(f"Unique in the project; 1 to {inputs.MAX_NAME} characters.")],
    framework: Annotated[str, Doc("What it is made with: one of `supportedFrameworks`.")],
    task: Annotated[TaskType | None, Doc("What it does.")] = None,
    description: Annotated[str | None, Doc("What it is for, in Markdown.")] = None,
    tags: Annotated[Sequence[inputs.Tag], Doc(f"At most {inputs.MAX_TAGS}.")] = (),
    owner_id: Annotated[inputs.PrincipalId | None, Doc("Who answers for it; who registers it, if absent.")] = None,
    supported_frameworks: Sequence[str],
) -> Model:
    """A new model, without versions.

    Raises: Forbidden, NotFound, InvalidValue, NameTaken.
    """
    project = await find(change, Project, project_id, "project")
    require(actor, Action.WRITE, project)
    if owner_id is not None:
        await find(change, Principal, owner_id, "owner")
    row = Model(
        org_id=change.org_id,
        project_id=project.id,
        name=scope_name(name),
        framework=known_framework(framework, supported_frameworks),
        task=task,
        description=inputs.text(description, ("description",)),
        tags=inputs.tags(tags),
        owner_id=owner_id or actor.principal_id,
        created_by=actor.principal_id,
    )
    return await add(change, actor, row, {NAME_KEY: NameTaken("model", row.name, "project")})


async def update(
    change: Change,
    actor: Actor,
    *,
    model_id: Annotated[inputs.ModelId, Doc("Which one.")],
    name: Annotated[str | Keep, Doc("A new name.")] = KEEP,
    description: Annotated[str | Keep | None, Doc("A new description; null removes it.")] = KEEP,
    tags: Annotated[Sequence[inputs.Tag] | Keep, Doc("All tags it is to have; others are removed.")] = KEEP,
    task: Annotated[TaskType | Keep | None, Doc("What it does; null where nobody knows.")] = KEEP,
    owner_id: Annotated[inputs.PrincipalId | Keep | None, Doc("Who answers for it; null for nobody.")] = KEEP,
) -> Model:
    """Change what people say about a model. What is not given stays.

    Raises: Forbidden, NotFound, InvalidValue, NameTaken.
    """
    model = await find(change, Model, model_id, "model", lock=True)
    require(actor, Action.WRITE, model)
    values = inputs.description_of(name, description, tags, clean_name=scope_name)
    if task is not KEEP:
        values["task"] = task
    if owner_id is not KEEP:
        values["owner_id"] = None if owner_id is None else (await find(change, Principal, owner_id, "owner")).id
    taken = {NAME_KEY: NameTaken("model", str(values.get("name")), "project")}
    return await alter(change, actor, model, values, taken=taken)


def known_framework(value: str, supported: Sequence[str]) -> str:
    """The framework in its listed spelling, found without regard to case."""
    by_folded = {known.casefold(): known for known in supported}
    found = by_folded.get(value.strip().casefold())
    if found is None:
        listed = ", ".join(supported)
        raise InvalidValue(f"This server takes models made with: {listed}.", ("framework",))
    return found
