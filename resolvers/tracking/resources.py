"""What runs used of their machines: in sum, and over time as a chart wants it."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Float,
    Integer,
    Select,
    Uuid,
    any_,
    bindparam,
    case,
    cast,
    extract,
    func,
    select,
)

from db.tables import ResourceSample
from registry.kernel.errors import BadInput
from resolvers.loading.shapes import Reading, column_of, own
from resolvers.tracking.metric_histories import MAX_POINTS, MIN_POINTS

_GAUGES = ("cpu_percent", "gpu_percent", "memory_bytes", "gpu_memory_bytes")
_COUNTERS = ("disk_read_bytes", "disk_written_bytes", "network_received_bytes", "network_sent_bytes")


class Use(NamedTuple):
    """How much of something was in use."""

    mean: float
    maximum: float


class Resources(NamedTuple):
    """Samples taken together. Counters tell what they stood at in the end."""

    sample_count: int
    first_at: datetime | None
    last_at: datetime | None
    cpu_percent: Use | None
    gpu_percent: Use | None
    memory_bytes: Use | None
    gpu_memory_bytes: Use | None
    disk_read_bytes: int | None
    disk_written_bytes: int | None
    network_received_bytes: int | None
    network_sent_bytes: int | None


_NOTHING = Resources(0, *[None] * 10)


@dataclass(frozen=True)
class Summaries:
    """All samples of each run taken together."""

    async def read(self, reading: Reading, keys: list[UUID]) -> list[Resources]:
        """The summary of each run; of no samples where it has none."""
        found = {key: _resources(values) for key, *values in await reading.rows(_summaries(), {"keys": keys})}
        return [found.get(key, _NOTHING) for key in keys]


@dataclass(frozen=True)
class ResourceHistories:
    """The samples of each run, taken together in at most `points` equal spans of time; empty ones are left out.

    Raises: BadInput.
    """

    points: int

    def __post_init__(self) -> None:
        if not MIN_POINTS <= self.points <= MAX_POINTS:
            raise BadInput(f"`points` is {MIN_POINTS} to {MAX_POINTS}.")

    async def read(self, reading: Reading, keys: list[UUID]) -> list[list[Resources]]:
        """The spans of each run, in order of time."""
        spans = defaultdict(list)
        for key, _, *values in await reading.rows(_spans(), {"keys": keys, "points": self.points}):
            spans[key].append(_resources(values))
        return [spans[key] for key in keys]


def _resources(values: list[Any]) -> Resources:
    """From the values of `_together`."""
    count, first_at, last_at, *rest = values
    pairs = zip(rest[:8:2], rest[1:8:2], strict=True)
    uses: list[Any] = [None if mean is None else Use(mean, maximum) for mean, maximum in pairs]
    return Resources(count, first_at, last_at, *uses, *rest[8:])


def _together() -> list[Any]:
    """What samples are taken together to."""
    moment = column_of(ResourceSample, "sampled_at")
    gauges = [column_of(ResourceSample, name) for name in _GAUGES]
    counters = [column_of(ResourceSample, name) for name in _COUNTERS]
    return [
        func.count(),
        func.min(moment),
        func.max(moment),
        *[part for gauge in gauges for part in (cast(func.avg(gauge), Float), cast(func.max(gauge), Float))],
        *[func.max(counter) for counter in counters],
    ]


@cache
def _summaries() -> Select[*tuple[Any, ...]]:
    run = column_of(ResourceSample, "run_id")
    wanted = run == any_(bindparam("keys", type_=ARRAY(Uuid)))
    return select(run, *_together()).where(own(ResourceSample), wanted).group_by(run)


@cache
def _spans() -> Select[*tuple[Any, ...]]:
    run, moment = column_of(ResourceSample, "run_id"), column_of(ResourceSample, "sampled_at")
    wanted = own(ResourceSample), run == any_(bindparam("keys", type_=ARRAY(Uuid)))
    ends = (
        select(run.label("run_id"), func.min(moment).label("first"), func.max(moment).label("last"))
        .where(*wanted)
        .group_by(run)
        .subquery("ends")
    )
    since, whole = extract("epoch", moment - ends.c.first), extract("epoch", ends.c.last - ends.c.first)
    points = bindparam("points", type_=Integer)
    share = cast(func.floor(since * points / func.nullif(whole, 0)), BigInteger)
    span = case((whole == 0, 0), else_=func.least(share, points - 1))
    return (
        select(run, span, *_together())
        .select_from(run.table.join(ends, ends.c.run_id == run))
        .where(*wanted)
        .group_by(run, span)
        .order_by(run, span)
    )
