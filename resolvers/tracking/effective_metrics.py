"""The latest points of metrics, for many runs or versions at once."""

from dataclasses import dataclass
from functools import cache, partial
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Select, Text, Uuid, any_, bindparam, column, func, select, true

from db.base import Tenant
from db.codes import Phase, RankingDirection
from registry.tracking.metric_source import latest_point
from resolvers.loading.shapes import Reading, column_of, own


@dataclass(frozen=True)
class LatestOf:
    """The latest point of each of some metrics of each row of a table, as gates have it.

    See `registry.tracking.metric_source`.
    """

    table: type[Tenant]
    measures: tuple[tuple[Phase, str], ...]

    async def read(self, reading: Reading, keys: list[UUID]) -> list[dict[tuple[str, str], Any]]:
        """The points of each row by phase and name, by one statement."""
        phases, names = zip(*self.measures, strict=True)
        bounds = {"keys": keys, "phases": [str(phase) for phase in phases], "names": list(names)}
        found: dict[UUID, dict[tuple[str, str], Any]] = {key: {} for key in keys}
        for row in await reading.rows(_latest(self.table), bounds):
            found[row.id][row.phase, row.name] = row
        return [found[key] for key in keys]


def latest_bound(table: type[Tenant]) -> Any:
    """The latest point of the metric that is bound as `:metric` and `:phase`, to be joined sideways with a table."""
    phase, name = bindparam("phase", type_=Text), bindparam("metric", type_=Text)
    return latest_point(table, partial(column_of, table), bindparam("org_id"), phase, name).lateral("last")


def best_first(value: Any, direction: RankingDirection) -> Any:
    """The order by a value; what has none comes last."""
    return (value.asc() if direction == RankingDirection.MINIMIZE else value.desc()).nulls_last()


@cache
def _latest(table: type[Tenant]) -> Select[*tuple[Any, ...]]:
    """The latest point of each metric in `:phases` and `:names` of each row in `:keys`."""
    measure = (
        func.unnest(bindparam("phases", type_=ARRAY(Text)), bindparam("names", type_=ARRAY(Text)))
        .table_valued(column("phase", Text), column("name", Text), name="measure")
        .render_derived()
    )
    last = latest_point(table, partial(column_of, table), bindparam("org_id"), measure.c.phase, measure.c.name)
    point, row = last.lateral("last"), column_of(table, "id")
    return (
        select(row, measure.c.phase, measure.c.name, point.c.value, point.c.special)
        .select_from(row.table.join(measure, true()).join(point, true()))
        .where(own(table), row == any_(bindparam("keys", type_=ARRAY(Uuid))))
    )
