"""Batches: many changes of one kind in one transaction, all or nothing or item by item."""

from typing import Any

import pytest
from graphql import GraphQLObjectType
from sqlalchemy import text

from db.session import Database
from registry.kernel import operations
from tests.nouns import kind_of
from tests.registry.told import events_about
from tests.schema.built import SCHEMA
from tests.schema.valid_inputs import (
    BATCHES,
    MUTATIONS,
    Refusing,
    reference_fields,
    row_of,
    title,
    unknown,
    valid_input,
)
from tests.tenant import Client, GraphQLFailed, Tenant, uuid_of

every_batch = pytest.mark.parametrize("batch", BATCHES)
ERRORS = "errors { __typename code path message }"


async def send(client: Client, batch: str, items: list[Any], selection: str = "id", **given: Any) -> dict[str, Any]:
    """The payload of a batch."""
    row = row_of(BATCHES[batch])
    document = f"""mutation($input: {title(batch)}Input!) {{ {batch}(input: $input) {{
        results {{ index {row} {{ {selection} }} {ERRORS} }} {ERRORS} replayed }} }}"""
    payload: dict[str, Any] = (await client(document, input={"items": items, **given}))[batch]
    return payload


def model(tenant: Tenant, name: str) -> dict[str, Any]:
    return {"project": tenant.project, "name": name, "framework": "sklearn"}


async def names(tenant: Tenant) -> list[str]:
    """The names of all models, oldest first."""
    answer = await tenant.client("{ models(last: 100) { nodes { name } } }")
    return [one["name"] for one in reversed(answer["models"]["nodes"])]


def codes(payload: dict[str, Any]) -> list[list[str]]:
    return [[error["code"] for error in result["errors"]] for result in payload["results"]]


# What is done to one thing at a time, and why.
ALONE = {
    "an organization has few, each with a secret that is shown once": {
        "createWebhook", "updateWebhook", "deleteWebhook", "restoreWebhook",
    },
    "the object store is called beside its transaction": {"createUpload"},
}  # fmt: skip


def test_whatever_is_made_changed_or_deleted_can_be_so_many_at_once() -> None:
    verbs = ("create", "update", "delete", "restore")
    single = {name for name in MUTATIONS if name.startswith(verbs)}
    alone = set().union(*ALONE.values())
    assert {name for name in single if f"{name}s" not in BATCHES} == alone
    assert {BATCHES[f"{name}s"] for name in single - alone} == single - alone


def test_what_can_be_deleted_many_at_once_can_come_back_so() -> None:
    deleted = {name.removeprefix("delete") for name in BATCHES if name.startswith("delete")}
    assert {"Datasets", "Teams"} <= deleted
    assert {f"restore{what}" for what in deleted} <= BATCHES.keys()


@every_batch
def test_a_batch_takes_items_of_its_mutation_and_tells_of_each(batch: str) -> None:
    single, row = BATCHES[batch], row_of(BATCHES[batch])
    shown = {name: str(field.type) for name, field in SCHEMA.type_map[f"{title(batch)}Input"].fields.items()}  # type: ignore[attr-defined]  # an input
    assert shown == {"items": f"[{title(single)}Input!]!", "mode": "BatchMode!", "idempotencyKey": "String"}
    result = SCHEMA.type_map[f"{title(batch)}Result"]
    assert isinstance(result, GraphQLObjectType)
    assert {name: str(field.type) for name, field in result.fields.items()} == {
        "index": "Int!",
        row: kind_of(row),
        "errors": "[UserError!]!",
    }


@every_batch
async def test_a_batch_is_done_in_order_and_once_under_its_key(tenant: Tenant, batch: str) -> None:
    items = [await valid_input(tenant, BATCHES[batch]) for _ in range(3)]
    first, again = [await send(tenant.client, batch, items, idempotencyKey="once") for _ in range(2)]
    row = row_of(BATCHES[batch])
    assert (first["errors"], codes(first)) == ([], [[], [], []])
    assert [result["index"] for result in first["results"]] == [0, 1, 2]
    assert len({result[row]["id"] for result in first["results"]}) == 3
    own = items[0].get(row)
    assert own in (None, first["results"][0][row]["id"])
    assert (first["replayed"], again["replayed"]) == (False, True)
    assert again["results"] == first["results"]


@every_batch
async def test_a_reader_sends_no_batch(refusing: Refusing, batch: str) -> None:
    item = await refusing.input_of(BATCHES[batch])
    with pytest.raises(GraphQLFailed) as refused:
        await send(refusing.reader, batch, [item])
    assert refused.value.code == "FORBIDDEN"


@pytest.mark.parametrize("batch", [batch for batch in BATCHES if reference_fields(BATCHES[batch])])
async def test_a_neighbors_id_in_an_item_is_answered_like_an_id_of_nothing(
    tenant: Tenant, neighbor: Tenant, batch: str
) -> None:
    good, own = [await valid_input(tenant, BATCHES[batch]) for _ in range(2)]
    theirs = await valid_input(neighbor, BATCHES[batch])
    name, kind = next((name, kind) for name, kind in reference_fields(BATCHES[batch]).items() if name in own)
    answers = [await send(tenant.client, batch, [good, own | {name: id_}]) for id_ in (theirs[name], unknown(kind))]
    assert answers[0] == answers[1]
    assert codes(answers[0]) == [[], ["NOT_FOUND"]]
    assert answers[0]["results"][1]["errors"][0]["path"] == ["items", "1", name]
    assert answers[0]["results"][0][row_of(BATCHES[batch])] is None


async def test_one_refused_item_undoes_all_and_every_refusal_is_told(tenant: Tenant) -> None:
    items = [model(tenant, "a"), model(tenant, " "), model(tenant, "b"), model(tenant, "a"), model(tenant, "c")]
    items[4]["framework"] = "fortran"
    payload = await send(tenant.client, "createModels", items, idempotencyKey="once")
    assert codes(payload) == [[], ["INVALID_VALUE"], [], ["NAME_TAKEN"], ["INVALID_VALUE"]]
    assert [result["model"] for result in payload["results"]] == [None] * 5
    assert payload["results"][3]["errors"][0]["path"] == ["items", "3", "name"]
    assert await names(tenant) == []
    # Nothing was done, so the key is free.
    assert (await send(tenant.client, "createModels", items[:1], idempotencyKey="once"))["replayed"] is False


async def test_item_by_item_the_others_are_done(tenant: Tenant, database: Database) -> None:
    items = [model(tenant, "a"), model(tenant, "a"), model(tenant, "b"), model(tenant, "x" * 201), model(tenant, "c")]
    payload = await send(tenant.client, "createModels", items, "id name", mode="ITEM_BY_ITEM")
    assert codes(payload) == [[], ["NAME_TAKEN"], [], ["INVALID_VALUE"], []]
    assert [result["model"] and result["model"]["name"] for result in payload["results"]] == ["a", None, "b", None, "c"]
    assert await names(tenant) == ["a", "b", "c"]
    told = await events_about(database, tenant.org_id, uuid_of(payload["results"][2]["model"]["id"]))
    assert [event.kind for event in told] == ["model.created"]


async def test_refused_items_leave_no_gap_between_numbers_and_tell_nothing(tenant: Tenant, database: Database) -> None:
    of = await tenant.model()
    bad = {"metrics": [{"name": "a", "phase": "TEST"}]}
    items = [{"model": of, "label": f"v{place}"} | (bad if place % 2 else {}) for place in range(6)]
    payload = await send(tenant.client, "createVersions", items, "number", mode="ITEM_BY_ITEM")
    assert [result["version"] and result["version"]["number"] for result in payload["results"]] == [
        1, None, 2, None, 3, None,
    ]  # fmt: skip
    async with database.as_worker() as connection:
        told = text("select count(*) from ev.event where org_id = :org_id and kind = 'version.created'")
        assert (await connection.execute(told, {"org_id": tenant.org_id})).scalar_one() == 3


async def test_sent_again_under_its_key_a_batch_tries_what_was_refused_and_nothing_else(tenant: Tenant) -> None:
    other = await tenant.model(name="b")
    items = [model(tenant, "a"), model(tenant, "b"), model(tenant, "c")]
    given = {"mode": "ITEM_BY_ITEM", "idempotencyKey": "once"}
    first = await send(tenant.client, "createModels", items, **given)
    assert codes(first) == [[], ["NAME_TAKEN"], []]
    await tenant.client.make("deleteModel", "model", model=other)
    again = await send(tenant.client, "createModels", items, **given)
    assert (again["replayed"], codes(again)) == (True, [[], [], []])
    assert [again["results"][place] for place in (0, 2)] == [first["results"][place] for place in (0, 2)]
    assert await send(tenant.client, "createModels", items, **given) == again
    assert sorted(await names(tenant)) == ["a", "b", "c"]


async def test_another_batch_under_the_same_key_is_refused(tenant: Tenant) -> None:
    items = [model(tenant, "a"), model(tenant, "b")]
    await send(tenant.client, "createModels", items, idempotencyKey="once")
    for given in ({"items": items[:1]}, {"items": items[::-1]}, {"items": items, "mode": "ITEM_BY_ITEM"}):
        payload = await send(tenant.client, "createModels", idempotencyKey="once", **given)
        assert (payload["results"], payload["errors"][0]["code"]) == ([], "IDEMPOTENCY_KEY_REUSED")
    single = await tenant.client.refusal("createModel", "model", **items[0], idempotencyKey="once")
    assert single["code"] == "IDEMPOTENCY_KEY_REUSED"


@pytest.mark.parametrize(
    ("items", "given", "path"),
    [
        ([], {}, ["items"]),
        ([{"idempotencyKey": "own"}], {}, ["items", "0", "idempotencyKey"]),
        ([{}], {"idempotencyKey": " "}, ["idempotencyKey"]),
    ],
)
async def test_a_batch_that_cannot_be_is_refused_as_a_whole(
    tenant: Tenant, items: list[dict[str, Any]], given: dict[str, Any], path: list[str]
) -> None:
    payload = await send(tenant.client, "createModels", [model(tenant, "a") | item for item in items], **given)
    assert payload["results"] == []
    assert [(error["code"], error["path"]) for error in payload["errors"]] == [("INVALID_VALUE", path)]
    assert await names(tenant) == []


async def test_more_than_a_hundred_items_are_too_many_and_a_hundred_are_not(tenant: Tenant) -> None:
    items = [model(tenant, f"m{place:03}") for place in range(101)]
    with pytest.raises(GraphQLFailed) as refused:
        await send(tenant.client, "createModels", items)
    assert refused.value.code == "PAGE_TOO_LARGE"
    payload = await send(tenant.client, "createModels", items[:100], "name")
    assert [result["model"]["name"] for result in payload["results"]] == [item["name"] for item in items[:100]]


async def test_the_items_of_a_batch_count_in_its_cost_however_they_are_sent(tenant: Tenant) -> None:
    run = await tenant.run()
    deep = "results { run { versions(first: 100) { nodes { artifacts(first: 1) { nodes { id } } } } } }"
    literal = ", ".join([f'{{run: "{run}", metrics: []}}'] * 100)
    for document, variables in (
        (f"mutation {{ logRunsMetrics(input: {{items: [{literal}]}}) {{ {deep} }} }}", {}),
        (
            f"mutation($i: [LogRunMetricsInput!]!) {{ logRunsMetrics(input: {{items: $i}}) {{ {deep} }} }}",
            {"i": [{"run": run, "metrics": []}] * 100},
        ),
        (
            f"mutation($input: LogRunsMetricsInput!) {{ logRunsMetrics(input: $input) {{ {deep} }} }}",
            {"input": {"items": [{"run": run, "metrics": []}] * 100}},
        ),
    ):
        answer = await tenant.client.post(document, variables)
        assert answer["errors"][0]["extensions"]["code"] == "QUERY_TOO_EXPENSIVE", answer


async def test_the_rows_of_a_batch_are_read_by_one_statement(tenant: Tenant, statements: list[str]) -> None:
    counts = []
    for size in (1, 30):
        statements.clear()
        await send(tenant.client, "createModels", [model(tenant, tenant.name()) for _ in range(size)], "id name")
        after = statements[max(place for place, one in enumerate(statements) if "ev.append" in one) + 1 :]
        counts.append(len(after))
    assert counts == [2, 2]


async def test_a_batch_that_takes_too_long_leaves_nothing(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "DEADLINE_S", 0.02)
    with pytest.raises(GraphQLFailed) as refused:
        await send(
            tenant.client, "createModels", [model(tenant, f"m{place}") for place in range(100)], mode="ITEM_BY_ITEM"
        )
    assert refused.value.code == "TIMEOUT"
    assert await names(tenant) == []


async def test_metrics_of_many_runs_are_logged_at_once(tenant: Tenant) -> None:
    runs = [await tenant.run() for _ in range(3)]
    await tenant.client.make("finishRun", "run", run=runs[1])
    point = {"name": "loss", "phase": "TRAINING", "value": 0.5}
    items = [{"run": run, "metrics": [point]} for run in runs]
    payload = await send(tenant.client, "logRunsMetrics", items, "metrics { value }", mode="ITEM_BY_ITEM")
    assert codes(payload) == [[], ["CONFLICT"], []]
    assert payload["results"][2]["run"] == {"metrics": [{"value": 0.5}]}
