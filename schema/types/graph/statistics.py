"""Statistics: how many there are of what, for the first page of an interface."""

from typing import Any

import strawberry

from db import tables
from db.codes import ArtifactKind, ArtifactState, Stage
from registry.kernel.inputs import BigInt
from resolvers.context import Info
from resolvers.graph import statistics
from resolvers.graph.statistics import MAX_GROUPS, Tally
from resolvers.pages.relations import Children
from schema.building.derived import RunStatusCount
from schema.building.edges import one, read


@strawberry.type(description="How many models are made with a framework.")
class FrameworkCount:
    """One framework."""

    value: str = strawberry.field(name="framework", description="The framework.")
    count: int = strawberry.field(description="How many models.")


@strawberry.type(description="How many models a team has in all its projects.")
class TeamModelCount:
    """One team."""

    team = one(tables.Team, "value", required=True, description="The team.")
    count: int = strawberry.field(description="How many models.")


@strawberry.type(description="How many models a project has.")
class ProjectModelCount:
    """One project."""

    project = one(tables.Project, "value", required=True, description="The project.")
    count: int = strawberry.field(description="How many models.")


@strawberry.type(description="How many versions are in a stage.")
class StageCount:
    """One stage."""

    value: Stage = strawberry.field(name="stage", description="The stage.")
    count: int = strawberry.field(description="How many versions.")


@strawberry.type(description="How many artifacts of one kind are in one state.")
class ArtifactCount:
    """See `resolvers.graph.statistics.ArtifactCount`."""

    kind: ArtifactKind = strawberry.field(description="What they are for.")
    state: ArtifactState = strawberry.field(description="Whether their bytes can be relied on.")
    count: int = strawberry.field(description="How many artifacts.")
    size_bytes: BigInt = strawberry.field(description="Their bytes, as far as their sizes are known.")


@strawberry.type(description="Verified bytes. Files with the same content in the same bucket share them.")
class Storage:
    """See `resolvers.graph.statistics.Storage`."""

    logical_bytes: BigInt = strawberry.field(description="The sizes of all available artifacts added up.")
    stored_bytes: BigInt = strawberry.field(
        description="What the object store keeps, each content once. Content that no artifact uses any more counts too."
    )
    blob_count: int = strawberry.field(description="How many contents are stored.")


def _by(table: type[Any], column: str) -> Any:
    async def resolve(info: Info) -> Any:
        loader = info.context.loaders.of(Tally(table, "org_id", column))
        return await loader.load(info.context.actor.org_id)

    return resolve


async def _model_count(info: Info) -> int:
    loader = info.context.loaders.count(Children(tables.Model, "org_id"))
    return await loader.load(info.context.actor.org_id)


async def _models_by_team(info: Info) -> Any:
    return await statistics.models_by_team(info.context.loaders.reading)


async def _artifacts(info: Info) -> Any:
    return await statistics.artifacts(info.context.loaders.reading)


async def _storage(info: Info) -> Any:
    return await statistics.storage(info.context.loaders.reading)


async def _success_rate(info: Info) -> float | None:
    counts: list[statistics.Count] = await _by(tables.Run, "status")(info)
    return statistics.success_rate(counts)


def _field(resolver: Any, graphql_type: Any, description: str) -> Any:
    return strawberry.field(resolver, graphql_type=graphql_type, description=description)


@strawberry.type(description="Counts of the whole organization. Deleted things do not count. Each is one statement.")
class Statistics:
    """Every field asks for itself."""

    model_count = _field(
        _model_count, int,
        f"How many models there are. Where the counts of a list add up to less, the rest is beyond its {MAX_GROUPS}.",
    )  # fmt: skip
    models_by_framework = _field(
        _by(tables.Model, "framework"),
        list[FrameworkCount],
        f"The {MAX_GROUPS} frameworks with the most models, most first.",
    )
    models_by_team = _field(
        _models_by_team, list[TeamModelCount], f"Teams with models: the {MAX_GROUPS} with the most, most first."
    )
    models_by_project = _field(
        _by(tables.Model, "project_id"), list[ProjectModelCount],
        f"Projects with models: the {MAX_GROUPS} with the most, most first.",
    )  # fmt: skip
    versions_by_stage = _field(
        _by(tables.ModelVersion, "stage"), list[StageCount], "Stages that versions are in, most first."
    )
    runs_by_status = _field(_by(tables.Run, "status"), list[RunStatusCount], "Statuses that runs have, most first.")
    success_rate = _field(
        _success_rate, float | None,
        "The share of runs that FINISHED among all that ended, 0 to 1; null where none has ended.",
    )  # fmt: skip
    artifacts = _field(_artifacts, list[ArtifactCount], "By kind and state.")
    storage = _field(_storage, Storage, "What is stored.")


async def _statistics(_info: Info) -> Statistics:
    return Statistics()


@strawberry.type
class StatisticsQuery:
    """The counts."""

    statistics = read(_statistics, Statistics, description="How many there are of what in the organization.")
