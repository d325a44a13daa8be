"""Webhooks, and the log of what they were told."""

from datetime import datetime
from typing import Any

import strawberry
from strawberry import Parent

from db import tables
from db.codes import DeliveryState, DisabledReason, WebhookState
from registry.kernel.access import Action
from registry.kernel.errors import Conflict, InvalidValue, NameTaken, NotFound
from registry.kernel.inputs import BigInt
from registry.webhooks import deliveries, webhooks as rules
from resolvers.context import Info
from resolvers.events import webhook_state
from resolvers.pages.paging import BY_NAME
from resolvers.services import Services
from schema.building.deletion import delete, restore
from schema.building.derived import derived
from schema.building.edges import all_of, many, one, read
from schema.building.events import events_of
from schema.building.lookups import by_own_name
from schema.building.mutations import change
from schema.building.node import RowNode
from schema.types.interfaces import Authored, Deletable
from schema.types.tracking.values import DELETED_AT

_SECRET = (
    "secret",
    "The signing secret, `whsec_` and 32 bytes in base64. Keep it: it is shown here and never again. Null when refused"
    " and when replayed: what a lost answer showed is gone, so rotate the secret then.",
)


async def _url(root: Parent[tables.Webhook], info: Info) -> str:
    return await webhook_state.url(root, info.context)


@strawberry.type(description="Where events are posted to, in their order and at least once.")
class Webhook(Deletable, Authored):
    """See `db.tables.Webhook`."""

    table = tables.Webhook

    name: str = strawberry.field(description="Unique in the organization.")
    host: str = strawberry.field(description="The host of its URL.")
    url = strawberry.field(
        _url,
        # Nullable, so that the refusal takes nothing else from the answer.
        graphql_type=str | None,
        description="Where events are posted to. Only for who may administer the organization.",
    )
    kinds: list[str] = strawberry.field(
        description="The kinds of events that it is told of, such as `version.created` or `version.*`; none means all."
    )
    state: WebhookState = strawberry.field(description="Whether it is told of events.")
    disabled_reason: DisabledReason | None = strawberry.field(description="Why it is DISABLED.")
    disabled_at: datetime | None = strawberry.field(description="Since when it is DISABLED.")
    secret_made_at: datetime = strawberry.field(description="When its signing secret was made.")
    earlier_secret_until: datetime | None = strawberry.field(
        description="Until when deliveries are signed with the secret before as well."
    )
    delivered_count: BigInt = strawberry.field(description="How many deliveries arrived.")
    failed_count: BigInt = strawberry.field(description="How many tries failed.")
    failures_in_a_row: int = strawberry.field(description="How many tries failed since one arrived.")
    failing_since: datetime | None = strawberry.field(description="Since when tries fail; null while they arrive.")
    last_success_at: datetime | None = strawberry.field(description="When an event arrived last; null for never.")
    created_at: datetime = strawberry.field(description="When it was made: it is told of what happened since.")
    updated_at: datetime = strawberry.field(description="When its settings or its state last changed.")
    deleted_at: datetime | None = strawberry.field(description=DELETED_AT)

    events_behind = derived(
        webhook_state.EventsBehind(), BigInt, tables.Webhook, "id",
        description="How many events of the organization it has still to look at, whether it wants them or not.",
    )  # fmt: skip
    only_project = one(
        tables.Project, "only_project_id", description="It is told only of this project and its models; null for all."
    )
    only_model = one(tables.Model, "only_model_id", description="It is told only of this model; null for all.")
    created_by = one(tables.Principal, "created_by", required=True, description="Who made it.")
    deliveries = many(
        tables.WebhookDelivery, "webhook_id",
        description=f"What it was told, newest first; kept for {deliveries.LOG_DAYS} days.",
    )  # fmt: skip
    events = events_of(tables.Webhook)


@strawberry.type(description="What came of telling a webhook of one event.")
class WebhookDelivery(RowNode):
    """See `db.tables.WebhookDelivery`."""

    table = tables.WebhookDelivery

    sequence: BigInt | None = strawberry.field(description="The number of its event; null for a ping.")
    kind: str = strawberry.field(description="The kind of its event, or `webhook.ping`.")
    state: DeliveryState = strawberry.field(description="How far it has come.")
    attempts: int = strawberry.field(description="How often it was tried.")
    status: int | None = strawberry.field(description="The HTTP status of the last answer; null where there was none.")
    failure: str | None = strawberry.field(description="Why the last try failed; null where it did not.")
    duration_milliseconds: int | None = strawberry.field(description="How many milliseconds the last try took.")
    next_attempt_at: datetime | None = strawberry.field(description="When it is tried again; null where it is not.")
    delivered_at: datetime | None = strawberry.field(description="When it arrived.")
    created_at: datetime = strawberry.field(description="When it was first tried, or asked for.")

    webhook = one(tables.Webhook, "webhook_id", required=True, description="Who was told.")
    redelivery_of = one(
        tables.WebhookDelivery, "redelivery_of",
        description="The delivery that it repeats; null where it repeats none, or one that is no longer kept.",
    )  # fmt: skip
    events = events_of(tables.WebhookDelivery)


@strawberry.type
class WebhookQuery:
    """The reads of webhooks."""

    webhook = read(by_own_name(tables.Webhook), Webhook | None, description="One by id or by name.")
    webhooks = all_of(tables.Webhook, order=BY_NAME, description="All webhooks, by name.")


def _vault(services: Services) -> dict[str, Any]:
    return {"vault": services.vault}


def _trusted(services: Services) -> dict[str, Any]:
    return {"trusted": services.trusted_hosts}


@strawberry.type
class WebhookMutation:
    """The changes of webhooks."""

    create_webhook = change(
        rules.create, tables.Webhook, action=Action.ADMINISTER,
        errors=[NotFound, InvalidValue, NameTaken], shown_once=_SECRET,
        supply=lambda services: {**_vault(services), **_trusted(services)},
        description="Has events posted to a URL, from now on and signed with a new secret.",
    )  # fmt: skip
    update_webhook = change(
        rules.update, tables.Webhook, action=Action.ADMINISTER,
        errors=[NotFound, InvalidValue, NameTaken], supply=_trusted,
        description="Changes where a webhook goes and what it is told of, for events that it has not been told of yet.",
    )  # fmt: skip
    rotate_webhook_secret = change(
        rules.rotate_secret, tables.Webhook, action=Action.ADMINISTER,
        errors=[NotFound, InvalidValue], shown_once=_SECRET, supply=_vault,
        description="Gives a webhook a new secret. For 24 hours deliveries are signed with the one before as well.",
    )  # fmt: skip
    enable_webhook = change(
        rules.enable, tables.Webhook, action=Action.ADMINISTER,
        errors=[NotFound, InvalidValue, Conflict], supply=_vault,
        description="Lets a webhook be told of events again. One that fails is tried at once.",
    )  # fmt: skip
    disable_webhook = change(
        rules.disable, tables.Webhook, action=Action.ADMINISTER,
        errors=[NotFound, InvalidValue],
        description="Tells a webhook of nothing until it is enabled. It then goes on where it stopped.",
    )  # fmt: skip
    test_webhook = change(
        rules.ping, tables.WebhookDelivery, action=Action.ADMINISTER,
        errors=[NotFound, InvalidValue, Conflict],
        description="Posts a `webhook.ping`, once, also to a DISABLED webhook. The delivery says what came of it."
        f" Refused while {rules.MAX_WAITING} pings and redeliveries of the webhook wait.",
    )  # fmt: skip
    redeliver_webhook_delivery = change(
        rules.redeliver, tables.WebhookDelivery, action=Action.ADMINISTER,
        errors=[NotFound, InvalidValue, Conflict],
        description="Posts an event again, once, beside the order of events and with the id that it had."
        f" Refused while {rules.MAX_WAITING} pings and redeliveries of the webhook wait.",
    )  # fmt: skip
    delete_webhook = delete(
        tables.Webhook,
        description="Deletes a webhook: it is told of nothing more. Its name is free from then on.",
    )  # fmt: skip
    restore_webhook = restore(tables.Webhook)
