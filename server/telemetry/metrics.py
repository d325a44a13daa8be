"""What Prometheus is told. Labels hold no name of an organization, model or person."""

import asyncio
import math
from collections.abc import Iterator
from typing import Any

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Counter, Gauge, Histogram, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import Response

from db.codes import JobKind
from db.errors import told
from db.listening import Wakeups
from db.session import Database
from registry.events.feed import Feed

log = structlog.get_logger(__name__)

REQUEST_SECONDS = Histogram(
    "registry_http_request_seconds", "How long answers took.", ("method", "route", "status"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)  # fmt: skip
AUTHENTICATIONS = Counter("registry_authentications_total", "Tokens that were checked.", ("result",))
POOL_IN_USE = Gauge("registry_database_connections_in_use", "Connections that some request holds.")
POOL_SIZE = Gauge("registry_database_connections_limit", "Connections that this process may open.")
JOBS = Gauge("registry_jobs", "Jobs of all organizations that are due, leased or postponed.", ("kind", "state"))
FEED_LAG = Gauge(
    "registry_feed_lag_seconds", "How old the newest events were when they arrived, or how long none could."
)
FEED_LISTENS = Gauge("registry_feed_listener_up", "Whether wake-ups of other processes are heard; 0 is polling.")
FEED_READERS = Gauge("registry_feed_subscribers", "Subscriptions to events that this process serves.")
FEED_DELIVERED = Counter("registry_feed_delivered_events", "Events that were given to subscriptions.")
OLDEST_JOB = Gauge("registry_jobs_oldest_due_seconds", "For how long a job has been due that nobody took.")

WEBHOOKS = Gauge("registry_webhooks", "Webhooks of all organizations, by how they do.", ("state",))
BACKLOG = Gauge("registry_webhook_events_behind", "Events that webhooks which are enabled have still to look at.")


class _Deliveries(Collector):
    """Tries of deliveries as the database counts them: by whichever worker, since the beginning."""

    delivered, failed = math.nan, math.nan

    def collect(self) -> Iterator[Metric]:
        """The two sums; no samples where they are not known."""
        family = CounterMetricFamily(
            "registry_webhook_deliveries", "Tries to deliver an event, a ping or a redelivery.", labels=("outcome",)
        )
        for outcome, count in (("delivered", self.delivered), ("failed", self.failed)):
            if not math.isnan(count):
                family.add_metric((outcome,), count)
        yield family


DELIVERIES = _Deliveries()
REGISTRY.register(DELIVERIES)

_QUEUE_S = 1.0
_QUEUE = text("""
    select kind, count(*) as jobs, extract(epoch from now() - min(run_after))::float as waited_s,
           case when lease_until > now() then 'leased' when run_after > now() then 'postponed' else 'due' end as state
      from registry.job group by kind, state
""")
_STATES = ("due", "leased", "postponed")
_WEBHOOKS = text("""
    select count(*) filter (where is_on and failing_since is null) as healthy,
           count(*) filter (where is_on and failing_since is not null) as failing,
           count(*) filter (where not is_on and deleted_at is null) as disabled,
           coalesce(sum(greatest(head_seq - cursor_seq, 0)) filter (where is_on), 0)::float as behind,
           coalesce(sum(delivered_count), 0)::float as delivered, coalesce(sum(failed_count), 0)::float as failed
      from (select w.deleted_at, w.failing_since, w.cursor_seq, w.delivered_count, w.failed_count, s.head_seq,
                   w.deleted_at is null and w.state = 'ENABLED' as is_on
              from registry.webhook w join ev.stream s on s.org_id = w.org_id) as webhook
""")


async def prometheus(request: Request) -> Response:
    """All metrics of this process, and how long the queue of jobs is, in Prometheus' text format."""
    database = request.app.state.services.database
    pool = database.engine.pool
    POOL_IN_USE.set(pool.checkedout())
    POOL_SIZE.set(pool.size())
    _measure_feed(request.app.state.services.feed, request.app.state.wakeups)
    await _measure_queue(database)
    return Response(generate_latest(), headers={"content-type": CONTENT_TYPE_LATEST})


def _measure_feed(feed: Feed, wakeups: Wakeups) -> None:
    FEED_LAG.set(feed.lag_s)
    FEED_LISTENS.set(wakeups.up)
    FEED_READERS.set(feed.readers)
    FEED_DELIVERED.inc(feed.take_delivered())


async def _measure_queue(database: Database) -> None:
    """Count jobs and deliveries. Without an answer in time there are no samples: old ones would look calm."""
    try:
        async with asyncio.timeout(_QUEUE_S), database.as_worker() as connection:
            rows = (await connection.execute(_QUEUE)).all()
            _tell_webhooks((await connection.execute(_WEBHOOKS)).one())
    except Exception as error:
        log.warning("metrics.queue_unknown", reason=told(error))
        JOBS.clear()
        WEBHOOKS.clear()
        DELIVERIES.delivered = DELIVERIES.failed = math.nan
        OLDEST_JOB.set(math.nan)
        BACKLOG.set(math.nan)
        return
    counts = {(kind.value, state): 0 for kind in JobKind for state in _STATES}
    for row in rows:
        # What another release does has one label, however many kinds that are.
        kind = row.kind if (row.kind, row.state) in counts else "other"
        counts[kind, row.state] = counts.get((kind, row.state), 0) + row.jobs
    JOBS.clear()
    for labels, count in counts.items():
        JOBS.labels(*labels).set(count)
    OLDEST_JOB.set(max((row.waited_s for row in rows if row.state == "due"), default=0.0))


def _tell_webhooks(found: Any) -> None:
    for state in ("healthy", "failing", "disabled"):
        WEBHOOKS.labels(state).set(getattr(found, state))
    BACKLOG.set(found.behind)
    DELIVERIES.delivered, DELIVERIES.failed = found.delivered, found.failed
