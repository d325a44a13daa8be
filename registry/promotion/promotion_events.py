"""What the feed says of promotions: transitions of versions between stages, and requests for them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from db.codes import Stage
from registry.events.event_log import Cursor, StoredEvent


class PromotionEventKind(StrEnum):
    """What happened to a promotion."""

    PROMOTED = "PROMOTED"
    ROLLED_BACK = "ROLLED_BACK"
    DISPLACED = "DISPLACED"
    DEMOTED = "DEMOTED"
    ARCHIVED = "ARCHIVED"
    REACTIVATED = "REACTIVATED"
    REQUEST_CREATED = "REQUEST_CREATED"
    REQUEST_APPROVED = "REQUEST_APPROVED"
    REQUEST_REJECTED = "REQUEST_REJECTED"
    REQUEST_COMPLETED = "REQUEST_COMPLETED"
    REQUEST_WITHDRAWN = "REQUEST_WITHDRAWN"
    REQUEST_EXPIRED = "REQUEST_EXPIRED"
    REQUEST_STALE = "REQUEST_STALE"


KINDS: Final = {
    PromotionEventKind.PROMOTED: "version.promoted",
    PromotionEventKind.ROLLED_BACK: "version.rolled_back",
    PromotionEventKind.DISPLACED: "version.displaced",
    PromotionEventKind.DEMOTED: "version.demoted",
    PromotionEventKind.ARCHIVED: "version.archived",
    PromotionEventKind.REACTIVATED: "version.reactivated",
    PromotionEventKind.REQUEST_CREATED: "promotion_request.created",
    PromotionEventKind.REQUEST_APPROVED: "promotion_request.approved",
    PromotionEventKind.REQUEST_REJECTED: "promotion_request.rejected",
    PromotionEventKind.REQUEST_COMPLETED: "promotion_request.completed",
    PromotionEventKind.REQUEST_WITHDRAWN: "promotion_request.withdrawn",
    PromotionEventKind.REQUEST_EXPIRED: "promotion_request.expired",
    PromotionEventKind.REQUEST_STALE: "promotion_request.stale",
}
"""How the feed names them."""

_BY_KIND: Final = {kind: one for one, kind in KINDS.items()}


@dataclass(frozen=True)
class PromotionTold:
    """An event about a promotion, with what its body says of it. What it does not say is None."""

    event: StoredEvent
    kind: PromotionEventKind
    version_id: UUID | None
    from_stage: Stage | None
    to_stage: Stage | None
    alias: str | None
    reason: str | None
    transition_id: UUID | None
    request_id: UUID | None

    @property
    def cursor(self) -> Cursor:
        """The place behind the event."""
        return self.event.cursor

    @property
    def at(self) -> datetime:
        """When it happened."""
        return self.event.at

    @property
    def actor(self) -> str:
        """Who did it, as events name them."""
        return self.event.actor

    @property
    def model_id(self) -> UUID | None:
        """The model whose version it is."""
        return self.event.model_id


def told(event: StoredEvent) -> PromotionTold:
    """An event of one of the kinds above, read. Raises: KeyError for one of another kind."""
    kind = _BY_KIND[event.kind]
    before, after = (event.body.get(side) or {} for side in ("before", "after"))
    noun, _, row_id = event.subject.partition(":")
    moved = noun == "ModelVersion"
    return PromotionTold(
        event=event,
        kind=kind,
        version_id=UUID(row_id) if moved else _id(after.get("version_id")),
        from_stage=_stage(before.get("stage")) if moved else None,
        to_stage=_stage(after.get("stage")),
        alias=after.get("alias"),
        reason=after.get("comment") or after.get("outcome") or after.get("reason"),
        transition_id=_id(after.get("transition_id")),
        request_id=_id(after.get("request_id")) if moved else UUID(row_id),
    )


def concerns(event: StoredEvent, stage: Stage) -> bool:
    """Whether an event tells of a stage: of what left or entered it, or of a request, policy or rule that is for it."""
    body = event.body
    return any((body.get(side) or {}).get("stage") == stage for side in ("before", "after"))


def _id(value: Any) -> UUID | None:
    return None if value is None else UUID(value)


def _stage(value: Any) -> Stage | None:
    """A stage that this release knows."""
    return Stage(value) if value in list(Stage) else None
