"""Whose metrics count: of a run its own; of a version its own, and where it has none of a name and phase its run's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select, literal, select, union_all

from db.base import Tenant, columns
from db.tables import ModelVersion, Run, RunMetric, VersionMetric

_SHOWN: Final = ("value", "special", "step", "measured_at")


@dataclass(frozen=True)
class Source:
    """Points that count for a row: those of the table `points` whose `owner` is the row's `key`."""

    points: type[Tenant]
    owner: str
    key: str


SOURCES: Final[Mapping[type[Tenant], tuple[Source, ...]]] = {
    Run: (Source(RunMetric, "run_id", "id"),),
    ModelVersion: (Source(VersionMetric, "version_id", "id"), Source(RunMetric, "run_id", "run_id")),
}
"""Where the metrics of a row are: of each name and phase the first source that has a point counts, and no other."""


def latest_point(
    table: type[Tenant], key: Callable[[str], Any], org_id: Any, phase: Any, name: Any
) -> Select[*tuple[Any, ...]]:
    """The point of a metric with the greatest step: `value`, `special`, `step` and `measured_at`; no row for none.

    `key` gives a column of the row of `table`, or its value. The one statement behind gates, filters, orders, rankings
    and the choice of a champion; one probe of an index for each source.
    """
    found = [_last(source, key, org_id, phase, name) for source in SOURCES[table]]
    if len(found) == 1:
        return found[0]
    ranked = [one.add_columns(literal(rank).label("rank")) for rank, one in enumerate(found)]
    every = union_all(*ranked).subquery()
    return select(*[every.c[shown] for shown in _SHOWN]).order_by(every.c.rank).limit(1).correlate_except(every)


def _last(source: Source, key: Callable[[str], Any], org_id: Any, phase: Any, name: Any) -> Select[*tuple[Any, ...]]:
    point = columns(source.points)[0].table.alias()
    return (
        select(*[point.c[shown] for shown in _SHOWN])
        .where(
            point.c.org_id == org_id,
            point.c[source.owner] == key(source.key),
            point.c.phase == phase,
            point.c.name == name,
        )
        .order_by(point.c.step.desc())
        .limit(1)
        .correlate_except(point)
    )
