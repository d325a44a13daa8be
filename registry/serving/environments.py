"""Environments: where deployments run, such as `production-eu`."""

from collections.abc import Sequence
from typing import Annotated

from typing_extensions import Doc

from db.base import unique_key
from db.session import Change
from db.tables import Environment
from registry.kernel import inputs
from registry.kernel.access import Action, Actor, require
from registry.kernel.errors import NameTaken
from registry.kernel.inputs import KEEP, Keep
from registry.kernel.rows import add, alter, find

NAME_KEY = unique_key(Environment, "name")


async def create(
    change: Change,
    actor: Actor,
    *,
    name: Annotated[str, Doc(f"Unique in the organization; 1 to {inputs.MAX_NAME} characters.")],
    description: Annotated[str | None, Doc("What runs there, in Markdown.")] = None,
    tags: Annotated[Sequence[inputs.Tag], Doc(f"At most {inputs.MAX_TAGS}.")] = (),
) -> Environment:
    """A new environment, without deployments.

    Raises: Forbidden, InvalidValue, NameTaken.
    """
    require(actor, Action.ORGANIZE)
    row = Environment(
        org_id=change.org_id,
        name=inputs.name(name),
        description=inputs.text(description, ("description",)),
        tags=inputs.tags(tags),
        created_by=actor.principal_id,
    )
    return await add(change, actor, row, {NAME_KEY: _taken(row.name)})


async def update(
    change: Change,
    actor: Actor,
    *,
    environment_id: Annotated[inputs.EnvironmentId, Doc("Which one.")],
    name: Annotated[str | Keep, Doc("A new name.")] = KEEP,
    description: Annotated[str | Keep | None, Doc("A new description; null removes it.")] = KEEP,
    tags: Annotated[Sequence[inputs.Tag] | Keep, Doc("All tags it is to have; others are removed.")] = KEEP,
) -> Environment:
    """Change what people say about an environment. What is not given stays.

    Raises: Forbidden, NotFound, InvalidValue, NameTaken.
    """
    environment = await find(change, Environment, environment_id, "environment", lock=True)
    require(actor, Action.ORGANIZE, environment)
    values = inputs.description_of(name, description, tags)
    return await alter(change, actor, environment, values, taken={NAME_KEY: _taken(str(values.get("name")))})


def _taken(name: str) -> NameTaken:
    return NameTaken("environment", name, "organization")
