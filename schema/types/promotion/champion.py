"""Choosing a champion among the versions of a model."""

from decimal import Decimal
from typing import Annotated, Any

import strawberry

from db import tables
from db.codes import Phase, RankingDirection, Stage
from registry.promotion.champion_scoring import MAX_BOUNDS, MAX_PLACES, Bound, Criteria, TieBreak
from resolvers.context import Info
from resolvers.promotion.champions import MAX_CANDIDATES, MAX_JUDGED, USUAL_JUDGED, choose
from schema.building.edges import one


@strawberry.input(description="Bounds on the latest value of a metric: at least one of the two.")
class MetricBoundInput:
    """See `registry.promotion.champion_scoring.Bound`."""

    metric: str = strawberry.field(description="The exact name of the metric.")
    phase: Phase = strawberry.field(description="On which data it was measured.")
    minimum: float | None = strawberry.field(description="The least value.", default=None)
    maximum: float | None = strawberry.field(description="The greatest value.", default=None)


@strawberry.input(description="The greatest cost of the run that produced a version.")
class MaximumCostInput:
    """See `registry.promotion.champion_scoring.Criteria`."""

    amount: Decimal = strawberry.field(description="At most so much.")
    currency: str = strawberry.field(description="In this currency: three capital letters of ISO 4217, such as EUR.")


@strawberry.type(description="A version with its place among those that could be the champion.")
class ChampionPlace:
    """See `registry.promotion.champion_scoring.ChampionPlace`."""

    place: int = strawberry.field(description="1 for the best; those that are not eligible come last.")
    value: float | None = strawberry.field(
        description="The latest value of the metric, its own or else that of its run; null for no finite one."
    )
    difference: float | None = strawberry.field(
        description="Its value less that of the version in PRODUCTION; null where either has none, or where they are"
        " further apart than a number can tell."
    )
    is_eligible: bool = strawberry.field(description="Whether it lacks nothing that was asked for.")
    reasons: list[str] = strawberry.field(
        description="Why it stands here, in sentences: what it has, or where it is not eligible what it lacks."
    )
    still_to_do: list[str] = strawberry.field(
        description="What others have still to do before the gates of `passesGatesFor` open, such as to approve it."
    )
    version = one(tables.ModelVersion, "version_id", required=True, description="The version.")


@strawberry.type(description="Versions of a model in order, best first, with the reasons.")
class ChampionCandidates:
    """See `resolvers.promotion.champions.ChampionCandidates`."""

    candidate_count: int = strawberry.field(description="How many live versions stand in these stages.")
    considered_count: int = strawberry.field(
        description=f"How many of them were looked at: the best by the metric alone, of equals the newest, at most"
        f" {MAX_CANDIDATES}."
    )
    eligible_count: int = strawberry.field(description="How many of those lack nothing.")
    judged_count: int = strawberry.field(
        description=f"About how many the gates were asked: the best {USUAL_JUDGED} that lack nothing else, and then on"
        f" until one is eligible, at most {MAX_JUDGED}."
    )
    is_cut_short: bool = strawberry.field(
        description=f"Whether the gates were not asked about all, since {MAX_JUDGED} of them were not eligible: there"
        " may be one that is."
    )
    places: list[ChampionPlace] = strawberry.field(description="The first `first` of them.", metadata={"rows": 1})
    selected = one(tables.ModelVersion, "selected_id", description="The best that is eligible; null where none is.")
    champion = one(tables.ModelVersion, "champion_id", description="What is in PRODUCTION now; null for nothing.")


@strawberry.input(description="How the versions of a model are ranked, and what a champion must fulfill.")
class ChampionCriteriaInput:
    """See `registry.promotion.champion_scoring.Criteria`."""

    metric: str = strawberry.field(description="The exact name of the metric that decides.")
    phase: Phase = strawberry.field(description="On which data it was measured.", default=Phase.VALIDATION)
    direction: RankingDirection = strawberry.field(
        description="Which values are better.", default=RankingDirection.MAXIMIZE
    )
    stages: list[Stage] | None = strawberry.field(
        description="The stages of candidates; DEVELOPMENT, STAGING and PRODUCTION if absent.", default=None
    )
    constraints: list[MetricBoundInput] | None = strawberry.field(
        description=f"Bounds on other metrics; at most {MAX_BOUNDS}.", default=None
    )
    maximum_cost: MaximumCostInput | None = strawberry.field(
        description="The greatest cost of the run that produced the version.", default=None
    )
    compatible_with_champion: bool = strawberry.field(
        description="Whether its signature must break nothing that works with the champion.", default=False
    )
    passes_gates_for: Stage | None = strawberry.field(
        description="STAGING or PRODUCTION: a promotion must lead there from its stage, and no gate for it may be"
        " closed. A version that is there already is not eligible.",
        default=None,
    )
    gates_may_wait: bool = strawberry.field(
        description="Whether such gates may still wait for an action, such as an approval or the verification of"
        " files; `stillToDo` lists them. If false, every gate must be open.",
        default=True,
    )
    tie_breaks: list[TieBreak] | None = strawberry.field(
        description="What decides between equal values, in this order; finally the newer version comes first.",
        default=None,
    )


async def _candidates(
    root: strawberry.Parent[Any],
    info: Info,
    criteria: Annotated[
        ChampionCriteriaInput, strawberry.argument(description="How they are ranked, and what a champion must fulfill.")
    ],
    first: Annotated[int, strawberry.argument(description=f"How many places, 1 to {MAX_PLACES}.")] = 10,
) -> Any:
    given = {} if criteria.stages is None else {"stages": tuple(dict.fromkeys(criteria.stages))}
    cost = criteria.maximum_cost
    wanted = Criteria(
        metric=criteria.metric,
        phase=criteria.phase,
        direction=criteria.direction,
        bounds=[Bound(one.metric, one.phase, one.minimum, one.maximum) for one in criteria.constraints or ()],
        maximum_cost=None if cost is None else (cost.amount, cost.currency),
        compatible=criteria.compatible_with_champion,
        gates_for=criteria.passes_gates_for,
        may_wait=criteria.gates_may_wait,
        tie_breaks=tuple(dict.fromkeys(criteria.tie_breaks or ())),
        first=first,
        **given,
    )
    return await choose(info.context, root.id, wanted)


CHAMPION_CANDIDATES: Any = strawberry.field(
    _candidates,
    graphql_type=ChampionCandidates,
    description="Its versions by the latest value of a metric, each with the reasons for its place or with what it"
    " lacks. A version without a value of its own counts with the value of its run, as for gates. Changes nothing.",
    metadata={"work": 2 * MAX_CANDIDATES + 20 * MAX_JUDGED},
)
"""The field of a model that ranks its versions."""
