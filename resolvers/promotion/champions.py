"""Choosing a champion: the versions of a model by a metric, with the reason for each place in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Integer, Select, Text, Uuid, any_, bindparam, func, select, true

from db.base import columns
from db.codes import GateOutcome, RankingDirection, Stage
from db.tables import ModelVersion, Slot
from registry.facts.signature_diff import SignatureCompatibility
from registry.promotion.champion_scoring import (
    Candidate,
    ChampionPlace,
    Criteria,
    Reference,
    TieBreak,
    explain_ties,
    ordered,
    placed,
    weigh,
)
from registry.promotion.evaluation import judge
from registry.promotion.gates.gate import GateVerdict
from registry.promotion.targets import Target, target
from registry.tracking.costs import Cost
from resolvers.catalog.compatibility import ChangesSince
from resolvers.context import Operation
from resolvers.loading.records import record_of
from resolvers.loading.shapes import column_of, live, own
from resolvers.promotion.plans import obstacle
from resolvers.tracking.costs import Costs
from resolvers.tracking.effective_metrics import LatestOf, best_first, latest_bound

MAX_CANDIDATES: Final = 100
USUAL_JUDGED: Final = 10
MAX_JUDGED: Final = 40
_SHOWN = 3


@dataclass(frozen=True)
class ChampionCandidates:
    """The versions of a model in order, of which the first may be eligible, and of how many.

    `is_cut_short` is whether the gates were not asked about all, although none of the others is eligible.
    """

    champion_id: UUID | None
    selected_id: UUID | None
    candidate_count: int
    considered_count: int
    eligible_count: int
    judged_count: int
    is_cut_short: bool
    places: Sequence[ChampionPlace]


async def choose(operation: Operation, model_id: UUID, criteria: Criteria) -> ChampionCandidates:
    """The versions of a model by these criteria.

    Eight statements for any number of candidates, and some for each that the gates are asked about. Raises: BadInput.
    """
    wanted = criteria.checked()
    champion = await _champion(operation, model_id)
    rows, candidate_count = await _rows(operation, model_id, wanted)
    found = await _candidates(operation, rows, champion, wanted)
    ours = None if champion is None else found[champion.id].value(wanted.phase, wanted.metric)
    reference = None
    if champion is not None:
        reference = Reference(champion.id, f"the champion {champion.label}", "it is the champion now", ours)
    candidates = [found[row.id] for row in rows]
    for candidate in candidates:
        weigh(candidate, wanted, reference)
        _look_at_the_way(candidate, wanted)
    if wanted.compatible:
        await _compare_signatures(operation, candidates, champion)
    in_order = ordered(candidates, wanted)
    judged_count, is_cut_short = await _ask_gates(operation, in_order, wanted)
    in_order = [one for one in in_order if not one.lacks] + [one for one in in_order if one.lacks]
    explain_ties(in_order, wanted)
    eligible = [candidate for candidate in in_order if not candidate.lacks]
    return ChampionCandidates(
        champion_id=None if champion is None else champion.id,
        selected_id=eligible[0].thing.id if eligible else None,
        candidate_count=candidate_count,
        considered_count=len(candidates),
        eligible_count=len(eligible),
        judged_count=judged_count,
        is_cut_short=is_cut_short,
        places=[placed(place, one, wanted, ours) for place, one in enumerate(in_order[: wanted.first], 1)],
    )


async def _champion(operation: Operation, model_id: UUID) -> Any | None:
    """The version in PRODUCTION; None for nothing."""
    found = await operation.loaders.reading.rows(_in_production(), {"model": model_id})
    return record_of(ModelVersion)._make(found[0]) if found else None


async def _rows(operation: Operation, model_id: UUID, criteria: Criteria) -> tuple[list[Any], int]:
    """The best candidates by the metric alone, and how many there are in all."""
    bounds = {
        "model": model_id,
        "stages": [str(stage) for stage in criteria.stages],
        "phase": str(criteria.phase),
        "metric": criteria.metric,
        "size": MAX_CANDIDATES,
    }
    found = await operation.loaders.reading.rows(_standing(criteria.direction), bounds)
    make = record_of(ModelVersion)._make
    return [make(row[:-1]) for row in found], found[0][-1] if found else 0


async def _candidates(
    operation: Operation, rows: Sequence[Any], champion: Any | None, criteria: Criteria
) -> dict[UUID, Candidate]:
    """Each version with what was measured of it and, where that matters, what its run cost; the champion, too."""
    versions = {row.id: row for row in ([] if champion is None else [champion]) + list(rows)}
    points = await operation.loaders.of(LatestOf(ModelVersion, tuple(criteria.measures))).load_many(list(versions))
    costs: dict[UUID, Cost] = {}
    if criteria.maximum_cost is not None or TieBreak.LOWER_COST in criteria.tie_breaks:
        runs = list({row.run_id: None for row in versions.values() if row.run_id is not None})
        costs = dict(zip(runs, await operation.loaders.of(Costs()).load_many(runs), strict=True))
    return {
        row.id: Candidate(row, latest, row.number, costs.get(row.run_id))
        for row, latest in zip(versions.values(), points, strict=True)
    }


async def _compare_signatures(operation: Operation, candidates: Sequence[Candidate], champion: Any | None) -> None:
    """Say what the signature of each changes for those who use the champion."""
    if champion is None:
        return
    others = [candidate for candidate in candidates if candidate.thing.id != champion.id]
    loader = operation.loaders.of(ChangesSince(ModelVersion, champion.id))
    for candidate, since in zip(others, await loader.load_many([one.thing.id for one in others]), strict=True):
        if since is None:
            candidate.lacks.append(f"It or the champion {champion.label} has no signature: nobody can compare them.")
        elif since.verdict == SignatureCompatibility.BREAKING:
            broken = [change.sentence for change in since.changes if change.breaking]
            candidate.lacks.append(
                f"It breaks what works with the champion {champion.label}: {' '.join(broken[:_SHOWN])}"
            )
        else:
            word = str(since.verdict).lower()
            candidate.merits.append(f"Its signature is {word} for those who use the champion {champion.label}.")


def _look_at_the_way(candidate: Candidate, criteria: Criteria) -> None:
    """Say what keeps a version from going where it is to go, whatever the gates say."""
    if criteria.gates_for is not None:
        in_the_way = obstacle(candidate.thing, target(criteria.gates_for, None), None)
        candidate.lacks += [] if in_the_way is None else [in_the_way]


async def _ask_gates(operation: Operation, candidates: Sequence[Candidate], criteria: Criteria) -> tuple[int, bool]:
    """Ask the gates about the best that lack nothing else, and on until one is eligible, as far as is affordable.

    About how many they were asked, and whether that ended it before one was eligible.
    """
    if criteria.gates_for is None:
        return 0, False
    goal = target(criteria.gates_for, None)
    waiting = [candidate for candidate in candidates if not candidate.lacks]
    asked: list[Candidate] = []
    while waiting[len(asked) :] and len(asked) < MAX_JUDGED:
        if len(asked) >= USUAL_JUDGED and any(not one.lacks for one in asked):
            break
        candidate = waiting[len(asked)]
        judgment = await judge(operation.snapshot, candidate.thing, goal)
        _say(candidate, judgment.verdicts, goal, criteria)
        asked.append(candidate)
    left = waiting[len(asked) :]
    is_cut_short = bool(left) and all(one.lacks for one in asked)
    for candidate in left:
        candidate.lacks.append(f"The gates for {goal.name} were asked about the best {len(asked)} alone.")
    return len(asked), is_cut_short


def _say(candidate: Candidate, verdicts: Sequence[GateVerdict], goal: Target, criteria: Criteria) -> None:
    """Say what the gates said: what they fail is lacking, what they wait for is still to be done by others."""
    candidate.to_do = [verdict.message for verdict in verdicts if verdict.outcome == GateOutcome.WAITING]
    candidate.lacks += [verdict.message for verdict in verdicts if verdict.outcome == GateOutcome.FAILED]
    waits = [f"Still to be done: {message}" for message in candidate.to_do]
    if not criteria.may_wait:
        candidate.lacks += waits
    candidate.merits += waits or [f"Every gate for {goal.name} is open."]


@cache
def _standing(direction: RankingDirection) -> Select[*tuple[Any, ...]]:
    """The `:size` best versions of `:model` in `:stages` by `:metric` in `:phase`, each with how many there are.

    Those without a finite value come last; of equals the newer ones first.
    """
    last = latest_bound(ModelVersion)
    return (
        select(*columns(ModelVersion), func.count().over().label("total"))
        .select_from(column_of(ModelVersion, "id").table.outerjoin(last, true()))
        .where(
            live(ModelVersion),
            column_of(ModelVersion, "model_id") == bindparam("model", type_=Uuid),
            column_of(ModelVersion, "stage") == any_(bindparam("stages", type_=ARRAY(Text))),
        )
        .order_by(best_first(last.c.value, direction), column_of(ModelVersion, "number").desc())
        .limit(bindparam("size", type_=Integer))
    )


@cache
def _in_production() -> Select[*tuple[Any, ...]]:
    held = column_of(Slot, "version_id")
    return select(*columns(ModelVersion)).where(
        live(ModelVersion),
        own(Slot),
        column_of(Slot, "model_id") == bindparam("model", type_=Uuid),
        column_of(Slot, "stage") == Stage.PRODUCTION,
        held == column_of(ModelVersion, "id"),
    )
