"""Webhooks: events arrive in their order and signed, what fails is tried again, and the log tells what came of it."""

import asyncio
import base64
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, text
from sqlmodel import col
from structlog.testing import capture_logs

from db.base import utc_now
from db.codes import DeliveryState, Role
from db.tables import Webhook, WebhookDelivery
from registry.webhooks import deliveries
from registry.webhooks.deliveries import Patience
from server.app import create_app
from server.settings import Settings
from server.workers.job_handlers import WorkerServices
from server.workers.worker import deliver_due
from tests.hooks import LOOK, alter, events_of, hook, log_of, look, teams
from tests.receiver import DOCUMENT, Receiver, is_genuine, receiver
from tests.tenant import Tenant, found_tenant, uuid_of


async def test_events_arrive_once_in_their_order_and_signed(
    tenant: Tenant, means: WorkerServices, endpoint: Receiver
) -> None:
    await teams(tenant)
    webhook, secret = await hook(tenant, endpoint.url)
    await teams(tenant, 3)
    await deliver_due(means)
    await teams(tenant, 2)
    await deliver_due(means)

    assert endpoint.sequences() == (await events_of(tenant, "team.created"))[-5:]
    for one in endpoint.received:
        assert is_genuine(secret, one.headers, one.body)
        assert one.told["id"] == one.headers["webhook-id"]
    assert len({one.told["id"] for one in endpoint.received}) == 5
    found = await look(tenant, webhook)
    assert (found["deliveredCount"], found["failedCount"], found["eventsBehind"]) == ("5", "0", "0")
    assert found["lastSuccessAt"] is not None


async def test_a_delivery_says_what_happened_as_the_graph_knows_it(
    tenant: Tenant, means: WorkerServices, endpoint: Receiver
) -> None:
    await hook(tenant, endpoint.url)
    model = await tenant.model(name="churn")
    await deliver_due(means)
    (told,) = [one.told for one in endpoint.received]
    viewer = await tenant.client("{ viewer { id } organization { id } }")
    assert told["shape"] == 1
    assert told["kind"] == "model.created"
    assert told["subject"] == {"type": "Model", "id": model}
    assert told["actor"] == {"type": "Principal", "id": viewer["viewer"]["id"]}
    assert told["organization"] == viewer["organization"]["id"]
    assert told["model"] == model
    assert told["project"] == tenant.project
    assert told["before"] is None
    assert told["after"]["name"] == "churn"
    assert told["cursor"]
    assert endpoint.received[0].headers["content-type"] == "application/json"


async def test_the_mutation_of_the_document_runs_as_it_stands(tenant: Tenant) -> None:
    (document,) = re.findall(r"```graphql\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    made = (await tenant.client(document))["createWebhook"]
    assert made["errors"] == []
    assert made["webhook"]["state"] == "ENABLED"


async def test_a_webhook_is_told_only_of_what_it_wants(
    tenant: Tenant, means: WorkerServices, endpoint: Receiver
) -> None:
    model, other = await tenant.model(), await tenant.model()
    own = endpoint.base
    wanted: dict[str, dict[str, Any]] = {
        "exact": {"kinds": ["model.updated"]},
        "noun": {"kinds": ["version.*"]},
        "model": {"kinds": [], "onlyModel": model},
        "project": {"kinds": [], "onlyProject": tenant.project},
    }
    for path, given in wanted.items():
        await hook(tenant, f"{own}/{path}", **given)
    await tenant.client.make("updateModel", "model", model=model, description="new")
    await tenant.version(model)
    await tenant.version(other)
    await teams(tenant)
    await deliver_due(means)
    told: dict[str, list[str]] = {path: [] for path in wanted}
    for one in endpoint.received:
        told[one.path[1:]].append(one.told["kind"])
    assert told["exact"] == ["model.updated"]
    assert told["noun"] == ["version.created", "version.created"]
    assert told["model"][:2] == ["model.updated", "version.created"]
    assert told["project"].count("version.created") == 2
    assert "team.created" not in told["project"] + told["model"]


async def test_what_fails_is_tried_again_and_what_follows_waits(
    tenant: Tenant, means: WorkerServices, endpoint: Receiver
) -> None:
    webhook, _ = await hook(tenant, endpoint.url)
    await teams(tenant, 3)
    endpoint.answers = [204, 500, 503]
    await deliver_due(means)
    first, second, third = (await events_of(tenant, "team.created"))[-3:]
    assert endpoint.sequences() == [first, second, second, second, third]
    assert len({one.headers["webhook-id"] for one in endpoint.received}) == 3
    log = await log_of(tenant, webhook)
    assert [(one["sequence"], one["state"], one["attempts"]) for one in log] == [
        (str(first), "DELIVERED", 1), (str(second), "DELIVERED", 3), (str(third), "DELIVERED", 1),
    ]  # fmt: skip
    assert [one["failure"] for one in log] == [None, None, None]
    found = await look(tenant, webhook)
    assert (found["failedCount"], found["failuresInARow"], found["failingSince"]) == ("2", 0, None)


async def test_between_tries_it_waits_and_the_log_says_until_when(
    tenant: Tenant, means: WorkerServices, endpoint: Receiver
) -> None:
    webhook, _ = await hook(tenant, endpoint.url)
    await teams(tenant, 2)
    endpoint.usual = 500
    await deliver_due(means)
    await deliver_due(means)
    (entry,) = await log_of(tenant, webhook)
    assert (entry["state"], entry["attempts"], entry["status"]) == ("PENDING", 3, 500)
    assert entry["failure"] == "The endpoint answered 500."
    assert entry["nextAttemptAt"] > (utc_now() + timedelta(minutes=50)).isoformat()
    found = await look(tenant, webhook)
    assert (found["state"], found["failuresInARow"]) == ("ENABLED", 3)
    assert found["failingSince"] is not None
    assert int(found["eventsBehind"]) >= 2

    endpoint.usual = 204
    assert await tenant.client.make("enableWebhook", "webhook", webhook=webhook)
    await deliver_due(means)
    assert endpoint.sequences(204) == (await events_of(tenant, "team.created"))[-2:]


async def test_a_redirect_is_not_followed(tenant: Tenant, means: WorkerServices, endpoint: Receiver) -> None:
    async with receiver() as elsewhere:
        webhook, _ = await hook(tenant, endpoint.url)
        endpoint.usual, endpoint.headers = 307, {"location": elsewhere.url}
        await teams(tenant)
        await deliver_due(means)
        assert elsewhere.received == []
    (entry,) = await log_of(tenant, webhook)
    assert entry["failure"] == "The endpoint answered 307: redirects are not followed."


async def test_whoever_fails_for_too_long_is_disabled_and_others_are_told(
    tenant: Tenant, means: WorkerServices, endpoint: Receiver
) -> None:
    webhook, _ = await hook(tenant, f"{endpoint.base}/failing")
    async with receiver() as other:
        await hook(tenant, other.url, kinds=["webhook.disabled"])
        await teams(tenant, 2)
        endpoint.usual = 500
        restless = replace(means, patience=Patience((0,), 0, failures=5, disabled_after=timedelta(0)))
        await deliver_due(restless)
        await deliver_due(restless)
        (told,) = [one.told for one in other.received]
    assert len(endpoint.received) == 5
    assert told["subject"] == {"type": "Webhook", "id": webhook}
    assert told["actor"] is None
    assert (told["after"]["state"], told["after"]["disabledReason"]) == ("DISABLED", "FAILING")
    found = await look(tenant, webhook)
    assert (found["state"], found["disabledReason"]) == ("DISABLED", "FAILING")
    assert found["disabledAt"] is not None

    await teams(tenant)
    await deliver_due(restless)
    assert len(endpoint.received) == 5
    endpoint.usual = 204
    await tenant.client.make("enableWebhook", "webhook", webhook=webhook)
    await deliver_due(restless)
    assert endpoint.sequences(204) == (await events_of(tenant, "team.created"))[-3:], "nothing was lost"


@pytest.mark.parametrize(
    ("failures", "hours", "disabled"), [(19, 25, False), (20, 23, False), (20, 25, True), (500, 0, False)]
)
async def test_it_takes_many_failures_and_a_long_time(
    tenant: Tenant, means: WorkerServices, endpoint: Receiver, failures: int, hours: int, disabled: bool
) -> None:
    webhook, _ = await hook(tenant, endpoint.url)
    await teams(tenant)
    since = utc_now() - timedelta(hours=hours)
    await alter(tenant, webhook, failures_in_a_row=failures - 1, failing_since=since)
    endpoint.usual = 500
    await deliver_due(replace(means, patience=Patience(waits_s=(3600,))))
    assert ((await look(tenant, webhook))["state"] == "DISABLED") == disabled


async def test_an_endpoint_that_is_gone_is_left_alone_at_once(
    tenant: Tenant, means: WorkerServices, endpoint: Receiver
) -> None:
    webhook, _ = await hook(tenant, endpoint.url)
    await teams(tenant, 2)
    endpoint.usual = 410
    await deliver_due(means)
    assert len(endpoint.received) == 1
    found = await look(tenant, webhook)
    assert (found["state"], found["disabledReason"]) == ("DISABLED", "GONE")


async def test_what_is_answered_where_a_webhook_went_before_says_nothing_of_where_it_goes_now(
    tenant: Tenant, means: WorkerServices, endpoint: Receiver
) -> None:
    webhook, _ = await hook(tenant, endpoint.url)
    await teams(tenant)
    endpoint.usual = 410
    endpoint.held.clear()
    async with asyncio.TaskGroup() as tasks, receiver() as elsewhere:
        delivering = tasks.create_task(deliver_due(means))
        await endpoint.until(lambda: endpoint.waiting == 1)
        await tenant.client.make("updateWebhook", "webhook", webhook=webhook, url=elsewhere.url)
        endpoint.held.set()
        await delivering
        await deliver_due(means)
        assert elsewhere.sequences(204) == endpoint.sequences(410)
    found = await look(tenant, webhook)
    assert (found["state"], found["failedCount"]) == ("ENABLED", "1")


@pytest.mark.parametrize(("resume", "left"), [("WHERE_IT_STOPPED", 3), ("BEHIND_THE_FAILED", 2), ("NOW", 0)])
async def test_a_webhook_goes_on_from_where_it_is_told_to(
    tenant: Tenant, means: WorkerServices, endpoint: Receiver, resume: str, left: int
) -> None:
    webhook, _ = await hook(tenant, endpoint.url)
    await teams(tenant, 3)
    endpoint.usual = 410
    await deliver_due(means)
    endpoint.usual = 204
    await tenant.client.make("enableWebhook", "webhook", webhook=webhook, resume=resume)
    await deliver_due(means)
    assert endpoint.sequences(204) == (await events_of(tenant, "team.created"))[-3:][3 - left :]
    log = await log_of(tenant, webhook)
    assert log[0]["state"] == ("DELIVERED" if left == 3 else "FAILED")
    assert len(await events_of(tenant, "webhook.skipped")) == (left < 3)


async def test_a_disabled_webhook_loses_nothing_and_so_does_one_that_was_deleted(
    tenant: Tenant, means: WorkerServices, endpoint: Receiver
) -> None:
    webhook, _ = await hook(tenant, endpoint.url)
    for away, back in (("disableWebhook", "enableWebhook"), ("deleteWebhook", "restoreWebhook")):
        await tenant.client.make(away, "webhook", webhook=webhook)
        await teams(tenant, 2)
        before = len(endpoint.received)
        await deliver_due(means)
        assert len(endpoint.received) == before
        await tenant.client.make(back, "webhook", webhook=webhook)
        await deliver_due(means)
        assert endpoint.sequences()[before:] == (await events_of(tenant, "team.created"))[-2:]


async def test_a_ping_reaches_a_disabled_webhook_as_well(
    tenant: Tenant, means: WorkerServices, endpoint: Receiver
) -> None:
    webhook, secret = await hook(tenant, endpoint.url)
    await tenant.client.make("disableWebhook", "webhook", webhook=webhook)
    endpoint.answers = [204, 500]
    for _ in range(2):
        assert await tenant.client.make("testWebhook", "webhookDelivery", webhook=webhook)
        await deliver_due(means)
    assert [one.told["kind"] for one in endpoint.received] == ["webhook.ping", "webhook.ping"]
    assert endpoint.received[0].told["subject"] == {"type": "Webhook", "id": webhook}
    assert is_genuine(secret, endpoint.received[0].headers, endpoint.received[0].body)
    assert [(one["state"], one["status"], one["sequence"]) for one in await log_of(tenant, webhook)] == [
        ("DELIVERED", 204, None), ("FAILED", 500, None),
    ]  # fmt: skip


async def test_an_event_is_delivered_again_with_the_id_that_it_had(
    tenant: Tenant, means: WorkerServices, endpoint: Receiver
) -> None:
    webhook, _ = await hook(tenant, endpoint.url)
    await teams(tenant, 2)
    await deliver_due(means)
    first, second = await log_of(tenant, webhook)
    again = await tenant.client.make("redeliverWebhookDelivery", "webhookDelivery", delivery=first["id"])
    await deliver_due(means)
    assert [one.body for one in endpoint.received] == [endpoint.received[place].body for place in (0, 1, 0)]
    (entry,) = [one for one in await log_of(tenant, webhook) if one["id"] == again]
    assert entry["redeliveryOf"] == {"id": first["id"]}
    assert (entry["state"], entry["sequence"]) == ("DELIVERED", first["sequence"])
    assert second["redeliveryOf"] is None


async def test_few_events_among_many_are_found_piece_by_piece(
    tenant: Tenant, means: WorkerServices, endpoint: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "LOOKED_AT", 2)
    monkeypatch.setattr(deliveries, "PAGE", 2)
    webhook, _ = await hook(tenant, endpoint.url, kinds=["model.created"])
    await teams(tenant, 7)
    await tenant.model()
    await teams(tenant, 4)
    await deliver_due(means)
    assert endpoint.sequences() == await events_of(tenant, "model.created")
    assert (await look(tenant, webhook))["eventsBehind"] == "0"


async def test_where_the_next_events_are_gone_nothing_is_skipped_in_silence(
    tenant: Tenant, means: WorkerServices, endpoint: Receiver
) -> None:
    webhook, _ = await hook(tenant, endpoint.url)
    await teams(tenant, 3)
    await alter(tenant, webhook, cursor_seq=-1)
    await deliver_due(means)
    assert (await look(tenant, webhook))["disabledReason"] == "EVENTS_EXPIRED"
    (error,) = [
        await tenant.client.refusal("enableWebhook", "webhook", webhook=webhook),
    ]
    assert (error["code"], error["path"]) == ("CONFLICT", ["resume"])
    await tenant.client.make("enableWebhook", "webhook", webhook=webhook, resume="NOW")
    await teams(tenant)
    await deliver_due(means)
    assert endpoint.sequences() == (await events_of(tenant, "team.created"))[-1:]


async def test_a_secret_is_in_no_log_event_answer_or_row(
    tenant: Tenant, means: WorkerServices, endpoint: Receiver
) -> None:
    with capture_logs() as entries:
        webhook, first = await hook(tenant, f"{endpoint.base}/secret-path", kinds=[])
        second = (await tenant.client.change("rotateWebhookSecret", "secret", webhook=webhook))["secret"]
        await tenant.client.make("updateWebhook", "webhook", webhook=webhook, url=f"{endpoint.base}/secret-path-too")
        await deliver_due(means)
        answer = await tenant.client.post(LOOK, {"id": webhook})
    async with tenant.database.change(tenant.org_id) as change:
        told = (await change.execute(text("select jsonb_agg(e)::text from ev.event e"))).scalar_one()
        kept = (await change.execute(text("select jsonb_agg(w)::text from registry.webhook w"))).scalar_one()
    assert len(await events_of(tenant, "webhook.updated")) == 1
    assert endpoint.received
    for secret in (first, second):
        for place in (str(entries), told, kept, str(answer), str([one.body for one in endpoint.received])):
            assert secret not in place
            assert secret.removeprefix("whsec_") not in place
            assert base64.b64decode(secret.removeprefix("whsec_")).hex() not in place
    for place in (str(entries), told, str(answer)):
        assert "secret-path" not in place


async def test_the_url_is_shown_to_administrators_alone(tenant: Tenant, endpoint: Receiver) -> None:
    webhook, _ = await hook(tenant, endpoint.url)
    query = "query($id: ID!) { webhook(by: {id: $id}) { host url } }"
    reader, admin = await tenant.member(Role.READER), await tenant.member(Role.ADMIN)
    assert (await admin(query, id=webhook))["webhook"] == {"host": "127.0.0.1", "url": endpoint.url}
    answer = await reader.post(query, {"id": webhook})
    assert answer["data"]["webhook"] == {"host": "127.0.0.1", "url": None}
    assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"


@pytest.mark.parametrize("secret_key", [None, "31 characters are still to few."])
async def test_a_server_without_a_key_makes_no_webhooks_and_says_what_it_needs(
    settings: Settings, secret_key: str | None
) -> None:
    key = None if secret_key is None else SecretStr(secret_key)
    bare = create_app(settings.model_copy(update={"secret_key": key}))
    transport = httpx2.ASGITransport(app=bare)
    async with (
        bare.router.lifespan_context(bare),
        httpx2.AsyncClient(transport=transport, base_url="http://registry.test") as http,
    ):
        other = await found_tenant(bare.state.services.database, http)
        answer = await other.client.post(
            'mutation { createWebhook(input: {name: "a", url: "https://example.com"}) { errors { __typename } } }'
        )
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "SECRET_KEY_MISSING"
    assert "SECRET_KEY" in error["message"]


async def test_the_log_is_kept_for_thirty_days(tenant: Tenant, means: WorkerServices, endpoint: Receiver) -> None:
    webhook, _ = await hook(tenant, endpoint.url)
    ages = {31: DeliveryState.DELIVERED, 32: DeliveryState.FAILED, 33: DeliveryState.PENDING, 29: DeliveryState.FAILED}
    async with tenant.database.change(tenant.org_id) as change:
        for days, state in ages.items():
            at, of = utc_now() - timedelta(days=days), uuid_of(webhook)
            row = WebhookDelivery(org_id=tenant.org_id, webhook_id=of, kind="a.b", sequence=days, state=state)
            row.created_at = at
            change.add(row)
    assert await deliveries.forget(means.database) == 2
    async with tenant.database.change(tenant.org_id) as change:
        left = select(col(WebhookDelivery.sequence)).where(col(WebhookDelivery.webhook_id) == uuid_of(webhook))
        assert set((await change.execute(left)).scalars()) == {33, 29}
        assert (await change.execute(select(func.count()).select_from(Webhook))).scalar_one() == 1
