"""Promotion: moving a version from one stage to another, one at a time in each model."""

from typing import Annotated
from uuid import UUID

from typing_extensions import Doc

from db.codes import RequestState, Stage, TransitionKind
from db.session import Change
from db.tables import ModelVersion, Transition
from registry.catalog import stages
from registry.kernel import inputs
from registry.kernel.access import Actor, require
from registry.kernel.rows import find
from registry.promotion import slots
from registry.promotion.evaluation import asked, judge_within
from registry.promotion.open_requests import DONE, close
from registry.promotion.slots import Held, Step
from registry.promotion.targets import target

WHICH = Annotated[inputs.VersionId, Doc("Which version.")]
ExpectedRevision = Annotated[
    int | None,
    Doc(
        "The revision of the slot as you know it, 0 for one that never held anything; refused if it moved since."
        " Required for PRODUCTION."
    ),
]


async def promote(
    change: Change,
    actor: Actor,
    *,
    version_id: WHICH,
    to: Annotated[Stage, Doc("STAGING, or PRODUCTION for a version in STAGING.")],
    expected_revision: ExpectedRevision = None,
    reason: inputs.Reason = None,
) -> Transition:
    """Put a version into the slot of the next stage, where every gate is open. What is there becomes ARCHIVED.

    An open request for it is completed. Raises: Forbidden, NotFound, InvalidValue, Conflict, StaleRevision, GateFailed.
    """
    goal, why = target(to, None), inputs.reason(reason)
    held, version = await take(change, version_id)
    require(actor, stages.action(TransitionKind.PROMOTION, version.stage, to), version)
    stages.check(TransitionKind.PROMOTION, version.stage, to)
    slots.check_expected(held.slots[to], expected_revision)
    judgment = await judge_within(change, version, goal)
    judgment.require()
    step = Step(TransitionKind.PROMOTION, why, judgment=judgment, request=await asked(change, judgment))
    return await put(change, actor, held, version, to, step)


async def put(change: Change, actor: Actor, held: Held, version: ModelVersion, to: Stage, step: Step) -> Transition:
    """Put a version, for which every gate is open, into a slot, and complete the request for it if there is one."""
    transition = await slots.move(change, actor, held, version, to, step)
    if step.request is not None:
        await close(change, actor, [step.request], RequestState.COMPLETED, DONE)
    return transition


async def demote(
    change: Change,
    actor: Actor,
    *,
    version_id: WHICH,
    expected_revision: ExpectedRevision = None,
    reason: inputs.Reason = None,
) -> Transition:
    """Send a version one stage back: from PRODUCTION to STAGING, which must be free, or from there to DEVELOPMENT.

    Raises: Forbidden, NotFound, InvalidValue, Conflict, StaleRevision.
    """
    held, version = await take(change, version_id)
    return await _leave(change, actor, held, version, TransitionKind.DEMOTION, expected_revision, reason)


async def archive(
    change: Change,
    actor: Actor,
    *,
    version_id: WHICH,
    expected_revision: ExpectedRevision = None,
    reason: inputs.Reason = None,
) -> Transition:
    """Take a version out of use, from any stage. No rollback brings it back.

    Raises: Forbidden, NotFound, InvalidValue, Conflict, StaleRevision.
    """
    held, version = await take(change, version_id)
    return await _leave(change, actor, held, version, TransitionKind.ARCHIVAL, expected_revision, reason)


async def reactivate(change: Change, actor: Actor, *, version_id: WHICH, reason: inputs.Reason = None) -> Transition:
    """Send an archived version back to DEVELOPMENT, from where it can be promoted again.

    Raises: Forbidden, NotFound, InvalidValue, Conflict.
    """
    held, version = await take(change, version_id)
    return await _leave(change, actor, held, version, TransitionKind.REACTIVATION, None, reason)


async def take(change: Change, version_id: UUID, path: str = "version") -> tuple[Held, ModelVersion]:
    """The held slots of a version's model, and the version, locked as it is once nobody else moves it.

    Raises: NotFound.
    """
    version = await find(change, ModelVersion, version_id, path)
    held = await slots.hold(change, version.model_id)
    return held, await find(change, ModelVersion, version_id, path, lock=True)


async def _leave(
    change: Change,
    actor: Actor,
    held: Held,
    version: ModelVersion,
    kind: TransitionKind,
    expected_revision: int | None,
    reason: str | None,
) -> Transition:
    """Move a version where its stage and the kind of the transition lead, which displaces nothing."""
    from_stage, to_stage = version.stage, stages.next_stage(kind, version.stage)
    require(actor, stages.action(kind, from_stage, to_stage), version)
    if from_stage in held.slots:
        slots.check_expected(held.slots[from_stage], expected_revision)
    if to_stage in held.slots:
        slots.check_free(held.slots[to_stage])
    step = Step(kind, inputs.reason(reason))
    return await slots.move(change, actor, held, version, to_stage, step)
