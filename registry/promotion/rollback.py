"""Rollback: putting back, in one step, a version that a slot held before and that proved good."""

from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import aliased
from sqlmodel import col
from typing_extensions import Doc

from db.codes import Stage, TransitionKind
from db.session import Change
from db.tables import AutomationRule, Model, ModelVersion, Slot, SlotRevision, Transition
from registry.catalog.stages import SLOTS
from registry.kernel import inputs
from registry.kernel.access import Action, Actor, require
from registry.kernel.errors import Conflict, InvalidValue
from registry.kernel.rows import find
from registry.promotion import slots
from registry.promotion.evaluation import judge_within
from registry.promotion.promotions import ExpectedRevision
from registry.promotion.slots import Held, Step
from registry.promotion.targets import Target

_NO_WAY_BACK = "No version that {stage} held before can come back: each is deleted, archived by hand, was rolled back"
_NO_WAY_BACK += " itself, or is in another stage. Name one with `to`, or promote one."


async def roll_back(
    change: Change,
    actor: Actor,
    *,
    model_id: Annotated[inputs.ModelId, Doc("Of which model.")],
    stage: Annotated[Stage, Doc("Which slot: PRODUCTION or STAGING.")] = Stage.PRODUCTION,
    to: Annotated[
        inputs.VersionId | None, Doc("A version that the slot held before; the last good one, if absent.")
    ] = None,
    expected_revision: ExpectedRevision = None,
    reason: inputs.RequiredReason,
) -> Transition:
    """Put a version back into a slot that held it before. What is there now becomes ARCHIVED.

    The last good version is the latest that the slot held before the present one and that was displaced by a promotion:
    what was itself rolled back or archived by hand comes back by no rollback that does not name it, the latter by none.

    Raises: Forbidden, NotFound, InvalidValue, Conflict, StaleRevision.
    """
    if stage not in SLOTS:
        raise InvalidValue("Only STAGING and PRODUCTION can be rolled back.", ("stage",))
    model = await find(change, Model, model_id, "model")
    require(actor, Action.ROLL_BACK, model)
    why = inputs.required_reason(reason)
    if to is not None:
        await _belongs(change, model, to)
    held = await slots.hold(change, model.id)
    slots.check_expected(held.slots[stage], expected_revision)
    return await put_back(change, actor, held, stage, why, to=to)


async def put_back(
    change: Change,
    actor: Actor,
    held: Held,
    stage: Stage,
    reason: str,
    *,
    to: UUID | None = None,
    rule: AutomationRule | None = None,
) -> Transition:
    """Put the last good version, or the one that is named, back into a slot that is held.

    Raises: NotFound, Conflict, GateFailed; nothing was written then.
    """
    slot = held.slots[stage]
    version_id = await _last_good(change, slot) if to is None else await _named(change, slot, to)
    version = await find(change, ModelVersion, version_id, "to", lock=True)
    # Whatever the policy asks for: this was good once, and is to help now. But its bytes must be what they were.
    judgment = await judge_within(change, version, Target(stage=stage), integrity_alone=True)
    judgment.require("model" if to is None else "to")
    await _check_contents(change, slot, version, judgment.case.digest, "model" if to is None else "to")
    undone_id = None if slot.version_id is None else slot.transition_id
    step = Step(TransitionKind.ROLLBACK, reason, undone_id=undone_id, judgment=judgment, rule=rule)
    return await slots.move(change, actor, held, version, stage, step)


async def _belongs(change: Change, model: Model, version_id: UUID) -> None:
    version = await find(change, ModelVersion, version_id, "to")
    if version.model_id != model.id:
        raise InvalidValue("This is a version of another model.", ("to",))


async def _last_good(change: Change, slot: Slot) -> UUID:
    """The version to go back to. Raises: Conflict where there is none."""
    for before in await _held_before(change, slot):
        displaced_here = before.kind == TransitionKind.DISPLACEMENT and before.from_stage == slot.stage
        if displaced_here and before.cause_kind != TransitionKind.ROLLBACK:
            return UUID(str(before.version_id))
    raise Conflict(_NO_WAY_BACK.format(stage=slot.stage), ("model",))


async def _named(change: Change, slot: Slot, version_id: UUID) -> UUID:
    """The version that was named. Raises: Conflict where it cannot come back, with the reason."""
    if slot.version_id == version_id:
        raise Conflict(f"This version is in {slot.stage} already.", ("to",))
    for before in await _held_before(change, slot, version_id):
        if before.kind == TransitionKind.DISPLACEMENT and before.from_stage == slot.stage:
            return version_id
        if before.kind == TransitionKind.ARCHIVAL:
            raise Conflict("This version was archived by hand and stays so. Reactivate and promote it.", ("to",))
        raise Conflict(f"This version left {slot.stage} for another stage. Promote it from there.", ("to",))
    raise Conflict(f"This version was never in {slot.stage}. Promote it.", ("to",))


async def _check_contents(change: Change, slot: Slot, version: ModelVersion, digest: str, path: str) -> None:
    """Refuse to put back what was changed since the slot took it: nobody judged that. Raises: Conflict."""
    statement = (
        select(col(Transition.digest))
        .join(
            SlotRevision,
            (col(SlotRevision.org_id) == change.org_id) & (col(SlotRevision.transition_id) == col(Transition.id)),
        )
        .where(
            col(Transition.org_id) == change.org_id,
            col(SlotRevision.model_id) == slot.model_id,
            col(SlotRevision.stage) == slot.stage,
            col(SlotRevision.version_id) == version.id,
        )
        .order_by(col(SlotRevision.revision).desc())
        .limit(1)
    )
    taken: str | None = (await change.execute(statement)).scalar_one()
    if taken not in (None, digest):
        said = f"ModelVersion {version.label} has other contents than {slot.stage} took. Reactivate and promote it."
        raise Conflict(said, (path,))


async def _held_before(change: Change, slot: Slot, version_id: UUID | None = None) -> list[Any]:
    """What a slot held before and holds no more, latest first: id, and why each version is in its present stage.

    Versions that are deleted are left out, as nobody can use them. `version_id` looks for one alone.
    """
    last_held = (
        select(col(SlotRevision.version_id).label("version_id"), func.max(col(SlotRevision.revision)).label("revision"))
        .where(
            col(SlotRevision.org_id) == change.org_id,
            col(SlotRevision.model_id) == slot.model_id,
            col(SlotRevision.stage) == slot.stage,
            col(SlotRevision.version_id).is_not(None),
            col(SlotRevision.version_id).is_distinct_from(slot.version_id),
        )
        .group_by(col(SlotRevision.version_id))
        .subquery()
    )
    last, cause = aliased(Transition), aliased(Transition)
    latest_number = (
        select(func.max(col(Transition.number)))
        .where(col(Transition.org_id) == change.org_id, col(Transition.version_id) == last_held.c.version_id)
        .scalar_subquery()
    )
    statement = (
        select(last_held.c.version_id, col(last.kind), col(last.from_stage), col(cause.kind).label("cause_kind"))
        .join(
            ModelVersion, (col(ModelVersion.org_id) == change.org_id) & (col(ModelVersion.id) == last_held.c.version_id)
        )
        .join(
            last,
            (col(last.org_id) == change.org_id)
            & (col(last.model_id) == slot.model_id)
            & (col(last.number) == latest_number),
        )
        .outerjoin(cause, (col(cause.org_id) == change.org_id) & (col(cause.id) == col(last.cause_id)))
        .where(col(ModelVersion.deleted_at).is_(None))
        .order_by(last_held.c.revision.desc())
    )
    if version_id is not None:
        statement = statement.where(last_held.c.version_id == version_id)
    return list((await change.execute(statement)).all())
