"""Rankings: the children of a thing by the latest value of one of their metrics."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, Integer, Select, Text, Uuid, any_, bindparam, func, select, true

from db.base import Row, Tenant
from db.codes import Phase
from registry import inputs
from registry.errors import BadInput, InvalidValue
from resolvers.paging import MAX_PAGE
from resolvers.shapes import Reading, column_of, live, own


class RankingDirection(StrEnum):
    """Which values are better."""

    MAXIMISE = "MAXIMISE"
    MINIMISE = "MINIMISE"


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

    @property
    def owner_id(self) -> UUID | None:
        """The best of all."""
        return self.places[0].owner_id if self.places else None

    @property
    def value(self) -> float | None:
        """The value of the best."""
        return self.places[0].value if self.places else None

    @property
    def step(self) -> int | None:
        """Where the best had this value."""
        return self.places[0].step if self.places else None


@dataclass(frozen=True)
class Candidates:
    """Who is ranked: the rows of `table` whose `parent` is a key, by the points of `points` whose `owner` they are."""

    table: type[Row]
    parent: str
    points: type[Tenant]
    owner: str


@dataclass(frozen=True)
class Rankings:
    """The `size` best candidates of each parent by the latest value of a metric; those registered first before equals.

    One probe of an index for each candidate. Raises: BadInput for a metric or a size that cannot be meant.
    """

    candidates: Candidates
    metric: str
    phase: Phase
    direction: RankingDirection
    size: int = 1

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
        for key, *place, ranked, special, all_ in await reading.rows(_best(self.candidates, self.direction), bounds):
            counts[key] = (ranked, special, all_ - ranked - special)
            # What has no value comes last, and only its number matters.
            if place[1] is not None:
                places[key].append(Place._make(place))
        return [Ranking(places[key], *counts.get(key, (0, 0, 0))) for key in keys]


@cache
def _best(candidates: Candidates, direction: RankingDirection) -> Select[*tuple[Any, ...]]:
    """The latest point of each candidate, numbered within its parent; at least one row for a parent with children."""
    table, points = candidates.table, candidates.points
    parent, candidate = column_of(table, candidates.parent), column_of(table, "id")
    value, special, step, measured_at = (
        column_of(points, name) for name in ("value", "special", "step", "measured_at")
    )
    last = (
        select(value, special, step, measured_at)
        .where(
            own(points),
            column_of(points, candidates.owner) == candidate,
            column_of(points, "phase") == bindparam("phase", type_=Text),
            column_of(points, "name") == bindparam("metric", type_=Text),
        )
        .order_by(step.desc())
        .limit(1)
        .lateral("last")
    )
    best_first = last.c.value.asc() if direction == RankingDirection.MINIMISE else last.c.value.desc()
    best_first = best_first.nulls_last()
    measured = (
        select(
            parent.label("key"),
            func.rank().over(partition_by=parent, order_by=best_first).label("place"),
            last.c.value,
            last.c.step,
            last.c.measured_at,
            candidate.label("owner_id"),
            func.count(last.c.value).over(partition_by=parent).label("ranked"),
            func.count(last.c.special).over(partition_by=parent).label("special"),
            func.count().over(partition_by=parent).label("all"),
            func.row_number().over(partition_by=parent, order_by=[best_first, candidate]).label("number"),
        )
        .select_from(column_of(table, "id").table.outerjoin(last, true()))
        .where(live(table), parent == any_(bindparam("keys", type_=ARRAY(Uuid))))
        .subquery("measured")
    )
    shown = [column for column in measured.c if column.name != "number"]
    size = bindparam("size", type_=Integer)
    return select(*shown).where(measured.c.number <= size).order_by(measured.c.key, measured.c.number)
