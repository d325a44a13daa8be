"""Metrics of things as they stand: the last point of each, and how many there are."""

from collections.abc import Mapping
from inspect import Parameter, Signature
from typing import Any

import strawberry
from aiodataloader import DataLoader

from db.codes import Phase
from resolvers.context import Info
from resolvers.loading.loaders import Loaders
from resolvers.tracking.latest_metrics import MAX_COUNTED, MAX_NAMES, Latest, MetricCounts, Points
from schema.building.edges import Edge
from schema.building.filters import argument

MAX_LISTED = 100

_USUAL_METRICS = 10
"""What the metrics of one thing count in the cost of an operation: few have more, and all of them stay bounded."""

_NAMES = argument("names", list[str], f"Only metrics with one of these exact names, at most {MAX_NAMES}.")
_PHASES = argument("phases", list[Phase], "Only metrics in any of these phases.")


def latest(ref: Any, points: Points, *, description: str) -> Any:
    """The last point of each metric of this row, as a plain list, of the names and phases that are asked for."""
    taken = [_NAMES, _PHASES] if "phase" in points.series else [_NAMES]

    def load(loaders: Loaders, arguments: Mapping[str, Any]) -> DataLoader[Any, Any]:
        given = {name: tuple(value) for name, value in arguments.items() if isinstance(value, list)}
        return loaders.of(Latest(points, MAX_LISTED, **given))

    async def resolve(root: Any, info: Info, **arguments: Any) -> Any:
        return await load(info.context.loaders, arguments).load(root.id)

    annotations = resolve.__annotations__
    leading = [
        Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, annotation=annotations[name]) for name in ("root", "info")
    ]
    resolve.__signature__ = Signature([*leading, *taken])  # type: ignore[attr-defined]  # read by strawberry
    return strawberry.field(
        resolve,
        graphql_type=list[ref],
        description=f"{description} Only the first {MAX_LISTED} are shown: `metricCount` tells whether there are more,"
        " and with `names` each can be had.",
        metadata={"edge": Edge(points.table, "id", points.parent, load), "rows": _USUAL_METRICS},
    )


def metric_count(points: Points) -> Any:
    """How many metrics this row has."""
    told = "by phase and name" if "phase" in points.series else "by name"

    def load(loaders: Loaders, _: Mapping[str, Any]) -> DataLoader[Any, Any]:
        return loaders.of(MetricCounts(points))

    async def resolve(root: Any, info: Info) -> Any:
        return await load(info.context.loaders, {}).load(root.id)

    return strawberry.field(
        resolve,
        graphql_type=int,
        description=f"How many metrics it has, {told}; counted up to {MAX_COUNTED:,}.",
        metadata={"edge": Edge(points.table, "id", points.parent, load), "rows": _USUAL_METRICS},
    )
