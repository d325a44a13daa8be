"""Stages: from which to which a version may go, why, and who may send it there. The one table of transitions."""

from collections.abc import Mapping
from typing import Final

from db.codes import Stage, TransitionKind
from registry.kernel.access import Action
from registry.kernel.errors import Conflict

SLOTS: Final = (Stage.STAGING, Stage.PRODUCTION)
"""The stages that hold one version of a model at a time."""

CHANGEABLE: Final = (Stage.DEVELOPMENT, Stage.STAGING)
"""The stages in which a version may still be completed, unless it was in PRODUCTION before."""

WAYS: Final[Mapping[TransitionKind, frozenset[tuple[Stage, Stage]]]] = {
    TransitionKind.PROMOTION: frozenset(
        {(Stage.DEVELOPMENT, Stage.STAGING), (Stage.STAGING, Stage.PRODUCTION)},
    ),
    TransitionKind.DEMOTION: frozenset(
        {(Stage.PRODUCTION, Stage.STAGING), (Stage.STAGING, Stage.DEVELOPMENT)},
    ),
    TransitionKind.ARCHIVAL: frozenset(
        {(stage, Stage.ARCHIVED) for stage in (Stage.DEVELOPMENT, Stage.STAGING, Stage.PRODUCTION)},
    ),
    TransitionKind.REACTIVATION: frozenset({(Stage.ARCHIVED, Stage.DEVELOPMENT)}),
    # The two that nobody asks for by the name of a stage: what a promotion takes the place of, and its way back.
    TransitionKind.DISPLACEMENT: frozenset({(stage, Stage.ARCHIVED) for stage in SLOTS}),
    TransitionKind.ROLLBACK: frozenset({(Stage.ARCHIVED, stage) for stage in SLOTS}),
}


def next_stage(kind: TransitionKind, stage: Stage) -> Stage:
    """Where a transition that has one way from this stage leads.

    Raises: Conflict where it has none.
    """
    for from_stage, to_stage in WAYS[kind]:
        if from_stage == stage:
            return to_stage
    raise Conflict(f"This version is in stage {stage}: {_lead(kind)}.", ("version",))


def check(kind: TransitionKind, from_stage: Stage, to_stage: Stage) -> None:
    """Refuse a transition that the table does not have.

    Raises: Conflict, with where it leads from and to.
    """
    if from_stage == to_stage:
        raise Conflict(f"This version is in stage {to_stage} already.", ("version",))
    if (from_stage, to_stage) not in WAYS[kind]:
        raise Conflict(
            f"This version is in stage {from_stage} and cannot go to {to_stage} from there: {_lead(kind)}.",
            ("version",),
        )


def action(kind: TransitionKind, from_stage: Stage, to_stage: Stage) -> Action:
    """What somebody must be allowed to send a version this way."""
    if kind is TransitionKind.ROLLBACK:
        return Action.ROLL_BACK
    if Stage.PRODUCTION in (from_stage, to_stage):
        return Action.PROMOTE_TO_PRODUCTION
    if Stage.STAGING in (from_stage, to_stage) or kind is TransitionKind.REACTIVATION:
        return Action.PROMOTE_TO_STAGING
    return Action.WRITE


def _lead(kind: TransitionKind) -> str:
    order = list(Stage)
    ways = sorted(WAYS[kind], key=lambda way: (order.index(way[0]), order.index(way[1])))
    return f"a {kind.lower()} leads " + " and ".join(f"from {start} to {end}" for start, end in ways)
