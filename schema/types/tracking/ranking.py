"""Rankings of runs and versions by a metric."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import strawberry
from aiodataloader import DataLoader
from strawberry import UNSET

from db import tables
from db.codes import Phase, RankingDirection, RunStatus
from registry.kernel.inputs import BigInt
from resolvers.filters.expression import All, Single, Where
from resolvers.filters.findable import FINDABLE
from resolvers.loading.loaders import Loaders
from resolvers.pages.paging import MAX_PAGE
from resolvers.tracking.rankings import Candidates, Rankings
from schema.building.arguments import argument
from schema.building.edges import Edge, edge_field, one
from schema.building.filters import parameters, where_of


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
    """See `resolvers.tracking.rankings.Place`."""

    place: int = strawberry.field(description="1 for the best. Equal values share a place, and the next is left out.")
    value: float = strawberry.field(description="The latest value of the metric.")
    step: BigInt = strawberry.field(description="The step of this value.")
    measured_at: datetime = strawberry.field(description="When it was measured.")


@strawberry.type(description="A run with its place in a ranking.")
class RankedRun(Placed):
    """One place."""

    run = one(tables.Run, "owner_id", required=True, description="The run.")


@strawberry.type(description="A version with its place in a ranking.")
class RankedVersion(Placed):
    """One place."""

    version = one(tables.ModelVersion, "owner_id", required=True, description="The version.")


@strawberry.type(description="Runs, best first.")
class RunRanking(Ranked):
    """Several places."""

    places: list[RankedRun] = strawberry.field(description="The best `first`; of equals the one registered first.")


@strawberry.type(description="Versions, best first.")
class VersionRanking(Ranked):
    """Several places."""

    places: list[RankedVersion] = strawberry.field(description="The best `first`; of equals the one registered first.")


_RULE = (
    " Counted is the latest value of the metric in the phase. Values that are no finite numbers are ignored:"
    " `ignoredCount` tells how many, `missingCount` how many lack the metric."
)
FINISHED: Final = Where(Single(FINDABLE[tables.Run].filters["status"].filter, [RunStatus.FINISHED]))
TRIALS = Candidates(tables.Run, "parent_run_id", FINISHED)
RUNS = Candidates(tables.Run, "experiment_id", FINISHED)
VERSIONS = Candidates(tables.ModelVersion, "model_id")
_WHOSE: Final = {
    tables.Run: " Only runs that FINISHED take part, unless `where.status` names others.",
    tables.ModelVersion: " A version without one of this name and phase itself has that of its run, as for gates.",
}


_METRIC: Final = (
    argument("metric", str, "The exact name of the metric."),
    argument("phase", Phase, "On which data it was measured.", Phase.VALIDATION),
    argument("direction", RankingDirection, "Which values are better.", RankingDirection.MAXIMIZE),
)
_PLACES: Final = argument("first", int, f"How many places, 1 to {MAX_PAGE}.", 10)


def ranking(ref: Any, candidates: Candidates, *, description: str) -> Any:
    """The candidates below this row by a metric, best first: as many places as are asked for."""

    def load(loaders: Loaders, arguments: Mapping[str, Any]) -> DataLoader[Any, Any]:
        return loaders.of(
            Rankings(
                candidates,
                arguments["metric"],
                Phase(arguments["phase"]),
                RankingDirection(arguments["direction"]),
                _wanted(candidates, arguments.get("where")),
                arguments["first"],
            )
        )

    return edge_field(
        Edge(candidates.table, "id", candidates.parent, load),
        ref,
        description=description + _RULE + _WHOSE[candidates.table],
        takes=[*_METRIC, parameters(candidates.table)[0], _PLACES],
    )


def _wanted(candidates: Candidates, given: Any) -> Where:
    """What was asked for; with what is usual where that says nothing of the status."""
    if not given:
        return candidates.usual
    asked = where_of(candidates.table, given)
    if getattr(given, "status", None) not in (None, UNSET):
        return asked
    return Where(All((candidates.usual.condition, asked.condition)))
