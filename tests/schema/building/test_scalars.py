"""Scalars take what their specification says and give back the same value; everything else is a request error."""

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, strategies as st

from registry.kernel.inputs import BigInt, ParameterValue
from schema.building.scalars import SCALARS
from tests.tenant import GraphQLFailed, Tenant

BIG_INT, DATE_TIME, PARAMETER = (SCALARS[kind] for kind in (BigInt, datetime, ParameterValue))
whole_numbers = st.integers(-(2**63), 2**63 - 1)


def parse(scalar: Any, value: Any) -> Any:
    return scalar.parse_value(value)


@given(whole_numbers)
def test_a_whole_number_of_64_bits_is_taken_as_text_and_as_number(number: int) -> None:
    assert parse(BIG_INT, number) == parse(BIG_INT, str(number)) == number
    assert BIG_INT.serialize(number) == str(number)  # type: ignore[misc]  # it is set


@given(st.integers(min_value=2**63) | st.integers(max_value=-(2**63) - 1))
def test_a_larger_number_is_refused(number: int) -> None:
    for value in (number, str(number)):
        with pytest.raises(ValueError, match="64 bits"):
            parse(BIG_INT, value)


@pytest.mark.parametrize(
    "value",
    ["", "-", "+1", "--1", " 1", "1 ", "1.0", "1e3", "0x1", "1_000", "٣", "²", "NaN", 1.0, 1.5, True, None, [], {},
     "9" * 5000],
)  # fmt: skip
def test_what_is_no_whole_number_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="whole number"):
        parse(BIG_INT, value)


@given(st.text())
def test_a_text_is_a_whole_number_or_refused_in_words(text: str) -> None:
    if len(text) <= 20 and text.isascii() and text.removeprefix("-").isdigit() and abs(int(text)) < 2**63:
        assert parse(BIG_INT, text) == int(text)
    else:
        with pytest.raises(ValueError, match="BigInt takes"):
            parse(BIG_INT, text)


offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=offsets))  # noqa: DTZ001  # hypothesis adds it
def test_a_moment_is_the_same_after_a_journey(moment: datetime) -> None:
    taken = parse(DATE_TIME, moment.isoformat())
    assert taken == moment
    assert taken.tzinfo is UTC
    shown = DATE_TIME.serialize(taken)  # type: ignore[misc]  # it is set
    assert shown.endswith("Z")
    assert parse(DATE_TIME, shown) == moment


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("2026-03-03T12:00:00Z", "2026-03-03T12:00:00.000000Z"),
        ("2026-03-03T12:00:00.5+02:00", "2026-03-03T10:00:00.500000Z"),
        ("2026-03-03T12:00:00.000001-00:30", "2026-03-03T12:30:00.000001Z"),
    ],
)
def test_a_moment_is_sent_in_utc_with_six_digits(given: str, sent: str) -> None:
    assert DATE_TIME.serialize(parse(DATE_TIME, given)) == sent  # type: ignore[misc]  # it is set
    assert DATE_TIME.serialize(datetime.fromisoformat(given)) == sent  # type: ignore[misc]  # it is set


@pytest.mark.parametrize(
    "value",
    [
        "2026-03-03T12:00:00", "2026-03-03", "12:00:00Z", "2026-03-03 12:00:00Z", "2026-13-03T12:00:00Z", "yesterday",
        "2026-03-03T25:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "", 0, 1772539200, None, True,
        "2026-03-03T12:00:00Z" + " " * 40,
    ],
)  # fmt: skip
def test_what_is_no_moment_with_its_offset_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="RFC 3339"):
        parse(DATE_TIME, value)


@given(st.text())
def test_any_other_text_is_no_moment_and_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="RFC 3339"):
        parse(DATE_TIME, text)


parameters = st.one_of(
    st.text(), st.integers(1 - 2**63, 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False), st.booleans()
)


@given(parameters)
def test_a_parameter_is_text_a_number_or_a_boolean_of_the_same_type_afterwards(value: Any) -> None:
    assert parse(PARAMETER, value) is value


@pytest.mark.parametrize("value", [None, [], {}, [1], math.inf, -math.inf, math.nan, 2**63, -(2**63), 10**30])
def test_a_parameter_is_nothing_else(value: Any) -> None:
    with pytest.raises(ValueError, match="ParameterValue takes"):
        parse(PARAMETER, value)


@pytest.mark.parametrize("value", ["a", "", "1", 1, 0, -1, 1.5, 1e300, 5e-324, 2**53 + 1, 2**63 - 1, True, False])
async def test_a_parameter_is_read_as_it_was_written(tenant: Tenant, value: Any) -> None:
    parameters = [{"name": "p", "value": value}]
    payload = await tenant.client.change(
        "createRun", "run { parameters { value } }", project=tenant.project, name="a", parameters=parameters
    )
    (read,) = payload["run"]["parameters"]
    assert read["value"] == value
    assert isinstance(read["value"], bool) == isinstance(value, bool)
    assert isinstance(read["value"], str) == isinstance(value, str)


@pytest.mark.parametrize(
    "literal", ["99999999999999999999999", "-9223372036854775809", "1e999", "[1]", "{a: 1}", "null", '"\\u0000"']
)
async def test_a_literal_that_cannot_be_kept_is_a_request_error(shared_tenant: Tenant, literal: str) -> None:
    answer = await shared_tenant.client.post(
        f'mutation {{ createRun(input: {{project: {json.dumps(shared_tenant.project)}, name: "a",'
        f' parameters: [{{name: "p", value: {literal}}}]}}) {{ run {{ id }} }} }}'
    )
    assert answer["errors"][0]["extensions"]["code"] in ("BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED")


@pytest.mark.parametrize("value", [None, [], {"a": 1}, [["a"]], 2**63])
async def test_a_variable_that_is_no_parameter_is_a_request_error(shared_tenant: Tenant, value: Any) -> None:
    given = {"project": shared_tenant.project, "name": "a", "parameters": [{"name": "p", "value": value}]}
    with pytest.raises(GraphQLFailed) as refused:
        await shared_tenant.client.change("createRun", "replayed", **given)
    assert refused.value.code == "BAD_USER_INPUT"


@pytest.mark.parametrize("step", ["9223372036854775808", "1e3", 1.5, "", None, True, "-9223372036854775809", 2**64])
async def test_a_step_that_is_no_whole_number_of_64_bits_is_a_request_error(tenant: Tenant, step: Any) -> None:
    point = {"name": "loss", "phase": "TRAINING", "value": 1.0, "step": step}
    with pytest.raises(GraphQLFailed) as refused:
        await tenant.client.change("logRunMetrics", "replayed", run=await tenant.run(), metrics=[point])
    assert refused.value.code == "BAD_USER_INPUT"


@pytest.mark.parametrize("step", [0, 7, "0", "7", str(2**63 - 1)])
async def test_a_step_comes_back_as_text(tenant: Tenant, step: Any) -> None:
    point = {"name": "loss", "phase": "TRAINING", "value": 1.0, "step": step}
    payload = await tenant.client.change(
        "logRunMetrics", "run { metrics { step } }", run=await tenant.run(), metrics=[point]
    )
    assert payload["run"]["metrics"] == [{"step": str(step)}]
