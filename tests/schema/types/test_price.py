"""Prices: one at a time for a resource on its hardware, with their history; runs are priced by when they began."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col

from db.base import utc_now
from db.codes import Role, RunStatus
from db.session import Database
from db.tables import Run
from tests.registry.told import events_about
from tests.tenant import GraphQLFailed, Tenant, uuid_of

PRICES = "{ prices { nodes { resource hardware amount currency validFrom validTo } } }"
COST = """query($id: ID!) { node(id: $id) { ... on Run { cost { amount currency complete missing
    parts { resource quantity unit unitPrice amount currency } } } } }"""


def hour(amount: str = "1", **values: Any) -> dict[str, Any]:
    return {"resource": "RUN_HOUR", "amount": amount, "currency": "EUR", **values}


async def an_hour_long(tenant: Tenant, ago: timedelta = timedelta(0), **given: Any) -> str:
    """A run of exactly an hour that began so long ago."""
    run = await tenant.run(**given)
    began = utc_now() - ago
    async with tenant.database.change(tenant.org_id) as change:
        values = {"status": RunStatus.FINISHED, "started_at": began, "ended_at": began + timedelta(hours=1)}
        await change.execute(update(Run).where(col(Run.id) == uuid_of(run)).values(values))
    return run


async def cost(tenant: Tenant, run: str) -> dict[str, Any]:
    found: dict[str, Any] = (await tenant.client(COST, id=run))["node"]["cost"]
    return found


async def prices(tenant: Tenant) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await tenant.client(PRICES))["prices"]["nodes"]
    return found


async def test_a_run_costs_what_was_valid_when_it_began(tenant: Tenant) -> None:
    await tenant.client.make("setPrice", "price", **hour("0.1", validFrom=(utc_now() - timedelta(days=9)).isoformat()))
    before = await an_hour_long(tenant, timedelta(days=10))
    old = await an_hour_long(tenant, timedelta(days=5))
    await tenant.client.make("setPrice", "price", **hour("0.2"))
    new = await an_hour_long(tenant)
    assert [(await cost(tenant, run))["amount"] for run in (before, old, new)] == [None, "0.100000", "0.200000"]
    assert await cost(tenant, new) == {
        "amount": "0.200000",
        "currency": "EUR",
        "complete": True,
        "missing": None,
        "parts": [
            {"resource": "RUN_HOUR", "quantity": "1.000000", "unit": "hours", "unitPrice": "0.2",
             "amount": "0.200000", "currency": "EUR"}
        ],
    }  # fmt: skip
    assert (await cost(tenant, before))["missing"] == "No price was valid for it when it began."


async def test_a_removed_price_keeps_its_runs(tenant: Tenant) -> None:
    price = await tenant.client.make("setPrice", "price", **hour("3"))
    run = await an_hour_long(tenant)
    for _ in range(2):
        payload = await tenant.client.change("removePrice", "price { validTo }", price=price)
        assert payload["price"]["validTo"] is not None
    assert (await cost(tenant, run))["amount"] == "3.000000"
    assert (await cost(tenant, await an_hour_long(tenant)))["amount"] is None
    assert (await tenant.client.change("setPrice", "price { id }", **hour("4")))["errors"] == []
    assert (await cost(tenant, await an_hour_long(tenant)))["amount"] == "4.000000"


async def test_the_hardware_of_the_runtime_is_priced(tenant: Tenant) -> None:
    for resource, amount, hardware in (
        ("GPU_HOUR", "2", None),
        ("GPU_HOUR", "5", "H100"),
        ("CPU_CORE_HOUR", "1", None),
    ):
        given = hour(amount, resource=resource, **({"hardware": hardware} if hardware else {}))
        await tenant.client.make("setPrice", "price", **given)
    machine = {"cpu": "EPYC", "cpuCount": 4, "gpu": "H100", "gpuCount": 2}
    run = await an_hour_long(tenant, runtime={"hardware": machine})
    found = await cost(tenant, run)
    assert [(part["resource"], part["amount"]) for part in found["parts"]] == [
        ("CPU_CORE_HOUR", "4.000000"), ("GPU_HOUR", "10.000000"),
    ]  # fmt: skip
    other = await an_hour_long(tenant, runtime={"hardware": {**machine, "gpu": "A100"}})
    assert (await cost(tenant, other))["amount"] == "8.000000"
    silent = await cost(tenant, await an_hour_long(tenant))
    assert (silent["amount"], silent["complete"]) == (None, False)


async def test_a_price_is_followed_by_another_and_both_are_told(tenant: Tenant, database: Database) -> None:
    first = await tenant.client.make("setPrice", "price", **hour("0.123456789"))
    assert await tenant.client.make("setPrice", "price", **hour("1", hardware="H100")) != first
    await tenant.client.make("setPrice", "price", **hour("0.5"))
    found = await prices(tenant)
    assert [(one["amount"], one["hardware"], one["validTo"] is None) for one in found] == [
        ("0.5", None, True), ("1", "H100", True), ("0.123456789", None, False),
    ]  # fmt: skip
    assert found[2]["validTo"] == found[0]["validFrom"]
    created, ended = await events_about(database, tenant.org_id, uuid_of(first))
    assert (created.kind, ended.kind) == ("price.created", "price.ended")
    assert created.body["after"]["amount"] == "0.123456789"


async def test_a_price_in_the_past_of_the_current_one_is_refused(tenant: Tenant) -> None:
    await tenant.client.make("setPrice", "price", **hour())
    earlier = hour("2", validFrom=(utc_now() - timedelta(days=1)).isoformat())
    error = await tenant.client.refusal("setPrice", "price", **earlier)
    assert (error["code"], error["path"]) == ("CONFLICT", ["validFrom"])
    assert len(await prices(tenant)) == 1


async def test_the_same_price_again_is_the_same_price(tenant: Tenant) -> None:
    given = hour("2", validFrom="2026-03-03T12:00:00Z")
    assert await tenant.client.make("setPrice", "price", **given) == await tenant.client.make(
        "setPrice", "price", **given
    )


async def test_prices_set_at_the_same_moment_follow_each_other(tenant: Tenant) -> None:
    await asyncio.gather(*[tenant.client.change("setPrice", "replayed", **hour(str(n))) for n in range(8)])
    assert [one["validTo"] for one in await prices(tenant)].count(None) == 1


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"amount": "-0.01"}, "amount"),
        ({"amount": "1000000000.1"}, "amount"),
        ({"amount": "0.0000000001"}, "amount"),
        ({"currency": "eur"}, "currency"),
        ({"currency": "EURO"}, "currency"),
        ({"currency": ""}, "currency"),
        ({"currency": "ÄÖÜ"}, "currency"),
        ({"hardware": " "}, "hardware"),
        ({"hardware": "x" * 201}, "hardware"),
        ({"validFrom": "1969-12-31T23:59:59Z"}, "validFrom"),
        ({"validFrom": "9999-12-31T23:59:59Z"}, "validFrom"),
    ],
)
async def test_what_is_no_price_is_refused(tenant: Tenant, values: dict[str, Any], field: str) -> None:
    error = await tenant.client.refusal("setPrice", "price", **(hour() | values))
    assert (error["code"], error["path"]) == ("INVALID_VALUE", [field])
    assert await prices(tenant) == []


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "1e5", "", "1,5", " 1", "٣", "1" * 100, 0.1, True, None])
async def test_an_amount_that_is_no_decimal_number_is_a_request_error(tenant: Tenant, amount: Any) -> None:
    answer = await tenant.client.post(
        "mutation($input: SetPriceInput!) { setPrice(input: $input) { replayed } }", {"input": hour(amount)}
    )
    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_writer_sets_no_prices(tenant: Tenant) -> None:
    price = await tenant.client.make("setPrice", "price", **hour())
    writer = await tenant.member(Role.WRITER)
    for mutation, given in (("setPrice", hour("2")), ("removePrice", {"price": price})):
        with pytest.raises(GraphQLFailed) as refused:
            await writer.change(mutation, "replayed", **given)
        assert refused.value.code == "FORBIDDEN"


async def test_prices_of_a_neighbor_do_not_count(tenant: Tenant, neighbor: Tenant) -> None:
    await neighbor.client.make("setPrice", "price", **hour("7"))
    assert (await cost(tenant, await an_hour_long(tenant)))["amount"] is None


TOTAL = "amounts { amount currency } runCount incompleteCount"


async def test_runs_cost_together_what_each_of_them_did_by_currency(tenant: Tenant, neighbor: Tenant) -> None:
    long_ago = (utc_now() - timedelta(days=9)).isoformat()
    await tenant.client.make("setPrice", "price", **hour("0.1", validFrom=long_ago))
    await tenant.client.make("setPrice", "price", **hour("7", currency="USD", hardware="H", validFrom=long_ago))
    await neighbor.client.make("setPrice", "price", **hour("99"))
    experiment = await tenant.client.make("createExperiment", "experiment", project=tenant.project, name="e")
    given = {"experiment": experiment, "runtime": {"hardware": {"cpu": "H"}}}
    before = await an_hour_long(tenant, timedelta(days=10), experiment=experiment)
    search = await an_hour_long(tenant, timedelta(days=5), experiment=experiment)
    trial = await an_hour_long(tenant, timedelta(days=5), parentRun=search, **given)
    await tenant.client.make("setPrice", "price", **hour("0.2"))
    inner = await an_hour_long(tenant, parentRun=trial)
    gone = await an_hour_long(tenant, parentRun=trial, experiment=experiment)
    await tenant.client.make("finishRun", "run", run=gone)
    await tenant.client.make("deleteRun", "run", run=gone)
    query = f"""query($ids: [ID!]!) {{ nodes(ids: $ids) {{
        ... on Run {{ totalCost {{ {TOTAL} }} }} ... on Experiment {{ cost {{ {TOTAL} }} }} }} }}"""
    found = (await tenant.client(query, ids=[experiment, before, search, trial, inner]))["nodes"]
    totals = [next(iter(one.values())) for one in found]
    told = [
        ({one["currency"]: one["amount"] for one in total["amounts"]}, total["runCount"], total["incompleteCount"])
        for total in totals
    ]
    assert told == [
        ({"EUR": "0.100000", "USD": "7.000000"}, 3, 1),
        ({}, 1, 1),
        ({"EUR": "0.300000", "USD": "7.000000"}, 3, 0),
        ({"EUR": "0.200000", "USD": "7.000000"}, 2, 0),
        ({"EUR": "0.200000"}, 1, 0),
    ]


async def test_an_experiment_without_runs_cost_nothing(tenant: Tenant) -> None:
    experiment = await tenant.client.make("createExperiment", "experiment", project=tenant.project, name="e")
    query = f"query($id: ID!) {{ node(id: $id) {{ ... on Experiment {{ cost {{ {TOTAL} }} }} }} }}"
    nothing = {"amounts": [], "runCount": 0, "incompleteCount": 0}
    assert (await tenant.client(query, id=experiment))["node"]["cost"] == nothing
