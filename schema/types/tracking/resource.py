"""What runs use of their machines and what that costs."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import strawberry
from aiodataloader import DataLoader

from db import tables
from db.base import utc_now
from db.codes import PricedResource
from registry.kernel.inputs import BigInt
from resolvers.loading.loaders import Loaders
from resolvers.tracking.costs import Costs, CostSums
from resolvers.tracking.metric_histories import MAX_POINTS, MIN_POINTS
from resolvers.tracking.resources import ResourceHistories, Summaries
from schema.building.arguments import argument
from schema.building.derived import derived
from schema.building.edges import Edge, edge_field
from schema.execution.query_cost import Share


@strawberry.type(description="How much of something was in use.")
class ResourceUse:
    """See `resolvers.tracking.resources.Use`."""

    mean: float = strawberry.field(description="The mean of the samples.")
    maximum: float = strawberry.field(description="The greatest of the samples.")


@strawberry.type(description="Resource samples of a run taken together. What no sample holds is null.")
class ResourceUsage:
    """See `resolvers.tracking.resources.Resources`."""

    sample_count: int = strawberry.field(description="How many samples.")
    first_at: datetime | None = strawberry.field(description="When the first was taken.")
    last_at: datetime | None = strawberry.field(description="When the last was taken.")
    cpu_percent: ResourceUse | None = strawberry.field(description="Processors: 100 for each one in full use.")
    gpu_percent: ResourceUse | None = strawberry.field(description="Graphics processors: 100 for each one in full use.")
    memory_bytes: ResourceUse | None = strawberry.field(description="Memory.")
    gpu_memory_bytes: ResourceUse | None = strawberry.field(description="Memory of graphics processors.")
    disk_read_bytes: BigInt | None = strawberry.field(description="Read from disks since the run began.")
    disk_written_bytes: BigInt | None = strawberry.field(description="Written to disks since the run began.")
    network_received_bytes: BigInt | None = strawberry.field(description="Received from networks since the run began.")
    network_sent_bytes: BigInt | None = strawberry.field(description="Sent to networks since the run began.")


@strawberry.type(description="What one resource cost.")
class CostPart:
    """See `registry.tracking.costs.CostPart`."""

    resource: PricedResource = strawberry.field(description="What was paid for.")
    quantity: Decimal = strawberry.field(description="How much of it, in `unit`.")
    unit: str = strawberry.field(description="What is counted, such as `GPU hours`.")
    unit_price: Decimal = strawberry.field(description="What one of it cost when the run began.")
    amount: Decimal = strawberry.field(description="What all of it cost, to six decimals.")
    currency: str = strawberry.field(description="Three letters of ISO 4217.")


@strawberry.type(description="What a run cost, or has cost so far while it goes on.")
class Cost:
    """See `registry.tracking.costs.Cost`."""

    amount: Decimal | None = strawberry.field(
        description="The sum of the parts; null where there are none or where they are in several currencies."
    )
    currency: str | None = strawberry.field(description="The currency of the sum.")
    complete: bool = strawberry.field(description="Whether everything that has a price is in the sum.")
    missing: str | None = strawberry.field(description="What the sum leaves out, in sentences; null when complete.")
    parts: list[CostPart] = strawberry.field(description="What it is made of, one for each resource with a price.")


@strawberry.type(description="So much of a currency.")
class CostAmount:
    """See `registry.tracking.costs.CostAmount`."""

    amount: Decimal = strawberry.field(description="How much, to six decimals.")
    currency: str = strawberry.field(description="Three letters of ISO 4217.")


@strawberry.type(description="What several runs cost together, or have cost so far while some go on.")
class TotalCost:
    """See `registry.tracking.costs.CostSum`."""

    amounts: list[CostAmount] = strawberry.field(
        description="A sum for each currency, by currency. Hours of runs that are alike are added up before rounding."
    )
    run_count: int = strawberry.field(description="How many runs.")
    incomplete_count: int = strawberry.field(
        description="For how many of them something is not in it: no price was valid, or the run does not say enough."
    )


_POINTS = argument("points", int, f"How many spans of time at most, {MIN_POINTS} to {MAX_POINTS}.", 200)


def total_cost(parent: str | None, *, description: str) -> Any:
    """What the runs whose `parent` this row is cost together; without `parent` this run and all below it."""
    described = f"{description} Runs that are deleted do not count."
    return derived(CostSums(parent), TotalCost, tables.Run, parent or "parent_run_id", description=described)


def _histories(loaders: Loaders, arguments: Mapping[str, Any]) -> DataLoader[Any, Any]:
    return loaders.of(ResourceHistories(arguments["points"]))


def _duration_s(root: strawberry.Parent[Any]) -> float:
    ended: datetime = root.ended_at or utc_now()
    began: datetime = root.started_at
    return max((ended - began).total_seconds(), 0.0)


DURATION: Any = strawberry.field(
    _duration_s, graphql_type=float, description="How many seconds it took, or has taken so far."
)
RESOURCES: Any = derived(
    Summaries(),
    ResourceUsage,
    tables.ResourceSample,
    "run_id",
    description="What it used of its machine: all its resource samples taken together.",
)
RESOURCE_HISTORY: Any = edge_field(
    Edge(tables.ResourceSample, "id", "run_id", _histories),
    list[ResourceUsage],
    description="What it used over time: the samples of each of `points` equal spans of time taken together, in"
    " order. The first begins with the first sample and the last ends with the last; empty ones are left out.",
    takes=[_POINTS],
    rows=Share("points", 10),
)
COST: Any = derived(
    Costs(),
    Cost,
    tables.Run,
    "id",
    description="What it cost, or has cost so far: its duration times what its runtime says of the hardware, at the"
    " prices that were valid when it began. Runs that it began are not in it.",
)
