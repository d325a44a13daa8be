"""Histories of metrics, as charts want them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from inspect import Parameter
from typing import Any

import strawberry

from db.codes import Phase, SpecialValue
from registry.kernel.inputs import BigInt
from resolvers.loading.loaders import Loaders
from resolvers.loading.shapes import Asked
from resolvers.tracking import metric_histories
from resolvers.tracking.latest_metrics import Points
from schema.building.arguments import argument, optional
from schema.building.edges import Edge, Load, edge_field
from schema.execution.query_cost import Share

_COST = Share("points", 25)
"""What a history counts in the cost of an operation: its buckets are small and come from one pass."""

_POINT_COUNT = "How many points it holds, at least 1."
_SPECIAL_COUNT = "How many of them are no finite numbers."
_MINIMUM = "The least finite value; null where there is none."
_MAXIMUM = "The greatest finite value; null where there is none."
_LAST = "The value of its last point; null where `lastSpecial` says what it was instead."
_LAST_SPECIAL = "What its last point was instead of a finite number."
_POINTS_OF_ALL = "How many points the buckets stand for; 0 for a metric unknown."
_BUCKETS = (
    "In the order of {}, at most `points` of them. Where there are no more points than that, each point is a bucket of"
    " its own. Otherwise the first point is one, and {} behind it are cut into ranges of equal length, so that the last"
    " bucket ends with the last point; ranges without points are left out. Where one range would hold more than"
    f" {metric_histories.CROWDED} times its share of the points, as where a few lie far off, all buckets hold about"
    " equal numbers of points instead."
)


@strawberry.type(
    description="Points of a metric whose steps are beside each other: what one pixel of a chart stands for."
)
class MetricBucket:
    """See `resolvers.tracking.metric_histories.Bucket`."""

    first_place: BigInt = strawberry.field(name="firstStep", description="The step of its first point.")
    last_place: BigInt = strawberry.field(name="lastStep", description="The step of its last point.")
    point_count: int = strawberry.field(description=_POINT_COUNT)
    special_count: int = strawberry.field(description=_SPECIAL_COUNT)
    minimum: float | None = strawberry.field(description=_MINIMUM)
    maximum: float | None = strawberry.field(description=_MAXIMUM)
    last: float | None = strawberry.field(description=_LAST)
    last_special: SpecialValue | None = strawberry.field(description=_LAST_SPECIAL)
    measured_at: datetime = strawberry.field(description="When its last point was measured.")


@strawberry.type(description="The history of one metric, down-sampled to what can be drawn.")
class MetricHistory:
    """See `resolvers.tracking.metric_histories.History`."""

    name: str = strawberry.field(description="What was measured.")
    phase: Phase = strawberry.field(description="On which data.")
    point_count: BigInt = strawberry.field(description=_POINTS_OF_ALL)
    special_count: BigInt = strawberry.field(description=_SPECIAL_COUNT)
    buckets: list[MetricBucket] = strawberry.field(description=_BUCKETS.format("steps", "the steps"))


@strawberry.type(description="Points of a metric that were measured one after the other in production.")
class DeploymentMetricBucket:
    """See `resolvers.tracking.metric_histories.Bucket`."""

    first_place: datetime = strawberry.field(name="firstMeasuredAt", description="When its first point was measured.")
    last_place: datetime = strawberry.field(name="lastMeasuredAt", description="When its last point was measured.")
    point_count: int = strawberry.field(description=_POINT_COUNT)
    special_count: int = strawberry.field(description=_SPECIAL_COUNT)
    minimum: float | None = strawberry.field(description=_MINIMUM)
    maximum: float | None = strawberry.field(description=_MAXIMUM)
    last: float | None = strawberry.field(description=_LAST)
    last_special: SpecialValue | None = strawberry.field(description=_LAST_SPECIAL)


@strawberry.type(description="The history of one metric measured in production, down-sampled to what can be drawn.")
class DeploymentMetricHistory:
    """See `resolvers.tracking.metric_histories.History`."""

    name: str = strawberry.field(description="What was measured.")
    point_count: BigInt = strawberry.field(description=_POINTS_OF_ALL)
    special_count: BigInt = strawberry.field(description=_SPECIAL_COUNT)
    buckets: list[DeploymentMetricBucket] = strawberry.field(description=_BUCKETS.format("time", "the times"))


_NAME = argument("name", str, "The exact name of the metric.")
_PHASE = argument("phase", Phase, "On which data it was measured.")
_POINTS = argument(
    "points",
    int,
    f"How many buckets at most, {metric_histories.MIN_POINTS} to {metric_histories.MAX_POINTS}.",
    metric_histories.DEFAULT_POINTS,
)
_FROM_STEP = optional("from_step", BigInt, "Leave out the steps before this one.")
_TO_STEP = optional("to_step", BigInt, "Leave out the steps behind this one.")
_FROM = optional("from_", datetime, "Leave out what was measured before this moment.")
_TO = optional("to", datetime, "Leave out what was measured after this moment.")


def history(of: Points) -> Any:
    """The history of a metric of this row, whose points lie along steps."""

    def load(loaders: Loaders, arguments: Mapping[str, Any]) -> Asked:
        shape = metric_histories.Histories(of, arguments["points"])
        chosen = (
            arguments["phase"], arguments["name"], arguments.get("from_step") or None, arguments.get("to_step"),
        )  # fmt: skip
        return Asked(loaders.of(shape), lambda key: metric_histories.question(key, *chosen))

    return _history(of, load, MetricHistory, "steps", [_NAME, _PHASE, _POINTS, _FROM_STEP, _TO_STEP])


def history_of_time(of: Points) -> Any:
    """The history of a metric of this row, whose points lie along time."""

    def load(loaders: Loaders, arguments: Mapping[str, Any]) -> Asked:
        shape = metric_histories.Histories(of, arguments["points"])
        chosen = arguments["name"], arguments.get("from_") or None, arguments.get("to") or None
        return Asked(loaders.of(shape), lambda key: metric_histories.question_of_time(key, *chosen))

    return _history(of, load, DeploymentMetricHistory, "time", [_NAME, _POINTS, _FROM, _TO])


def _history(of: Points, load: Load, shown: Any, along: str, takes: Sequence[Parameter]) -> Any:
    return edge_field(
        Edge(of.table, "id", of.parent, load),
        shown,
        description=f"The history of one of its metrics, down-sampled: for each range of {along} the least, the"
        " greatest and the last value. What is no finite number is counted and takes no part in the least and the"
        " greatest.",
        takes=takes,
        rows=_COST,
    )
