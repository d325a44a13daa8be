"""Resource samples: stored whole or not at all, summed up and drawn over time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from db.base import utc_now
from registry.tracking.resources import MAX_PERCENT, MAX_SAMPLES
from tests.tenant import GraphQLFailed, Tenant

BEGAN = datetime(2026, 3, 3, 12, tzinfo=UTC)
USED = """sampleCount firstAt lastAt cpuPercent { mean maximum } gpuPercent { mean } memoryBytes { mean maximum }
    diskReadBytes networkSentBytes"""
QUERY = f"""query($id: ID!, $points: Int! = 200) {{ node(id: $id) {{ ... on Run {{
    resources {{ {USED} }} resourceHistory(points: $points) {{ {USED} }} }} }} }}"""


def sample(second: float = 0, **values: Any) -> dict[str, Any]:
    return {"sampledAt": (BEGAN + timedelta(seconds=second)).isoformat(), **(values or {"cpuPercent": 50.0})}


async def used(tenant: Tenant, run: str, points: int = 200) -> dict[str, Any]:
    found: dict[str, Any] = (await tenant.client(QUERY, id=run, points=points))["node"]
    return found


async def refusal(tenant: Tenant, *samples: dict[str, Any]) -> dict[str, Any]:
    run = await tenant.run()
    error = await tenant.client.refusal("logRunResourceSamples", "run", run=run, samples=[sample(), *samples])
    assert (await used(tenant, run))["resources"]["sampleCount"] == 0, "some of it was written"
    return error


async def test_samples_are_summed_up(tenant: Tenant) -> None:
    run = await tenant.run()
    samples = [
        sample(0, cpuPercent=100.0, memoryBytes=str(2**40), diskReadBytes="10"),
        sample(9, cpuPercent=300.0, memoryBytes=str(2**40 + 2), diskReadBytes=str(2**63 - 1)),
    ]
    assert (await tenant.client.change("logRunResourceSamples", "run { id }", run=run, samples=samples))["errors"] == []
    assert (await used(tenant, run))["resources"] == {
        "sampleCount": 2,
        "firstAt": "2026-03-03T12:00:00.000000Z",
        "lastAt": "2026-03-03T12:00:09.000000Z",
        "cpuPercent": {"mean": 200.0, "maximum": 300.0},
        "gpuPercent": None,
        "memoryBytes": {"mean": 2**40 + 1, "maximum": 2**40 + 2},
        "diskReadBytes": str(2**63 - 1),
        "networkSentBytes": None,
    }


async def test_a_run_without_samples_used_nothing_that_is_known(tenant: Tenant) -> None:
    found = await used(tenant, await tenant.run())
    assert found["resourceHistory"] == []
    assert found["resources"]["sampleCount"] == 0
    assert {value for name, value in found["resources"].items() if name != "sampleCount"} == {None}


@pytest.mark.parametrize("points", [2, 3, 7, 10, 11, 2_000])
async def test_spans_of_time_hold_every_sample_once_and_in_order(tenant: Tenant, points: int) -> None:
    run, count = await tenant.run(), 11
    samples = [sample(second, cpuPercent=float(second)) for second in range(count)]
    await tenant.client.make("logRunResourceSamples", "run", run=run, samples=samples)
    spans = (await used(tenant, run, points))["resourceHistory"]
    assert len(spans) == min(points, count)
    assert sum(span["sampleCount"] for span in spans) == count
    assert [span["firstAt"] for span in spans] == sorted({span["firstAt"] for span in spans})
    assert spans[0]["firstAt"] == "2026-03-03T12:00:00.000000Z"
    assert spans[-1]["cpuPercent"]["maximum"] == count - 1


async def test_samples_of_one_moment_are_one_and_the_last_wins(tenant: Tenant) -> None:
    run = await tenant.run()
    await tenant.client.make(
        "logRunResourceSamples", "run", run=run, samples=[sample(cpuPercent=1.0), sample(cpuPercent=2.0)]
    )
    assert (await used(tenant, run))["resources"]["cpuPercent"] == {"mean": 2.0, "maximum": 2.0}
    await tenant.client.make("logRunResourceSamples", "run", run=run, samples=[sample(gpuPercent=3.0)])
    found = await used(tenant, run)
    assert (found["resources"]["cpuPercent"], found["resources"]["gpuPercent"]) == (None, {"mean": 3.0})
    assert len(found["resourceHistory"]) == 1


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"cpuPercent": -0.1}, "cpuPercent"),
        ({"gpuPercent": MAX_PERCENT + 1}, "gpuPercent"),
        ({"memoryBytes": "-1"}, "memoryBytes"),
        ({"networkSentBytes": str(-(2**63))}, "networkSentBytes"),
        ({"diskWrittenBytes": None}, None),
    ],
)
async def test_what_cannot_be_measured_is_refused(tenant: Tenant, values: dict[str, Any], field: str | None) -> None:
    error = await refusal(tenant, sample(1, **values))
    assert error["code"] == "INVALID_VALUE"
    assert error["path"] == ["samples", "1", *([field] if field else [])]


@pytest.mark.parametrize("moment", ["1969-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
async def test_ancient_and_future_moments_are_refused(tenant: Tenant, moment: str) -> None:
    error = await refusal(tenant, {"sampledAt": moment, "cpuPercent": 1.0})
    assert error["path"] == ["samples", "1", "sampledAt"]


async def test_a_sample_of_a_clock_that_is_a_little_ahead_is_stored_as_of_now(tenant: Tenant) -> None:
    run, before = await tenant.run(), utc_now()
    samples = [
        {"sampledAt": (before + timedelta(minutes=4, seconds=nth)).isoformat(), "cpuPercent": nth} for nth in (1, 2)
    ]
    await tenant.client.make("logRunResourceSamples", "run", run=run, samples=samples)
    query = "query($id: ID!) { node(id: $id) { ... on Run { resources { sampleCount firstAt lastAt } } } }"
    shown = (await tenant.client(query, id=run))["node"]["resources"]
    assert shown["sampleCount"] == 2, "samples of different moments stay apart"
    assert before <= datetime.fromisoformat(shown["firstAt"]) < datetime.fromisoformat(shown["lastAt"]) <= utc_now()


async def test_a_thousand_samples_are_taken_at_once_and_not_one_more(tenant: Tenant) -> None:
    run, samples = await tenant.run(), [sample(second) for second in range(MAX_SAMPLES + 1)]
    error = await tenant.client.refusal("logRunResourceSamples", "run", run=run, samples=samples)
    assert error["path"] == ["samples"]
    await tenant.client.make("logRunResourceSamples", "run", run=run, samples=samples[1:])
    assert (await used(tenant, run))["resources"]["sampleCount"] == MAX_SAMPLES


async def test_a_number_of_bytes_beyond_64_bits_is_a_request_error(tenant: Tenant) -> None:
    answer = await tenant.client.post(
        "mutation($input: LogRunResourceSamplesInput!) { logRunResourceSamples(input: $input) { replayed } }",
        {"input": {"run": await tenant.run(), "samples": [sample(memoryBytes=str(2**63))]}},
    )
    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_run_that_has_ended_takes_no_samples(tenant: Tenant) -> None:
    run = await tenant.run()
    await tenant.client.make("finishRun", "run", run=run)
    error = await tenant.client.refusal("logRunResourceSamples", "run", run=run, samples=[sample()])
    assert error["code"] == "CONFLICT"


@pytest.mark.parametrize("points", [0, 1, 2_001])
async def test_a_number_of_spans_out_of_range_is_refused(tenant: Tenant, points: int) -> None:
    with pytest.raises(GraphQLFailed) as refused:
        await used(tenant, await tenant.run(), points)
    assert refused.value.code == "BAD_USER_INPUT"


async def test_the_duration_is_that_of_the_run(tenant: Tenant) -> None:
    run = await tenant.run()
    query = "query($id: ID!) { node(id: $id) { ... on Run { durationSeconds startedAt } } }"
    so_far = (await tenant.client(query, id=run))["node"]["durationSeconds"]
    assert so_far >= 0
    began = datetime.fromisoformat((await tenant.client(query, id=run))["node"]["startedAt"])
    ended = began + (utc_now() - began) / 2
    await tenant.client.make("finishRun", "run", run=run, endedAt=ended.isoformat())
    found = (await tenant.client(query, id=run))["node"]["durationSeconds"]
    assert found == (ended - began).total_seconds()
