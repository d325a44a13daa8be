"""Slots: the place of a model for its one version in a stage, locked and moved. All transitions are written here.

Whoever moves versions of a model holds both of its slots, in the order of their names, until the end of the
transaction: transitions of a model happen one after the other, and "one in production" holds by construction.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from db.base import utc_now
from db.codes import Stage, TransitionKind
from db.ids import uuid7
from db.session import Change
from db.tables import AutomationRule, ModelVersion, PromotionRequest, Slot, SlotRevision, Transition
from registry.catalog.stages import SLOTS
from registry.kernel.access import Actor
from registry.kernel.errors import Conflict
from registry.kernel.revisions import check_revision
from registry.kernel.rows import database_time, find, record
from registry.promotion.evaluation import Judgment, kept_of
from registry.promotion.open_requests import outdate

VERBS: Final = {
    TransitionKind.PROMOTION: "promoted",
    TransitionKind.ROLLBACK: "rolled_back",
    TransitionKind.DISPLACEMENT: "displaced",
    TransitionKind.DEMOTION: "demoted",
    TransitionKind.ARCHIVAL: "archived",
    TransitionKind.REACTIVATION: "reactivated",
}


@dataclass
class Held:
    """The slots of a model, ours until the end of the transaction, and where its history stands."""

    model_id: UUID
    slots: Mapping[Stage, Slot]
    number: int
    """Of the latest transition; 0 for none."""
    moment: datetime
    """When what happens now happens, by the clock of the database, and never before what happened last."""


@dataclass(frozen=True)
class Step:
    """Why a version is to move: what its transition says besides where from and where to."""

    kind: TransitionKind
    reason: str | None = None
    cause: Transition | None = None
    undone_id: UUID | None = None
    judgment: Judgment | None = None
    request: PromotionRequest | None = None
    rule: AutomationRule | None = None

    def columns(self) -> dict[str, Any]:
        """What a transition keeps of it."""
        return {
            "kind": self.kind,
            "reason": self.reason,
            "cause_id": None if self.cause is None else self.cause.id,
            "undone_id": self.undone_id,
            "request_id": None if self.request is None else self.request.id,
            "automation_rule_id": None if self.rule is None else self.rule.id,
            **kept_of(self.judgment),
        }


async def hold(change: Change, model_id: UUID) -> Held:
    """Lock the slots of a model, made on first use; whoever holds them already is waited for."""
    mine = (
        select(Slot)
        .where(col(Slot.org_id) == change.org_id, col(Slot.model_id) == model_id)
        .order_by(col(Slot.stage))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    slots = (await change.execute(mine)).scalars().all()
    if len(slots) < len(SLOTS):
        now = utc_now()
        rows = [
            {"org_id": change.org_id, "id": uuid7(), "created_at": now, "updated_at": now, "model_id": model_id}
            | {"stage": stage, "revision": 0}
            for stage in SLOTS
        ]
        await change.execute(insert(Slot).values(rows).on_conflict_do_nothing())
        slots = (await change.execute(mine)).scalars().all()
    last = (
        select(col(Transition.number), col(Transition.created_at), func.clock_timestamp())
        .where(col(Transition.org_id) == change.org_id, col(Transition.model_id) == model_id)
        .order_by(col(Transition.number).desc())
        .limit(1)
    )
    latest = (await change.execute(last)).one_or_none()
    if latest is None:
        number, moment = 0, await database_time(change)
    else:
        number, moment = latest[0], max(latest[1:])
    return Held(model_id, {slot.stage: slot for slot in slots}, number, moment)


def check_expected(slot: Slot, expected: int | None) -> None:
    """Refuse a caller who knows an older state of a slot. For PRODUCTION the expected revision is required.

    Raises: StaleRevision, InvalidValue.
    """
    needed = slot.stage == Stage.PRODUCTION
    check_revision(f"slot {slot.stage}", slot.revision, expected, slot.version_id, required=needed)


def check_free(slot: Slot) -> None:
    """Refuse where a slot holds a version that would have to make way.

    Raises: Conflict.
    """
    if slot.version_id is not None:
        raise Conflict(f"Another version is in {slot.stage}. Demote or archive that one first.", ("version",))


async def move(
    change: Change, actor: Actor, held: Held, version: ModelVersion, to_stage: Stage, step: Step
) -> Transition:
    """Send a version, locked, to another stage: out of its slot, into the other, in place of what was there.

    What it takes the place of becomes ARCHIVED. The caller has checked that all this is allowed.
    """
    from_stage = version.stage
    transition = await _note(change, held, version, to_stage, step, actor)
    if from_stage in held.slots:
        await _put(change, held, held.slots[from_stage], None, transition)
    displaced_id = held.slots[to_stage].version_id if to_stage in held.slots else None
    if to_stage in held.slots:
        await _put(change, held, held.slots[to_stage], version.id, transition)
    _tell(change, actor, held, version, transition)
    if displaced_id is not None:
        displaced = await find(change, ModelVersion, displaced_id, "version", lock=True)
        why = Step(TransitionKind.DISPLACEMENT, cause=transition)
        _tell(change, actor, held, displaced, await _note(change, held, displaced, Stage.ARCHIVED, why, actor))
    await change.flush()
    touched = {from_stage, to_stage} & held.slots.keys()
    of_the_moved = col(PromotionRequest.version_id).in_([version.id, displaced_id])
    concerned = col(PromotionRequest.stage).in_(touched) | (of_the_moved & col(PromotionRequest.stage).is_not(None))
    # No alias is given to what is archived.
    archived = [displaced_id, version.id if to_stage == Stage.ARCHIVED else None]
    concerned |= col(PromotionRequest.version_id).in_(archived)
    await outdate(change, actor, held.model_id, concerned, transition.request_id)
    return transition


async def _note(
    change: Change, held: Held, version: ModelVersion, to_stage: Stage, step: Step, actor: Actor
) -> Transition:
    """Write the transition down, with the next number of the model, and send the version there."""
    held.number += 1
    transition = Transition(
        org_id=change.org_id,
        model_id=held.model_id,
        number=held.number,
        version_id=version.id,
        from_stage=version.stage,
        to_stage=to_stage,
        created_by=actor.principal_id,
        created_at=held.moment,
        **step.columns(),
    )
    change.add(transition)
    version.stage = to_stage
    # Slots and their revisions refer to it.
    await change.flush()
    return transition


async def _put(change: Change, held: Held, slot: Slot, version_id: UUID | None, transition: Transition) -> None:
    """Let a slot hold a version or nothing, as its next revision."""
    await change.execute(
        update(SlotRevision)
        .where(
            col(SlotRevision.org_id) == change.org_id,
            col(SlotRevision.model_id) == held.model_id,
            col(SlotRevision.stage) == slot.stage,
            col(SlotRevision.revision) == slot.revision,
        )
        .values(valid_to=held.moment)
    )
    slot.version_id, slot.transition_id, slot.updated_at = version_id, transition.id, held.moment
    slot.revision += 1
    change.add(
        SlotRevision(
            org_id=change.org_id,
            model_id=held.model_id,
            stage=slot.stage,
            revision=slot.revision,
            version_id=version_id,
            transition_id=transition.id,
            valid_from=held.moment,
        )
    )
    # At once: a version that goes from one slot to another must have left the first.
    await change.flush()


def _tell(change: Change, actor: Actor, held: Held, version: ModelVersion, transition: Transition) -> None:
    """One event for each version that moved. Transition, slot and its revisions follow from it."""
    stages = (transition.from_stage, transition.to_stage)
    revisions = {str(stage): held.slots[stage].revision for stage in stages if stage in held.slots}
    after = {
        "stage": transition.to_stage,
        "transition_id": transition.id,
        "transition_number": transition.number,
        "cause_id": transition.cause_id,
        "undone_id": transition.undone_id,
        "request_id": transition.request_id,
        "automation_rule_id": transition.automation_rule_id,
        "reason": transition.reason,
        "slot_revisions": revisions,
    }
    record(change, actor, version, VERBS[transition.kind], {"stage": transition.from_stage}, after)
