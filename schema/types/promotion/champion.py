"""Choosing a champion among the versions of a model."""

from decimal import Decimal
from typing import Annotated, Any

import strawberry

from db import tables
from db.codes import Phase, RankingDirection, Stage
from registry.promotion.champion_scoring import MAX_BOUNDS, MAX_PLACES, Bound, Criteria, TieBreak
from resolvers.context import Info
from resolvers.ids import decode_as
from resolvers.promotion.champions import MAX_CANDIDATES, MAX_JUDGED, USUAL_JUDGED, choose
from schema.building.edges import one, read


@strawberry.input(description="What the latest value of a metric has to be: give at least one of the two bounds.")
class MetricBoundInput:
    """See `registry.promotion.champion_scoring.Bound`."""

    metric: str = strawberry.field(description="The exact name of the metric.")
    phase: Phase = strawberry.field(description="On which data it was measured.")
    minimum: float | None = strawberry.field(description="The least value.", default=None)
    maximum: float | None = strawberry.field(description="The greatest value.", default=None)


@strawberry.input(description="What the run of a version may have cost.")
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


@strawberry.type(description="Versions of a model in order, best first, with the reasons. It changes nothing.")
class ChampionSelection:
    """See `resolvers.promotion.champions.ChampionSelection`."""

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


async def _select_champion(
    info: Info,
    model: Annotated[strawberry.ID, strawberry.argument(description="Of which model.")],
    metric: Annotated[str, strawberry.argument(description="The exact name of the metric that decides.")],
    phase: Annotated[Phase, strawberry.argument(description="On which data it was measured.")] = Phase.VALIDATION,
    direction: Annotated[
        RankingDirection, strawberry.argument(description="Which values are better.")
    ] = RankingDirection.MAXIMIZE,
    stages: Annotated[
        list[Stage] | None,
        strawberry.argument(description="Where candidates stand; DEVELOPMENT, STAGING and PRODUCTION if absent."),
    ] = None,
    constraints: Annotated[
        list[MetricBoundInput] | None,
        strawberry.argument(description=f"What other metrics have to be; at most {MAX_BOUNDS}."),
    ] = None,
    maximum_cost: Annotated[
        MaximumCostInput | None, strawberry.argument(description="What the run that made it may have cost.")
    ] = None,
    compatible_with_champion: Annotated[
        bool, strawberry.argument(description="Whether its signature must break nothing that works with the champion.")
    ] = False,
    passes_gates_for: Annotated[
        Stage | None,
        strawberry.argument(
            description="STAGING or PRODUCTION: a promotion must lead there from where it stands, and no gate for it be"
            " closed. What stands there already is not eligible."
        ),
    ] = None,
    gates_may_wait: Annotated[
        bool,
        strawberry.argument(
            description="Whether such gates may still wait for somebody to act, such as for an approval or for files to"
            " be verified: told as `stillToDo`. If false, every gate must be open."
        ),
    ] = True,
    tie_breaks: Annotated[
        list[TieBreak] | None,
        strawberry.argument(
            description="What decides between equals, in this order; at last the newer one comes first."
        ),
    ] = None,
    first: Annotated[int, strawberry.argument(description=f"How many places, 1 to {MAX_PLACES}.")] = 10,
) -> Any:
    given = {} if stages is None else {"stages": tuple(dict.fromkeys(stages))}
    criteria = Criteria(
        metric=metric,
        phase=phase,
        direction=direction,
        bounds=[Bound(one.metric, one.phase, one.minimum, one.maximum) for one in constraints or ()],
        maximum_cost=None if maximum_cost is None else (maximum_cost.amount, maximum_cost.currency),
        compatible=compatible_with_champion,
        gates_for=passes_gates_for,
        may_wait=gates_may_wait,
        tie_breaks=tuple(dict.fromkeys(tie_breaks or ())),
        first=first,
        **given,
    )
    return await choose(info.context, decode_as("Model", model, "model"), criteria)


@strawberry.type
class ChampionQuery:
    """The choice of a champion."""

    select_champion = read(
        _select_champion,
        ChampionSelection | None,
        description="Ranks the versions of a model by the latest value of a metric, and says of each in words why it"
        " stands where it does, or what it lacks; null where there is no such model for you. A version that has none of"
        " a metric itself counts with that of its run, as for gates.",
        work=MAX_CANDIDATES + 10 * MAX_JUDGED,
    )
