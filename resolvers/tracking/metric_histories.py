"""Histories of metrics, down-sampled by the database: a million points become as many buckets as a chart has pixels."""

import operator
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    column,
    extract,
    func,
    select,
    true,
    union_all,
)

from db.base import Time, columns
from db.codes import Phase, SpecialValue
from registry.kernel import inputs
from registry.kernel.errors import BadInput, InvalidValue
from resolvers.loading.shapes import Reading
from resolvers.tracking.latest_metrics import Points

DEFAULT_POINTS = 500
MIN_POINTS = 2
MAX_POINTS = 2_000
CROWDED: Final = 4
"""How many times its share of the points one of the ranges may hold before all of them are cut anew."""

_EVER: Final = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))


class Question(NamedTuple):
    """Whose metric, which one, and which stretch of it, both ends included."""

    owner: UUID
    phase: Phase | None
    name: str
    lowest: Any
    highest: Any


class Bucket(NamedTuple):
    """Points beside each other. Minimum and maximum are of finite values; `last` is the last point's.

    `first_place` and `last_place` are those of its ends: steps or moments.
    """

    first_place: Any
    last_place: Any
    point_count: int
    special_count: int
    minimum: float | None
    maximum: float | None
    last: float | None
    last_special: SpecialValue | None
    measured_at: datetime


@dataclass(frozen=True)
class History:
    """The history of one metric of one thing, as buckets in their order."""

    name: str
    phase: Phase | None
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
    return Question(owner, Phase(phase), _name(name), lowest, highest)


def question_of_time(owner: UUID, name: str, since: datetime | None, until: datetime | None) -> Question:
    """What to ask for where points lie along time. Raises: BadInput, as `question` does."""
    lowest, highest = since or _EVER[0], until or _EVER[1]
    if lowest > highest:
        raise BadInput("`from` is not later than `to`.")
    return Question(owner, None, _name(name), lowest, highest)


def _name(name: str) -> str:
    try:
        return inputs.name(name)
    except InvalidValue as failure:
        raise BadInput(f"`name`: {failure.message}") from None


@dataclass(frozen=True)
class Histories:
    """Histories of at most `points` buckets each, along the place of the points that they are of; keys are Questions.

    Where there are no more points than that, each is a bucket of its own. Else the first point is one, and what lies
    behind it is cut into equal ranges, so that the last bucket ends with the last point; empty ranges are left out.
    Where one range would hold more than CROWDED times its share of the points, the points behind the first are cut into
    equal numbers of points instead.
    """

    of: Points
    points: int

    def __post_init__(self) -> None:
        if not MIN_POINTS <= self.points <= MAX_POINTS:
            raise BadInput(f"`points` is {MIN_POINTS} to {MAX_POINTS}.")

    async def read(self, reading: Reading, keys: list[Question]) -> list[History]:
        """The history each question asks for."""
        bounds = {name: [getattr(key, name) for key in keys] for name in _asked_of(self.of)}
        found = defaultdict(list)
        for nth, *bucket in await reading.rows(_histories(self.of), {**bounds, "points": self.points}):
            found[nth].append(Bucket._make(bucket))
        return [History(key.name, key.phase, found[nth]) for nth, key in enumerate(keys, 1)]


def _microseconds(later: Any, earlier: Any) -> Any:
    return cast(extract("epoch", later - earlier) * 1_000_000, BigInteger)


class _Axis(NamedTuple):
    """What points lie along: the type of their places and the distance between two, a whole number."""

    type: Any
    distance: Callable[[Any, Any], Any]


_AXES: Final[Mapping[str, _Axis]] = {
    "step": _Axis(BigInteger(), operator.sub),
    "measured_at": _Axis(Time(), _microseconds),
}


def _asked_of(of: Points) -> Mapping[str, Any]:
    """What a question says of points of this kind, with the types."""
    type_ = _AXES[of.place].type
    return {"owner": Uuid(), **dict.fromkeys(of.series, Text()), "lowest": type_, "highest": type_}


@cache
def _histories(of: Points) -> Select[*tuple[Any, ...]]:
    """For each question two probes for its ends, one whether there is a point too many, and one pass over all.

    Where ranges are crowded it is two passes.
    """
    ends = _ends(of)
    even = _even(of, ends)
    crowded = (
        select(even.c.nth, cast(func.sum(even.c.point_count), BigInteger).label("total"))
        .join(ends, and_(ends.c.nth == even.c.nth, ends.c.is_long))
        .group_by(even.c.nth)
        .having(func.max(even.c.point_count) * _most() > CROWDED * func.sum(even.c.point_count))
        .cte("crowded")
    )
    calm = select(*even.c).where(even.c.nth.not_in(select(crowded.c.nth)))
    bucket = union_all(calm, _ranked(of, ends, crowded)).subquery("bucket")
    row = _row(of)
    # The limit keeps it a probe for each bucket: else the planner may join all points of the organization, and does so
    # where many were written since the table was last analyzed.
    end = (
        select(row["value"], row["special"], row["measured_at"])
        .where(*_own(of, ends), row[of.place] == bucket.c.last_place)
        .limit(1)
        .lateral("end")
    )
    found = bucket.join(ends, ends.c.nth == bucket.c.nth).join(end, true())
    return select(*bucket.c, *end.c).select_from(found).order_by(bucket.c.nth, bucket.c.first_place)


def _row(of: Points) -> Mapping[str, ColumnElement[Any]]:
    return {one.name: one for one in columns(of.table)}


def _most() -> ColumnElement[Any]:
    return bindparam("points", type_=BigInteger)


def _own(of: Points, asked: FromClause) -> list[ColumnElement[bool]]:
    """The points of the metric that is asked for."""
    row = _row(of)
    same = [row[name] == asked.c[name] for name in of.series]
    return [row["org_id"] == bindparam("org_id"), row[of.parent] == asked.c.owner, *same]


def _ends(of: Points) -> CTE:
    """Each question that any point answers, by its number, with its first and its last place and whether it is long."""
    types = _asked_of(of)
    asked = (
        func.unnest(*[bindparam(name, type_=ARRAY(type_)) for name, type_ in types.items()])
        .table_valued(*[column(name, type_) for name, type_ in types.items()], with_ordinality="nth", name="asked")
        .render_derived()
    )
    place, own = _row(of)[of.place], _own(of, asked)
    first = select(place.label("place")).where(*own, place >= asked.c.lowest).order_by(place).limit(1).lateral("first")
    latest = select(place.label("place")).where(*own, place <= asked.c.highest).order_by(place.desc())
    last = latest.limit(1).lateral("last")
    between = [*own, place >= first.c.place, place <= last.c.place]
    beyond = select(true().label("is_there")).where(*between).order_by(place).offset(_most()).limit(1).lateral("beyond")
    found: FromClause = asked
    for part in (first, last, beyond):
        found = found.join(part, true(), isouter=part is beyond)
    kept = [asked.c[name] for name in ("nth", "owner", *of.series)]
    is_long = beyond.c.is_there.is_not(None).label("is_long")
    return (
        select(*kept, first.c.place.label("first"), last.c.place.label("last"), is_long).select_from(found).cte("ends")
    )


def _taken(place: Any, value: Any, special: Any) -> list[Any]:
    """What points are taken together to."""
    return [
        func.min(place).label("first_place"),
        func.max(place).label("last_place"),
        func.count().label("point_count"),
        func.count(special).label("special_count"),
        func.min(value).label("minimum"),
        func.max(value).label("maximum"),
    ]


def _even(of: Points, ends: CTE) -> CTE:
    """The buckets of each question by equal ranges."""
    row, distance = _row(of), _AXES[of.place].distance
    place = row[of.place]
    # Whole numbers throughout: steps reach 2**63 - 1, and nothing here is larger than their distance.
    wide = (distance(ends.c.last, ends.c.first) - 1) // (_most() - 1) + 1
    width = case((ends.c.is_long, wide), else_=1)
    range_ = case((place == ends.c.first, -1), else_=(distance(place, ends.c.first) - 1) // width)
    bucket = (
        select(*_taken(place, row["value"], row["special"]))
        .where(*_own(of, ends), place >= ends.c.first, place <= ends.c.last)
        .group_by(range_)
        .lateral("range")
    )
    return select(ends.c.nth, *bucket.c).select_from(ends.join(bucket, true())).cte("even")


def _ranked(of: Points, ends: CTE, crowded: CTE) -> Select[*tuple[Any, ...]]:
    """The buckets of each crowded question by equal numbers of points."""
    row = _row(of)
    place = row[of.place]
    rank = func.row_number(type_=BigInteger).over(order_by=place)
    point = (
        select(place.label("place"), row["value"], row["special"], rank.label("rank"))
        .where(*_own(of, ends), place >= ends.c.first, place <= ends.c.last)
        .lateral("point")
    )
    share = case((point.c.rank == 1, -1), else_=(point.c.rank - 2) * (_most() - 1) // (crowded.c.total - 1))
    found = ends.join(crowded, crowded.c.nth == ends.c.nth).join(point, true())
    taken = _taken(point.c.place, point.c.value, point.c.special)
    return select(ends.c.nth, *taken).select_from(found).group_by(ends.c.nth, share)
