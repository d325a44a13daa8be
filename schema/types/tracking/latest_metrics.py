"""Metrics of things as they stand: the last point of each, and how many there are."""

from collections.abc import Mapping
from typing import Any

from aiodataloader import DataLoader

from db.codes import Phase
from resolvers.loading.loaders import Loaders
from resolvers.tracking.latest_metrics import MAX_COUNTED, MAX_NAMES, Latest, MetricCounts, Points
from schema.building.arguments import optional
from schema.building.derived import derived
from schema.building.edges import Edge, edge_field

MAX_LISTED = 100

_USUAL_METRICS = 10
"""What the metrics of one thing count in the cost of an operation: few have more, and all of them stay bounded."""

_NAMES = optional("names", list[str], f"Only metrics with one of these exact names, at most {MAX_NAMES}.")
_PHASES = optional("phases", list[Phase], "Only metrics in any of these phases.")


def latest(ref: Any, points: Points, *, description: str) -> Any:
    """The last point of each metric of this row, as a plain list, of the names and phases that are asked for."""

    def load(loaders: Loaders, arguments: Mapping[str, Any]) -> DataLoader[Any, Any]:
        given = {name: tuple(value) for name, value in arguments.items() if isinstance(value, list)}
        return loaders.of(Latest(points, MAX_LISTED, **given))

    return edge_field(
        Edge(points.table, "id", points.parent, load),
        list[ref],
        description=f"{description} Only the first {MAX_LISTED} are shown: `metricCount` tells whether there are more,"
        " and with `names` each can be had.",
        takes=[_NAMES, _PHASES] if "phase" in points.series else [_NAMES],
        rows=_USUAL_METRICS,
    )


def metric_count(points: Points) -> Any:
    """How many metrics this row has."""
    told = "by phase and name" if "phase" in points.series else "by name"
    return derived(
        MetricCounts(points),
        int,
        points.table,
        points.parent,
        description=f"How many metrics it has, {told}; counted up to {MAX_COUNTED:,}.",
        rows=_USUAL_METRICS,
    )
