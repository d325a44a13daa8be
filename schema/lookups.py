"""Things by id, or by project and name: the argument and the resolver of a root field for one thing."""

from typing import Annotated, Any

import strawberry

from db.base import Deletable
from registry.errors import BadInput
from resolvers import nodes
from resolvers.context import Info
from resolvers.ids import decode_as


@strawberry.input(description="A name in a project.")
class NameInProject:
    """How people name models."""

    project: strawberry.ID = strawberry.field(description="The project's id.")
    name: str = strawberry.field(description="The exact name.")


@strawberry.input(description="Which model, experiment or dataset: by exactly one of these.", one_of=True)
class IdOrName:
    """The ways to name a thing of a project."""

    id: strawberry.Maybe[strawberry.ID] = strawberry.field(description="Its id.", default=None)
    name: strawberry.Maybe[NameInProject] = strawberry.field(description="Its project and name.", default=None)


@strawberry.input(description="Which thing of the organisation: by exactly one of these.", one_of=True)
class IdOrOwnName:
    """The ways to name a thing of the organisation."""

    id: strawberry.Maybe[strawberry.ID] = strawberry.field(description="Its id.", default=None)
    name: strawberry.Maybe[str] = strawberry.field(description="Its exact name.", default=None)


By = Annotated[IdOrName, strawberry.argument(description="Which one.")]
ByOwnName = Annotated[IdOrOwnName, strawberry.argument(description="Which one.")]


def by(table: type[Deletable]) -> Any:
    """The resolver of a root field for one thing of a project, by id or by name."""
    kind = table.__name__

    async def resolve(info: Info, by: By) -> Any:
        if by.id is not None:
            return await info.context.loaders.row(table).load(decode_as(kind, by.id.value, "id"))
        if by.name is None:
            raise BadInput(f"Say which {kind.lower()}: by its id, or by its project and name.")
        name = by.name.value
        project_id = decode_as("Project", name.project, "project")
        return await nodes.by_name(info.context, table, name.name, project_id=project_id)

    return resolve


def by_own_name(table: type[Deletable]) -> Any:
    """The resolver of a root field for one thing whose name is unique in the organisation, by id or by name."""
    kind = table.__name__

    async def resolve(info: Info, by: ByOwnName) -> Any:
        if by.id is not None:
            return await info.context.loaders.row(table).load(decode_as(kind, by.id.value, "id"))
        if by.name is None:
            raise BadInput(f"Say which {kind.lower()}: by its id or by its name.")
        return await nodes.by_name(info.context, table, by.name.value)

    return resolve
