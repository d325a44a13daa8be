"""Rankings: the children of a thing by the latest value of one of their metrics."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, Integer, Select, Uuid, any_, bindparam, func, select, true

from db.base import Row
from db.codes import Phase, RankingDirection
from registry.kernel import inputs
from registry.kernel.errors import BadInput, InvalidValue
from resolvers.filters.expression import EVERYTHING, Where
from resolvers.loading.shapes import Reading, column_of, own
from resolvers.pages.paging import MAX_PAGE
from resolvers.pages.relations import Children
from resolvers.tracking.effective_metrics import best_first, latest_bound


class Place(NamedTuple):
    """A thing with the value it is ranked by. Equal values share a place."""

    place: int
    value: float
    step: int
    measured_at: datetime
    owner_id: UUID


@dataclass(frozen=True)
class Ranking:
    """The best children of one parent, and of how many."""

    places: Sequence[Place] = ()
    ranked_count: int = 0
    ignored_count: int = 0
    missing_count: int = 0


@dataclass(frozen=True)
class Candidates:
    """Who is ranked: the rows of `table` whose `parent` is a key, by the metrics that count for them.

    `usual` is which of them where nobody says.
    """

    table: type[Row]
    parent: str
    usual: Where = EVERYTHING


@dataclass(frozen=True)
class Rankings:
    """The `size` best candidates of each parent by the latest value of a metric; those registered first before equals.

    Only candidates that are `where` count at all. One look-up by `registry.tracking.metric_source` for each of them.
    Raises: BadInput for a metric or a size that cannot be meant.
    """

    candidates: Candidates
    metric: str
    phase: Phase
    direction: RankingDirection
    where: Where
    size: int

    def __post_init__(self) -> None:
        if not 1 <= self.size <= MAX_PAGE:
            raise BadInput(f"`first` is 1 to {MAX_PAGE}.")
        try:
            object.__setattr__(self, "metric", inputs.name(self.metric))
        except InvalidValue as failure:
            raise BadInput(f"`metric`: {failure.message}") from None

    async def read(self, reading: Reading, keys: list[UUID]) -> list[Ranking]:
        """The ranking under each key."""
        bounds = {"keys": keys, "metric": self.metric, "phase": self.phase.value, "size": self.size}
        places, counts = defaultdict(list), {}
        # What clients wrote is not kept.
        best = _kept if self.where == self.candidates.usual else _best
        statement = best(self.candidates, self.direction, self.where)
        for key, *place, ranked, special, all_ in await reading.rows(statement, bounds):
            counts[key] = (ranked, special, all_ - ranked - special)
            # What has no value comes last, and only its number matters.
            if place[1] is not None:
                places[key].append(Place._make(place))
        return [Ranking(places[key], *counts.get(key, (0, 0, 0))) for key in keys]


def _best(candidates: Candidates, direction: RankingDirection, where: Where) -> Select[*tuple[Any, ...]]:
    """The latest point of each candidate, numbered within its parent; at least one row for a parent with any."""
    table = candidates.table
    parent, candidate = column_of(table, candidates.parent), column_of(table, "id")
    last = latest_bound(table)
    in_order = best_first(last.c.value, direction)
    wanted = where.holds(Children(table, candidates.parent))
    measured = (
        select(
            parent.label("key"),
            func.rank().over(partition_by=parent, order_by=in_order).label("place"),
            last.c.value,
            last.c.step,
            last.c.measured_at,
            candidate.label("owner_id"),
            func.count(last.c.value).over(partition_by=parent).label("ranked"),
            func.count(last.c.special).over(partition_by=parent).label("special"),
            func.count().over(partition_by=parent).label("all"),
            func.row_number().over(partition_by=parent, order_by=[in_order, candidate]).label("number"),
        )
        .select_from(column_of(table, "id").table.outerjoin(last, true()))
        .where(
            own(table),
            wanted,
            parent == any_(bindparam("keys", type_=ARRAY(Uuid))),
        )
        .subquery("measured")
    )
    shown = [column for column in measured.c if column.name != "number"]
    size = bindparam("size", type_=Integer)
    return select(*shown).where(measured.c.number <= size).order_by(measured.c.key, measured.c.number)


_kept = cache(_best)
