"""Importing prices: their history comes with them, runs cost the same, and what others have set stays as it is."""

import itertools
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import col

from db.base import utc_now
from db.tables import Price
from registry.tracking import prices
from tests.registry.told import events_about
from tests.registry.transfer.test_importing import (
    NOW,
    bring,
    changed,
    encoded,
    exported,
    head,
    line,
    refusal,
    shape,
    total,
)
from tests.tenant import Tenant

JANUARY, FEBRUARY, MARCH = (f"2026-0{month}-01T00:00:00Z" for month in (1, 2, 3))
FIRST = line("Price", "a", resource="RUN_HOUR", amount="1", currency="EUR", validFrom=JANUARY)
ENDED = changed(FIRST, validTo=FEBRUARY)
SECOND = line("Price", "b", resource="RUN_HOUR", amount="2", currency="EUR", validFrom=FEBRUARY, validTo=MARCH)
THIRD = line("Price", "c", resource="RUN_HOUR", amount="3", currency="EUR", validFrom=MARCH)
COSTS = "{ runs(first: 50) { nodes { name cost { amount currency missing parts { resource unitPrice amount } } } } }"
MACHINE = {"cpu": "EPYC", "cpuCount": 4, "memoryBytes": str(2**34)}


async def told(tenant: Tenant) -> list[tuple[str, str, bool]]:
    """Amount and beginning of all prices, and whether they have ended, in the order in which they begin."""
    async with tenant.database.change(tenant.org_id) as change:
        statement = select(Price).where(col(Price.org_id) == tenant.org_id).order_by(col(Price.valid_from))
        rows = (await change.execute(statement)).scalars().all()
    return [(f"{row.amount:f}", row.valid_from.strftime("%B"), row.valid_to is not None) for row in rows]


async def set_price(tenant: Tenant, amount: str, begins: Any = None, resource: str = "RUN_HOUR", **given: Any) -> str:
    values = {"resource": resource, "amount": amount, "currency": "EUR", "validFrom": begins, **given}
    return await tenant.client.make("setPrice", "price", **values)


async def test_runs_cost_in_another_organization_what_they_cost_here(tenant: Tenant, neighbor: Tenant) -> None:
    await set_price(tenant, "0.1", JANUARY, "CPU_CORE_HOUR")
    await set_price(tenant, "0.25", FEBRUARY, "CPU_CORE_HOUR", hardware="EPYC")
    await set_price(tenant, "0.3", FEBRUARY, "CPU_CORE_HOUR")
    wrong = await set_price(tenant, "9", JANUARY)
    await tenant.client.change("removePrice", "replayed", price=wrong)
    await set_price(tenant, "0.000000001", JANUARY)
    ahead = await set_price(tenant, "7", (utc_now() + timedelta(days=9)).isoformat(), "GPU_HOUR")
    await tenant.client.change("removePrice", "replayed", price=ahead)
    removed = await set_price(tenant, "4", FEBRUARY, "MEMORY_GIB_HOUR")
    await tenant.client.change("removePrice", "replayed", price=removed)
    await set_price(tenant, "2", JANUARY, "MEMORY_GIB_HOUR")
    ran = [
        line("Project", "p", team="t", name="priced"),
        line("Team", "t", name="priced"),
        line("Runtime", "epyc", hardware=MACHINE | {"memoryBytes": 2**34}),
        line("Runtime", "other", hardware=MACHINE | {"memoryBytes": 2**34, "cpu": "Xeon"}),
    ]
    for place, (runtime, month) in enumerate(itertools.product((None, "epyc", "other"), ("01", "02", "03"))):
        began, ended = (f"2026-{month}-01T{hour}:00:00Z" for hour in ("00", "07"))
        times = {"status": "FINISHED", "startedAt": began, "endedAt": ended}
        ran.append(line("Run", f"r{place}", project="p", name=f"r{place}", runtime=runtime, **times))
    await bring(tenant, encoded(*ran))
    content = await exported(tenant)
    # Backwards, so that nothing depends on the order in which rows come.
    report = await bring(neighbor, b"".join(reversed(content.splitlines(keepends=True))))
    assert report.counts["Price"]["created"] == 6
    assert _prices(await exported(neighbor)) == _prices(content)
    here, there = [
        sorted((await each.client(COSTS))["runs"]["nodes"], key=lambda run: str(run["name"]))
        for each in (tenant, neighbor)
    ]
    assert here == there
    assert len({str(run["cost"]) for run in here}) == 4


async def test_of_prices_from_one_moment_the_one_that_was_set_last_counts_however_they_came(tenant: Tenant) -> None:
    run = line("Run", "r", project="p", name="r", status="FINISHED", startedAt=JANUARY, endedAt="2026-01-01T01:00:00Z")
    scopes = [line("Team", "t", name="t"), line("Project", "p", team="t", name="p")]
    corrected = changed(THIRD, validFrom=JANUARY, createdAt=MARCH)
    await bring(tenant, encoded(*scopes, run, corrected, changed(ENDED, createdAt=JANUARY)))
    (found,) = (await tenant.client(COSTS))["runs"]["nodes"]
    assert found["cost"]["amount"] == "3.000000"
    assert [one["amount"] for one in _prices(await exported(tenant))] == ["3"]


def _prices(content: bytes) -> list[dict[str, Any]]:
    """The prices of an export without their keys."""
    return [changed(one, key=None) for one in shape(content) if one["kind"] == "Price"]


@pytest.mark.parametrize("chunk", [1, 2, 1000])
@pytest.mark.parametrize("order", list(itertools.permutations([ENDED, SECOND, THIRD])))
async def test_a_later_file_ends_a_price_and_goes_on_with_others_in_any_order(
    tenant: Tenant, order: tuple[dict[str, Any], ...], chunk: int
) -> None:
    await bring(tenant, encoded(FIRST))
    for dry_run in (True, False):
        report = await bring(tenant, encoded(*order), chunk=chunk, dry_run=dry_run)
        assert +report.counts["Price"] == {"created": 2, "updated": 1}
    assert await told(tenant) == [("1", "January", True), ("2", "February", True), ("3", "March", False)]
    before = await head(tenant)
    assert (await bring(tenant, encoded(*order), chunk=chunk)).counts["Price"]["unchanged"] == 3
    assert await head(tenant) == before


async def test_an_end_is_told_as_one_and_stays(tenant: Tenant) -> None:
    await bring(tenant, encoded(FIRST))
    await bring(tenant, encoded(ENDED))
    async with tenant.database.change(tenant.org_id) as change:
        row_id = (await change.execute(select(col(Price.id)).where(col(Price.org_id) == tenant.org_id))).scalar_one()
    created, ended = await events_about(tenant.database, tenant.org_id, row_id)
    assert (created.kind, ended.kind) == ("price.created", "price.ended")
    refused = await refusal(tenant, encoded(changed(FIRST, validTo=MARCH)))
    assert (refused.line, refused.code, refused.path) == (1, "CONFLICT", ("validTo",))
    refused = await refusal(tenant, encoded(changed(FIRST, amount="5")))
    assert (refused.line, refused.code, refused.path) == (1, "CONFLICT", ("amount",))


@pytest.mark.parametrize("key", ["a", None])
async def test_the_same_price_that_is_here_already_is_that_price(tenant: Tenant, key: str | None) -> None:
    await set_price(tenant, "1.0", JANUARY)
    before = await head(tenant)
    for _ in range(2):
        assert +(await bring(tenant, encoded(changed(FIRST, key=key)))).counts["Price"] == {"unchanged": 1}
    assert await head(tenant) == before
    refused = await refusal(tenant, encoded(changed(FIRST, key=key, amount="5")))
    assert (refused.line, refused.kind, refused.code, refused.path) == (1, "Price", "CONFLICT", ("amount",))


@pytest.mark.parametrize(
    "over",
    [
        changed(FIRST, validFrom=MARCH),
        changed(FIRST, validFrom="2025-12-01T00:00:00Z"),
        changed(FIRST, validFrom=MARCH, validTo=NOW),
        changed(FIRST, validFrom="2025-12-01T00:00:00Z", validTo=FEBRUARY),
        changed(FIRST, key=None, validFrom=MARCH, validTo=NOW),
    ],
)
@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_price_over_one_that_others_have_set_is_refused_by_line_and_field(
    tenant: Tenant, over: dict[str, Any], dry_run: bool
) -> None:
    await set_price(tenant, "1", JANUARY)
    before = await head(tenant)
    refused = await refusal(tenant, encoded(over), dry_run=dry_run)
    assert (refused.line, refused.kind, refused.code, refused.path) == (1, "Price", "CONFLICT", ("validFrom",))
    assert await head(tenant) == before


async def test_a_price_beside_one_that_others_have_set_comes_in(tenant: Tenant) -> None:
    await set_price(tenant, "1", FEBRUARY)
    beside = [ENDED, changed(THIRD, hardware="EPYC"), changed(THIRD, key="d", resource="GPU_HOUR")]
    assert total(await bring(tenant, encoded(*beside)), "created") == 3


@pytest.mark.parametrize("chunk", [1, 1000])
@pytest.mark.parametrize("dry_run", [True, False])
async def test_of_two_prices_without_an_end_the_later_line_is_refused(
    tenant: Tenant, chunk: int, dry_run: bool
) -> None:
    report = await bring(tenant, encoded(THIRD, FIRST, SECOND), chunk=chunk, keep_going=True, dry_run=dry_run)
    (refused,) = report.refused
    assert (refused.line, refused.code, refused.path) == (2, "CONFLICT", ("validFrom",))
    assert report.counts["Price"]["created"] == 2


async def test_no_more_prices_come_in_than_an_organization_may_have(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prices, "MAX_PRICES", 2)
    await set_price(tenant, "1", JANUARY, "GPU_HOUR")
    refused = await refusal(tenant, encoded(ENDED, THIRD, changed(THIRD, key="d", hardware="EPYC")))
    assert (refused.line, refused.code, refused.path) == (3, "INVALID_VALUE", ("resource",))
    assert await told(tenant) == [("1", "January", False)]
