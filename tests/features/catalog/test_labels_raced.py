"""Fifty clients at once: one label has one winner, and numbers are dense whatever fails in between."""

import asyncio
from typing import Any

from db.session import Database
from db.tables import Model
from tests.tenant import Tenant, uuid_of

CLIENTS = 50


async def version_count(database: Database, tenant: Tenant, model: str) -> int:
    async with database.change(tenant.org_id) as change:
        return (await change.get_one(Model, (tenant.org_id, uuid_of(model)))).version_count


async def numbers(tenant: Tenant, model: str) -> list[int]:
    answer = await tenant.client(
        "query($id: ID!) { node(id: $id) { ... on Model { versions(last: 100) { nodes { number } } } } }", id=model
    )
    return sorted(version["number"] for version in answer["node"]["versions"]["nodes"])


async def race(tenant: Tenant, *given: dict[str, Any]) -> list[dict[str, Any]]:
    """The payloads of clients that create versions at the same moment."""
    return await asyncio.gather(
        *[tenant.client.insist("createVersion", "version { id number label }", **values) for values in given]
    )


async def test_a_label_that_fifty_clients_want_goes_to_one_and_the_others_are_told(
    tenant: Tenant, database: Database
) -> None:
    model = await tenant.model()
    payloads = await race(tenant, *[{"model": model, "label": "1.0.0"} for _ in range(CLIENTS)])
    won = [payload["version"] for payload in payloads if payload["version"]]
    assert [version["number"] for version in won] == [1]
    lost = [payload["errors"] for payload in payloads if not payload["version"]]
    assert [[error["__typename"] for error in errors] for errors in lost] == [["NameTakenError"]] * (CLIENTS - 1)
    assert {error["path"][0] for errors in lost for error in errors} == {"label"}
    assert await version_count(database, tenant, model) == 1
    assert (await race(tenant, {"model": model, "label": "1.0.1"}))[0]["version"]["number"] == 2


async def test_fifty_labels_at_once_get_dense_numbers(tenant: Tenant, database: Database) -> None:
    model = await tenant.model()
    payloads = await race(tenant, *[{"model": model, "label": f"v{place}"} for place in range(CLIENTS)])
    assert [payload["errors"] for payload in payloads] == [[]] * CLIENTS
    assert sorted(payload["version"]["number"] for payload in payloads) == list(range(1, CLIENTS + 1))
    assert await numbers(tenant, model) == list(range(1, CLIENTS + 1))
    assert await version_count(database, tenant, model) == CLIENTS


async def test_failures_between_successes_leave_no_gap(tenant: Tenant, database: Database) -> None:
    model = await tenant.model()
    given: list[dict[str, Any]] = []
    for place in range(CLIENTS // 5):
        good = {"model": model, "label": f"v{place}"}
        given += [
            good,
            good,
            {"model": model, "label": " "},
            {"model": model, "label": f"bad-{place}", "tags": [{"key": "a"}, {"key": "a"}]},
            {"model": model, "label": f"worse-{place}", "metrics": [{"name": "a", "phase": "TEST"}]},
        ]
    payloads = await race(tenant, *given)
    made = [payload["version"] for payload in payloads if payload["version"]]
    assert {version["label"] for version in made} == {f"v{place}" for place in range(CLIENTS // 5)}
    assert await numbers(tenant, model) == list(range(1, CLIENTS // 5 + 1))
    assert await version_count(database, tenant, model) == CLIENTS // 5


async def test_models_do_not_wait_for_each_others_numbers(tenant: Tenant) -> None:
    models = [await tenant.model() for _ in range(10)]
    payloads = await race(tenant, *[{"model": model, "label": label} for model in models for label in "abc"])
    assert [payload["errors"] for payload in payloads] == [[]] * 30
    for model in models:
        assert await numbers(tenant, model) == [1, 2, 3]


async def test_a_model_name_that_many_want_goes_to_one(tenant: Tenant) -> None:
    given = {"project": tenant.project, "name": "iris", "framework": "sklearn"}
    payloads = await asyncio.gather(
        *[tenant.client.insist("createModel", "model { id }", **given) for _ in range(CLIENTS)]
    )
    assert sum(payload["model"] is not None for payload in payloads) == 1
    assert {error["code"] for payload in payloads for error in payload["errors"]} == {"NAME_TAKEN"}
