"""Things by id or by what people call them: the arguments and the resolvers of root fields for one thing."""

from typing import Annotated, Any

import strawberry

from db.base import Deletable, Row
from db.tables import Alias, Model, ModelVersion
from registry.kernel.errors import BadInput
from resolvers.context import Info
from resolvers.filters.fields import bare_alias, normal
from resolvers.ids import decode_as
from resolvers.loading import nodes
from schema.building.arguments import argument, take


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


@strawberry.input(description="A name in a team.")
class NameInTeam:
    """How people name projects."""

    team: strawberry.ID = strawberry.field(description="The team's id.")
    name: str = strawberry.field(description="The exact name.")


@strawberry.input(description="Which project: by exactly one of these.", one_of=True)
class IdOrNameInTeam:
    """The ways to name a project."""

    id: strawberry.Maybe[strawberry.ID] = strawberry.field(description="Its id.", default=None)
    name: strawberry.Maybe[NameInTeam] = strawberry.field(description="Its team and name.", default=None)


@strawberry.input(description="A name in an environment.")
class NameInEnvironment:
    """How people name deployments."""

    environment: strawberry.ID = strawberry.field(description="The environment's id.")
    name: str = strawberry.field(description="The exact name.")


@strawberry.input(description="Which deployment: by exactly one of these.", one_of=True)
class IdOrNameInEnvironment:
    """The ways to name a deployment."""

    id: strawberry.Maybe[strawberry.ID] = strawberry.field(description="Its id.", default=None)
    name: strawberry.Maybe[NameInEnvironment] = strawberry.field(description="Its environment and name.", default=None)


@strawberry.input(description="Which thing of the organization: by exactly one of these.", one_of=True)
class IdOrOwnName:
    """The ways to name a thing of the organization."""

    id: strawberry.Maybe[strawberry.ID] = strawberry.field(description="Its id.", default=None)
    name: strawberry.Maybe[str] = strawberry.field(description="Its exact name.", default=None)


@strawberry.input(description="A label of a model's version.")
class LabelOfModel:
    """How people name versions."""

    model: IdOrName = strawberry.field(description="The model.")
    label: str = strawberry.field(description="The exact label.")


@strawberry.input(description="A number of a model's version.")
class NumberOfModel:
    """How programs count versions."""

    model: IdOrName = strawberry.field(description="The model.")
    number: int = strawberry.field(description="The number.")


@strawberry.input(description="An alias of a model.")
class AliasOfModel:
    """How programs find what they are to load."""

    model: IdOrName = strawberry.field(description="The model.")
    alias: str = strawberry.field(description="The exact name of the alias, such as `champion`.")


@strawberry.input(description="Which version: by exactly one of these.", one_of=True)
class VersionBy:
    """The ways to name a version."""

    id: strawberry.Maybe[strawberry.ID] = strawberry.field(description="Its id.", default=None)
    label: strawberry.Maybe[LabelOfModel] = strawberry.field(description="Its model and label.", default=None)
    number: strawberry.Maybe[NumberOfModel] = strawberry.field(description="Its model and number.", default=None)
    alias: strawberry.Maybe[AliasOfModel] = strawberry.field(
        description="An alias of its model that points at it, such as `champion` of the model `churn` of a project.",
        default=None,
    )


_WAYS = {"project": IdOrName, "team": IdOrNameInTeam, "environment": IdOrNameInEnvironment}
_WHICH: Any = strawberry.argument(description="Which one.")
ById = Annotated[strawberry.ID, strawberry.argument(description="Its id.")]
ByOwnName = Annotated[IdOrOwnName, _WHICH]
ByVersion = Annotated[VersionBy, _WHICH]


def by(table: type[Deletable], within: str = "project") -> Any:
    """The resolver of a root field for one thing by id, or by name in what it is `within`."""

    async def resolve(info: Info, **arguments: Any) -> Any:
        return await _named(info, table, arguments["by"], within)

    take(resolve, argument("by", _WAYS[within], "Which one."))
    return resolve


def by_id(table: type[Row]) -> Any:
    """The resolver of a root field for one thing by id."""

    async def resolve(info: Info, id: ById) -> Any:
        return await info.context.loaders.row(table).load(decode_as(table.__name__, id, "id"))

    return resolve


def by_own_name(table: type[Deletable]) -> Any:
    """The resolver of a root field for one thing whose name is unique in the organization, by id or by name."""
    kind = table.__name__

    async def resolve(info: Info, by: ByOwnName) -> Any:
        if by.id is not None:
            return await info.context.loaders.row(table).load(decode_as(kind, by.id.value, "id"))
        if by.name is None:
            raise BadInput(f"Say which {kind.lower()}: by its id or by its name.")
        return await nodes.by_name(info.context, table, by.name.value)

    return resolve


async def version(info: Info, by: ByVersion) -> Any:
    """The resolver of the root field for one version."""
    rows = info.context.loaders.row(ModelVersion)
    if by.id is not None:
        return await rows.load(decode_as("ModelVersion", by.id.value, "id"))
    if by.label is not None:
        label = normal(by.label.value.label).strip()
        return await _of_model(info, ModelVersion, by.label.value.model, label=label)
    if by.number is not None:
        return await _of_model(info, ModelVersion, by.number.value.model, number=by.number.value.number)
    if by.alias is not None:
        name = bare_alias(by.alias.value.alias)
        alias = await _of_model(info, Alias, by.alias.value.model, name=name)
        return None if alias is None else await rows.load(alias.version_id)
    raise BadInput("Say which version: by its id, or by its model with a label, a number or an alias.")


async def _of_model(info: Info, table: type[Row], by: IdOrName, **values: Any) -> Any:
    """The thing of a model that has these values. Raises: BadInput."""
    model = await _named(info, Model, by, "project")
    return None if model is None else await nodes.like(info.context, table, model_id=model.id, **values)


async def _named(info: Info, table: type[Deletable], by: Any, within: str) -> Any:
    """The thing that is named. Raises: BadInput."""
    kind = table.__name__
    if by.id is not None:
        return await info.context.loaders.row(table).load(decode_as(kind, by.id.value, "id"))
    if by.name is None:
        raise BadInput(f"Say which {kind.lower()}: by its id, or by its {within} and name.")
    name = by.name.value
    scope_id = decode_as(within.capitalize(), getattr(name, within), within)
    return await nodes.by_name(info.context, table, name.name, **{f"{within}_id": scope_id})
