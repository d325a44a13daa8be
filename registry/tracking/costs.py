"""Costs: what a run used for how long, at the prices that were valid when it began."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any, Final, Protocol

from db.codes import PricedResource

_HOUR_S = Decimal(3600)
_GIB = Decimal(2**30)
_EXACT = Decimal("0.000001")
"""Quantities and amounts are shown with six decimals."""
_WIDE = Context(prec=60)
"""Room for all digits of the greatest hardware at the greatest price."""

UNITS: Final = {
    PricedResource.CPU_CORE_HOUR: "core hours",
    PricedResource.GPU_HOUR: "GPU hours",
    PricedResource.MEMORY_GIB_HOUR: "GiB hours",
    PricedResource.RUN_HOUR: "hours",
}
_COUNTS: Final = {
    PricedResource.CPU_CORE_HOUR: "cpu_count",
    PricedResource.GPU_HOUR: "gpu_count",
    PricedResource.MEMORY_GIB_HOUR: "memory_bytes",
}


class Priced(Protocol):
    """A price, as a row or a record."""

    resource: PricedResource
    hardware: str | None
    amount: Decimal
    currency: str


@dataclass(frozen=True)
class CostPart:
    """What one resource cost. `quantity` is in `unit`, `unit_price` for one of them."""

    resource: PricedResource
    quantity: Decimal
    unit: str
    unit_price: Decimal
    amount: Decimal
    currency: str


@dataclass(frozen=True)
class Cost:
    """What a run cost. `amount` is None where there is no single sum; `missing` says what it leaves out."""

    amount: Decimal | None
    currency: str | None
    parts: Sequence[CostPart]
    missing: str | None

    @property
    def complete(self) -> bool:
        """Whether everything that has a price is in the sum."""
        return self.missing is None


@dataclass(frozen=True)
class RunGroup:
    """Runs on the same hardware that began while the same prices were valid, and how long they took together."""

    hardware: Mapping[str, Any] | None
    duration_seconds: Decimal
    run_count: int
    prices: list[Priced]


@dataclass(frozen=True)
class CostAmount:
    """So much of a currency."""

    amount: Decimal
    currency: str


@dataclass(frozen=True)
class CostSum:
    """What several runs cost together. Of `incomplete_count` of them not everything that has a price is in it."""

    amounts: Sequence[CostAmount]
    run_count: int
    incomplete_count: int


def cost_of(duration_seconds: float, hardware: Mapping[str, Any] | None, prices: Sequence[Priced]) -> Cost:
    """The cost of so many seconds on a machine. `prices` are those that were valid, for this hardware or for any.

    Amounts in several currencies are parts without a sum.
    """
    parts, unknown = _parts(duration_seconds, hardware, prices)
    currencies = sorted({part.currency for part in parts})
    missing = _missing(currencies, unknown, any_price=bool(prices))
    if len(currencies) != 1:
        return Cost(None, None, parts, missing)
    return Cost(sum((part.amount for part in parts), Decimal(0)), currencies[0], parts, missing)


def sum_of(groups: Iterable[RunGroup]) -> CostSum:
    """What all these runs cost together, by currency. Hours are added up before they are priced and rounded."""
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    run_count = incomplete_count = 0
    for group in groups:
        parts, unknown = _parts(group.duration_seconds, group.hardware, group.prices)
        for part in parts:
            amounts[part.currency] += part.amount
        run_count += group.run_count
        if unknown or not group.prices:
            incomplete_count += group.run_count
    return CostSum([CostAmount(amounts[one], one) for one in sorted(amounts)], run_count, incomplete_count)


def _parts(
    duration_seconds: float | Decimal, hardware: Mapping[str, Any] | None, prices: Sequence[Priced]
) -> tuple[list[CostPart], list[str]]:
    """What each resource cost, and of which ones nobody said how much there was."""
    hours = Decimal(str(max(duration_seconds, 0))) / _HOUR_S
    parts, unknown = [], []
    for resource in PricedResource:
        price = _price(resource, hardware or {}, prices)
        if price is None:
            continue
        count = _count(resource, hardware or {})
        if count is None:
            unknown.append(_COUNTS[resource])
            continue
        if count == 0:
            continue
        quantity = (hours * count).quantize(_EXACT, context=_WIDE)
        amount = (hours * count * price.amount).quantize(_EXACT, context=_WIDE)
        parts.append(CostPart(resource, quantity, UNITS[resource], price.amount, amount, price.currency))
    return parts, unknown


def _price(resource: PricedResource, hardware: Mapping[str, Any], prices: Sequence[Priced]) -> Priced | None:
    """The price on this very hardware, else the one for any."""
    names = {
        PricedResource.CPU_CORE_HOUR: ("cpu",),
        PricedResource.GPU_HOUR: ("gpu",),
    }.get(resource, ("gpu", "cpu"))
    wanted = [*[hardware.get(name) for name in names if hardware.get(name)], None]
    found = {price.hardware: price for price in prices if price.resource == resource}
    return next((found[name] for name in wanted if name in found), None)


def _count(resource: PricedResource, hardware: Mapping[str, Any]) -> Decimal | None:
    """How much of a resource the machine has; None where nobody said."""
    if resource == PricedResource.RUN_HOUR:
        return Decimal(1)
    count = hardware.get(_COUNTS[resource])
    if count is None and resource == PricedResource.GPU_HOUR and hardware and not hardware.get("gpu"):
        # A machine that is described without a graphics processor has none.
        count = 0
    if count is None:
        return None
    return Decimal(count) / _GIB if resource == PricedResource.MEMORY_GIB_HOUR else Decimal(count)


_SAID: Final = {
    "cpu_count": "how many processors",
    "gpu_count": "how many graphics processors",
    "memory_bytes": "how much memory",
}


def _missing(currencies: Sequence[str], unknown: Sequence[str], *, any_price: bool) -> str | None:
    sentences = []
    if not any_price:
        sentences.append("No price was valid for it when it began.")
    if unknown:
        sentences.append(f"The run does not say {' and '.join(_SAID[name] for name in unknown)} it had.")
    if len(currencies) > 1:
        sentences.append(f"Its parts are in several currencies, which are not added up: {', '.join(currencies)}.")
    return " ".join(sentences) or None
