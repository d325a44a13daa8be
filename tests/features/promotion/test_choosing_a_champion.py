"""Somebody asks which version should be the champion, and is told the reason for each place."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from sqlalchemy import update
from sqlmodel import col

from db.base import utc_now
from db.codes import RunStatus
from db.tables import Run
from resolvers.promotion import champions
from tests.stages import Line
from tests.tenant import GraphQLFailed, Tenant, uuid_of

SELECT = """query($model: ID!, $criteria: ChampionCriteriaInput!, $first: Int! = 10) { node(id: $model) { ... on Model {
    championCandidates(criteria: $criteria, first: $first) {
        candidateCount consideredCount eligibleCount judgedCount isCutShort selected { id } champion { id }
        places { place value difference isEligible reasons stillToDo version { id label } } } } } }"""


def accuracy(value: Any, **more: Any) -> dict[str, Any]:
    measured = {"special": value} if isinstance(value, str) else {"value": value}
    return {"name": "accuracy", "phase": "TEST", **measured, **more}


async def line_of(tenant: Tenant, *values: Any) -> Line:
    """A model with a version for each value, None for one that was not measured; labels are a, b, c …"""
    line = await Line.of(tenant, 0)
    for place, value in enumerate(values):
        metrics = [] if value is None else [accuracy(value)]
        line.versions.append(await tenant.version(line.model, label=chr(ord("a") + place), metrics=metrics))
    return line


async def hours_long(tenant: Tenant, hours: int, **given: Any) -> str:
    """A run of exactly so many hours."""
    run, began = await tenant.run(**given), utc_now()
    async with tenant.database.change(tenant.org_id) as change:
        values = {"status": RunStatus.FINISHED, "started_at": began, "ended_at": began + timedelta(hours=hours)}
        await change.execute(update(Run).where(col(Run.id) == uuid_of(run)).values(values))
    return run


async def select(line: Line, *, first: int = 10, **criteria: Any) -> dict[str, Any]:
    wanted = {"metric": "accuracy", "phase": "TEST", **criteria}
    answer = await line.tenant.client(SELECT, model=line.model, criteria=wanted, first=first)
    found: dict[str, Any] = answer["node"]["championCandidates"]
    return found


def labels(selection: dict[str, Any], *, eligible: bool = True) -> str:
    """The labels of those that are eligible, or are not, in their order."""
    return "".join(one["version"]["label"] for one in selection["places"] if one["isEligible"] is eligible)


def reasons(selection: dict[str, Any], label: str) -> list[str]:
    (found,) = [one["reasons"] for one in selection["places"] if one["version"]["label"] == label]
    return list(found)


async def test_the_best_comes_first_with_its_distance_from_the_champion_and_in_words(tenant: Tenant) -> None:
    line = await line_of(tenant, 0.91, 0.93, None, "NAN", 0.90)
    await line.to_production(line.versions[0])
    found = await select(line)
    assert (labels(found), labels(found, eligible=False)) == ("bae", "dc")
    assert [one["place"] for one in found["places"]] == [1, 2, 3, 4, 5]
    assert (found["selected"], found["champion"]) == ({"id": line.versions[1]}, {"id": line.versions[0]})
    assert (found["candidateCount"], found["consideredCount"], found["eligibleCount"]) == (5, 5, 3)
    assert [one["difference"] and round(one["difference"], 6) for one in found["places"]] == [
        0.02,
        0.0,
        -0.01,
        None,
        None,
    ]
    assert reasons(found, "b") == ["accuracy (test) is 0.93, 0.02 better than the champion a."]
    assert reasons(found, "a") == ["accuracy (test) is 0.91; it is the champion now."]
    assert reasons(found, "e") == ["accuracy (test) is 0.9, 0.01 worse than the champion a."]
    assert reasons(found, "c") == ["No accuracy was measured in test."]
    assert reasons(found, "d") == ["The latest accuracy (test) is nan and no number."]
    assert labels(await select(line, direction="MINIMIZE")) == "eab"


async def test_candidates_are_live_and_stand_in_the_stages_that_were_named(tenant: Tenant) -> None:
    line = await line_of(tenant, 0.1, 0.2, 0.3, 0.4)
    await tenant.client.make("archiveVersion", "transition", version=line.versions[0])
    await tenant.client.make("deleteVersion", "version", version=line.versions[1])
    await line.promote(line.versions[2], "STAGING")
    assert labels(await select(line)) == "dc"
    assert labels(await select(line, stages=["STAGING", "ARCHIVED"])) == "ca"


async def test_what_the_champion_has_counts_where_it_is_no_candidate(tenant: Tenant) -> None:
    line = await line_of(tenant, 0.5, 0.7)
    await line.to_production(line.versions[0])
    found = await select(line, stages=["DEVELOPMENT"])
    assert reasons(found, "b") == ["accuracy (test) is 0.7, 0.2 better than the champion a."]
    assert found["consideredCount"] == 1


async def test_the_latest_value_counts_its_own_before_that_of_its_run(tenant: Tenant) -> None:
    run = await tenant.run()
    await tenant.client.make("logRunMetrics", "run", run=run, metrics=[accuracy(0.6), accuracy(0.8, step="5")])
    line = await line_of(tenant)
    metrics: list[list[dict[str, Any]]] = [
        [],
        [accuracy(0.7)],
        [accuracy("NAN")],
        [accuracy(0.9), accuracy(0.1, step="3")],
    ]
    for place, own in enumerate(metrics):
        label = chr(ord("a") + place)
        line.versions.append(await tenant.version(line.model, label=label, run=run, metrics=own))
    found = await select(line)
    assert [(one["version"]["label"], one["value"]) for one in found["places"]] == [
        ("a", 0.8), ("b", 0.7), ("d", 0.1), ("c", None),
    ]  # fmt: skip


async def test_a_constraint_on_another_metric_tells_what_is_lacking(tenant: Tenant) -> None:
    line = await line_of(tenant, 0.9, 0.8, 0.7)
    for version, latency in zip(line.versions, (0.3, 0.1), strict=False):
        point = {"name": "latency_s", "phase": "TEST", "value": latency}
        await tenant.client.make("logVersionMetrics", "version", version=version, metrics=[point])
    bounds = [
        {"metric": "latency_s", "phase": "TEST", "maximum": 0.2},
        {"metric": "accuracy", "phase": "TEST", "minimum": 0.7},
    ]
    found = await select(line, constraints=bounds)
    assert (labels(found), labels(found, eligible=False)) == ("b", "ac")
    assert reasons(found, "a") == ["latency_s (test) is 0.3; it must be at most 0.2."]
    assert reasons(found, "b")[1:] == ["latency_s (test) is 0.1, as asked.", "accuracy (test) is 0.8, as asked."]
    assert reasons(found, "c") == ["No latency_s was measured in test."]


async def test_what_it_cost_is_held_against_a_limit_and_decides_between_equals(tenant: Tenant) -> None:
    price = {"resource": "RUN_HOUR", "amount": "1", "currency": "EUR"}
    await tenant.client.make("setPrice", "price", **price)
    line = await line_of(tenant)
    for label, hours in (("a", 3), ("b", 2), ("c", 0)):
        run = await hours_long(tenant, hours) if hours else None
        version = await tenant.version(line.model, label=label, metrics=[accuracy(0.9)], run=run)
        line.versions.append(version)
    assert labels(await select(line)) == "cba"
    assert labels(await select(line, tieBreaks=["OLDER"])) == "abc"
    found = await select(line, tieBreaks=["LOWER_COST"])
    assert labels(found) == "bac"
    assert reasons(found, "a")[-1] == "It is as good as b, which cost less."
    found = await select(line, maximumCost={"amount": "2.5", "currency": "EUR"})
    assert (labels(found), labels(found, eligible=False)) == ("b", "ca")
    assert reasons(found, "a") == ["It cost 3 EUR; it may cost 2.5 at most."]
    assert reasons(found, "c") == ["What it cost is not known: it has no run."]
    found = await select(line, maximumCost={"amount": "2.5", "currency": "USD"})
    assert reasons(found, "b") == ["It cost 2 EUR, which is not told in USD."]


async def test_what_breaks_those_who_use_the_champion_is_not_eligible(tenant: Tenant) -> None:
    line = await line_of(tenant)
    field = {"name": "age", "type": "INT32"}
    signatures: dict[str, Any] = {
        "a": {"inputs": [field]}, "b": {"inputs": [{**field, "type": "INT64"}]},
        "c": {"inputs": [field, {"name": "sex", "type": "STRING"}]}, "d": None,
    }  # fmt: skip
    for label, signature in signatures.items():
        given = {"label": label, "metrics": [accuracy(0.9)], "signature": signature}
        line.versions.append(await tenant.version(line.model, **given))
    assert labels(await select(line, compatibleWithChampion=True)) == "dcba", "nothing is in production"
    await line.to_production(line.versions[0])
    found = await select(line, compatibleWithChampion=True)
    assert (labels(found), labels(found, eligible=False)) == ("ba", "dc")
    assert reasons(found, "b")[1] == "Its signature is compatible for those who use the champion a."
    assert reasons(found, "c")[0].startswith("It breaks what works with the champion a: ")
    assert reasons(found, "d") == ["It or the champion a has no signature: nobody can compare them."]


async def test_the_gates_are_asked_about_the_best_alone(tenant: Tenant) -> None:
    line = await line_of(tenant, *[0.5 + place / 100 for place in range(12)])
    gate = {"metricThreshold": {"metric": "accuracy", "phase": "TEST", "maximum": 0.6}}
    await tenant.client.make("setPromotionPolicy", "promotionPolicy", model=line.model, to="STAGING", gates=[gate])
    found = await select(line, passesGatesFor="STAGING", first=100)
    assert (labels(found), labels(found, eligible=False)) == ("kjihgfedc", "lba")
    assert (found["judgedCount"], found["isCutShort"]) == (10, False)
    assert reasons(found, "k")[-1] == "Every gate for STAGING is open."
    assert reasons(found, "l") == ["accuracy (test) is 0.61; it must be at most 0.6."]
    assert reasons(found, "a") == ["The gates for STAGING were asked about the best 10 alone."]


async def test_the_gates_are_asked_on_until_one_is_eligible_as_far_as_is_affordable(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = await line_of(tenant, *[0.5 + place / 100 for place in range(13)])
    gate = {"metricThreshold": {"metric": "accuracy", "phase": "TEST", "maximum": 0.515}}
    await tenant.client.make("setPromotionPolicy", "promotionPolicy", model=line.model, to="STAGING", gates=[gate])
    found = await select(line, passesGatesFor="STAGING", first=100)
    assert (labels(found), found["selected"]) == ("b", {"id": line.versions[1]})
    assert (found["judgedCount"], found["isCutShort"]) == (12, False)
    assert reasons(found, "a") == ["The gates for STAGING were asked about the best 12 alone."]
    monkeypatch.setattr(champions, "MAX_JUDGED", 11)
    found = await select(line, passesGatesFor="STAGING", first=100)
    assert (found["selected"], found["judgedCount"], found["isCutShort"]) == (None, 11, True)


async def test_what_cannot_go_there_is_not_selected_and_the_champion_does_not_displace_itself(tenant: Tenant) -> None:
    line = await line_of(tenant, 0.9, 0.8, 0.7)
    await line.to_production(line.versions[0])
    await line.promote(line.versions[2], "STAGING")
    found = await select(line, passesGatesFor="PRODUCTION")
    assert (labels(found), labels(found, eligible=False)) == ("c", "ab")
    assert (found["selected"], found["judgedCount"]) == ({"id": line.versions[2]}, 1)
    assert reasons(found, "a") == ["This version is in stage PRODUCTION already."]
    assert reasons(found, "b")[0].startswith("This version is in stage DEVELOPMENT and cannot go to PRODUCTION")
    assert labels(await select(line)) == "abc", "without gates nothing is to go anywhere"


async def test_what_gates_wait_for_is_told_as_still_to_be_done_and_is_no_lack(tenant: Tenant) -> None:
    line = await line_of(tenant, 0.9, 0.8)
    gates = [
        {"approvals": {"count": 1, "role": "MAINTAINER"}},
        {"metricThreshold": {"metric": "accuracy", "phase": "TEST", "maximum": 0.85}},
    ]
    await tenant.client.make("setPromotionPolicy", "promotionPolicy", model=line.model, to="STAGING", gates=gates)
    found = await select(line, passesGatesFor="STAGING")
    assert (labels(found), labels(found, eligible=False)) == ("b", "a")
    (to_do,) = found["places"][0]["stillToDo"]
    assert reasons(found, "b")[-1] == f"Still to be done: {to_do}"
    assert reasons(found, "a") == ["accuracy (test) is 0.9; it must be at most 0.85."]
    found = await select(line, passesGatesFor="STAGING", gatesMayWait=False)
    assert (labels(found), found["selected"]) == ("", None)
    assert reasons(found, "b") == [f"Still to be done: {to_do}"]


async def test_the_best_are_looked_at_however_old(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(champions, "MAX_CANDIDATES", 2)
    line = await line_of(tenant, 0.9, 0.2, 0.3, None)
    found = await select(line)
    assert (labels(found), found["candidateCount"], found["consideredCount"]) == ("ac", 4, 2)
    assert labels(await select(line, direction="MINIMIZE")) == "bc"


async def test_costs_in_several_currencies_decide_nothing_among_equals(tenant: Tenant) -> None:
    await tenant.client.make("setPrice", "price", resource="RUN_HOUR", amount="100", currency="EUR")
    await tenant.client.make("setPrice", "price", resource="RUN_HOUR", amount="5", currency="USD", hardware="A")
    line = await line_of(tenant)
    for label, value, hardware in (("a", 0.9, "A"), ("b", 0.9, "B"), ("c", 0.8, "A"), ("d", 0.8, "A")):
        run = await hours_long(tenant, 2 if label == "d" else 1, runtime={"hardware": {"cpu": hardware}})
        version = await tenant.version(line.model, label=label, metrics=[accuracy(value)], run=run)
        line.versions.append(version)
    found = await select(line, tieBreaks=["LOWER_COST"])
    assert labels(found) == "bacd"
    assert reasons(found, "a")[-1] == (
        "It is as good as b, which is newer; what such versions cost is in several currencies, which are not compared."
    )
    assert reasons(found, "d")[-1] == "It is as good as c, which cost less."
    assert labels(await select(line, tieBreaks=["LOWER_COST", "OLDER"])) == "abcd"


async def test_values_further_apart_than_a_number_can_tell_have_no_difference(tenant: Tenant) -> None:
    line = await line_of(tenant, -1e308, 1e308)
    await line.to_production(line.versions[0])
    found = await select(line)
    assert [one["difference"] for one in found["places"]] == [None, 0]
    assert reasons(found, "b") == ["accuracy (test) is 1e+308, better than the champion a."]


async def test_twenty_choices_in_one_operation_are_too_expensive(tenant: Tenant) -> None:
    model = await tenant.model()
    one = 'championCandidates(criteria: {metric: "f1"}, first: 1) { judgedCount }'
    fields = "".join(f"a{number}: {one}" for number in range(20))
    query = f"query($id: ID!) {{ model(by: {{id: $id}}) {{ {fields} }} }}"
    with pytest.raises(GraphQLFailed) as refused:
        await tenant.client(query, id=model)
    assert refused.value.code == "QUERY_TOO_EXPENSIVE"


async def test_the_number_of_statements_does_not_depend_on_how_many_versions_there_are(
    tenant: Tenant, statements: list[str]
) -> None:
    line, counts = await line_of(tenant, 0.5), []
    await line.to_production(line.versions[0])
    given: dict[str, Any] = {
        "compatibleWithChampion": True,
        "tieBreaks": ["LOWER_COST"],
        "constraints": [{"metric": "f1", "phase": "TEST", "minimum": 0}],
    }
    for _ in range(2):
        statements.clear()
        await select(line, **given)
        counts.append(len(statements))
        for _ in range(8):
            run = await tenant.run()
            line.versions.append(
                await tenant.version(line.model, label=tenant.name(), run=run, metrics=[accuracy(0.1)])
            )
    assert counts[0] <= counts[1] <= 10


async def test_a_model_of_a_neighbor_is_not_there(tenant: Tenant, neighbor: Tenant) -> None:
    line = await line_of(neighbor, 0.5)
    assert (await tenant.client(SELECT, model=line.model, criteria={"metric": "accuracy"}))["node"] is None


@pytest.mark.parametrize(
    "given",
    [
        {"metric": " "}, {"first": 0}, {"first": 101}, {"stages": []}, {"passesGatesFor": "ARCHIVED"},
        {"constraints": [{"metric": "f1", "phase": "TEST"}]},
        {"constraints": [{"metric": "", "phase": "TEST", "minimum": 1}]},
        {"constraints": [{"metric": "f1", "phase": "TEST", "minimum": 1, "maximum": 0}]},
        {"constraints": [{"metric": "f1", "phase": "TEST", "minimum": 1}] * 21},
        {"maximumCost": {"amount": "1", "currency": "euro"}}, {"maximumCost": {"amount": "NaN", "currency": "EUR"}},
    ],
)  # fmt: skip
async def test_what_cannot_be_meant_is_a_request_error(tenant: Tenant, given: dict[str, Any]) -> None:
    line = await Line.of(tenant, 0)
    with pytest.raises(GraphQLFailed) as refused:
        await select(line, **given)
    assert refused.value.code in ("BAD_USER_INPUT", "PAGE_TOO_LARGE")


VALUES = st.lists(st.sampled_from([None, "NAN", "POSITIVE_INFINITY", 0.1, 0.2, 0.3, -1e308, 1e308]), max_size=8)


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(values=VALUES, direction=st.sampled_from(["MAXIMIZE", "MINIMIZE"]), minimum=st.sampled_from([None, 0.2]))
async def test_any_values_are_ordered_as_a_few_lines_of_python_say(
    tenant: Tenant, values: list[Any], direction: str, minimum: float | None
) -> None:
    line = await line_of(tenant, *values)
    bounds = [] if minimum is None else [{"metric": "accuracy", "phase": "TEST", "minimum": minimum}]
    found = await select(line, direction=direction, constraints=bounds)
    sign = -1 if direction == "MAXIMIZE" else 1
    numbers = [value if isinstance(value, float) else None for value in values]
    good = [value is not None and (minimum is None or value >= minimum) for value in numbers]

    def key(place: int) -> Any:
        value = numbers[place]
        return not good[place], value is None, sign * (value or 0.0), -place

    expected = sorted(range(len(values)), key=key)
    assert "".join(one["version"]["label"] for one in found["places"]) == "".join(chr(97 + place) for place in expected)
    assert labels(found) == "".join(chr(97 + place) for place in expected if good[place])
    assert all(one["reasons"] for one in found["places"])
