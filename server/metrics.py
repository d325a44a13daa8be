"""What Prometheus is told. Labels hold no name of an organisation, model or person."""

import asyncio
import math

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest
from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import Response

from db.codes import JobKind
from db.errors import told
from db.session import Database

log = structlog.get_logger(__name__)

REQUEST_SECONDS = Histogram(
    "registry_http_request_seconds", "How long answers took.", ("method", "route", "status"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)  # fmt: skip
AUTHENTICATIONS = Counter("registry_authentications_total", "Tokens that were checked.", ("result",))
POOL_IN_USE = Gauge("registry_database_connections_in_use", "Connections that some request holds.")
POOL_SIZE = Gauge("registry_database_connections_limit", "Connections that this process may open.")
JOBS = Gauge("registry_jobs", "Jobs of all organisations that are due, leased or postponed.", ("kind", "state"))
OLDEST_JOB = Gauge("registry_jobs_oldest_due_seconds", "For how long a job has been due that nobody took.")

_QUEUE_S = 1.0
_QUEUE = text("""
    select kind, count(*) as jobs, extract(epoch from now() - min(run_after))::float as waited_s,
           case when lease_until > now() then 'leased' when run_after > now() then 'postponed' else 'due' end as state
      from registry.job group by kind, state
""")
_STATES = ("due", "leased", "postponed")


async def prometheus(request: Request) -> Response:
    """All metrics of this process, and how long the queue of jobs is, in Prometheus' text format."""
    database = request.app.state.services.database
    pool = database.engine.pool
    POOL_IN_USE.set(pool.checkedout())
    POOL_SIZE.set(pool.size())
    await _measure_queue(database)
    return Response(generate_latest(), headers={"content-type": CONTENT_TYPE_LATEST})


async def _measure_queue(database: Database) -> None:
    """Count the jobs. Without an answer in time there are no samples of them: old ones would look like a calm queue."""
    try:
        async with asyncio.timeout(_QUEUE_S), database.as_worker() as connection:
            rows = (await connection.execute(_QUEUE)).all()
    except Exception as error:
        log.warning("metrics.queue_unknown", reason=told(error))
        JOBS.clear()
        OLDEST_JOB.set(math.nan)
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
