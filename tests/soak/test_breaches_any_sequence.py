"""Any sequence of reports is a breach exactly where a few lines of Python say so."""

from typing import Any

import httpx2
from hypothesis import HealthCheck, given, settings, strategies as st

from db.session import Database
from storage.store import ObjectStore
from tests.automation import Served, work
from tests.tenant import found_tenant

DEPLOYMENTS = 2
REPORT = st.tuples(
    st.integers(0, DEPLOYMENTS - 1),
    st.sampled_from([0.1, 0.1, 0.1, 0.8, 0.9, "NAN"]),
    # Which version it says it runs: the one in production, the one before, or as said last.
    st.sampled_from([1, 1, None, 0]),
    st.sampled_from(["UNHEALTHY", "UNHEALTHY", "UNKNOWN", "HEALTHY"]),
)


def is_bad(value: Any) -> bool:
    return isinstance(value, str) or value < 0.8


def expected(reports: list[Any], wanted: int, *, of_health: bool) -> bool:
    """Whether the last reports of some deployment that are about version 1 are enough and all bad."""
    for deployment in range(DEPLOYMENTS):
        runs, counted = None, []
        for where, value, says, health in reports:
            if where != deployment:
                continue
            runs = runs if says is None else says
            if runs == 1 and not (of_health and health == "UNKNOWN"):
                counted.append(health == "UNHEALTHY" if of_health else is_bad(value))
        if len(counted) >= wanted and all(counted[-wanted:]):
            return True
    return False


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(reports=st.lists(REPORT, max_size=10), wanted=st.integers(1, 4), of_health=st.booleans())
async def test_a_model_is_rolled_back_exactly_where_the_last_reports_in_a_row_are_bad(
    database: Database, http: httpx2.AsyncClient, store: ObjectStore, reports: list[Any], wanted: int, of_health: bool
) -> None:
    tenant = await found_tenant(database, http)
    served = await Served.of(tenant)
    places = [served.deployment, await tenant.deployment(version=served.line.versions[1])]
    for where, value, says, health in reports:
        version = None if says is None else served.line.versions[says]
        await served.report(value, deployment=places[where], version=version, health=health)
    trigger: dict[str, Any] = {"reports": wanted, "coolDownSeconds": 0}
    metric = {"metric": "accuracy", "minimum": 0.8}
    await served.rule({"unhealthy": trigger} if of_health else {"metricBreach": {**trigger, **metric}})
    await work(tenant, store)
    assert (await served.in_production() == 0) is expected(reports, wanted, of_health=of_health)
