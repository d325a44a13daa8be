"""Runs and versions side by side."""

from typing import Annotated, Any

import strawberry
from strawberry import Parent

from db import tables
from db.codes import Phase, RankingDirection
from registry.kernel.inputs import ParameterValue
from registry.promotion.champion_scoring import Criteria
from resolvers.context import Info
from resolvers.tracking.comparisons import MAX_METRICS, MAX_THINGS, Comparison, compare
from schema.building.edges import one, read
from schema.building.node import type_of
from schema.types.catalog.compatibility import SignatureChange
from schema.types.tracking.resource import Cost
from schema.types.tracking.values import Metric

_USUAL_ROWS = 20
"""What a list of rows counts in the cost of an operation: all of them come from one statement."""

_DIFFERS = "Whether not all have the same; one that has nothing differs from one that has something."
_IN_ORDER = "one for each thing, in their order; null where it has nothing under this name."


@strawberry.type(description="A parameter of things side by side.")
class ParameterComparison:
    """See `resolvers.tracking.comparisons.Compared`."""

    name: str = strawberry.field(description="The parameter.")
    values: list[ParameterValue | None] = strawberry.field(description=f"Its values: {_IN_ORDER}")
    differs: bool = strawberry.field(description=_DIFFERS)


@strawberry.type(description="A text of things side by side: a tag, a package's version, a fact.")
class TextComparison:
    """See `resolvers.tracking.comparisons.Compared`."""

    name: str = strawberry.field(description="The key, the package or the fact, such as `cpuCount`.")
    values: list[str | None] = strawberry.field(description=f"Texts: {_IN_ORDER}")
    differs: bool = strawberry.field(description=_DIFFERS)


@strawberry.type(description="A metric of things side by side. Which value is better is not decided here.")
class MetricComparison:
    """See `resolvers.tracking.comparisons.ComparedMetric`."""

    name: str = strawberry.field(description="What was measured.")
    phase: Phase = strawberry.field(description="On which data.")
    values: list[Metric | None] = strawberry.field(
        description=f"The latest points, of a version that has none itself those of its run: {_IN_ORDER}"
    )
    differs: bool = strawberry.field(description=f"{_DIFFERS} Steps and times do not count.")


@strawberry.type(description="What things cost, side by side.")
class CostComparison:
    """See `resolvers.tracking.comparisons.ComparedCosts`."""

    values: list[Cost | None] = strawberry.field(
        description="What each run cost, in the order of the things; of a version that is its run; null without one."
    )
    differs: bool = strawberry.field(description="Whether not all cost the same; one without a run differs.")


@strawberry.input(description="By which metric things are ranked.")
class RankByInput:
    """See `registry.promotion.champion_scoring.Criteria`."""

    metric: str = strawberry.field(description="The exact name of the metric.")
    phase: Phase = strawberry.field(description="On which data it was measured.", default=Phase.VALIDATION)
    direction: RankingDirection = strawberry.field(
        description="Which values are better.", default=RankingDirection.MAXIMIZE
    )


@strawberry.type(description="The place of one of the things.")
class ComparedPlace:
    """See `resolvers.tracking.comparisons.ComparedPlace`."""

    place: int | None = strawberry.field(
        description="1 for the best. Equal values share a place, and the next is left out; null for no finite value."
    )
    value: float | None = strawberry.field(description="The latest value of the metric; null for no finite one.")
    difference: float | None = strawberry.field(
        description="Its value less that of the best; null where it has none, or where they are too far apart."
    )
    reason: str = strawberry.field(description="Why it stands here, in a sentence.")


@strawberry.type(description="A run with its place in a comparison.")
class ComparedRun(ComparedPlace):
    """One place."""

    run = one(tables.Run, "thing_id", required=True, description="The run.")


@strawberry.type(description="A version with its place in a comparison.")
class ComparedVersion(ComparedPlace):
    """One place."""

    version = one(tables.ModelVersion, "thing_id", required=True, description="The version.")


def _things(root: Parent[Comparison]) -> Any:
    return root.things


def _parameters(root: Parent[Comparison]) -> Any:
    return root.texts(lambda thing: thing.parameters)


def _tags(root: Parent[Comparison]) -> Any:
    return root.texts(lambda thing: thing.tags)


async def _metrics(root: Parent[Comparison], info: Info) -> Any:
    return await root.metrics(info.context)


async def _runtime(root: Parent[Comparison], info: Info) -> Any:
    return await root.facts(info.context)


async def _packages(root: Parent[Comparison], info: Info) -> Any:
    return await root.packages(info.context)


async def _signatures(root: Parent[Comparison], info: Info) -> Any:
    return await root.signatures(info.context)


async def _places(root: Parent[Comparison], info: Info) -> Any:
    return await root.places(info.context)


async def _costs(root: Parent[Comparison], info: Info) -> Any:
    return await root.costs(info.context)


def _durations(root: Parent[Comparison]) -> list[float | None]:
    return root.durations()


def _rows(resolver: Any, shown: Any, description: str, rows: int = _USUAL_ROWS) -> Any:
    return strawberry.field(resolver, graphql_type=list[shown], description=description, metadata={"rows": rows})


def _ranked(shown: Any) -> Any:
    return strawberry.field(
        _places,
        graphql_type=list[shown] | None,
        description="All of them, best first, with the reason for each place; those without a finite value come last."
        " Null without `rankBy`.",
        metadata={"rows": MAX_THINGS},
    )


@strawberry.type
class Compared:
    """What every comparison shows."""

    parameters = _rows(_parameters, ParameterComparison, "Their parameters, by name.")
    metrics = _rows(_metrics, MetricComparison, f"The first {MAX_METRICS} metrics of each, by phase and name.")
    tags = _rows(_tags, TextComparison, "Their tags, by key.")
    runtime = _rows(
        _runtime, TextComparison, "What they were made with besides packages: Python, image, code, machine."
    )
    packages = _rows(_packages, TextComparison, "The versions of the packages they were made with, by package.")
    costs: CostComparison | None = strawberry.field(
        resolver=_costs, description="What they cost; null where `onlyDifferent` is asked for and all cost the same."
    )


@strawberry.type(description="Runs side by side.")
class RunComparison(Compared):
    """See `resolvers.tracking.comparisons.Comparison`."""

    runs = _rows(_things, type_of(tables.Run), "The runs, in the order of the ids.", MAX_THINGS)
    places = _ranked(ComparedRun)
    durations_seconds: list[float | None] = strawberry.field(
        resolver=_durations, description="Seconds from begin to end of each run, in their order; null while it goes on."
    )


@strawberry.type(description="Versions side by side, of one model or of several.")
class VersionComparison(Compared):
    """See `resolvers.tracking.comparisons.Comparison`."""

    versions = _rows(_things, type_of(tables.ModelVersion), "The versions, in the order of the ids.", MAX_THINGS)
    places = _ranked(ComparedVersion)
    signatures = _rows(
        _signatures,
        SignatureChange | None,
        "What the signature of each version, in their order, changes for those who use the first; null where either has"
        " none. The first itself is IDENTICAL.",
        MAX_THINGS,
    )


OnlyDifferent = Annotated[bool, strawberry.argument(description="Leave out the rows in which all have the same.")]


RankedBy = Annotated[RankByInput | None, strawberry.argument(description="Rank them, as `places`, by this metric.")]


def _criteria(by: RankByInput | None) -> Criteria | None:
    return None if by is None else Criteria(by.metric, by.phase, by.direction, tie_breaks=())


async def _run_comparison(
    info: Info,
    runs: Annotated[list[strawberry.ID], strawberry.argument(description=f"1 to {MAX_THINGS} ids, each once.")],
    only_different: OnlyDifferent = False,
    rank_by: RankedBy = None,
) -> Comparison:
    return await compare(
        info.context, tables.Run, "runs", runs, only_different=only_different, rank_by=_criteria(rank_by)
    )


async def _version_comparison(
    info: Info,
    versions: Annotated[list[strawberry.ID], strawberry.argument(description=f"1 to {MAX_THINGS} ids, each once.")],
    only_different: OnlyDifferent = False,
    rank_by: RankedBy = None,
) -> Comparison:
    return await compare(
        info.context,
        tables.ModelVersion,
        "versions",
        versions,
        only_different=only_different,
        rank_by=_criteria(rank_by),
    )


@strawberry.type
class ComparisonQuery:
    """The comparisons."""

    run_comparison = read(
        _run_comparison,
        RunComparison | None,
        description="Runs side by side. An id that is not there for you is refused as NOT_FOUND, with its place.",
    )
    version_comparison = read(
        _version_comparison,
        VersionComparison | None,
        description="Versions side by side. An id that is not there for you is refused as NOT_FOUND, with its place.",
    )
