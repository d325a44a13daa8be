"""Rankings of runs and versions by a metric."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import strawberry
from aiodataloader import DataLoader

from db import tables
from db.codes import Phase
from registry.inputs import BigInt
from resolvers.context import Info
from resolvers.loading import Loaders
from resolvers.paging import MAX_PAGE
from resolvers.rankings import Candidates, RankingDirection, Rankings
from schema.edges import Edge, one
from schema.refs import RunRef, VersionRef


@strawberry.type(description="Of how many things the best was found, and how many could take no part.")
class Ranked:
    """What every ranking tells of its candidates."""

    ranked_count: int = strawberry.field(description="How many have a finite latest value and were compared.")
    ignored_count: int = strawberry.field(
        description="How many were ignored because their latest value is no finite number."
    )
    missing_count: int = strawberry.field(description="How many lack the metric in this phase.")


@strawberry.type(description="A place in a ranking.")
class Placed:
    """See `resolvers.rankings.Place`."""

    place: int = strawberry.field(description="1 for the best. Equal values share a place, and the next is left out.")
    value: float = strawberry.field(description="The latest value of the metric.")
    step: BigInt = strawberry.field(description="The step of this value.")
    measured_at: datetime = strawberry.field(description="When it was measured.")


@strawberry.type(description="The best of a ranking, and of how many.")
class Best(Ranked):
    """See `resolvers.rankings.Ranking`."""

    value: float | None = strawberry.field(
        description="Its latest value of the metric; null where none has a finite one."
    )
    step: BigInt | None = strawberry.field(description="The step of this value.")


@strawberry.type(description="A run with its place in a ranking.")
class RankedRun(Placed):
    """One place."""

    run = one(RunRef, tables.Run, "owner_id", required=True, description="The run.")


@strawberry.type(description="A version with its place in a ranking.")
class RankedVersion(Placed):
    """One place."""

    version = one(VersionRef, tables.Version, "owner_id", required=True, description="The version.")


@strawberry.type(description="Runs, best first.")
class RunRanking(Ranked):
    """Several places."""

    places: list[RankedRun] = strawberry.field(description="The best `first`; of equals the one registered first.")


@strawberry.type(description="Versions, best first.")
class VersionRanking(Ranked):
    """Several places."""

    places: list[RankedVersion] = strawberry.field(description="The best `first`; of equals the one registered first.")


@strawberry.type(description="The best run, and of how many.")
class BestRun(Best):
    """One place."""

    run = one(RunRef, tables.Run, "owner_id", description="The run; null where none has a finite value.")


@strawberry.type(description="The best version, and of how many.")
class BestVersion(Best):
    """One place."""

    version = one(
        VersionRef, tables.Version, "owner_id", description="The version; null where none has a finite value."
    )


_RULE = (
    " Counted is the latest value of the metric in the phase. Values that are no finite numbers are ignored:"
    " `ignoredCount` tells how many, `missingCount` how many lack the metric."
)
Metric = Annotated[str, strawberry.argument(description="The exact name of the metric.")]
OnPhase = Annotated[Phase, strawberry.argument(description="On which data it was measured.")]
Towards = Annotated[RankingDirection, strawberry.argument(description="Which values are better.")]
Places = Annotated[int, strawberry.argument(description=f"How many places, 1 to {MAX_PAGE}.")]

TRIALS = Candidates(tables.Run, "parent_run_id", tables.RunMetric, "run_id")
RUNS = Candidates(tables.Run, "experiment_id", tables.RunMetric, "run_id")
VERSIONS = Candidates(tables.Version, "model_id", tables.VersionMetric, "version_id")


def _edge(candidates: Candidates) -> Edge:
    def load(loaders: Loaders, arguments: Mapping[str, Any]) -> DataLoader[Any, Any]:
        return loaders.of(
            Rankings(
                candidates,
                arguments["metric"],
                Phase(arguments["phase"]),
                RankingDirection(arguments["direction"]),
                arguments.get("first", 1),
            )
        )

    return Edge(candidates.table, "id", candidates.parent, load)


def best(ref: Any, candidates: Candidates, *, description: str) -> Any:
    """The best of the candidates below this row."""
    edge = _edge(candidates)

    async def resolve(
        root: Any,
        info: Info,
        metric: Metric,
        phase: OnPhase = Phase.VALIDATION,
        direction: Towards = RankingDirection.MAXIMISE,
    ) -> Any:
        arguments = {"metric": metric, "phase": phase, "direction": direction}
        return await edge.load(info.context.loaders, arguments).load(root.id)

    return strawberry.field(resolve, graphql_type=ref, description=description + _RULE, metadata={"edge": edge})


def ranking(ref: Any, candidates: Candidates, *, description: str) -> Any:
    """The best of the candidates below this row, in their order."""
    edge = _edge(candidates)

    async def resolve(
        root: Any,
        info: Info,
        metric: Metric,
        phase: OnPhase = Phase.VALIDATION,
        direction: Towards = RankingDirection.MAXIMISE,
        first: Places = 10,
    ) -> Any:
        arguments = {"metric": metric, "phase": phase, "direction": direction, "first": first}
        return await edge.load(info.context.loaders, arguments).load(root.id)

    return strawberry.field(resolve, graphql_type=ref, description=description + _RULE, metadata={"edge": edge})
