"""Webhooks: who is told of events, from which event on, and under which secret.

Signing secrets look like `whsec_…`, 32 random bytes in base64, and are shown once. A webhook goes through the feed in
order: `registry.webhooks.deliveries` moves its cursor.
"""

import base64
import secrets
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, update as update_rows
from sqlmodel import col
from typing_extensions import Doc

from db.base import unique_key, utc_now
from db.codes import DeliveryState, DisabledReason, JobKind, WebhookState
from db.session import Change
from db.tables import Job, Model, Project, Webhook, WebhookDelivery
from registry.events import event_log
from registry.events.event_kinds import MAX_KINDS, checked
from registry.jobs.queue import KINDS, Lane
from registry.jobs.schedule import due, make_due
from registry.kernel import inputs
from registry.kernel.access import Action, Actor, require
from registry.kernel.errors import BadInput, Conflict, InvalidValue, NameTaken
from registry.kernel.inputs import KEEP, Keep
from registry.kernel.rows import add, alter, find, record
from registry.webhooks.hook_urls import TrustedHosts, target_of
from registry.webhooks.vault import Unreadable, Vault

NAME_KEY = unique_key(Webhook, "name")
PING: Final = "webhook.ping"
MAX_WAITING: Final = 100
"""How many pings and redeliveries of one webhook may wait at a time."""
SECRET_BYTES = 32
SECRET_GRACE = timedelta(hours=24)
"""For how long deliveries are also signed with the secret before the last rotation."""
_SECRET_PREFIX = "whsec_"  # noqa: S105 - how secrets begin


class WebhookResumePoint(StrEnum):
    """From where a webhook goes on."""

    WHERE_IT_STOPPED = "WHERE_IT_STOPPED"
    BEHIND_THE_FAILED = "BEHIND_THE_FAILED"
    NOW = "NOW"


async def create(
    change: Change,
    actor: Actor,
    *,
    name: Annotated[str, Doc(f"Unique in the organization; 1 to {inputs.MAX_NAME} characters.")],
    url: Annotated[str, Doc("Where to post events: `https://` on port 443 of a host in the public internet.")],
    kinds: Annotated[
        Sequence[str],
        Doc(f"Only these kinds of events: `version.created`, or `version.*` for all; at most {MAX_KINDS}."),
    ] = (),
    only_project_id: Annotated[inputs.ProjectId | None, Doc("Only events of this project and its models.")] = None,
    only_model_id: Annotated[inputs.ModelId | None, Doc("Only events of this model.")] = None,
    vault: Vault,
    trusted: TrustedHosts,
) -> Webhook:
    """A new webhook, told of all events from now on. The answer shows its secret.

    Raises: Forbidden, NotFound, InvalidValue, NameTaken, SecretKeyMissing.
    """
    require(actor, Action.ADMINISTER)
    target = target_of(url, trusted)
    stream = await event_log.stream_of(change, change.org_id)
    row = Webhook(
        org_id=change.org_id,
        name=inputs.name(name),
        url=url,
        host=target.host,
        kinds=_kinds(kinds),
        **await _scope(change, only_project_id, only_model_id),
        secret="",
        cursor_seq=stream.head_seq,
        created_by=actor.principal_id,
    )
    row.secret = _new_secret(change, vault, row)
    return await add(change, actor, row, {NAME_KEY: _taken(row.name)})


async def update(
    change: Change,
    actor: Actor,
    *,
    webhook_id: Annotated[inputs.WebhookId, Doc("Which one.")],
    name: Annotated[str | Keep, Doc("A new name.")] = KEEP,
    url: Annotated[str | Keep, Doc("Where to post events from now on.")] = KEEP,
    kinds: Annotated[
        Sequence[str] | Keep, Doc("All kinds that it is to be told of; an empty list means every.")
    ] = KEEP,
    only_project_id: Annotated[
        inputs.ProjectId | Keep | None, Doc("Only events of this project and its models; null removes the limit.")
    ] = KEEP,
    only_model_id: Annotated[
        inputs.ModelId | Keep | None, Doc("Only events of this model; null removes the limit.")
    ] = KEEP,
    trusted: TrustedHosts,
) -> Webhook:
    """Change where a webhook goes and what it is told of. What is not given stays.

    Raises: Forbidden, NotFound, InvalidValue, NameTaken.
    """
    webhook = await _found(change, actor, webhook_id)
    values: dict[str, Any] = inputs.description_of(name)
    if kinds is not KEEP:
        values["kinds"] = _kinds(kinds)
    values |= await _scope(change, only_project_id, only_model_id)
    if url is not KEEP:
        values |= {"url": url, "host": target_of(url, trusted).host}
    moved = values.get("url", webhook.url) != webhook.url
    if moved and values["host"] == webhook.host:
        # Events do not tell the URL, and the change is to be seen in them all the same.
        record(change, actor, webhook, "updated", {"host": webhook.host}, {"host": webhook.host})
    if moved:
        await _try_now(change, webhook)
    return await alter(change, actor, webhook, values, taken={NAME_KEY: _taken(str(values.get("name")))})


async def rotate_secret(
    change: Change,
    actor: Actor,
    *,
    webhook_id: Annotated[inputs.WebhookId, Doc("Which one.")],
    vault: Vault,
) -> Webhook:
    """Give a webhook a new secret, which the answer shows. The one before signs as well for 24 hours more.

    Raises: Forbidden, NotFound, SecretKeyMissing.
    """
    webhook = await _found(change, actor, webhook_id)
    now = utc_now()
    earlier: dict[str, Any] = {"earlier_secret": webhook.secret, "earlier_secret_until": now + SECRET_GRACE}
    if not _opens(vault, webhook):
        earlier = dict.fromkeys(earlier)
    values = {**earlier, "secret": _new_secret(change, vault, webhook), "secret_made_at": now}
    await _try_now(change, webhook)
    return await alter(change, actor, webhook, values, verb="secret_rotated")


async def enable(
    change: Change,
    actor: Actor,
    *,
    webhook_id: Annotated[inputs.WebhookId, Doc("Which one.")],
    resume: Annotated[WebhookResumePoint, Doc("From where it goes on.")] = WebhookResumePoint.WHERE_IT_STOPPED,
    vault: Vault,
) -> Webhook:
    """Let a webhook be told of events, at once. One that is enabled already is tried again at once.

    Raises: Forbidden, NotFound, Conflict, SecretKeyMissing.
    """
    webhook = await _found(change, actor, webhook_id)
    if not _opens(vault, webhook):
        raise Conflict("The secret of this webhook cannot be read. Rotate it first.", ("webhook",))
    await _skip(change, actor, webhook, resume)
    webhook.failures_in_a_row, webhook.failing_since = 0, None
    await _try_now(change, webhook)
    enabled = {"state": WebhookState.ENABLED, "disabled_reason": None, "disabled_at": None}
    return await alter(change, actor, webhook, enabled, verb="enabled")


async def disable(
    change: Change,
    actor: Actor,
    *,
    webhook_id: Annotated[inputs.WebhookId, Doc("Which one.")],
) -> Webhook:
    """Tell a webhook of nothing any more, until it is enabled. One that is disabled already stays as it is.

    Raises: Forbidden, NotFound.
    """
    webhook = await _found(change, actor, webhook_id)
    return await stop(change, actor, webhook, DisabledReason.BY_HAND)


async def stop(change: Change, actor: Actor, webhook: Webhook, reason: DisabledReason) -> Webhook:
    """Disable a webhook that is locked, for a reason that the feed tells."""
    if webhook.state == WebhookState.DISABLED:
        return webhook
    disabled = {"state": WebhookState.DISABLED, "disabled_reason": reason, "disabled_at": utc_now()}
    return await alter(change, actor, webhook, disabled, verb="disabled")


async def ping(
    change: Change,
    actor: Actor,
    *,
    webhook_id: Annotated[inputs.WebhookId, Doc("Which one.")],
) -> WebhookDelivery:
    """Have a worker post a `webhook.ping`, once and whether the webhook is enabled or not.

    Raises: Forbidden, NotFound, Conflict where too many wait.
    """
    webhook = await _found(change, actor, webhook_id)
    return await _send(change, actor, webhook, WebhookDelivery(org_id=change.org_id, webhook_id=webhook.id, kind=PING))


async def redeliver(
    change: Change,
    actor: Actor,
    *,
    delivery_id: Annotated[inputs.WebhookDeliveryId, Doc("What to repeat.")],
) -> WebhookDelivery:
    """Have a worker post an event again, once and beside the order of events, with the id that it had.

    Raises: Forbidden, NotFound, Conflict, also where too many wait.
    """
    repeated = await find(change, WebhookDelivery, delivery_id, "delivery")
    webhook = await find(change, Webhook, repeated.webhook_id, "delivery", lock=True)
    require(actor, Action.ADMINISTER, webhook)
    if repeated.sequence is None:
        raise Conflict("A ping is of no event. Send another one by testWebhook.", ("delivery",))
    if repeated.state == DeliveryState.PENDING:
        raise Conflict("This delivery is still being tried.", ("delivery",))
    again = WebhookDelivery(
        org_id=change.org_id,
        webhook_id=webhook.id,
        sequence=repeated.sequence,
        kind=repeated.kind,
        redelivery_of=repeated.id,
    )
    return await _send(change, actor, webhook, again)


async def _found(change: Change, actor: Actor, webhook_id: Any) -> Webhook:
    webhook = await find(change, Webhook, webhook_id, "webhook", lock=True)
    require(actor, Action.ADMINISTER, webhook)
    return webhook


async def _send(change: Change, actor: Actor, webhook: Webhook, delivery: WebhookDelivery) -> WebhookDelivery:
    """Put a ping or redelivery behind those of a webhook, locked, that wait. Raises: Conflict."""
    waiting = select(col(WebhookDelivery.id)).where(*one_off(webhook.id)).limit(MAX_WAITING)
    if len((await change.execute(waiting)).all()) >= MAX_WAITING:
        raise Conflict(f"{MAX_WAITING} pings and redeliveries of this webhook wait already. Try later.", ("webhook",))
    await add(change, actor, delivery)
    this = col(Webhook.org_id) == change.org_id, col(Webhook.id) == webhook.id
    await make_due(change, due(JobKind.SEND_DELIVERY, Webhook).where(*this))
    return delivery


def one_off(webhook_id: UUID) -> Sequence[ColumnElement[bool]]:
    """Conditions: pings and redeliveries of a webhook that wait to be sent."""
    return (
        col(WebhookDelivery.webhook_id) == webhook_id,
        col(WebhookDelivery.state) == DeliveryState.PENDING,
        or_(col(WebhookDelivery.sequence).is_(None), col(WebhookDelivery.redelivery_of).is_not(None)),
    )


async def _try_now(change: Change, webhook: Webhook) -> None:
    """Let what waits for its next try be tried at once: whatever it failed for may be over."""
    of_webhook = col(Job.org_id) == change.org_id, col(Job.subject_id) == webhook.id
    await change.execute(
        update_rows(Job)
        .where(*of_webhook, col(Job.kind).in_(KINDS[Lane.DELIVERIES]), col(Job.lease_id).is_(None))
        .values(run_after=utc_now())
        .execution_options(synchronize_session=False)
    )


async def _skip(change: Change, actor: Actor, webhook: Webhook, resume: WebhookResumePoint) -> None:
    """Move the cursor to where the webhook is to go on; what was being tried in between is given up."""
    waiting = update_rows(WebhookDelivery).where(
        col(WebhookDelivery.org_id) == change.org_id,
        col(WebhookDelivery.webhook_id) == webhook.id,
        col(WebhookDelivery.sequence) > webhook.cursor_seq,
        col(WebhookDelivery.redelivery_of).is_(None),
        col(WebhookDelivery.state) == DeliveryState.PENDING,
    )
    stream = await event_log.stream_of(change, change.org_id)
    if resume == WebhookResumePoint.WHERE_IT_STOPPED:
        if webhook.cursor_seq < stream.floor_seq:
            raise Conflict(
                "The events behind where this webhook stopped are no longer kept. WebhookResumePoint NOW.", ("resume",)
            )
        return
    given_up = waiting.values(state=DeliveryState.FAILED, next_attempt_at=None).returning(col(WebhookDelivery.sequence))
    skipped = (await change.execute(given_up.execution_options(synchronize_session=False))).scalars()
    to = (
        stream.head_seq
        if resume == WebhookResumePoint.NOW
        else max((seq or 0 for seq in skipped), default=webhook.cursor_seq)
    )
    if to != webhook.cursor_seq:
        record(change, actor, webhook, "skipped", {"cursor_seq": webhook.cursor_seq}, {"cursor_seq": to})
        webhook.cursor_seq = to


async def _scope(change: Change, project_id: Any, model_id: Any) -> dict[str, Any]:
    """The columns that limit a webhook to one project or model, as far as they are given. Raises: NotFound."""
    values: dict[str, Any] = {}
    if project_id is not KEEP:
        found = None if project_id is None else await find(change, Project, project_id, "onlyProject")
        values["only_project_id"] = found.id if found else None
    if model_id is not KEEP:
        model = None if model_id is None else await find(change, Model, model_id, "onlyModel")
        values["only_model_id"] = model.id if model else None
    return values


def _kinds(given: Sequence[str]) -> list[str]:
    try:
        return sorted(checked(given))
    except BadInput as refused:
        raise InvalidValue(refused.message, ("kinds",)) from refused


def _new_secret(change: Change, vault: Vault, webhook: Webhook) -> str:
    """A fresh secret, sealed. It is in the clear in the answer to this change alone."""
    secret = secrets.token_bytes(SECRET_BYTES)
    change.shown_once = _SECRET_PREFIX + base64.b64encode(secret).decode()
    return vault.seal(secret, webhook.id)


def _opens(vault: Vault, webhook: Webhook) -> bool:
    try:
        vault.open(webhook.secret, webhook.id)
    except Unreadable:
        return False
    return True


def _taken(name: str) -> NameTaken:
    return NameTaken("webhook", name, "organization")
