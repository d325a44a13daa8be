"""What workers do with webhooks: post the events of the feed one after another, and keep a log of what came of it.

A job stands for a webhook that has something to be told. There is at most one of it, so that one event is in flight; it
is made when the feed is ahead of the cursor, so that no change has to think of webhooks. No transaction is open while
an endpoint is waited for.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import structlog
from sqlalchemy import delete, select, text, tuple_
from sqlmodel import col

from db.base import utc_now
from db.codes import DeliveryState, DisabledReason, JobKind, WebhookState
from db.session import Change, Database
from db.tables import Webhook, WebhookDelivery
from registry.events import event_kinds, event_log
from registry.events.event_log import Filter, StoredEvent
from registry.jobs import queue
from registry.jobs.queue import Lease
from registry.kernel.rows import find, find_by, flush
from registry.tenants.organizations import system
from registry.webhooks.vault import Unreadable, Vault
from registry.webhooks.webhooks import PING, one_off, stop

log = structlog.get_logger(__name__)

PAGE = 50
"""How many events one webhook is told of before others have a turn."""
LOOKED_AT = 5_000
"""How many events are looked through at once for those that are wanted: a webhook may be far behind and want few."""
LOG_DAYS = 30
FORGOTTEN_AT_ONCE = 5_000
_GONE = 410
_UNREADABLE = (
    "The worker cannot read the secret of this webhook. Rotate it, or have workers given the SECRET_KEY of before."
)
_OTHER_KEY = (
    "This worker has another SECRET_KEY than the server that sealed this secret. Give all servers and workers the same;"
    " where it was changed for good, have the secrets of webhooks rotated."
)

# The worker sees of a webhook neither its URL nor its secret. In order, so that two workers which look at once cannot
# each wait for the other.
_WAKE = text("""
    insert into registry.job (org_id, id, created_at, kind, subject_id, run_after, attempts)
    select w.org_id, gen_random_uuid(), now(), :kind, w.id, now(), 0
      from registry.webhook w join ev.stream s on s.org_id = w.org_id
     where w.state = :enabled and w.deleted_at is null and s.head_seq > w.cursor_seq
     order by w.org_id, w.id
    on conflict (org_id, kind, subject_id) do nothing
""")


@dataclass(frozen=True)
class Message:
    """What an endpoint is told: an event, or that it can be reached. `id` is the same at every try."""

    id: str
    org_id: UUID
    kind: str
    at: datetime
    subject: str
    event: StoredEvent | None = None


@dataclass(frozen=True)
class Answer:
    """What came of posting a message once. `fault` is a sentence, None where it was delivered.

    `reason` is what the webhook is disabled for where that goes on for too long.
    """

    status: int | None
    fault: str | None
    duration_milliseconds: int
    reason: DisabledReason = DisabledReason.FAILING


class Courier(Protocol):
    """Whoever posts messages."""

    async def send(self, url: str, secrets: Sequence[bytes], message: Message) -> Answer:
        """Post a message once, signed with each of the secrets. Ends in time and never raises for an endpoint.

        Raises: Overloaded where it could not even be tried.
        """
        ...


@dataclass(frozen=True)
class Patience:
    """How often and for how long an endpoint that fails is tried again.

    Between tries of one event `waits_s` pass, the last of them again and again, each more or less by the share
    `jitter`. The webhook is disabled after `failures` in a row that go on for `disabled_after`: both, so that neither a
    minute's fault nor a quiet week disables one.
    """

    waits_s: tuple[float, ...] = (1, 5, 30, 120, 600, 3600)
    jitter: float = 0.2
    failures: int = 20
    disabled_after: timedelta = timedelta(hours=24)

    def wait(self, attempts: int) -> timedelta:
        """How long to wait after so many attempts."""
        wait_s = self.waits_s[min(attempts, len(self.waits_s)) - 1]
        return timedelta(seconds=wait_s * random.uniform(1 - self.jitter, 1 + self.jitter))

    def is_over(self, webhook: Webhook, now: datetime) -> bool:
        """Whether a webhook that failed just now has failed for long enough."""
        failing = now - (webhook.failing_since or now)
        return webhook.failures_in_a_row >= self.failures and failing >= self.disabled_after


@dataclass(frozen=True)
class Means:
    """What delivering takes. `stopping` says that the worker is to end: what is in flight is still waited for."""

    database: Database
    vault: Vault
    courier: Courier
    patience: Patience = field(default_factory=Patience)
    stopping: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class _Turn:
    """What a webhook is told next. `upto_seq` is the number up to which no event is wanted but these."""

    webhook: Webhook
    events: Sequence[StoredEvent]
    upto_seq: int


async def wake(database: Database) -> None:
    """Make a job for each webhook that is behind the feed of its organization and has none."""
    async with database.as_worker() as connection:
        await connection.execute(_WAKE, {"kind": JobKind.DELIVER_EVENTS, "enabled": WebhookState.ENABLED})


async def deliver(means: Means, lease: Lease) -> None:
    """Tell a webhook of the next events, one after another, until one fails or others are to have a turn.

    Raises: LeaseLost, DatabaseUnavailable, SecretKeyMissing, Overloaded. What was told by then may be told again.
    """
    async with means.database.change(lease.org_id) as change:
        turn = await _next_turn(change, lease)
    if turn is None:
        return
    for event in turn.events:
        answer = await _sent(means, turn.webhook, _message(event))
        async with means.database.change(lease.org_id) as change:
            if not await _note(change, means, lease, turn, event, answer):
                return
    async with means.database.change(lease.org_id) as change:
        webhook = await _locked(change, lease.subject_id)
        webhook.cursor_seq = max(webhook.cursor_seq, turn.upto_seq)
        await queue.put_off(change, lease, utc_now())


async def send_once(means: Means, lease: Lease) -> None:
    """Post the ping or redelivery of a webhook that has waited longest, and note what came of it.

    The job goes on while more of them wait, behind those of others.

    Raises: LeaseLost, DatabaseUnavailable, SecretKeyMissing, Overloaded.
    """
    async with means.database.change(lease.org_id) as change:
        webhook = await _locked(change, lease.subject_id)
        delivery = await _waiting(change, webhook)
        if delivery is None:
            await queue.finish(change, lease)
            return
        message = await _message_of(change, webhook, delivery)
        await queue.keep(change, lease)
    answer = await _sent(means, webhook, message)
    async with means.database.change(lease.org_id) as change:
        webhook = await _locked(change, webhook.id)
        delivery = await find(change, WebhookDelivery, delivery.id, "delivery")
        if delivery.state == DeliveryState.PENDING:
            _count(webhook, delivery, answer)
            delivery.state = DeliveryState.FAILED if answer.fault else DeliveryState.DELIVERED
        await queue.put_off(change, lease, utc_now())


async def forget(database: Database) -> int:
    """Remove old entries of the log, of all organizations: row-level security shows a worker no others.

    Returns: how many it removed, at most `FORGOTTEN_AT_ONCE`; as many as that means there may be more.
    """
    key = (col(WebhookDelivery.org_id), col(WebhookDelivery.id))
    oldest = select(*key).order_by(col(WebhookDelivery.created_at)).limit(FORGOTTEN_AT_ONCE)
    async with database.as_worker() as connection:
        removed = await connection.execute(delete(WebhookDelivery).where(tuple_(*key).in_(oldest)))
    return removed.rowcount


async def _locked(change: Change, webhook_id: UUID) -> Webhook:
    return await find(change, Webhook, webhook_id, "webhook", lock=True, deleted=True)


async def _next_turn(change: Change, lease: Lease) -> _Turn | None:
    """What a webhook is told next; None where that is nothing, and then its job is done."""
    webhook = await _locked(change, lease.subject_id)
    if not _is_on(webhook):
        await queue.finish(change, lease)
        return None
    stream = await event_log.stream_of(change, lease.org_id)
    if webhook.cursor_seq < stream.floor_seq:
        await stop(change, system(lease.org_id), webhook, DisabledReason.EVENTS_EXPIRED)
        await queue.finish(change, lease)
        return None
    after = webhook.cursor_seq
    upto = min(stream.head_seq, after + LOOKED_AT)
    found = await event_log.page(change, lease.org_id, after, _wanted(webhook), limit=PAGE, before_seq=upto + 1)
    if not found and upto == stream.head_seq:
        webhook.cursor_seq = upto
        await queue.finish(change, lease)
        return None
    await queue.keep(change, lease)
    return _Turn(webhook, found, found[-1].seq if len(found) == PAGE else upto)


async def _note(change: Change, means: Means, lease: Lease, turn: _Turn, event: StoredEvent, answer: Answer) -> bool:
    """Write down what came of telling a webhook of an event. Returns: whether to go on with the turn.

    The webhook may have been changed, disabled or sent on while it was waited for. Raises: LeaseLost.
    """
    webhook = await _locked(change, lease.subject_id)
    delivery = await find_by(
        change, WebhookDelivery, webhook_id=webhook.id, sequence=event.seq, redelivery_of=None
    ) or WebhookDelivery(org_id=change.org_id, webhook_id=webhook.id, sequence=event.seq, kind=event.kind)
    change.add(delivery)
    _count(webhook, delivery, answer)
    now = utc_now()
    if answer.fault is None:
        delivery.state = DeliveryState.DELIVERED
        webhook.cursor_seq = max(webhook.cursor_seq, event.seq)
        webhook.failures_in_a_row, webhook.failing_since, webhook.last_success_at = 0, None, now
    elif (webhook.url, webhook.secret) != (turn.webhook.url, turn.webhook.secret):
        # What was answered where it no longer goes says nothing of where it goes now.
        delivery.next_attempt_at = now if _is_on(webhook) else None
    else:
        webhook.failures_in_a_row += 1
        webhook.failing_since = webhook.failing_since or now
        if webhook.cursor_seq >= event.seq:
            delivery.state = DeliveryState.FAILED
        elif answer.status == _GONE:
            await stop(change, system(lease.org_id), webhook, DisabledReason.GONE)
        elif means.patience.is_over(webhook, now):
            await stop(change, system(lease.org_id), webhook, answer.reason)
        elif _is_on(webhook):
            delivery.next_attempt_at = now + means.patience.wait(delivery.attempts)
    await flush(change)
    return await _goes_on(change, means, lease, turn, webhook, delivery)


async def _goes_on(
    change: Change, means: Means, lease: Lease, turn: _Turn, webhook: Webhook, delivery: WebhookDelivery
) -> bool:
    """Keep the job for the next event of the turn, or give it back, to be taken when there is something to do."""
    if not _is_on(webhook):
        await queue.finish(change, lease)
        return False
    is_as_it_was = (webhook.url, webhook.secret, _wanted(webhook), webhook.cursor_seq) == (
        turn.webhook.url, turn.webhook.secret, _wanted(turn.webhook), delivery.sequence,
    )  # fmt: skip
    if delivery.state == DeliveryState.DELIVERED and is_as_it_was and not means.stopping():
        await queue.keep(change, lease)
        return True
    await queue.put_off(change, lease, delivery.next_attempt_at or utc_now())
    return False


def _count(webhook: Webhook, delivery: WebhookDelivery, answer: Answer) -> None:
    """Write the answer into the log and into the sums of the webhook."""
    delivery.attempts += 1
    delivery.status, delivery.failure, delivery.duration_milliseconds = (
        answer.status,
        answer.fault,
        answer.duration_milliseconds,
    )
    delivery.next_attempt_at = None
    if answer.fault is None:
        delivery.delivered_at = utc_now()
        webhook.delivered_count += 1
    else:
        webhook.failed_count += 1


async def _waiting(change: Change, webhook: Webhook) -> WebhookDelivery | None:
    """The oldest ping or redelivery that waits to be sent; None for none."""
    waiting = select(WebhookDelivery).where(col(WebhookDelivery.org_id) == change.org_id, *one_off(webhook.id))
    return (await change.execute(waiting.order_by(col(WebhookDelivery.id)).limit(1))).scalar_one_or_none()


async def _message_of(change: Change, webhook: Webhook, delivery: WebhookDelivery) -> Message | None:
    """What a ping or a redelivery says; None where its event is no longer kept."""
    if delivery.sequence is None:
        subject = f"{Webhook.__name__}:{webhook.id}"
        return Message(f"ping_{delivery.id.hex}", change.org_id, PING, delivery.created_at, subject)
    after, before = delivery.sequence - 1, delivery.sequence + 1
    found = await event_log.page(change, change.org_id, after, limit=1, before_seq=before)
    return _message(found[0]) if found else None


async def _sent(means: Means, webhook: Webhook, message: Message | None) -> Answer:
    if message is None:
        return Answer(None, "The event is no longer kept.", 0)
    if webhook.deleted_at is not None:
        return Answer(None, "The webhook was deleted.", 0)
    try:
        secrets = _secrets(means.vault, webhook)
    except Unreadable:
        log.error("deliveries.unsignable", webhook=str(webhook.id), hint=_OTHER_KEY)
        return Answer(None, _UNREADABLE, 0, DisabledReason.UNSIGNABLE)
    return await means.courier.send(webhook.url, secrets, message)


def _message(event: StoredEvent) -> Message:
    """An event as it is told. Its id is of its numbering: after a restore the same number is another event."""
    return Message(f"evt_{event.epoch.hex}_{event.seq}", event.org_id, event.kind, event.at, event.subject, event)


def _secrets(vault: Vault, webhook: Webhook) -> list[bytes]:
    """What deliveries are signed with: the secret, and for a while the one before it.

    Raises: Unreadable, SecretKeyMissing.
    """
    sealed = [webhook.secret]
    if webhook.earlier_secret and webhook.earlier_secret_until and webhook.earlier_secret_until > utc_now():
        sealed.append(webhook.earlier_secret)
    return [vault.open(one, webhook.id) for one in sealed]


def _wanted(webhook: Webhook) -> Filter:
    models = frozenset((webhook.only_model_id,)) if webhook.only_model_id else frozenset[UUID]()
    return Filter(event_kinds.whole(webhook.kinds), models, webhook.only_project_id)


def _is_on(webhook: Webhook) -> bool:
    return webhook.state == WebhookState.ENABLED and webhook.deleted_at is None
