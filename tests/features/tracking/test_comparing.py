"""A data scientist compares runs, chooses one, and sees what its version would change for those who use the model."""

from typing import Any

import pytest

from tests.schema.valid_inputs import unknown
from tests.tenant import GraphQLFailed, Tenant

RUNS = """query($runs: [ID!]!, $different: Boolean! = false) {
    runComparison(runs: $runs, onlyDifferent: $different) {
        runs { id name } durationsSeconds
        parameters { name values differs }
        metrics { phase name differs values { value special step } }
        tags { name values differs } runtime { name values differs } packages { name values differs } } }"""
VERSIONS = """query($versions: [ID!]!, $different: Boolean! = false) {
    versionComparison(versions: $versions, onlyDifferent: $different) {
        versions { id label }
        parameters { name values } metrics { name values { value } } tags { name values }
        runtime { name values } packages { name values }
        signatures { verdict since { label } changes { sentence } } } }"""


def settings(**values: Any) -> list[dict[str, Any]]:
    return [{"name": name, "value": value} for name, value in values.items()]


def installed(**versions: str) -> list[dict[str, str]]:
    return [{"name": name, "version": version} for name, version in versions.items()]


async def measured(tenant: Tenant, *points: dict[str, Any], **given: Any) -> str:
    """A run with these points of the metric `loss`."""
    run = await tenant.run(**given)
    metrics = [{"name": "loss", "phase": "TEST", **point} for point in points]
    if metrics:
        await tenant.client.make("logRunMetrics", "run", run=run, metrics=metrics)
    return run


async def compared(tenant: Tenant, *runs: str, different: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = (await tenant.client(RUNS, runs=runs, different=different))["runComparison"]
    return found


async def code_of(tenant: Tenant, query: str, **given: Any) -> str:
    """The code of the one refusal, of which nothing comes but null."""
    answer = await tenant.client.post(query, given)
    (error,) = answer["errors"]
    assert not any((answer.get("data") or {}).values())
    return str(error["extensions"]["code"])


async def test_a_run_is_chosen_and_what_its_version_would_break_is_seen(tenant: Tenant) -> None:
    one = {"pythonVersion": "3.11", "packages": installed(numpy="2.0", torch="2.5"), "hardware": {"gpuCount": 1}}
    two = {"pythonVersion": "3.12", "packages": installed(numpy="2.1", torch="2.5")}
    slow = await measured(
        tenant, {"value": 0.5}, {"value": 0.3, "step": "9"}, name="slow", runtime=one,
        parameters=settings(rate=0.1, depth=3, bagging=True), tags=[{"key": "team", "value": "a"}],
    )  # fmt: skip
    fast = await measured(
        tenant, {"special": "NAN", "step": "4"}, name="fast", runtime=two, parameters=settings(rate=0.2, depth=3)
    )
    await tenant.client.make("finishRun", "run", run=slow)
    found = await compared(tenant, slow, fast)
    assert [run["name"] for run in found["runs"]] == ["slow", "fast"]
    assert found["durationsSeconds"][0] > 0
    assert found["durationsSeconds"][1] is None
    assert found["parameters"] == [
        {"name": "bagging", "values": [True, None], "differs": True},
        {"name": "depth", "values": [3, 3], "differs": False},
        {"name": "rate", "values": [0.1, 0.2], "differs": True},
    ]
    (loss,) = found["metrics"]
    assert loss["values"] == [
        {"value": 0.3, "special": None, "step": "9"},
        {"value": None, "special": "NAN", "step": "4"},
    ]
    assert found["tags"] == [{"name": "team", "values": ["a", None], "differs": True}]
    assert found["runtime"] == [
        {"name": "pythonVersion", "values": ["3.11", "3.12"], "differs": True},
        {"name": "gpuCount", "values": ["1", None], "differs": True},
    ]
    assert [row["values"] for row in found["packages"]] == [["2.0", "2.1"], ["2.5", "2.5"]]

    model = await tenant.model()
    field = {"name": "age", "type": "INT32"}
    first = await tenant.version(model, label="1", run=slow, signature={"inputs": [field]})
    second = await tenant.version(model, label="2", run=fast, signature={"inputs": [field | {"type": "INT64"}]})
    third = await tenant.version(model, label="3", run=fast, signature={"outputs": [field]})
    fourth = await tenant.version(model, label="4")
    things = (await tenant.client(VERSIONS, versions=[first, second, third, fourth]))["versionComparison"]
    verdicts = [signature and signature["verdict"] for signature in things["signatures"]]
    assert verdicts == ["IDENTICAL", "COMPATIBLE", "BREAKING", None]
    assert things["signatures"][2]["since"] == {"label": "1"}
    assert things["packages"][0] == {"name": "numpy", "values": ["2.0", "2.1", "2.1", None]}


async def test_only_what_differs_is_shown_on_request(tenant: Tenant) -> None:
    same = {"parameters": settings(depth=3), "tags": [{"key": "a", "value": "1"}], "runtime": {"image": "slim"}}
    one = await measured(tenant, {"value": 0.5}, **same)
    two = await measured(tenant, {"value": 0.5, "step": "7"}, **same)
    found = await compared(tenant, one, two, different=True)
    assert len(found.pop("runs")) == len(found.pop("durationsSeconds")) == 2
    assert found == {"parameters": [], "metrics": [], "tags": [], "runtime": [], "packages": []}


@pytest.mark.parametrize(
    ("first", "second", "differs"), [(1, 1.0, False), (1, True, True), (0, False, True), ("1", 1, True)]
)
async def test_true_is_not_one_and_text_is_no_number(tenant: Tenant, first: Any, second: Any, *, differs: bool) -> None:
    runs = [await tenant.run(parameters=settings(a=value)) for value in (first, second)]
    (row,) = (await compared(tenant, *runs))["parameters"]
    assert row["differs"] == differs


async def test_values_that_are_no_numbers_differ_from_each_other(tenant: Tenant) -> None:
    runs = [await measured(tenant, {"special": special}) for special in ("NAN", "POSITIVE_INFINITY")]
    (row,) = (await compared(tenant, *runs, different=True))["metrics"]
    assert [point["special"] for point in row["values"]] == ["NAN", "POSITIVE_INFINITY"]


async def test_metrics_of_the_same_name_in_other_phases_are_others(tenant: Tenant) -> None:
    one = await measured(tenant, {"value": 0.5}, {"value": 0.4, "phase": "TRAINING"})
    two = await measured(tenant, {"value": 0.5})
    found = await compared(tenant, one, two, different=True)
    assert [(row["phase"], row["name"]) for row in found["metrics"]] == [("TRAINING", "loss")]


@pytest.mark.parametrize("count", [1, 2, 20])
async def test_twenty_things_take_as_many_statements_as_one(tenant: Tenant, statements: list[str], count: int) -> None:
    runs = [
        await measured(tenant, {"value": number}, runtime={"image": f"i{number}"}, parameters=settings(a=number))
        for number in range(count)
    ]
    statements.clear()
    await compared(tenant, *runs)
    # The view opened, the runs, their metrics, their runtimes.
    assert len(statements) == 4


@pytest.mark.parametrize("count", [2, 20])
async def test_twenty_versions_take_as_many_statements_as_two(
    tenant: Tenant, statements: list[str], count: int
) -> None:
    model = await tenant.model()
    point, run = {"name": "loss", "phase": "TEST", "value": 1.0}, await tenant.run()
    versions = [
        await tenant.version(
            model, runtime={"image": f"i{number}"}, signature={"inputs": [{"name": f"f{number}", "type": "INT8"}]},
            metrics=[point], run=run,
        )
        for number in range(count)
    ]  # fmt: skip
    statements.clear()
    await tenant.client(VERSIONS, versions=versions)
    # The view opened, the versions, their metrics and those of their runs, runtimes; what the signatures are compared
    # with, and the signatures.
    assert len(statements) == 7


RANKED = """query($ids: [ID!]!, $by: RankByInput) {
    of: %s(%s: $ids, rankBy: $by) { places { place value difference reason %s { id } } } }"""
BY_LOSS = {"metric": "loss", "phase": "TEST", "direction": "MINIMIZE"}


async def test_runs_are_ranked_by_a_metric_with_the_reason_for_each_place(tenant: Tenant) -> None:
    values: list[dict[str, Any]] = [{"value": 0.5}, {"value": 0.25}, {"special": "NAN"}, {"value": 0.5}]
    runs = [await measured(tenant, one, name=f"r{place}") for place, one in enumerate(values)]
    runs.append(await tenant.run())
    query = RANKED % ("runComparison", "runs", "run")
    found = (await tenant.client(query, ids=runs, by=BY_LOSS))["of"]["places"]
    worse = "loss (test) is 0.5, 0.25 worse than the best, r1."
    assert found == [
        {"place": 1, "value": 0.25, "difference": 0, "run": {"id": runs[1]},
         "reason": "loss (test) is 0.25; it is the best."},
        {"place": 2, "value": 0.5, "difference": 0.25, "run": {"id": runs[0]}, "reason": worse},
        {"place": 2, "value": 0.5, "difference": 0.25, "run": {"id": runs[3]}, "reason": worse},
        {"place": None, "value": None, "difference": None, "run": {"id": runs[2]},
         "reason": "The latest loss (test) is nan and no number."},
        {"place": None, "value": None, "difference": None, "run": {"id": runs[4]},
         "reason": "No loss was measured in test."},
    ]  # fmt: skip
    found = (await tenant.client(query, ids=runs, by=BY_LOSS | {"direction": "MAXIMIZE"}))["of"]["places"]
    assert [one["place"] for one in found] == [1, 1, 3, None, None]
    assert found[1]["reason"] == "loss (test) is 0.5, equal to the best, r0."
    assert (await tenant.client(query, ids=runs))["of"] == {"places": None}
    assert await code_of(tenant, query, ids=runs, by={"metric": " "}) == "BAD_USER_INPUT"


async def test_versions_of_several_models_are_ranked_also_by_what_their_runs_measured(tenant: Tenant) -> None:
    run = await measured(tenant, {"value": 0.5})
    point = {"name": "loss", "phase": "TEST", "value": 0.75}
    versions = [await tenant.version(label="own", run=run, metrics=[point]), await tenant.version(label="run", run=run)]
    found = (await tenant.client(RANKED % ("versionComparison", "versions", "version"), ids=versions, by=BY_LOSS))["of"]
    assert [(one["version"]["id"], one["place"]) for one in found["places"]] == [(versions[1], 1), (versions[0], 2)]
    assert found["places"][1]["reason"] == "loss (test) is 0.75, 0.25 worse than the best, run."


async def test_what_things_cost_stands_side_by_side(tenant: Tenant) -> None:
    await tenant.client.make("setPrice", "price", resource="CPU_CORE_HOUR", amount="1", currency="EUR")
    runs = [await tenant.run(runtime={"hardware": {"cpuCount": count}}) for count in (0, 0, 1)]
    for run in runs:
        await tenant.client.make("finishRun", "run", run=run)
    versions = [await tenant.version(run=run) for run in runs] + [await tenant.version()]
    costs = "costs { differs values { currency complete parts { resource } } }"
    query = f"""query($runs: [ID!]!, $versions: [ID!]!, $different: Boolean! = false) {{
        runComparison(runs: $runs, onlyDifferent: $different) {{ {costs} }}
        versionComparison(versions: $versions) {{ {costs} }} }}"""
    found = await tenant.client(query, runs=runs, versions=versions)
    of_runs, of_versions = found["runComparison"]["costs"], found["versionComparison"]["costs"]
    assert of_runs["differs"]
    assert [cost["currency"] for cost in of_runs["values"]] == [None, None, "EUR"]
    assert of_versions == {"differs": True, "values": [*of_runs["values"], None]}
    same = await tenant.client(query, runs=runs[:2], versions=versions[:2])
    assert not same["runComparison"]["costs"]["differs"]
    assert (await tenant.client(query, runs=runs[:2], versions=versions[:2], different=True))["runComparison"] == {
        "costs": None
    }


async def test_ids_that_cannot_be_compared_are_refused(tenant: Tenant) -> None:
    run, version = await tenant.run(), await tenant.version()
    many = [unknown("Run") for _ in range(21)]
    for runs in ([], [run, run], many, [run, "nonsense"], [version], [run, None]):
        assert await code_of(tenant, RUNS, runs=runs) == "BAD_USER_INPUT"
    assert await code_of(tenant, VERSIONS, versions=[version, run]) == "BAD_USER_INPUT"


async def test_what_is_not_there_for_the_asker_is_refused_at_its_place(tenant: Tenant, neighbor: Tenant) -> None:
    run = await tenant.run()
    refusals = []
    for other in (unknown("Run"), await neighbor.run(parameters=settings(secret="secret"))):
        with pytest.raises(GraphQLFailed) as refused:
            await compared(tenant, run, other)
        refusals.append(refused.value.errors)
    assert refusals[0] == refusals[1]
    assert refusals[0][0]["extensions"] == {"code": "NOT_FOUND", "inputPath": ["runs", "1"]}
    assert await code_of(tenant, VERSIONS, versions=[await neighbor.version()]) == "NOT_FOUND"


async def test_things_without_anything_are_compared_too(tenant: Tenant) -> None:
    found = await compared(tenant, await tenant.run(), await tenant.run())
    assert not any(found[name] for name in ("parameters", "metrics", "tags", "runtime", "packages"))
    things = await tenant.client(VERSIONS, versions=[await tenant.version()])
    assert things["versionComparison"]["signatures"] == [None]
