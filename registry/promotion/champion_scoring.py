"""What a champion is chosen by: the criteria, what speaks for and against a candidate in words, and the order."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

from db.codes import Phase, RankingDirection, Stage
from registry.kernel import inputs
from registry.kernel.errors import BadInput, InvalidValue
from registry.promotion.gates.gate import bounds, number
from registry.promotion.targets import target
from registry.tracking.costs import Cost
from registry.tracking.prices import clean_currency

MAX_BOUNDS: Final = 20
MAX_PLACES: Final = 100
USUAL_STAGES: Final = (Stage.DEVELOPMENT, Stage.STAGING, Stage.PRODUCTION)


class TieBreak(StrEnum):
    """What decides between versions that are equally good."""

    LOWER_COST = "LOWER_COST"
    NEWER = "NEWER"
    OLDER = "OLDER"


@dataclass(frozen=True)
class Bound:
    """What a metric of a candidate has to be."""

    metric: str
    phase: Phase
    minimum: float | None
    maximum: float | None


@dataclass(frozen=True)
class Criteria:
    """By what a champion is chosen, and what it has to fulfil. `maximum_cost` is an amount and its currency.

    `may_wait` is whether gates may still wait for somebody to act, such as to approve.
    """

    metric: str
    phase: Phase
    direction: RankingDirection
    stages: Sequence[Stage] = USUAL_STAGES
    bounds: Sequence[Bound] = ()
    maximum_cost: tuple[Decimal, str] | None = None
    compatible: bool = False
    gates_for: Stage | None = None
    may_wait: bool = True
    tie_breaks: Sequence[TieBreak] = (TieBreak.NEWER,)
    first: int = 10

    def checked(self) -> "Criteria":
        """The criteria with names as they are stored. Raises: BadInput for what cannot be meant."""
        if not 1 <= self.first <= MAX_PLACES:
            raise BadInput(f"`first` is 1 to {MAX_PLACES}.")
        if not self.stages:
            raise BadInput("`stages` names at least one stage.")
        if len(self.bounds) > MAX_BOUNDS:
            raise BadInput(f"`constraints` takes at most {MAX_BOUNDS} bounds.")
        try:
            if self.gates_for is not None:
                target(self.gates_for, None)
            if self.maximum_cost is not None:
                clean_currency(self.maximum_cost[1])
                if not self.maximum_cost[0].is_finite():
                    raise BadInput("`maximumCost.amount` is a finite number.")
            bounds = [_checked(bound, place) for place, bound in enumerate(self.bounds)]
            return replace(self, metric=inputs.name(self.metric, ("metric",)), bounds=bounds)
        except InvalidValue as failure:
            raise BadInput(f"`{'.'.join(failure.path)}`: {failure.message}") from None

    @property
    def measures(self) -> Sequence[tuple[Phase, str]]:
        """All metrics that matter, each once."""
        named = [(self.phase, self.metric), *[(bound.phase, bound.metric) for bound in self.bounds]]
        return list(dict.fromkeys(named))


@dataclass
class Candidate:
    """A version or run with its latest values, and what speaks for and against it. Newer ones have a greater `nth`."""

    thing: Any
    points: Mapping[tuple[str, str], Any]
    nth: int
    cost: Cost | None = None
    merits: list[str] = field(default_factory=list)
    lacks: list[str] = field(default_factory=list)
    to_do: list[str] = field(default_factory=list)
    """What others have still to do before it can go where it is to go."""
    ties: tuple[Any, ...] = ()
    """Its place among equals: what each tie-break makes of it, and `nth`."""
    is_cost_compared: bool = True

    @property
    def label(self) -> str:
        """What people call it."""
        found: str = getattr(self.thing, "label", None) or self.thing.name
        return found

    def value(self, phase: str, metric: str) -> float | None:
        """The latest value of a metric; None where there is no finite one."""
        point = self.points.get((phase, metric))
        return None if point is None else point.value


@dataclass(frozen=True)
class Reference:
    """What candidates are compared with: what it is called, what is said of it alone, and its value if it has one."""

    thing_id: UUID
    called: str
    itself: str
    value: float | None


@dataclass(frozen=True)
class ChampionPlace:
    """A version with its place. `difference` is its value less that of the champion, where that is a finite number."""

    place: int
    version_id: UUID
    value: float | None
    difference: float | None
    is_eligible: bool
    reasons: Sequence[str]
    still_to_do: Sequence[str]


def weigh(candidate: Candidate, criteria: Criteria, reference: Reference | None) -> None:
    """Say what its metrics and its cost are, against what is asked for."""
    value = candidate.value(criteria.phase, criteria.metric)
    if value is None:
        candidate.lacks.append(_unusable(candidate, criteria.phase, criteria.metric))
    else:
        compared = _compared(value, candidate, criteria, reference)
        candidate.merits.append(f"{_named(criteria.phase, criteria.metric)} is {number(value)}{compared}.")
    for bound in criteria.bounds:
        _hold_against(candidate, bound)
    if criteria.maximum_cost is not None:
        _count_cost(candidate, *criteria.maximum_cost)


def _compared(value: float, candidate: Candidate, criteria: Criteria, reference: Reference | None) -> str:
    if reference is None:
        return ""
    if candidate.thing.id == reference.thing_id:
        return f"; {reference.itself}"
    if reference.value is None:
        return f"; {reference.called} has no finite value"
    if value == reference.value:
        return f", equal to {reference.called}"
    apart = difference(value, reference.value)
    by = "" if apart is None else f"{number(abs(apart))} "
    better = (value > reference.value) == (criteria.direction == RankingDirection.MAXIMIZE)
    return f", {by}{'better' if better else 'worse'} than {reference.called}"


def difference(value: float | None, reference: float | None) -> float | None:
    """The one less the other; None where either is None or no finite number tells how far they are apart."""
    if value is None or reference is None or not math.isfinite(value - reference):
        return None
    return value - reference


def _hold_against(candidate: Candidate, bound: Bound) -> None:
    value, named = candidate.value(bound.phase, bound.metric), _named(bound.phase, bound.metric)
    if value is None:
        candidate.lacks.append(_unusable(candidate, bound.phase, bound.metric))
    elif bound.minimum is not None and value < bound.minimum:
        candidate.lacks.append(f"{named} is {number(value)}; it must be at least {number(bound.minimum)}.")
    elif bound.maximum is not None and value > bound.maximum:
        candidate.lacks.append(f"{named} is {number(value)}; it must be at most {number(bound.maximum)}.")
    else:
        candidate.merits.append(f"{named} is {number(value)}, as asked.")


def _count_cost(candidate: Candidate, most: Decimal, currency: str) -> None:
    cost = candidate.cost
    if cost is None or cost.amount is None:
        why = "it has no run" if candidate.thing.run_id is None else "its run has no single sum"
        candidate.lacks.append(f"What it cost is not known: {why}.")
    elif cost.currency != currency:
        candidate.lacks.append(f"It cost {cost.amount.normalize():f} {cost.currency}, which is not told in {currency}.")
    elif cost.amount > most:
        candidate.lacks.append(f"It cost {cost.amount.normalize():f} {currency}; it may cost {most:f} at most.")
    else:
        candidate.merits.append(f"It cost {cost.amount.normalize():f} {currency}, at most {most:f}.")


def ordered(candidates: Sequence[Candidate], criteria: Criteria) -> list[Candidate]:
    """Those that lack nothing first, each group best first; of equals by the tie-breaks, and newer ones last of all.

    Amounts of several currencies have no order: where equals cost such, what they cost decides nothing among them.
    """
    sign = -1 if criteria.direction == RankingDirection.MAXIMIZE else 1

    def worth(candidate: Candidate) -> Any:
        value = candidate.value(criteria.phase, criteria.metric)
        return bool(candidate.lacks), value is None, sign * (value or 0.0)

    currencies = defaultdict(set)
    for candidate in candidates:
        if candidate.cost is not None and candidate.cost.amount is not None:
            currencies[worth(candidate)].add(candidate.cost.currency)
    for candidate in candidates:
        candidate.is_cost_compared = len(currencies[worth(candidate)]) <= 1
        candidate.ties = _ties(candidate, criteria)
    return sorted(candidates, key=lambda candidate: (*worth(candidate), candidate.ties))


def _ties(candidate: Candidate, criteria: Criteria) -> tuple[Any, ...]:
    """What decides between equals; a cost that is not known is higher than any."""
    amount = None if candidate.cost is None else candidate.cost.amount
    known = {
        TieBreak.LOWER_COST: (amount is None, amount or Decimal(0)) if candidate.is_cost_compared else (),
        TieBreak.NEWER: -candidate.nth,
        TieBreak.OLDER: candidate.nth,
    }
    return (*[known[one] for one in criteria.tie_breaks], -candidate.nth)


def explain_ties(ordered: Sequence[Candidate], criteria: Criteria) -> None:
    """Say of each that comes after an equal one why it does."""
    words = {TieBreak.LOWER_COST: "cost less", TieBreak.NEWER: "is newer", TieBreak.OLDER: "is older"}
    decisive = [*criteria.tie_breaks, TieBreak.NEWER]
    for before, after in pairwise(ordered):
        values = [one.value(criteria.phase, criteria.metric) for one in (before, after)]
        if before.lacks or after.lacks or values[0] != values[1]:
            continue
        pairs = zip(decisive, before.ties, after.ties, strict=True)
        why = next(words[one] for one, first, second in pairs if first != second)
        if TieBreak.LOWER_COST in criteria.tie_breaks and not after.is_cost_compared:
            why += "; what such versions cost is in several currencies, which are not compared"
        after.merits.append(f"It is as good as {before.label}, which {why}.")


def placed(place: int, candidate: Candidate, criteria: Criteria, ours: float | None) -> ChampionPlace:
    """A candidate as it is told, where it stands at this place."""
    value = candidate.value(criteria.phase, criteria.metric)
    return ChampionPlace(
        place=place,
        version_id=candidate.thing.id,
        value=value,
        difference=difference(value, ours),
        is_eligible=not candidate.lacks,
        reasons=candidate.lacks or candidate.merits,
        still_to_do=candidate.to_do,
    )


def _named(phase: str, metric: str) -> str:
    return f"{metric} ({phase.lower()})"


def _unusable(candidate: Candidate, phase: str, metric: str) -> str:
    point = candidate.points.get((phase, metric))
    if point is None:
        return f"No {metric} was measured in {phase.lower()}."
    return f"The latest {_named(phase, metric)} is {str(point.special).lower().replace('_', ' ')} and no number."


def _checked(bound: Bound, place: int) -> Bound:
    path = ("constraints", str(place))
    bounds(bound.minimum, bound.maximum, path)
    return replace(bound, metric=inputs.name(bound.metric, (*path, "metric")))
