"""The best run, trial and version: by the latest finite value, with those that could take no part counted."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from db.session import Database
from db.tables import Run
from tests.tenant import GraphQLFailed, Tenant, uuid_of

COUNTS = "rankedCount ignoredCount missingCount"
BEST = f"""query($id: ID!, $direction: RankingDirection! = MAXIMISE) {{ node(id: $id) {{ ... on Experiment {{
    bestRun(metric: "f1", direction: $direction) {{ run {{ id }} value step {COUNTS} }} }} }} }}"""
RANKING = f"""query($id: ID!, $first: Int!, $direction: RankingDirection! = MAXIMISE) {{ node(id: $id) {{
    ... on Experiment {{ bestRuns(metric: "f1", direction: $direction, first: $first) {{
        places {{ place value run {{ id }} }} {COUNTS} }} }} }} }}"""


async def experiment(tenant: Tenant) -> str:
    return await tenant.client.make("createExperiment", "experiment", project=tenant.project, name=tenant.name())


async def run_with(tenant: Tenant, *values: float | str | None, **given: Any) -> str:
    """A run whose metric had these values, one a step."""
    run = await tenant.run(**given)
    points = [
        {"name": "f1", "phase": "VALIDATION", "step": step, "special" if isinstance(value, str) else "value": value}
        for step, value in enumerate(values)
    ]
    if points:
        await tenant.client.make("logMetrics", "run", run=run, metrics=points)
    return run


async def asked(tenant: Tenant, query: str, of: str, **variables: Any) -> dict[str, Any]:
    (found,) = (await tenant.client(query, id=of, **variables))["node"].values()
    shown: dict[str, Any] = found
    return shown


async def test_the_latest_finite_value_decides(tenant: Tenant) -> None:
    of = await experiment(tenant)
    fallen = await run_with(tenant, 0.99, 0.1, experiment=of)
    risen = await run_with(tenant, 0.2, 0.8, experiment=of)
    await run_with(tenant, 0.9, "NAN", experiment=of)
    await run_with(tenant, "POSITIVE_INFINITY", experiment=of)
    await run_with(tenant, experiment=of)
    counts = {"rankedCount": 2, "ignoredCount": 2, "missingCount": 1}
    assert await asked(tenant, BEST, of) == {"run": {"id": risen}, "value": 0.8, "step": "1", **counts}
    assert (await asked(tenant, BEST, of, direction="MINIMISE"))["run"] == {"id": fallen}
    places = [{"place": 1, "value": 0.1, "run": {"id": fallen}}, {"place": 2, "value": 0.8, "run": {"id": risen}}]
    assert await asked(tenant, RANKING, of, first=9, direction="MINIMISE") == {"places": places, **counts}


async def test_where_no_value_is_finite_there_is_no_best(tenant: Tenant) -> None:
    of = await experiment(tenant)
    nothing = {"run": None, "value": None, "step": None, "rankedCount": 0}
    assert await asked(tenant, BEST, of) == {**nothing, "ignoredCount": 0, "missingCount": 0}
    await run_with(tenant, "NAN", experiment=of)
    await run_with(tenant, experiment=of)
    assert await asked(tenant, BEST, of) == {**nothing, "ignoredCount": 1, "missingCount": 1}
    assert (await asked(tenant, RANKING, of, first=1))["places"] == []


async def test_equal_values_share_a_place_in_the_order_they_were_registered(tenant: Tenant) -> None:
    of = await experiment(tenant)
    runs = [await run_with(tenant, value, experiment=of) for value in (0.5, 0.7, 0.7, 0.1)]
    found = await asked(tenant, RANKING, of, first=3)
    assert [(one["place"], one["run"]["id"]) for one in found["places"]] == [
        (1, runs[1]), (1, runs[2]), (3, runs[0]),
    ]  # fmt: skip
    assert found["rankedCount"] == 4


async def test_another_phase_metric_parent_or_organisation_does_not_count(tenant: Tenant, neighbour: Tenant) -> None:
    of = await experiment(tenant)
    run = await run_with(tenant, 0.5, experiment=of)
    for point in ({"name": "f1", "phase": "TEST", "step": 9}, {"name": "f2", "phase": "VALIDATION", "step": 9}):
        await tenant.client.make("logMetrics", "run", run=run, metrics=[{**point, "value": 0.9}])
    await run_with(tenant, 0.9, experiment=await experiment(tenant))
    await run_with(neighbour, 0.9, experiment=await experiment(neighbour))
    found = await asked(tenant, BEST, of)
    assert (found["run"], found["value"], found["rankedCount"]) == ({"id": run}, 0.5, 1)


async def test_a_deleted_run_is_not_ranked(tenant: Tenant, database: Database) -> None:
    of = await experiment(tenant)
    kept, gone = [await run_with(tenant, value, experiment=of) for value in (0.1, 0.9)]
    async with database.change(tenant.org_id) as change:
        run = await change.get_one(Run, (tenant.org_id, uuid_of(gone)))
        run.deleted_at = run.created_at
    assert (await asked(tenant, BEST, of))["run"] == {"id": kept}


async def test_the_best_trial_of_a_search_and_the_best_version_of_a_model(tenant: Tenant) -> None:
    search, model = await tenant.run(), await tenant.model()
    trials = [await run_with(tenant, value, parentRun=search) for value in (0.3, 0.4)]
    for value in (0.3, 0.4):
        metrics = [{"name": "f1", "phase": "TEST", "value": value}]
        version = await tenant.version(model, metrics=metrics)
    query = """query($run: ID!, $model: ID!) {
        node(id: $run) { ... on Run { bestTrial(metric: "f1") { run { id } } } }
        model(by: {id: $model}) { bestVersion(metric: "f1", phase: TEST) { version { id } value }
            bestVersions(metric: "f1", phase: TEST, direction: MINIMISE) {
                places { place value version { number } } } } }"""
    answer = await tenant.client(query, run=search, model=model)
    assert answer["node"]["bestTrial"] == {"run": {"id": trials[1]}}
    assert answer["model"]["bestVersion"] == {"version": {"id": version}, "value": 0.4}
    assert answer["model"]["bestVersions"]["places"] == [
        {"place": 1, "value": 0.3, "version": {"number": 1}},
        {"place": 2, "value": 0.4, "version": {"number": 2}},
    ]


FINITE = st.floats(allow_nan=False, allow_infinity=False)
LATEST = st.lists(FINITE | st.sampled_from(["NAN", "NEGATIVE_INFINITY"]) | st.none(), max_size=6)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=LATEST, first=st.integers(1, 4), maximise=st.booleans())
async def test_a_ranking_is_what_sorting_gives(
    tenant: Tenant, values: list[float | str | None], first: int, maximise: bool
) -> None:
    of = await experiment(tenant)
    for value in values:
        await run_with(tenant, *([] if value is None else [value]), experiment=of)
    direction = "MAXIMISE" if maximise else "MINIMISE"
    found = await asked(tenant, RANKING, of, first=first, direction=direction)
    finite = sorted((value for value in values if isinstance(value, float)), reverse=maximise)
    assert [place["value"] for place in found["places"]] == finite[:first]
    assert [place["place"] for place in found["places"]] == [1 + finite.index(value) for value in finite[:first]]
    assert found["missingCount"] == values.count(None)
    assert found["rankedCount"] + found["ignoredCount"] + found["missingCount"] == len(values)


@pytest.mark.parametrize(("metric", "first"), [("", 1), ("x" * 201, 1), ("f1", 0), ("f1", -1), ("f1", 101)])
async def test_a_metric_or_number_of_places_that_cannot_be_meant_is_refused(
    tenant: Tenant, metric: str, first: int
) -> None:
    query = """query($id: ID!, $metric: String!, $first: Int!) { node(id: $id) { ... on Experiment {
        bestRuns(metric: $metric, first: $first) { rankedCount } } } }"""
    with pytest.raises(GraphQLFailed) as refused:
        await tenant.client(query, id=await experiment(tenant), metric=metric, first=first)
    assert refused.value.code in ("BAD_USER_INPUT", "PAGE_TOO_LARGE")
