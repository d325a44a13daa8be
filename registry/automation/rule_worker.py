"""What workers do with automation rules: see whether one has to act, and act once, in the transaction that notes it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import aliased
from sqlmodel import col

from db.base import utc_now
from db.codes import FiringState, JobKind, Stage, TransitionKind, TriggerKind
from db.session import Change, Database
from db.tables import AutomationFiring, AutomationRule, ModelVersion, Slot, SlotRevision, Transition
from registry.automation.breaches import find_breach
from registry.jobs import queue
from registry.jobs.queue import Lease
from registry.jobs.schedule import due, make_due
from registry.kernel.access import Actor
from registry.kernel.errors import Conflict, GateFailed
from registry.kernel.rows import find, find_by, image, record
from registry.promotion import promotions, rollback, slots
from registry.promotion.evaluation import asked, judge_within
from registry.promotion.slots import Step
from registry.promotion.targets import Target
from registry.tenants.organizations import in_the_name_of

LOOK_AGAIN: Final = timedelta(seconds=60)
"""How often a rule that promotes is looked at although nothing is known to be new: time and policies open gates."""
MAX_CANDIDATES: Final = 10
"""How many versions a rule that promotes has judged at a time: the newest."""

VERBS: Final = {FiringState.DONE: "fired", FiringState.FAILED: "failed"}


async def fire(database: Database, lease: Lease) -> None:
    """Let a rule act if it has to. Raises: LeaseLost.

    What it may promote is judged before anything is held: whoever brings news of a version needs the job as well.
    """
    async with database.change(lease.org_id) as change:
        rule = await _acting(change, lease)
        passing = None if rule is None else await newest_passing(change, rule)
    async with database.change(lease.org_id) as change:
        had_news = await queue.finish(change, lease)
        rule = await _acting(change, lease)
        if rule is not None:
            await act(change, rule, passing)
            if had_news and rule.trigger == TriggerKind.GATES_OPEN:
                await _look_again(change, rule, utc_now())


async def act(change: Change, rule: AutomationRule, passing: UUID | None) -> None:
    """Promote the version that seems to pass, or roll back where a rule has to.

    All that decides is looked at again once the slots are held.
    """
    if rule.trigger == TriggerKind.GATES_OPEN:
        if passing is not None:
            await _promote(change, rule, passing)
        await _look_again(change, rule, utc_now() + LOOK_AGAIN)
    elif await find_breach(change, rule) is not None:
        await _roll_back(change, rule)


async def _acting(change: Change, lease: Lease) -> AutomationRule | None:
    """The rule that a job is about; None where it is to do nothing any more."""
    rule = await find_by(change, AutomationRule, id=lease.subject_id)
    return rule if rule is not None and rule.is_enabled and rule.removed_at is None else None


async def _promote(change: Change, rule: AutomationRule, version_id: UUID) -> None:
    """Put a version that may go into the slot, if that is still so. No other is judged while the slots are held."""
    held = await slots.hold(change, rule.model_id)
    if version_id not in await _candidates(change, rule):
        return
    version = await find(change, ModelVersion, version_id, "version", lock=True)
    judgment = await judge_within(change, version, Target(stage=rule.stage))
    if not judgment.passed:
        return
    actor, slot_revision = await in_the_name_of(change, rule.set_by), held.slots[rule.stage].revision
    reason = f"Rule {rule.name}: every gate for {rule.stage} was open."
    request = await asked(change, judgment)
    step = Step(TransitionKind.PROMOTION, reason, judgment=judgment, request=request, rule=rule)
    transition = await promotions.put(change, actor, held, version, rule.stage, step)
    firing = _firing(rule, slot_revision, version.id, FiringState.DONE, reason, transition_id=transition.id)
    await _note(change, actor, rule, firing)


async def _roll_back(change: Change, rule: AutomationRule) -> None:
    """Put the last good version back, or note why that cannot be."""
    held = await slots.hold(change, rule.model_id)
    breach = await find_breach(change, rule)
    if breach is None:
        return
    rests_until = await _rests_until(change, rule)
    if rests_until is not None:
        await _look_again(change, rule, rests_until)
        return
    actor, slot_revision = await in_the_name_of(change, rule.set_by), held.slots[rule.stage].revision
    reason = f"Rule {rule.name}: {breach.sentence}."
    seen = {"measured": list(breach.measured), "deployment_id": breach.deployment_id}
    state, more = FiringState.DONE, ""
    transition_id: UUID | None = None
    try:
        transition_id = (await rollback.put_back(change, actor, held, rule.stage, reason, rule=rule)).id
    except (Conflict, GateFailed) as failure:
        state, more = FiringState.FAILED, f" {failure.message}"
    firing = _firing(rule, slot_revision, breach.version_id, state, reason + more, transition_id=transition_id, **seen)
    await _note(change, actor, rule, firing)


async def newest_passing(change: Change, rule: AutomationRule) -> UUID | None:
    """The newest version that a rule may promote and for which every gate is open; None for none."""
    if rule.trigger != TriggerKind.GATES_OPEN:
        return None
    for version_id in await _candidates(change, rule):
        version = await find(change, ModelVersion, version_id, "version")
        if (await judge_within(change, version, Target(stage=rule.stage))).passed:
            return version_id
    return None


async def _candidates(change: Change, rule: AutomationRule) -> Sequence[UUID]:
    """The versions that stand before a stage, newest first, as far as they may go there by themselves.

    Left to people is what any of them has taken out of a stage, and what is older than what the slot holds or held
    last, or than what is in PRODUCTION. To PRODUCTION none goes while the model rests after a rollback.
    """
    if rule.stage == Stage.PRODUCTION and await _rests_until(change, rule) is not None:
        return ()
    own, other = aliased(ModelVersion), aliased(ModelVersion)
    before = Stage.DEVELOPMENT if rule.stage == Stage.STAGING else Stage.STAGING
    in_production = select(col(Slot.version_id)).where(
        col(Slot.org_id) == rule.org_id, col(Slot.model_id) == rule.model_id, col(Slot.stage) == Stage.PRODUCTION
    )
    last_held = (
        select(col(SlotRevision.version_id))
        .where(
            col(SlotRevision.org_id) == rule.org_id,
            col(SlotRevision.model_id) == rule.model_id,
            col(SlotRevision.stage) == rule.stage,
            col(SlotRevision.version_id).is_not(None),
        )
        .order_by(col(SlotRevision.revision).desc())
        .limit(1)
    )
    newest = select(func.max(col(other.number))).where(
        col(other.org_id) == rule.org_id,
        or_(col(other.id) == in_production.scalar_subquery(), col(other.id) == last_held.scalar_subquery()),
    )
    taken_out = exists().where(
        col(Transition.org_id) == rule.org_id,
        col(Transition.version_id) == col(own.id),
        col(Transition.kind) != TransitionKind.PROMOTION,
    )
    statement = (
        select(col(own.id))
        .where(
            col(own.org_id) == rule.org_id,
            col(own.model_id) == rule.model_id,
            col(own.deleted_at).is_(None),
            col(own.stage) == before,
            col(own.number) > func.coalesce(newest.scalar_subquery(), 0),
            ~taken_out,
        )
        .order_by(col(own.number).desc())
        .limit(MAX_CANDIDATES)
    )
    return (await change.execute(statement)).scalars().all()


async def _rests_until(change: Change, rule: AutomationRule) -> datetime | None:
    """Until when the model is left alone after a rollback by a rule; None where that is over.

    The longest cool-down of its rules counts: that another rule has none does not end it.
    """
    longest = select(func.max(col(AutomationRule.cool_down_seconds))).where(
        col(AutomationRule.org_id) == rule.org_id,
        col(AutomationRule.model_id) == rule.model_id,
        col(AutomationRule.is_enabled),
        col(AutomationRule.removed_at).is_(None),
    )
    statement = select(func.max(col(Transition.created_at)), longest.scalar_subquery()).where(
        col(Transition.org_id) == rule.org_id,
        col(Transition.model_id) == rule.model_id,
        col(Transition.kind) == TransitionKind.ROLLBACK,
        col(Transition.automation_rule_id).is_not(None),
    )
    last, cool_down_seconds = (await change.execute(statement)).one()
    if last is None:
        return None
    until: datetime = last + timedelta(seconds=cool_down_seconds or 0)
    return until if until > utc_now() else None


async def _look_again(change: Change, rule: AutomationRule, when: datetime) -> None:
    this = col(AutomationRule.org_id) == rule.org_id, col(AutomationRule.id) == rule.id
    await make_due(change, due(JobKind.FIRE_RULE, AutomationRule, when).where(*this))


def _firing(
    rule: AutomationRule, slot_revision: int, version_id: UUID, state: FiringState, reason: str, **more: Any
) -> AutomationFiring:
    return AutomationFiring(
        org_id=rule.org_id,
        model_id=rule.model_id,
        rule_id=rule.id,
        rule_revision=rule.revision,
        slot_revision=slot_revision,
        version_id=version_id,
        state=state,
        reason=reason,
        **more,
    )


async def _note(change: Change, actor: Actor, rule: AutomationRule, firing: AutomationFiring) -> None:
    """Keep what a rule did, and tell of it."""
    change.add(firing)
    await change.flush()
    told = image(firing)
    record(change, actor, rule, VERBS[firing.state], None, {"firing_id": told.pop("id"), **told})
