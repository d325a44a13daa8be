"""Histories of metrics, as charts want them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import strawberry
from strawberry import UNSET

from db.base import Tenant
from db.codes import Phase, SpecialValue
from registry.inputs import BigInt
from resolvers import histories
from resolvers.context import Info
from resolvers.loading import Loaders
from resolvers.shapes import Asked
from schema.cost import Share
from schema.edges import Edge

_COST = Share("points", 25)
"""What a history counts in the cost of an operation: its buckets are small and come from one pass."""


@strawberry.type(
    description="Points of a metric whose steps are beside each other: what one pixel of a chart stands for."
)
class MetricBucket:
    """See `resolvers.histories.Bucket`."""

    first_step: BigInt = strawberry.field(description="The step of its first point.")
    last_step: BigInt = strawberry.field(description="The step of its last point.")
    point_count: int = strawberry.field(description="How many points it holds, at least 1.")
    special_count: int = strawberry.field(description="How many of them are no finite numbers.")
    minimum: float | None = strawberry.field(description="The least finite value; null where there is none.")
    maximum: float | None = strawberry.field(description="The greatest finite value; null where there is none.")
    last: float | None = strawberry.field(
        description="The value of its last point; null where `lastSpecial` says what it was instead."
    )
    last_special: SpecialValue | None = strawberry.field(
        description="What its last point was instead of a finite number."
    )
    measured_at: datetime = strawberry.field(description="When its last point was measured.")


@strawberry.type(description="The history of one metric, down-sampled to what can be drawn.")
class MetricHistory:
    """See `resolvers.histories.History`."""

    name: str = strawberry.field(description="What was measured.")
    phase: Phase = strawberry.field(description="On which data.")
    point_count: BigInt = strawberry.field(description="How many points the buckets stand for; 0 for a metric unknown.")
    special_count: BigInt = strawberry.field(description="How many of them are no finite numbers.")
    buckets: list[MetricBucket] = strawberry.field(
        description="In the order of steps, at most `points` of them. Where there are no more points than that, each"
        " point is a bucket of its own. Otherwise the first point is one, and the steps behind it are cut into ranges"
        " of equal length, so that the last bucket ends with the last point. Ranges without points are left out.",
    )


Name = Annotated[str, strawberry.argument(description="The exact name of the metric.")]
OnPhase = Annotated[Phase, strawberry.argument(description="On which data it was measured.")]
Points = Annotated[
    int,
    strawberry.argument(description=f"How many buckets at most, {histories.MIN_POINTS} to {histories.MAX_POINTS}."),
]
FromStep = Annotated[BigInt | None, strawberry.argument(description="Leave out the steps before this one.")]
ToStep = Annotated[BigInt | None, strawberry.argument(description="Leave out the steps behind this one.")]


def history(table: type[Tenant], owner: str) -> Any:
    """The history of a metric of this row, whose points are in `table`."""

    def load(loaders: Loaders, arguments: Mapping[str, Any]) -> Asked:
        shape = histories.Histories(table, owner, arguments["points"])
        chosen = (
            arguments["phase"], arguments["name"], arguments.get("from_step") or None, arguments.get("to_step"),
        )  # fmt: skip
        return Asked(loaders.of(shape), lambda key: histories.question(key, *chosen))

    async def resolve(
        root: Any,
        info: Info,
        name: Name,
        phase: OnPhase,
        points: Points = histories.DEFAULT_POINTS,
        from_step: FromStep = UNSET,
        to_step: ToStep = UNSET,
    ) -> Any:
        arguments = {
            "name": name,
            "phase": phase,
            "points": points,
            "from_step": None if from_step is UNSET else from_step,
            "to_step": None if to_step is UNSET else to_step,
        }
        return await load(info.context.loaders, arguments).load(root.id)

    return strawberry.field(
        resolve,
        graphql_type=MetricHistory,
        description="The history of one of its metrics, down-sampled: for each range of steps the least, the greatest"
        " and the last value. What is no finite number is counted and takes no part in the least and the greatest.",
        metadata={"edge": Edge(table, "id", owner, load), "rows": _COST},
    )
