"""Histories of metrics, down-sampled by the database: a million points become as many buckets as a chart has pixels."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    Text,
    Uuid,
    bindparam,
    case,
    column,
    func,
    select,
    true,
)

from db.base import Tenant, columns
from db.codes import Phase, SpecialValue
from registry import inputs
from registry.errors import BadInput, InvalidValue
from resolvers.shapes import Reading

DEFAULT_POINTS = 500
MIN_POINTS = 2
MAX_POINTS = 2_000


class Question(NamedTuple):
    """Whose metric, which one, and which steps of it, both ends included."""

    owner: UUID
    phase: Phase
    name: str
    from_step: int
    to_step: int


class Bucket(NamedTuple):
    """Points with steps beside each other. Minimum and maximum are of finite values; `last` is the last point's."""

    first_step: int
    last_step: int
    point_count: int
    special_count: int
    minimum: float | None
    maximum: float | None
    last: float | None
    last_special: SpecialValue | None
    measured_at: datetime


@dataclass(frozen=True)
class History:
    """The history of one metric of one thing, as buckets in the order of steps."""

    name: str
    phase: Phase
    buckets: list[Bucket]

    @property
    def point_count(self) -> int:
        """How many points stand behind the buckets."""
        return sum(bucket.point_count for bucket in self.buckets)

    @property
    def special_count(self) -> int:
        """How many of them are no finite numbers."""
        return sum(bucket.special_count for bucket in self.buckets)


def question(owner: UUID, phase: Phase, name: str, from_step: int | None, to_step: int | None) -> Question:
    """What to ask for. Raises: BadInput for a name that no metric can have and for steps that are none."""
    lowest, highest = 0 if from_step is None else from_step, inputs.MAX_STEP if to_step is None else to_step
    if not 0 <= lowest <= highest:
        raise BadInput("`fromStep` is 0 or more and not above `toStep`.")
    try:
        return Question(owner, Phase(phase), inputs.name(name), lowest, highest)
    except InvalidValue as failure:
        raise BadInput(f"`name`: {failure.message}") from None


@dataclass(frozen=True)
class Histories:
    """Histories of at most `points` buckets each; the keys are Questions.

    Where there are no more points than that, each is a bucket of its own. Else the first point is one and the steps
    behind it are cut into equal ranges, so that the last bucket ends with the last point. Empty ranges are left out.
    """

    table: type[Tenant]
    owner: str
    points: int

    def __post_init__(self) -> None:
        if not MIN_POINTS <= self.points <= MAX_POINTS:
            raise BadInput(f"`points` is {MIN_POINTS} to {MAX_POINTS}.")

    async def read(self, reading: Reading, keys: list[Question]) -> list[History]:
        """The history each question asks for."""
        bounds: dict[str, Any] = {
            name: list(values) for name, values in zip(_ASKED, zip(*keys, strict=True), strict=True)
        }
        found = defaultdict(list)
        for place, *bucket in await reading.rows(_histories(self.table, self.owner), {**bounds, "points": self.points}):
            found[place].append(Bucket._make(bucket))
        return [History(key.name, key.phase, found[place]) for place, key in enumerate(keys, 1)]


_ASKED = ("owners", "phases", "names", "from_steps", "to_steps")


@cache
def _histories(table: type[Tenant], owner: str) -> Select[*tuple[Any, ...]]:
    """For each question two probes for its ends, one whether there is a point too many, and one pass over all."""
    asked = (
        func.unnest(
            bindparam("owners", type_=ARRAY(Uuid)),
            bindparam("phases", type_=ARRAY(Text)),
            bindparam("names", type_=ARRAY(Text)),
            bindparam("from_steps", type_=ARRAY(BigInteger)),
            bindparam("to_steps", type_=ARRAY(BigInteger)),
        )
        .table_valued(
            column("owner", Uuid), column("phase", Text), column("name", Text), column("from_step", BigInteger),
            column("to_step", BigInteger), with_ordinality="place", name="asked",
        )
        .render_derived()
    )  # fmt: skip
    of = {one.name: one for one in columns(table)}
    step, value, special = of["step"], of["value"], of["special"]
    points = bindparam("points", type_=BigInteger)

    def own(*more: ColumnElement[bool]) -> list[ColumnElement[bool]]:
        """The points of the metric that is asked for."""
        same = [of[here] == asked.c[there] for here, there in ((owner, "owner"), ("phase", "phase"), ("name", "name"))]
        return [of["org_id"] == bindparam("org_id"), *same, *more]

    first = select(step).where(*own(step >= asked.c.from_step)).order_by(step).limit(1).lateral("first")
    last = select(step).where(*own(step <= asked.c.to_step)).order_by(step.desc()).limit(1).lateral("last")
    in_range = own(step >= first.c.step, step <= last.c.step)
    beyond = select(step).where(*in_range).order_by(step).offset(points).limit(1).lateral("beyond")
    # Whole numbers throughout: steps reach 2**63 - 1, and nothing here is larger than their distance.
    wide = (last.c.step - first.c.step - 1) // (points - 1) + 1
    width = case((beyond.c.step.is_(None), 1), else_=wide)
    place = case((step == first.c.step, -1), else_=(step - first.c.step - 1) // width)
    bucket = (
        select(
            func.min(step).label("first_step"),
            func.max(step).label("last_step"),
            func.count().label("point_count"),
            func.count(special).label("special_count"),
            func.min(value).label("minimum"),
            func.max(value).label("maximum"),
        )
        .where(*in_range)
        .group_by(place)
        .lateral("bucket")
    )
    end = select(value, special, of["measured_at"]).where(*own(step == bucket.c.last_step)).lateral("end")
    found: FromClause = asked
    for part in (first, last, beyond, bucket, end):
        found = found.join(part, true(), isouter=part is beyond)
    return (
        select(asked.c.place, *bucket.c, end.c.value, end.c.special, end.c.measured_at)
        .select_from(found)
        .order_by(asked.c.place, bucket.c.first_step)
    )
