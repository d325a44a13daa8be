"""Costs: quantities times the prices that were valid when a run began, exact, and honest about what is missing."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st

from db.codes import PricedResource
from registry.tracking.costs import cost_of

CPU, GPU, MEMORY, RUN = (
    PricedResource.CPU_CORE_HOUR,
    PricedResource.GPU_HOUR,
    PricedResource.MEMORY_GIB_HOUR,
    PricedResource.RUN_HOUR,
)
MACHINE = {"cpu": "EPYC", "cpu_count": 8, "memory_bytes": 32 * 2**30, "gpu": "H100", "gpu_count": 2}


@dataclass
class Price:
    resource: PricedResource
    amount: Decimal
    currency: str = "EUR"
    hardware: str | None = None


def price(resource: PricedResource, amount: str, currency: str = "EUR", hardware: str | None = None) -> Price:
    return Price(resource, Decimal(amount), currency, hardware)


def test_every_resource_counts_by_the_hour() -> None:
    prices = [price(CPU, "0.1"), price(GPU, "2.5"), price(MEMORY, "0.01"), price(RUN, "1")]
    cost = cost_of(1800, MACHINE, prices)
    assert [(part.resource, part.quantity, part.unit, part.amount) for part in cost.parts] == [
        (CPU, Decimal(4), "core hours", Decimal("0.4")),
        (GPU, Decimal(1), "GPU hours", Decimal("2.5")),
        (MEMORY, Decimal(16), "GiB hours", Decimal("0.16")),
        (RUN, Decimal("0.5"), "hours", Decimal("0.5")),
    ]
    assert (cost.amount, cost.currency, cost.complete, cost.missing) == (Decimal("3.56"), "EUR", True, None)


def test_amounts_are_exact() -> None:
    assert cost_of(3600, None, [price(RUN, "0.1")]).amount == Decimal("0.1")
    assert cost_of(3 * 3600, {"cpu_count": 1}, [price(CPU, "0.1")]).amount == Decimal("0.3")


@pytest.mark.parametrize(("hardware", "amount"), [("H100", "9"), ("A100", "2"), (None, "2")])
def test_the_price_on_this_very_hardware_goes_before_the_one_on_any(hardware: str | None, amount: str) -> None:
    prices = [price(GPU, "9", hardware="H100"), price(GPU, "2")]
    cost = cost_of(3600, {"gpu": hardware, "gpu_count": 1}, prices)
    assert cost.amount == Decimal(amount)


def test_a_price_on_a_processor_is_none_on_a_graphics_processor() -> None:
    assert cost_of(3600, {"cpu": "X", "gpu_count": 1}, [price(GPU, "9", hardware="X")]).parts == []


def test_of_two_prices_for_the_same_the_later_one_holds() -> None:
    assert cost_of(3600, None, [price(RUN, "1"), price(RUN, "2")]).amount == Decimal(2)


def test_what_the_run_does_not_say_is_told() -> None:
    cost = cost_of(3600, None, [price(CPU, "1"), price(MEMORY, "1"), price(GPU, "1"), price(RUN, "1")])
    assert (cost.amount, cost.complete) == (Decimal(1), False)
    assert cost.missing == (
        "The run does not say how many processors and how many graphics processors and how much memory it had."
    )


def test_a_machine_described_without_graphics_processor_has_none() -> None:
    cost = cost_of(3600, {"cpu_count": 2}, [price(CPU, "1"), price(GPU, "1")])
    assert (cost.amount, cost.complete) == (Decimal(2), True)
    assert not cost_of(3600, {"gpu": "H100"}, [price(GPU, "1")]).complete


def test_several_currencies_are_not_added_up() -> None:
    cost = cost_of(3600, MACHINE, [price(CPU, "1"), price(GPU, "1", "USD")])
    assert (cost.amount, cost.currency, cost.complete, len(cost.parts)) == (None, None, False, 2)
    assert cost.missing == "Its parts are in several currencies, which are not added up: EUR, USD."


def test_without_prices_nothing_is_known() -> None:
    cost = cost_of(3600, MACHINE, [])
    assert (cost.amount, cost.complete) == (None, False)
    assert cost.missing == "No price was valid for it when it began."


def test_a_clock_that_went_back_costs_nothing() -> None:
    assert cost_of(-5, None, [price(RUN, "1")]).amount == 0


@given(
    st.floats(0, 1e9), st.lists(st.tuples(st.sampled_from(PricedResource), st.decimals(0, 10**9, places=9)), max_size=6)
)
def test_a_sum_is_the_sum_of_its_parts(duration_seconds: float, priced: list[tuple[Any, Decimal]]) -> None:
    cost = cost_of(duration_seconds, MACHINE, [Price(resource, amount) for resource, amount in priced])
    assert sum(part.amount for part in cost.parts) == (cost.amount or 0)
    assert len({part.resource for part in cost.parts}) == len(cost.parts)


def test_the_greatest_machine_at_the_greatest_price_has_a_cost() -> None:
    greatest = {"memory_bytes": 2**63 - 1, "cpu_count": 2**31 - 1}
    cost = cost_of(366 * 86_400, greatest, [price(MEMORY, "999999999.999999999"), price(CPU, "999999999.999999999")])
    assert cost.amount is not None
    assert cost.amount > 10**20
