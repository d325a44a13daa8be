"""Webhooks of a tenant: making them, making events for them, and looking at what came of it."""

from typing import Any

from sqlalchemy import text, update
from sqlmodel import col

from db.tables import Webhook
from tests.tenant import Tenant, uuid_of

LOOK = """query($id: ID!) { webhook(by: {id: $id}) {
    state disabledReason disabledAt failingSince failuresInARow lastSuccessAt eventsBehind deliveredCount failedCount
    deliveries(orderBy: {field: CREATED_AT, direction: ASC}) { nodes {
      id sequence kind state attempts status failure
      durationMilliseconds nextAttemptAt deliveredAt redeliveryOf { id } } } } }"""


async def hook(tenant: Tenant, url: str, **given: Any) -> tuple[str, str]:
    """The id and the secret of a new webhook."""
    values = {"name": tenant.name("hook"), "url": url, "kinds": ["team.*", "model.*"], **given}
    payload = await tenant.client.change("createWebhook", "webhook { id } secret", **values)
    assert payload["errors"] == []
    return payload["webhook"]["id"], payload["secret"]


async def teams(tenant: Tenant, count: int = 1) -> None:
    """So many events of the kind `team.created`."""
    for _ in range(count):
        await tenant.client.make("createTeam", "team", name=tenant.name())


async def look(tenant: Tenant, webhook: str) -> dict[str, Any]:
    found: dict[str, Any] = (await tenant.client(LOOK, id=webhook))["webhook"]
    return found


async def log_of(tenant: Tenant, webhook: str) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = (await look(tenant, webhook))["deliveries"]["nodes"]
    return nodes


async def events_of(tenant: Tenant, *kinds: str) -> list[int]:
    """The numbers of the events of these kinds."""
    async with tenant.database.change(tenant.org_id) as change:
        statement = text("select seq from ev.event where org_id = :org_id and kind = any(:kinds) order by seq")
        return list((await change.execute(statement, {"org_id": tenant.org_id, "kinds": list(kinds)})).scalars())


async def alter(tenant: Tenant, webhook: str, **values: Any) -> None:
    async with tenant.database.change(tenant.org_id) as change:
        await change.execute(update(Webhook).where(col(Webhook.id) == uuid_of(webhook)).values(**values))
