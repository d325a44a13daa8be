"""Gates over metrics: a bound, a comparison with the champion, and how old an evaluation may be.

Whose metrics are those of a version: `registry.tracking.metric_source`.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, literal, select, union
from sqlmodel import col
from typing_extensions import Doc

from db.codes import Phase, RankingDirection
from db.tables import ModelVersion, RunMetric, VersionMetric
from registry.kernel import inputs
from registry.kernel.errors import InvalidValue
from registry.promotion.gates.gate import Case, Gate, GateVerdict, Path, bounds, finite, number
from registry.tracking.metric_source import latest_point

MAX_AGE_S = 10 * 366 * 86_400
_SHOWN = 10

MetricName = Annotated[str, Doc("Which metric.")]
OnData = Annotated[Phase, Doc("On which data it was measured.")]


@dataclass(frozen=True)
class MetricThreshold(Gate):
    """A metric lies within bounds."""

    metric: MetricName
    phase: OnData
    minimum: Annotated[float | None, Doc("The least value that passes.")] = None
    maximum: Annotated[float | None, Doc("The greatest value that passes.")] = None

    def checked(self, path: Path) -> "MetricThreshold":
        """At least one bound, finite, and not the one beyond the other."""
        bounds(self.minimum, self.maximum, path)
        return replace(self, metric=inputs.name(self.metric, (*path, "metric")))

    async def judge(self, case: Case) -> GateVerdict:
        """Compare the latest value."""
        bound = self.maximum if self.minimum is None else self.minimum
        point = await latest(case, case.version, self.metric, self.phase)
        if point is None or point.value is None:
            return self.fails(await unusable(case, point, self.metric, self.phase), None, bound)
        value = point.value
        if self.minimum is not None and value < self.minimum:
            message = f"{self._named} is {number(value)}; it must be at least {number(self.minimum)}."
            return self.fails(message, value, self.minimum)
        if self.maximum is not None and value > self.maximum:
            message = f"{self._named} is {number(value)}; it must be at most {number(self.maximum)}."
            return self.fails(message, value, self.maximum)
        return self.passes(f"{self._named} is {number(value)}.", value, bound)

    @property
    def _named(self) -> str:
        return f"{self.metric} ({self.phase.lower()})"


@dataclass(frozen=True)
class NotWorseThanChampion(Gate):
    """A metric is at most so much worse than that of the version in PRODUCTION."""

    metric: MetricName
    phase: OnData
    direction: Annotated[RankingDirection, Doc("Which values are better.")]
    tolerance: Annotated[float, Doc("How much worse it may be, in the unit of the metric.")] = 0.0

    def checked(self, path: Path) -> "NotWorseThanChampion":
        """A finite tolerance of at least 0."""
        finite(self.tolerance, (*path, "tolerance"))
        if self.tolerance < 0:
            raise InvalidValue("A tolerance is 0 or more.", (*path, "tolerance"))
        return replace(self, metric=inputs.name(self.metric, (*path, "metric")))

    async def judge(self, case: Case) -> GateVerdict:
        """Compare the latest values of the two."""
        ours = await latest(case, case.version, self.metric, self.phase)
        if ours is None or ours.value is None:
            # Without a champion, too: what comes after this one has to be compared with it.
            return self.fails(await unusable(case, ours, self.metric, self.phase))
        if case.champion is None:
            return self.passes("Nothing is in PRODUCTION to compare with.", ours.value)
        if case.champion.id == case.version.id:
            return self.passes("It is the champion itself.", ours.value)
        theirs = await latest(case, case.champion, self.metric, self.phase)
        if theirs is None or theirs.value is None:
            what = f"{self.metric} ({self.phase.lower()})"
            return self.fails(f"The champion {case.champion.label} has no finite {what}: log it for that version.")
        smallest_better = self.direction == RankingDirection.MINIMIZE
        bound = theirs.value + self.tolerance if smallest_better else theirs.value - self.tolerance
        passed = ours.value <= bound if smallest_better else ours.value >= bound
        word = "at most" if smallest_better else "at least"
        message = (
            f"{self.metric} ({self.phase.lower()}) is {number(ours.value)}, that of the champion {case.champion.label}"
            f" {number(theirs.value)}"
        )
        if passed:
            return self.passes(f"{message}.", ours.value, bound)
        return self.fails(f"{message}; it must be {word} {number(bound)}.", ours.value, bound)


@dataclass(frozen=True)
class EvaluationAge(Gate):
    """A metric was measured not too long ago."""

    metric: MetricName
    phase: OnData
    maximum_age_seconds: Annotated[int, Doc("How many seconds ago at most.")]

    def checked(self, path: Path) -> "EvaluationAge":
        """An age that a clock can tell."""
        if not 1 <= self.maximum_age_seconds <= MAX_AGE_S:
            raise InvalidValue(f"An age is 1 to {MAX_AGE_S} seconds.", (*path, "maximumAgeSeconds"))
        return replace(self, metric=inputs.name(self.metric, (*path, "metric")))

    async def judge(self, case: Case) -> GateVerdict:
        """Look at when the latest value was measured."""
        point = await latest(case, case.version, self.metric, self.phase)
        if point is None or point.value is None:
            return self.fails(await unusable(case, point, self.metric, self.phase), None, self.maximum_age_seconds)
        age_s = max(0, int((case.now - point.measured_at).total_seconds()))
        message = f"{self.metric} ({self.phase.lower()}) was measured {age_s} s ago"
        if age_s <= self.maximum_age_seconds:
            return self.passes(f"{message}.", age_s, self.maximum_age_seconds)
        return self.fails(
            f"{message}, which may be {self.maximum_age_seconds} s at most: evaluate it again.",
            age_s,
            self.maximum_age_seconds,
        )


async def latest(case: Case, version: Any, metric: str, phase: Phase) -> Any | None:
    """The latest point of a metric of a version, or else of its run: value, special, measured_at. None without any."""
    found = await case.reader.rows(
        latest_point(ModelVersion, lambda column: getattr(version, column), case.org_id, phase, metric)
    )
    return found[0] if found else None


async def unusable(case: Case, point: Any | None, metric: str, phase: Phase) -> str:
    """Why a metric cannot be compared, and what to do."""
    if point is not None:
        what = str(point.special).lower().replace("_", " ")
        return f"The latest {metric} ({phase.lower()}) is {what} and no number: measure it again."
    of_run = col(RunMetric.run_id) == case.version.run_id
    names = [
        _names(VersionMetric, case.org_id, phase, col(VersionMetric.version_id) == case.version.id),
        _names(RunMetric, case.org_id, phase, of_run),
    ]
    known = [row[0] for row in await case.reader.rows(union(*names).order_by("name").limit(_SHOWN))]
    has = f"has {', '.join(known)}" if known else "has none at all"
    return f"No {metric} was measured in {phase.lower()}; the version {has} there. Log it with logVersionMetrics."


def _names(table: Any, org_id: UUID, phase: Phase, whose: ColumnElement[bool]) -> Select[str]:
    """The first names of metrics that something has, by jumping from one to the next: it may have many points."""
    wanted = (col(table.org_id) == org_id, whose, col(table.phase) == phase)
    first = select(func.min(col(table.name)).label("name"), literal(1).label("nth")).where(*wanted)
    found = first.cte(recursive=True)
    behind = select(func.min(col(table.name))).where(*wanted, col(table.name) > found.c.name).scalar_subquery()
    more = found.c.name.is_not(None), found.c.nth < _SHOWN
    found = found.union_all(select(behind, found.c.nth + 1).where(*more))
    return select(found.c.name).where(found.c.name.is_not(None))
