"""Endpoints of others that are told of events, and what was told to them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, text
from sqlmodel import Field

from db.base import Deletable, Json, Name, Row, Time, code, unique_while_live, utc_now, within
from db.codes import DeliveryState, DisabledReason, WebhookState

_SECRET: dict[str, Any] = {"info": {"secret": True}}
_DERIVED: dict[str, Any] = {"info": {"derived": True}}


class Webhook(Deletable, table=True):
    """Where events are posted to. `cursor_seq` is the last event that is done with; the next is tried until it arrives.

    `url` may hold a secret of its own, so that events tell `host` alone. `kinds` without any means all kinds of events.
    The signing secrets are sealed by `registry.webhooks.vault`.
    """

    __tablename__ = "webhook"
    __table_args__ = (
        within("only_project_id", "project"),
        within("only_model_id", "model"),
        within("created_by", "principal"),
        unique_while_live("webhook", "name"),
        CheckConstraint("(state = 'DISABLED') = (disabled_reason is not null)", name="reason"),
        CheckConstraint("num_nonnulls(earlier_secret, earlier_secret_until) in (0, 2)", name="earlier_secret"),
    )

    name: str = Field(sa_type=Name)
    url: str = Field(repr=False, sa_column_kwargs=_SECRET)
    host: str
    kinds: list[str] = Field(default_factory=list, sa_type=Json)
    only_project_id: UUID | None = None
    only_model_id: UUID | None = None
    state: WebhookState = Field(default=WebhookState.ENABLED, sa_type=code(WebhookState))
    disabled_reason: DisabledReason | None = Field(default=None, sa_type=code(DisabledReason))
    disabled_at: datetime | None = Field(default=None, sa_type=Time)
    secret: str = Field(repr=False, sa_column_kwargs=_SECRET)
    secret_made_at: datetime = Field(default_factory=utc_now, sa_type=Time)
    earlier_secret: str | None = Field(default=None, repr=False, sa_column_kwargs=_SECRET)
    earlier_secret_until: datetime | None = Field(default=None, sa_type=Time)
    cursor_seq: int = Field(sa_type=BigInteger, sa_column_kwargs=_DERIVED)
    delivered_count: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs=_DERIVED)
    failed_count: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs=_DERIVED)
    failures_in_a_row: int = Field(default=0, sa_column_kwargs=_DERIVED)
    failing_since: datetime | None = Field(default=None, sa_type=Time, sa_column_kwargs=_DERIVED)
    last_success_at: datetime | None = Field(default=None, sa_type=Time, sa_column_kwargs=_DERIVED)
    created_by: UUID
    updated_at: datetime = Field(default_factory=utc_now, sa_type=Time, sa_column_kwargs=_DERIVED)


class WebhookDelivery(Row, table=True):
    """What came of telling a webhook of one event. `sequence` is the number of the event; a ping has none.

    A redelivery is a row of its own; `redelivery_of` is what it repeats, which may be forgotten by now.
    """

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        within("webhook_id", "webhook"),
        Index(
            "webhook_delivery_sequence_key", "org_id", "webhook_id", "sequence",
            unique=True, postgresql_where=text("redelivery_of is null"),
        ),
        Index(None, "org_id", "webhook_id", "id"),
        Index(
            "webhook_delivery_pending_ix", "org_id", "webhook_id", "id",
            postgresql_where=text("state = 'PENDING'"),
        ),
        Index(None, "org_id", "webhook_id", "created_at", "id"),
        Index(None, "org_id", "webhook_id", "sequence", "id"),
        Index(None, "created_at"),
    )  # fmt: skip

    webhook_id: UUID
    sequence: int | None = Field(default=None, sa_type=BigInteger)
    kind: str
    redelivery_of: UUID | None = None
    state: DeliveryState = Field(default=DeliveryState.PENDING, sa_type=code(DeliveryState))
    attempts: int = 0
    status: int | None = None
    failure: str | None = None
    duration_milliseconds: int | None = None
    next_attempt_at: datetime | None = Field(default=None, sa_type=Time)
    delivered_at: datetime | None = Field(default=None, sa_type=Time)
