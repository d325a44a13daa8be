"""The secrets of webhooks: both are good after a rotation, and one that cannot be read costs nobody their webhook."""

import base64
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select
from sqlmodel import col
from structlog.testing import capture_logs

from db.base import utc_now
from db.tables import Job
from registry.webhooks.deliveries import Patience
from registry.webhooks.vault import Vault
from server.settings import Settings
from server.workers.job_handlers import WorkerServices
from server.workers.worker import deliver_due
from tests.hooks import alter, events_of, hook, look, teams
from tests.receiver import Receiver, is_genuine
from tests.tenant import Tenant

NEW_KEY = "another key which is long enough as well"
OTHER = Vault.of(NEW_KEY)


async def test_after_a_rotation_both_secrets_are_good_for_a_day(
    tenant: Tenant, means: WorkerServices, endpoint: Receiver
) -> None:
    webhook, first = await hook(tenant, endpoint.url)
    second = (await tenant.client.change("rotateWebhookSecret", "secret", webhook=webhook))["secret"]
    assert len({first, second}) == 2
    assert all(len(base64.b64decode(secret.removeprefix("whsec_"))) == 32 for secret in (first, second))

    async def good() -> list[bool]:
        await teams(tenant)
        await deliver_due(means)
        last = endpoint.received[-1]
        return [is_genuine(secret, last.headers, last.body) for secret in (first, second)]

    assert await good() == [True, True]
    await alter(tenant, webhook, earlier_secret_until=utc_now() - timedelta(seconds=1))
    assert await good() == [False, True]
    assert len(await events_of(tenant, "webhook.secret_rotated")) == 1


async def test_under_another_key_of_the_worker_it_is_tried_again_and_told_once_the_key_is_right(
    tenant: Tenant, means: WorkerServices, endpoint: Receiver
) -> None:
    webhook, _ = await hook(tenant, endpoint.url)
    await teams(tenant)
    with capture_logs() as entries:
        await deliver_due(replace(means, vault=OTHER))
    assert endpoint.received == []
    found = await look(tenant, webhook)
    assert (found["state"], found["failuresInARow"]) == ("ENABLED", 3)
    (entry,) = found["deliveries"]["nodes"]
    assert entry["failure"].startswith("The worker cannot read the secret of this webhook.")
    assert "SECRET_KEY" in next(entry["hint"] for entry in entries if entry["event"] == "deliveries.unsignable")
    await tenant.client.make("enableWebhook", "webhook", webhook=webhook)
    await deliver_due(means)
    assert len(endpoint.received) == 1
    assert (await look(tenant, webhook))["failuresInARow"] == 0


async def test_under_another_key_for_too_long_it_is_disabled_until_its_secret_is_rotated(
    tenant: Tenant, means: WorkerServices, endpoint: Receiver
) -> None:
    webhook, _ = await hook(tenant, endpoint.url)
    await teams(tenant)
    restless = Patience((0,), 0, failures=5, disabled_after=timedelta(0))
    await deliver_due(replace(means, vault=OTHER, patience=restless))
    found = await look(tenant, webhook)
    assert (found["state"], found["disabledReason"]) == ("DISABLED", "UNSIGNABLE")


async def test_a_worker_without_a_key_leaves_everything_as_it_is(
    tenant: Tenant, means: WorkerServices, endpoint: Receiver
) -> None:
    webhook, _ = await hook(tenant, endpoint.url)
    await teams(tenant)
    await deliver_due(replace(means, vault=Vault.of(None)))
    assert endpoint.received == []
    assert (await look(tenant, webhook))["state"] == "ENABLED"
    async with tenant.database.change(tenant.org_id) as change:
        (error,) = (await change.execute(select(col(Job.last_error)))).scalars()
    assert "SECRET_KEY" in str(error)


async def test_a_worker_with_the_new_key_before_the_old_one_signs_what_either_key_sealed(
    tenant: Tenant, means: WorkerServices, endpoint: Receiver, settings: Settings
) -> None:
    assert settings.secret_key is not None
    rotated = Vault.of(f"{NEW_KEY},{settings.secret_key.get_secret_value()}")
    _, secret = await hook(tenant, endpoint.url)
    await teams(tenant)

    await deliver_due(replace(means, vault=rotated))

    (received,) = endpoint.received
    assert is_genuine(secret, received.headers, received.body)
