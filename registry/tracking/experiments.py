"""Experiments: runs that belong together because they answer one question."""

from collections.abc import Sequence
from typing import Annotated

from typing_extensions import Doc

from db.base import unique_key
from db.session import Change
from db.tables import Experiment, Project
from registry.kernel import inputs
from registry.kernel.access import Action, Actor, require
from registry.kernel.errors import NameTaken
from registry.kernel.inputs import KEEP, Keep
from registry.kernel.rows import add, alter, find

NAME_KEY = unique_key(Experiment, "project_id", "name")


async def create(
    change: Change,
    actor: Actor,
    *,
    project_id: Annotated[inputs.ProjectId, Doc("Where it lives.")],
    name: Annotated[str, Doc(f"Unique in the project; 1 to {inputs.MAX_NAME} characters.")],
    description: Annotated[str | None, Doc("The question it is to answer, in Markdown.")] = None,
    tags: Annotated[Sequence[inputs.Tag], Doc(f"At most {inputs.MAX_TAGS}.")] = (),
) -> Experiment:
    """A new experiment, without runs.

    Raises: Forbidden, NotFound, InvalidValue, NameTaken.
    """
    project = await find(change, Project, project_id, "project")
    require(actor, Action.WRITE, project)
    row = Experiment(
        org_id=change.org_id,
        project_id=project.id,
        name=inputs.name(name),
        description=inputs.text(description, ("description",)),
        tags=inputs.tags(tags),
        created_by=actor.principal_id,
    )
    return await add(change, actor, row, {NAME_KEY: NameTaken("experiment", row.name, "project")})


async def update(
    change: Change,
    actor: Actor,
    *,
    experiment_id: Annotated[inputs.ExperimentId, Doc("Which one.")],
    name: Annotated[str | Keep, Doc("A new name.")] = KEEP,
    description: Annotated[str | Keep | None, Doc("A new description; null removes it.")] = KEEP,
    tags: Annotated[Sequence[inputs.Tag] | Keep, Doc("All tags it is to have; others are removed.")] = KEEP,
) -> Experiment:
    """Change what people say about an experiment. What is not given stays.

    Raises: Forbidden, NotFound, InvalidValue, NameTaken.
    """
    experiment = await find(change, Experiment, experiment_id, "experiment", lock=True)
    require(actor, Action.WRITE, experiment)
    values = inputs.description_of(name, description, tags)
    taken = {NAME_KEY: NameTaken("experiment", str(values.get("name")), "project")}
    return await alter(change, actor, experiment, values, taken=taken)
