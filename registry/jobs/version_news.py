"""The one hook for news of a version: whatever changed about it, those who wait for it are checked again.

These are the open promotion requests of the version, and the automation rules that promote versions of its model.
"""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, literal, or_, select
from sqlmodel import col

from db.codes import JobKind, RequestState, TriggerKind
from db.session import Change
from db.tables import AutomationRule, ModelVersion, PromotionRequest
from registry.jobs.schedule import due, make_due


async def version_changed(change: Change, version_id: UUID) -> None:
    """Schedule a re-check of what waits for a version, once this transaction commits."""
    await _recheck(change, col(ModelVersion.id) == version_id)


async def run_changed(change: Change, run_id: UUID) -> None:
    """Schedule the same re-check for all versions that a run produced."""
    await _recheck(change, col(ModelVersion.run_id) == run_id)


async def many_changed(change: Change, version_ids: Collection[UUID], run_ids: Collection[UUID] = ()) -> None:
    """Schedule the same re-check for many versions, and for all that these runs produced, in one statement."""
    if version_ids or run_ids:
        versions, runs = [literal(list(ids), ARRAY(Uuid)) for ids in (version_ids, run_ids)]
        await _recheck(change, or_(col(ModelVersion.id) == any_(versions), col(ModelVersion.run_id) == any_(runs)))


async def _recheck(change: Change, concerned: ColumnElement[bool]) -> None:
    versions = col(ModelVersion.org_id) == change.org_id, concerned
    open_ones = due(JobKind.SETTLE_REQUEST, PromotionRequest).where(
        col(PromotionRequest.org_id) == change.org_id,
        col(PromotionRequest.version_id).in_(select(col(ModelVersion.id)).where(*versions)),
        col(PromotionRequest.state) == RequestState.OPEN,
    )
    rules = due(JobKind.FIRE_RULE, AutomationRule).where(
        col(AutomationRule.org_id) == change.org_id,
        col(AutomationRule.model_id).in_(select(col(ModelVersion.model_id)).where(*versions)),
        col(AutomationRule.trigger) == TriggerKind.GATES_OPEN,
        col(AutomationRule.is_enabled),
        col(AutomationRule.removed_at).is_(None),
    )
    await make_due(change, open_ones, rules)
