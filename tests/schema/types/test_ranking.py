"""The best run, trial and version: by the latest finite value, with those that could take no part counted."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from db.session import Database
from db.tables import Run
from tests.tenant import GraphQLFailed, Tenant, uuid_of

COUNTS = "rankedCount ignoredCount missingCount"
BEST = f"""query($id: ID!, $direction: RankingDirection! = MAXIMIZE) {{ node(id: $id) {{ ... on Experiment {{
    bestRuns(metric: "f1", direction: $direction, first: 1) {{
        places {{ run {{ id }} value step }} {COUNTS} }} }} }} }}"""
RANKING = f"""query($id: ID!, $first: Int!, $direction: RankingDirection! = MAXIMIZE) {{ node(id: $id) {{
    ... on Experiment {{ bestRuns(metric: "f1", direction: $direction, first: $first) {{
        places {{ place value run {{ id }} }} {COUNTS} }} }} }} }}"""


async def experiment(tenant: Tenant) -> str:
    return await tenant.client.make("createExperiment", "experiment", project=tenant.project, name=tenant.name())


async def run_with(tenant: Tenant, *values: float | str | None, status: str = "FINISHED", **given: Any) -> str:
    """A run whose metric had these values, one a step, and that ended like this."""
    run = await tenant.run(**given)
    points = [
        {"name": "f1", "phase": "VALIDATION", "step": step, "special" if isinstance(value, str) else "value": value}
        for step, value in enumerate(values)
    ]
    if points:
        await tenant.client.make("logRunMetrics", "run", run=run, metrics=points)
    if status != "RUNNING":
        await tenant.client.make("finishRun", "run", run=run, status=status)
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
    best = {"run": {"id": risen}, "value": 0.8, "step": "1"}
    assert await asked(tenant, BEST, of) == {"places": [best], **counts}
    assert [one["run"] for one in (await asked(tenant, BEST, of, direction="MINIMIZE"))["places"]] == [{"id": fallen}]
    places = [{"place": 1, "value": 0.1, "run": {"id": fallen}}, {"place": 2, "value": 0.8, "run": {"id": risen}}]
    assert await asked(tenant, RANKING, of, first=9, direction="MINIMIZE") == {"places": places, **counts}


async def test_where_no_value_is_finite_there_is_no_best(tenant: Tenant) -> None:
    of = await experiment(tenant)
    nothing = {"places": [], "rankedCount": 0}
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


async def test_another_phase_metric_parent_or_organization_does_not_count(tenant: Tenant, neighbor: Tenant) -> None:
    of = await experiment(tenant)
    run = await run_with(tenant, 0.5, status="RUNNING", experiment=of)
    for point in ({"name": "f1", "phase": "TEST", "step": 9}, {"name": "f2", "phase": "VALIDATION", "step": 9}):
        await tenant.client.make("logRunMetrics", "run", run=run, metrics=[{**point, "value": 0.9}])
    await tenant.client.make("finishRun", "run", run=run)
    await run_with(tenant, 0.9, experiment=await experiment(tenant))
    await run_with(neighbor, 0.9, experiment=await experiment(neighbor))
    found = await asked(tenant, BEST, of)
    assert found["places"] == [{"run": {"id": run}, "value": 0.5, "step": "0"}]
    assert found["rankedCount"] == 1


async def test_a_deleted_run_is_not_ranked(tenant: Tenant, database: Database) -> None:
    of = await experiment(tenant)
    kept, gone = [await run_with(tenant, value, experiment=of) for value in (0.1, 0.9)]
    async with database.change(tenant.org_id) as change:
        run = await change.get_one(Run, (tenant.org_id, uuid_of(gone)))
        run.deleted_at = run.created_at
    assert [one["run"] for one in (await asked(tenant, BEST, of))["places"]] == [{"id": kept}]


async def test_only_runs_that_finished_take_part_unless_others_are_asked_for(tenant: Tenant) -> None:
    of = await experiment(tenant)
    runs = {
        status: await run_with(tenant, value, status=status, experiment=of, tags=[{"key": "kind", "value": status}])
        for status, value in [("FINISHED", 0.1), ("FAILED", 0.9), ("CANCELED", 0.8), ("RUNNING", 0.7)]
    }
    query = """query($id: ID!, $where: RunWhereInput) { node(id: $id) { ... on Experiment {
        bestRuns(metric: "f1", where: $where, first: 1) { places { run { id } } rankedCount missingCount } } } }"""
    cases: list[tuple[dict[str, Any] | None, str | None, int]] = [
        (None, "FINISHED", 1),
        ({"status": None}, "FINISHED", 1),
        ({"status": ["FAILED", "RUNNING"]}, "FAILED", 2),
        ({"status": []}, None, 0),
        ({"tags": [{"key": "kind"}]}, "FINISHED", 1),
        ({"tags": [{"key": "kind", "equals": "RUNNING"}]}, None, 0),
        ({"status": ["RUNNING"], "tags": [{"key": "kind", "equals": "RUNNING"}]}, "RUNNING", 1),
    ]  # fmt: skip
    for where, best, count in cases:
        found = await asked(tenant, query, of, where=where)
        assert found == {
            "places": [{"run": {"id": runs[best]}}] if best else [], "rankedCount": count, "missingCount": 0
        }, where  # fmt: skip


async def test_two_filters_in_one_operation_are_two_rankings(tenant: Tenant) -> None:
    of = await experiment(tenant)
    runs = {name: await run_with(tenant, value, experiment=of, name=name) for name, value in [("a", 0.1), ("b", 0.9)]}
    query = """query($id: ID!) { node(id: $id) { ... on Experiment {
        a: bestRuns(metric: "f1", where: {name: {equals: "a"}}) { places { run { id } } }
        all: bestRuns(metric: "f1") { places { run { id } } } } } }"""
    found = (await tenant.client(query, id=of))["node"]
    assert found["a"]["places"] == [{"run": {"id": runs["a"]}}]
    assert found["all"]["places"] == [{"run": {"id": runs["b"]}}, {"run": {"id": runs["a"]}}]


async def test_a_version_without_the_metric_counts_with_that_of_its_run_wherever_versions_are_compared(
    tenant: Tenant,
) -> None:
    run, model = await run_with(tenant, 0.2, 0.8), await tenant.model()

    def own(value: float) -> dict[str, Any]:
        return {
            "metrics": [{"name": "f1", "phase": "VALIDATION", **({"value": value} if value else {"special": "NAN"})}]
        }

    given = {"of_run": {"run": run}, "own": {"run": run, **own(0.5)}, "nan": {"run": run, **own(0)}, "none": {}}
    versions = {label: await tenant.version(model, label=label, **one) for label, one in given.items()}
    query = """query($model: ID!, $versions: [ID!]!) { model(by: {id: $model}) {
        best: bestVersions(metric: "f1", first: 1) { places { value step version { label } } }
        ranked: bestVersions(metric: "f1") { rankedCount ignoredCount missingCount places { version { label } } }
        low: bestVersions(metric: "f1", where: {label: {equals: "own"}}) { places { version { label } } }
        good: versions(where: {metrics: {name: "f1", phase: VALIDATION, gt: 0.6}}) { nodes { label } }
        measured: versions(where: {metrics: {name: "f1", phase: VALIDATION}}) { totalCount }
        ordered: versions(orderBy: {metric: {name: "f1", phase: VALIDATION}, direction: DESC}) { nodes { label } } }
        models(where: {versions: {metrics: {name: "f1", phase: VALIDATION, gt: 0.6}}}) { totalCount }
        versionComparison(versions: $versions) { metrics { values { value step } } } }"""
    answer = await tenant.client(query, model=model, versions=list(versions.values()))
    found = answer["model"]
    assert found["best"]["places"] == [{"value": 0.8, "step": "1", "version": {"label": "of_run"}}]
    assert found["ranked"] == {
        "rankedCount": 2, "ignoredCount": 1, "missingCount": 1,
        "places": [{"version": {"label": "of_run"}}, {"version": {"label": "own"}}],
    }  # fmt: skip
    assert found["low"]["places"] == [{"version": {"label": "own"}}]
    assert found["good"]["nodes"] == [{"label": "of_run"}]
    assert found["measured"] == {"totalCount": 3}
    assert [one["label"] for one in found["ordered"]["nodes"][:2]] == ["of_run", "own"]
    assert answer["models"] == {"totalCount": 1}
    (row,) = answer["versionComparison"]["metrics"]
    assert row["values"] == [
        {"value": 0.8, "step": "1"},
        {"value": 0.5, "step": "0"},
        {"value": None, "step": "0"},
        None,
    ]


async def test_the_best_trial_of_a_search_and_the_best_version_of_a_model(tenant: Tenant) -> None:
    search, model = await tenant.run(), await tenant.model()
    trials = [await run_with(tenant, value, parentRun=search) for value in (0.3, 0.4)]
    for value in (0.3, 0.4):
        metrics = [{"name": "f1", "phase": "TEST", "value": value}]
        version = await tenant.version(model, metrics=metrics)
    query = """query($run: ID!, $model: ID!) {
        node(id: $run) { ... on Run { bestTrials(metric: "f1", first: 1) { places { run { id } } } } }
        model(by: {id: $model}) { best: bestVersions(metric: "f1", phase: TEST, first: 1) {
                places { version { id } value } }
            bestVersions(metric: "f1", phase: TEST, direction: MINIMIZE) {
                places { place value version { number } } } } }"""
    answer = await tenant.client(query, run=search, model=model)
    assert answer["node"]["bestTrials"] == {"places": [{"run": {"id": trials[1]}}]}
    assert answer["model"]["best"] == {"places": [{"version": {"id": version}, "value": 0.4}]}
    assert answer["model"]["bestVersions"]["places"] == [
        {"place": 1, "value": 0.3, "version": {"number": 1}},
        {"place": 2, "value": 0.4, "version": {"number": 2}},
    ]


FINITE = st.floats(allow_nan=False, allow_infinity=False)
LATEST = st.lists(FINITE | st.sampled_from(["NAN", "NEGATIVE_INFINITY"]) | st.none(), max_size=6)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=LATEST, first=st.integers(1, 4), maximize=st.booleans())
async def test_a_ranking_is_what_sorting_gives(
    tenant: Tenant, values: list[float | str | None], first: int, maximize: bool
) -> None:
    of = await experiment(tenant)
    for value in values:
        await run_with(tenant, *([] if value is None else [value]), experiment=of)
    direction = "MAXIMIZE" if maximize else "MINIMIZE"
    found = await asked(tenant, RANKING, of, first=first, direction=direction)
    finite = sorted((value for value in values if isinstance(value, float)), reverse=maximize)
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
