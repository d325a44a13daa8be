"""Open requests for promotion: looked at when something about their version is new, and how they end."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, select, update
from sqlmodel import col

from db.base import utc_now
from db.codes import RequestState
from db.session import Change
from db.tables import PromotionRequest
from registry.kernel.access import Actor
from registry.kernel.rows import record

DONE: Final = "Every gate was open."
MOVED_ON: Final = "What it was made for moved on before this was decided."


async def close(
    change: Change, actor: Actor, requests: Sequence[PromotionRequest], state: RequestState, outcome: str
) -> None:
    """Close open requests, which are locked, and record why: one statement for all of them."""
    if not requests:
        return
    # A rejection has an event of its own, that of the review.
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
    await close(change, actor, found.scalars().all(), RequestState.STALE, MOVED_ON)
