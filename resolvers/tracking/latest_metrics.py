"""Metrics of things as they stand: the last point of each, and how many there are, by one statement for all things."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, CTE, BigInteger, ColumnElement, Text, bindparam, func, literal, select, true, tuple_

from db.base import Tenant, columns
from db.codes import Phase
from registry.kernel.errors import BadInput
from resolvers.filters.fields import normal
from resolvers.loading.records import record_of
from resolvers.loading.shapes import Reading, column_of, own
from resolvers.pages import statements
from resolvers.pages.statements import Statement

MAX_NAMES = 100
MAX_COUNTED = 1_000


@dataclass(frozen=True)
class Points:
    """The points of metrics in `table`, whose column `parent` is the key of their thing.

    `series` are the columns that tell metrics apart, and `place` orders the points of one.
    """

    table: type[Tenant]
    parent: str
    series: tuple[str, ...] = ("phase", "name")
    place: str = "step"


@dataclass(frozen=True)
class Latest:
    """The last point of each metric of each key, in the order of `series`: the first `limit`.

    Only of metrics with one of the exact `names` and in one of the `phases`, where these are given.
    """

    points: Points
    limit: int
    names: tuple[str, ...] | None = None
    phases: tuple[Phase, ...] | None = None

    def __post_init__(self) -> None:
        if self.names is not None and len(self.names) > MAX_NAMES:
            raise BadInput(f"`names` are at most {MAX_NAMES}.")

    async def read(self, reading: Reading, keys: list[UUID]) -> list[list[Any]]:
        """The points of each key."""
        bounds: dict[str, Any] = {"keys": keys, "most": self.limit}
        if self.names is not None:
            bounds["names"] = sorted({normal(name).strip() for name in self.names})
        in_phases = self.phases is not None or (self.names is not None and "phase" in self.points.series)
        if in_phases:
            bounds["phases"] = sorted(set(Phase if self.phases is None else self.phases))
        make = record_of(self.points.table)._make
        found: dict[UUID, list[Any]] = defaultdict(list)
        for row in await reading.rows(_latest(self.points, self.names is not None, in_phases), bounds):
            point = make(row)
            found[getattr(point, self.points.parent)].append(point)
        return [found[key][: self.limit] for key in keys]


@dataclass(frozen=True)
class MetricCounts:
    """How many metrics each key has, counted up to MAX_COUNTED."""

    points: Points

    async def read(self, reading: Reading, keys: list[UUID]) -> list[int]:
        """The count of each key."""
        rows: Sequence[Any] = await reading.rows(_counts(self.points), {"keys": keys, "most": MAX_COUNTED})
        found = {row[0]: row[1] for row in rows}
        return [found.get(key, 0) for key in keys]


@cache
def _latest(points: Points, by_name: bool, in_phases: bool) -> Statement:
    """For each of `:keys` the last point of each of its metrics: those of `:names` and in `:phases` where so asked."""
    metric: Any = _asked(points, in_phases) if by_name else _found(points, in_phases)
    same = [column_of(points.table, name) == metric.c[name] for name in points.series]
    last = (
        select(*columns(points.table))
        .where(own(points.table), column_of(points.table, points.parent) == metric.c.key, *same)
        .order_by(column_of(points.table, points.place).desc())
        .limit(1)
        .lateral("last")
    )
    in_order = [metric.c[name] for name in points.series]
    return select(*last.c).select_from(metric.join(last, true())).order_by(metric.c.key, *in_order)


@cache
def _counts(points: Points) -> Statement:
    metric = _found(points, in_phases=False)
    return select(metric.c.key, func.count()).group_by(metric.c.key)


def _asked(points: Points, in_phases: bool) -> Any:
    """Each of `:names` in each of `:phases` for each of `:keys`, whether there is such a metric or not."""
    keys, names = statements.parents(), _array("name", "names")
    source, chosen = keys.join(names, true()), {"name": names.c.name}
    if in_phases:
        phases = _array("phase", "phases")
        source, chosen["phase"] = source.join(phases, true()), phases.c.phase
    return select(keys.c.key, *[chosen[name].label(name) for name in points.series]).select_from(source).cte("metric")


def _found(points: Points, in_phases: bool) -> CTE:
    """The metrics of each of `:keys`, the first `:most` of each, or of each of `:phases`.

    They are found by jumping from one to the next in the index: a run may have millions of points.
    """
    keys: Any = statements.parents()
    owner = column_of(points.table, points.parent)
    named: list[ColumnElement[Any]] = [column_of(points.table, name) for name in points.series]
    in_order = select(*named).where(own(points.table)).order_by(*named).limit(1)
    phases = _array("phase", "phases")
    source, begun = (keys.join(phases, true()), [named[0] == phases.c.phase]) if in_phases else (keys, [])

    first = in_order.where(owner == keys.c.key, *begun).lateral("first")
    metric = (
        select(keys.c.key, literal(1).label("nth"), *[first.c[name] for name in points.series])
        .select_from(source.join(first, true()))
        .cte("metric", recursive=True)
    )
    following = [tuple_(*named) > tuple_(*[metric.c[name] for name in points.series])]
    if in_phases:
        following.append(named[0] == metric.c.phase)
    next_ = in_order.where(owner == metric.c.key, *following).lateral("next")
    return metric.union_all(
        select(metric.c.key, metric.c.nth + 1, *[next_.c[name] for name in points.series])
        .select_from(metric.join(next_, true()))
        .where(metric.c.nth < bindparam("most", type_=BigInteger))
    )


def _array(column: str, bound: str) -> Any:
    """The texts that are bound as an array, as rows with one column."""
    return func.unnest(bindparam(bound, type_=ARRAY(Text))).table_valued(column, name=bound).render_derived()
