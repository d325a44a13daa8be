"""What Prometheus is told. Labels hold no name of an organisation, model or person."""

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest
from starlette.requests import Request
from starlette.responses import Response

REQUEST_SECONDS = Histogram(
    "registry_http_request_seconds", "How long answers took.", ("method", "route", "status"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)  # fmt: skip
AUTHENTICATIONS = Counter("registry_authentications_total", "Tokens that were checked.", ("result",))
POOL_IN_USE = Gauge("registry_database_connections_in_use", "Connections that some request holds.")
POOL_SIZE = Gauge("registry_database_connections_limit", "Connections that this process may open.")
JOBS = Counter("registry_jobs_total", "Jobs that this worker took.", ("kind", "result"))


async def prometheus(request: Request) -> Response:
    """All metrics of this process in Prometheus' text format."""
    pool = request.app.state.services.database.engine.pool
    POOL_IN_USE.set(pool.checkedout())
    POOL_SIZE.set(pool.size())
    return Response(generate_latest(), headers={"content-type": CONTENT_TYPE_LATEST})
