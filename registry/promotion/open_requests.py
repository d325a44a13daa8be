"""Open requests for promotion: looked at when something about their version is new, and how they end."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, literal, select, union_all, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from db.base import Row, utc_now
from db.codes import JobKind, RequestState, TriggerKind
from db.session import Change
from db.tables import AutomationRule, Job, PromotionRequest, Version
from registry.kernel.access import Actor
from registry.kernel.rows import record

DONE: Final = "Every gate was open."
MOVED_ON: Final = "What it was made for moved on before this was decided."


async def look_soon(change: Change, version_id: UUID) -> None:
    """Have what waits for news of a version looked at once this change is committed: something about it is new.

    These are its open requests, and the automation rules that promote versions of its model.
    """
    await _look_soon(change, col(Version.id) == version_id)


async def look_soon_at_what_came_of(change: Change, run_id: UUID) -> None:
    """The same for all versions that a run produced: something about the run is new."""
    await _look_soon(change, col(Version.run_id) == run_id)


async def _look_soon(change: Change, concerned: ColumnElement[bool]) -> None:
    versions = col(Version.org_id) == change.org_id, concerned
    open_ones = due(JobKind.SETTLE_REQUEST, PromotionRequest).where(
        col(PromotionRequest.org_id) == change.org_id,
        col(PromotionRequest.version_id).in_(select(col(Version.id)).where(*versions)),
        col(PromotionRequest.state) == RequestState.OPEN,
    )
    rules = due(JobKind.FIRE_RULE, AutomationRule).where(
        col(AutomationRule.org_id) == change.org_id,
        col(AutomationRule.model_id).in_(select(col(Version.model_id)).where(*versions)),
        col(AutomationRule.trigger) == TriggerKind.GATES_OPEN,
        col(AutomationRule.is_enabled),
        col(AutomationRule.removed_at).is_(None),
    )
    await make_due(change, open_ones, rules)


def due(kind: JobKind, table: type[Row], when: datetime | None = None) -> Select[*tuple[Any, ...]]:
    """Jobs of a kind about rows of a table, which the caller chooses; due now if no time is given."""
    now = utc_now()
    return select(
        col(table.org_id).label("org_id"), func.gen_random_uuid().label("id"), literal(now).label("created_at"),
        literal(kind.value).label("kind"), col(table.id).label("subject_id"), literal(when or now).label("run_after"),
        literal(0).label("attempts"),
    )  # fmt: skip


async def make_due(change: Change, *jobs: Select[*tuple[Any, ...]]) -> None:
    """Put jobs in, or let those that are there be due when these are."""
    # In one order, so that two changes that bring the same news cannot wait for each other.
    chosen = union_all(*jobs).order_by("subject_id")
    columns = ["org_id", "id", "created_at", "kind", "subject_id", "run_after", "attempts"]
    statement = insert(Job).from_select(columns, chosen)
    # Not an update alone: a worker may be replacing the job at this moment, and the one it puts there is to hear of it.
    await change.execute(
        statement.on_conflict_do_update(
            index_elements=["org_id", "kind", "subject_id"], set_={"run_after": statement.excluded.run_after}
        )
    )


async def close(change: Change, actor: Actor, request: PromotionRequest, state: RequestState, outcome: str) -> None:
    """End an open request, locked, and say why."""
    await _close(change, actor, [request], state, outcome)


async def _close(
    change: Change, actor: Actor, requests: Sequence[PromotionRequest], state: RequestState, outcome: str
) -> None:
    """End open requests, in one statement however many they are."""
    # That somebody said no is told as their review.
    verb = "closed" if state == RequestState.REJECTED else state.lower()
    after = {"state": state, "outcome": outcome, "closed_at": utc_now()}
    for request in requests:
        record(change, actor, request, verb, {name: getattr(request, name) for name in after}, after | about(request))
    own = col(PromotionRequest.org_id) == change.org_id
    ids = [request.id for request in requests]
    await change.execute(update(PromotionRequest).where(own, col(PromotionRequest.id).in_(ids)).values(after))


def about(request: PromotionRequest) -> dict[str, Any]:
    """What every event of a request says besides what changed, so that followers need not ask."""
    return {"version_id": request.version_id, "stage": request.stage, "alias": request.alias}


async def outdate(
    change: Change, actor: Actor, model_id: UUID, concerned: ColumnElement[bool], completed: UUID | None = None
) -> None:
    """Close the open requests of a model that were made for what is no longer so, but for the one being completed.

    The caller holds what they are about, so that none is opened meanwhile.
    """
    statement = select(PromotionRequest).where(
        col(PromotionRequest.org_id) == change.org_id,
        col(PromotionRequest.model_id) == model_id,
        col(PromotionRequest.state) == RequestState.OPEN,
        col(PromotionRequest.id).is_distinct_from(completed),
        concerned,
    )
    found = await change.execute(statement.order_by(col(PromotionRequest.id)).with_for_update())
    await _close(change, actor, found.scalars().all(), RequestState.STALE, MOVED_ON)
