"""What Prometheus is told, and that nothing strangers send makes it grow."""

import math
import re
from datetime import timedelta
from uuid import uuid4

import httpx2
import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from sqlalchemy import delete, text
from sqlmodel import col
from starlette.applications import Starlette

from db.base import utc_now
from db.codes import JobKind
from db.session import Database
from db.tables import Job
from server.app import create_app
from server.settings import Settings
from server.telemetry import metrics
from tests.hooks import alter, hook
from tests.tenant import Tenant

STATES = ("due", "leased", "postponed")
OURS = (
    metrics.REQUEST_SECONDS,
    metrics.AUTHENTICATIONS,
    metrics.POOL_IN_USE,
    metrics.POOL_SIZE,
    metrics.JOBS,
    metrics.OLDEST_JOB,
    metrics.FEED_LAG,
    metrics.FEED_LISTENS,
    metrics.FEED_READERS,
    metrics.FEED_DELIVERED,
    metrics.WEBHOOKS,
    metrics.BACKLOG,
    metrics.DELIVERIES,
)


async def scraped(http: httpx2.AsyncClient) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Every sample, by name."""
    response = await http.get("/metrics/prometheus")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(response.text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def requests(method: str, route: str, status: str) -> float:
    labels = {"method": method, "route": route, "status": status}
    return REGISTRY.get_sample_value("registry_http_request_seconds_count", labels) or 0


async def test_requests_are_counted_by_method_route_and_status(http: httpx2.AsyncClient) -> None:
    before = requests("GET", "/livez", "200")
    await http.get("/livez")
    assert requests("GET", "/livez", "200") == before + 1


async def test_a_query_is_counted(http: httpx2.AsyncClient, tenant: Tenant) -> None:
    before = requests("POST", "/graphql", "200")
    await tenant.client("{ __typename }")
    assert requests("POST", "/graphql", "200") == before + 1


@pytest.mark.parametrize("method", ["GET", "DELETE", "BREW", "X" * 100])
async def test_what_strangers_ask_for_makes_no_labels(http: httpx2.AsyncClient, method: str) -> None:
    await http.request(method, "/warm/up")
    before = {tuple(labels.items()) for labels, _ in (await scraped(http))["registry_http_request_seconds_count"]}
    for _ in range(5):
        await http.request(method, f"/{uuid4()}?{uuid4()}", headers={"user-agent": str(uuid4())})
    after = {tuple(labels.items()) for labels, _ in (await scraped(http))["registry_http_request_seconds_count"]}
    assert after - before <= {(("method", "GET"), ("route", "/metrics"), ("status", "200"))}


async def test_methods_that_nobody_knows_are_one_label(http: httpx2.AsyncClient) -> None:
    before = requests("OTHER", "/graphql", "405")
    await http.request("BREW", "/graphql")
    assert requests("OTHER", "/graphql", "405") == before + 1


async def test_the_feed_is_measured(http: httpx2.AsyncClient, tenant: Tenant, app: Starlette) -> None:
    messages = await app.state.services.feed.follow(tenant.org_id)
    await anext(messages)
    before = await scraped(http)
    await tenant.model()
    await anext(messages)
    after = await scraped(http)
    await messages.aclose()
    assert after["registry_feed_subscribers"][0][1] >= 1
    delivered = "registry_feed_delivered_events_total"
    assert after[delivered][0][1] >= before[delivered][0][1] + 1
    assert after["registry_feed_listener_up"][0][1] in (0, 1)
    assert after["registry_feed_lag_seconds"][0][1] >= 0


async def test_no_label_holds_a_name_or_an_id(http: httpx2.AsyncClient, tenant: Tenant) -> None:
    name = f"secret-model-{uuid4()}"
    await tenant.client("query($id: ID!) { node(id: $id) { id } }", id=await tenant.model(name=name))
    shown = (await http.get("/metrics/prometheus")).text
    for hidden in (name, str(tenant.org_id), tenant.org_id.hex, tenant.client.token, tenant.actor.name + '"'):
        assert hidden not in shown


def test_every_metric_of_ours_says_what_it_is_and_is_named_alike() -> None:
    for metric in OURS:
        (family,) = metric.collect()
        assert family.name.startswith("registry_")
        assert re.fullmatch(r"[A-Z].*\.", family.documentation)


async def test_the_connections_in_use_are_shown(http: httpx2.AsyncClient, database: Database) -> None:
    before = (await scraped(http))["registry_database_connections_in_use"][0][1]
    async with database.as_nobody() as connection:
        await connection.execute(text("select 1"))
        assert (await scraped(http))["registry_database_connections_in_use"][0][1] == before + 1
    assert (await scraped(http))["registry_database_connections_in_use"][0][1] == before
    assert (await scraped(http))["registry_database_connections_limit"][0][1] == 20


async def test_the_queue_of_jobs_is_shown_as_the_table_has_it(
    http: httpx2.AsyncClient, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "_QUEUE_S", 30)
    before = jobs_of(await scraped(http))
    now = utc_now()
    due, soon, away = now - timedelta(days=4000), now + timedelta(hours=1), now + timedelta(hours=2)
    queued = [(due, None), (now, away), (due, away), (soon, None), (soon, None), (away, now - timedelta(hours=1))]
    async with tenant.database.change(tenant.org_id) as change:
        for run_after, until in queued:
            job = Job(org_id=tenant.org_id, kind=JobKind.CLEAR_UPLOAD, subject_id=uuid4(), run_after=run_after)
            job.lease_until = until
            change.add(job)
    found = await scraped(http)
    after = jobs_of(found)
    grown = {state: after["CLEAR_UPLOAD", state] - before["CLEAR_UPLOAD", state] for state in STATES}
    assert grown == {"due": 1, "leased": 2, "postponed": 3}
    ((_, oldest_s),) = found["registry_jobs_oldest_due_seconds"]
    assert oldest_s >= timedelta(days=4000).total_seconds()
    async with tenant.database.change(tenant.org_id) as change:
        await change.execute(delete(Job).where(col(Job.org_id) == tenant.org_id))
    assert jobs_of(await scraped(http)) == before


async def test_webhooks_are_counted_by_how_they_do_and_deliveries_by_outcome(
    http: httpx2.AsyncClient, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "_QUEUE_S", 30)

    async def told() -> dict[str, float]:
        found = await scraped(http)
        return {
            "behind": found["registry_webhook_events_behind"][0][1],
            **{labels["state"]: value for labels, value in found["registry_webhooks"]},
            **{labels["outcome"]: value for labels, value in found["registry_webhook_deliveries_total"]},
        }

    before = await told()
    ids = [(await hook(tenant, "https://example.com/hook"))[0] for _ in range(4)]
    async with tenant.database.change(tenant.org_id) as change:
        head = await change.execute(text("select head_seq from ev.stream where org_id = :id"), {"id": tenant.org_id})
        seq = head.scalar_one()
    for webhook in ids:
        await alter(tenant, webhook, cursor_seq=seq, delivered_count=3)
    await alter(tenant, ids[0], cursor_seq=seq - 5)
    await alter(tenant, ids[1], failing_since=utc_now(), failed_count=2)
    await tenant.client.make("disableWebhook", "webhook", webhook=ids[2])
    await tenant.client.make("deleteWebhook", "webhook", webhook=ids[3])
    grown = {name: value - before[name] for name, value in (await told()).items()}
    # Two events more, of the two that were put away, for the two that are on.
    assert grown == {"behind": 5 + 2 * 2, "healthy": 1, "failing": 1, "disabled": 1, "delivered": 12, "failed": 2}


async def test_metrics_are_told_without_the_queue_when_the_database_is_away(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"database_url": SecretStr("postgresql://u@127.0.0.1:1/d")}))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://registry.test") as client:
        found = await scraped(client)
    assert jobs_of(found) == {}
    assert not {"registry_webhooks", "registry_webhook_deliveries_total"} & found.keys()
    assert found["registry_database_connections_limit"]
    ((_, oldest_s),) = found["registry_jobs_oldest_due_seconds"]
    assert math.isnan(oldest_s)


def jobs_of(found: dict[str, list[tuple[dict[str, str], float]]]) -> dict[tuple[str, str], float]:
    """The numbers of jobs by kind and state."""
    return {(labels["kind"], labels["state"]): value for labels, value in found.get("registry_jobs", [])}
