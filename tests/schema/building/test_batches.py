"""Batches: many changes of one kind in one transaction, all or nothing or item by item."""

import asyncio
import hashlib
import itertools
from typing import Any

import pytest
from graphql import GraphQLObjectType
from sqlalchemy import text, update
from sqlmodel import col

from db.session import Database
from db.tables import ModelVersion
from registry.kernel import operations, transactions
from storage.errors import StoreUnavailable
from storage.store import ObjectStore
from tests import sending
from tests.nouns import kind_of
from tests.registry.told import events_about
from tests.schema.built import SCHEMA
from tests.schema.valid_inputs import (
    BATCHES,
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


def version(model: str, label: str) -> dict[str, Any]:
    return {"model": model, "label": label}


async def labels(tenant: Tenant) -> list[str]:
    """The labels of all versions, oldest first."""
    answer = await tenant.client("{ versions(last: 100) { nodes { label } } }")
    return [one["label"] for one in reversed(answer["versions"]["nodes"])]


def codes(payload: dict[str, Any]) -> list[list[str]]:
    return [[error["code"] for error in result["errors"]] for result in payload["results"]]


def test_what_is_done_in_large_numbers_has_a_batch_and_nothing_else_has() -> None:
    verbs = ("create", "update", "delete", "restore")
    plain = {f"{verb}{kind}": f"{verb}{kind}s" for kind in ("Version", "Run", "DatasetVersion") for verb in verbs}
    assert {single: batch for batch, single in BATCHES.items()} == plain | {
        "finishRun": "finishRuns",
        "logRunMetrics": "logRunsMetrics",
        "logRunParameters": "logRunsParameters",
        "logVersionMetrics": "logVersionsMetrics",
        "createUpload": "createUploads",
        "reportDeployment": "reportDeployments",
    }


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
async def test_a_batch_answers_in_the_order_of_its_items_and_is_done_once_under_a_key(
    tenant: Tenant, batch: str
) -> None:
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
    of = await tenant.model()
    items = [version(of, label) for label in ("a", " ", "b", "a", "c")]
    items[4]["tags"] = [{"key": ""}]
    payload = await send(tenant.client, "createVersions", items, idempotencyKey="once")
    assert codes(payload) == [[], ["INVALID_VALUE"], [], ["NAME_TAKEN"], ["INVALID_VALUE"]]
    assert [result["version"] for result in payload["results"]] == [None] * 5
    assert payload["results"][3]["errors"][0]["path"] == ["items", "3", "label"]
    assert await labels(tenant) == []
    # Nothing was done, so the key is free.
    assert (await send(tenant.client, "createVersions", items[:1], idempotencyKey="once"))["replayed"] is False


async def test_item_by_item_the_others_are_done(tenant: Tenant, database: Database) -> None:
    of = await tenant.model()
    items = [version(of, label) for label in ("a", "a", "b", "x" * 201, "c")]
    payload = await send(tenant.client, "createVersions", items, "id label", mode="ITEM_BY_ITEM")
    assert codes(payload) == [[], ["NAME_TAKEN"], [], ["INVALID_VALUE"], []]
    made = [result["version"] and result["version"]["label"] for result in payload["results"]]
    assert made == ["a", None, "b", None, "c"]
    assert await labels(tenant) == ["a", "b", "c"]
    told = await events_about(database, tenant.org_id, uuid_of(payload["results"][2]["version"]["id"]))
    assert [event.kind for event in told] == ["version.created"]


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
    runs = [await tenant.run() for _ in range(3)]
    for run in (runs[0], runs[2]):
        await tenant.client.make("finishRun", "run", run=run)
    items = [{"run": run} for run in runs]
    given = {"mode": "ITEM_BY_ITEM", "idempotencyKey": "once"}
    first = await send(tenant.client, "deleteRuns", items, "id deletedAt", **given)
    assert codes(first) == [[], ["CONFLICT"], []]
    await tenant.client.make("finishRun", "run", run=runs[1])
    again = await send(tenant.client, "deleteRuns", items, "id deletedAt", **given)
    assert (again["replayed"], codes(again)) == (True, [[], [], []])
    assert [again["results"][place] for place in (0, 2)] == [first["results"][place] for place in (0, 2)]
    assert await send(tenant.client, "deleteRuns", items, "id deletedAt", **given) == again


async def test_another_batch_under_the_same_key_is_refused(tenant: Tenant) -> None:
    of = await tenant.model()
    items = [version(of, "a"), version(of, "b")]
    await send(tenant.client, "createVersions", items, idempotencyKey="once")
    for given in ({"items": items[:1]}, {"items": items[::-1]}, {"items": items, "mode": "ITEM_BY_ITEM"}):
        payload = await send(tenant.client, "createVersions", idempotencyKey="once", **given)
        assert (payload["results"], payload["errors"][0]["code"]) == ([], "IDEMPOTENCY_KEY_REUSED")
    single = await tenant.client.refusal("createVersion", "version", **items[0], idempotencyKey="once")
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
    of = await tenant.model()
    payload = await send(tenant.client, "createVersions", [version(of, "a") | item for item in items], **given)
    assert payload["results"] == []
    assert [(error["code"], error["path"]) for error in payload["errors"]] == [("INVALID_VALUE", path)]
    assert await labels(tenant) == []


async def test_more_than_a_hundred_items_are_too_many_and_a_hundred_are_not(tenant: Tenant) -> None:
    of = await tenant.model()
    items = [version(of, f"v{place:03}") for place in range(101)]
    with pytest.raises(GraphQLFailed) as refused:
        await send(tenant.client, "createVersions", items)
    assert refused.value.code == "PAGE_TOO_LARGE"
    payload = await send(tenant.client, "createVersions", items[:100], "label")
    assert [result["version"]["label"] for result in payload["results"]] == [item["label"] for item in items[:100]]


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
    counts, of = [], await tenant.model()
    for size in (1, 30):
        statements.clear()
        await send(tenant.client, "createVersions", [version(of, tenant.name()) for _ in range(size)], "id label")
        after = statements[max(place for place, one in enumerate(statements) if "ev.append" in one) + 1 :]
        counts.append(len(after))
    assert counts == [2, 2]


async def test_a_batch_that_takes_too_long_leaves_nothing(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    of = await tenant.model()
    monkeypatch.setattr(operations, "DEADLINE_S", 0.02)
    with pytest.raises(GraphQLFailed) as refused:
        await send(
            tenant.client, "createVersions", [version(of, f"v{place}") for place in range(100)], mode="ITEM_BY_ITEM"
        )
    assert refused.value.code == "TIMEOUT"
    assert await labels(tenant) == []


async def test_metrics_of_many_runs_are_logged_at_once(tenant: Tenant) -> None:
    runs = [await tenant.run() for _ in range(3)]
    await tenant.client.make("finishRun", "run", run=runs[1])
    point = {"name": "loss", "phase": "TRAINING", "value": 0.5}
    items = [{"run": run, "metrics": [point]} for run in runs]
    payload = await send(tenant.client, "logRunsMetrics", items, "metrics { value }", mode="ITEM_BY_ITEM")
    assert codes(payload) == [[], ["CONFLICT"], []]
    assert payload["results"][2]["run"] == {"metrics": [{"value": 0.5}]}


async def test_parameters_of_many_runs_are_logged_at_once(tenant: Tenant) -> None:
    runs = [await tenant.run(parameters=[{"name": "rate", "value": 0.1}]) for _ in range(3)]
    items: list[dict[str, Any]] = [
        {"run": run, "parameters": [{"name": "rate", "value": value}]}
        for run, value in zip(runs, (0.1, 0.2, 0.1), strict=True)
    ]
    items[2]["parameters"].append({"name": "depth", "value": 3})
    payload = await send(tenant.client, "logRunsParameters", items, "parameters { name }", mode="ITEM_BY_ITEM")
    assert codes(payload) == [[], ["CONFLICT"], []]
    assert payload["results"][2]["run"] == {"parameters": [{"name": "depth"}, {"name": "rate"}]}


async def test_files_that_are_announced_at_once_can_be_sent(tenant: Tenant) -> None:
    run, data = await tenant.run(), [sending.content() for _ in range(12)]
    items = [
        {
            "run": run, "path": f"part-{place}", "kind": "OTHER", "sha256": hashlib.sha256(one).hexdigest(),
            "sizeBytes": str(len(one)),
        }
        for place, one in enumerate(data)
    ]  # fmt: skip
    items.append(items[3] | {"path": "too-large", "sizeBytes": str(2**40)})
    payload = await send(tenant.client, "createUploads", items, sending.FIELDS, mode="ITEM_BY_ITEM")
    assert codes(payload) == [[]] * 12 + [["TOO_LARGE"]]
    announced = payload["results"][7]["artifact"]
    await sending.send(announced, data[7])
    assert (await sending.complete(tenant.client, announced["id"]))["errors"] == []


async def test_files_whose_uploads_the_store_did_not_open_are_announced_again(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, begun = ObjectStore.start_upload, 0

    async def sometimes(self: ObjectStore, bucket: str, key: str, content_type: str | None) -> str:
        nonlocal begun
        begun += 1
        if begun == 2:
            raise StoreUnavailable("start_upload", "it is away")
        return await begin(self, bucket, key, content_type)

    monkeypatch.setattr(ObjectStore, "start_upload", sometimes)
    run = await tenant.run()
    items = [
        {"run": run, "path": f"part-{place}", "kind": "OTHER", "sha256": f"{place:064}", "sizeBytes": "5"}
        for place in range(3)
    ]
    with pytest.raises(GraphQLFailed) as refused:
        await send(tenant.client, "createUploads", items)
    assert refused.value.code == "UNAVAILABLE"
    payload = await send(tenant.client, "createUploads", items, "upload { parts { url } }")
    assert (codes(payload), begun) == ([[]] * 3, 4)


@pytest.mark.parametrize("backwards", [False, True])
async def test_things_that_depend_on_one_another_are_deleted_and_restored_in_any_order(
    tenant: Tenant, *, backwards: bool
) -> None:
    of, versions, runs = await tenant.model(), [await tenant.version()], [await tenant.run()]
    for _ in range(4):
        versions.append(await tenant.version(of, baseVersion=versions[-1]))
        runs.append(await tenant.run(parentRun=runs[-1]))
    for run in runs:
        await tenant.client.make("finishRun", "run", run=run)
    for kind, ids in (("version", versions), ("run", runs)):
        items = [{kind: one} for one in (ids[::-1] if backwards else ids)]
        for verb in ("delete", "restore"):
            payload = await send(tenant.client, f"{verb}{kind.title()}s", items, "id deletedAt")
            assert codes(payload) == [[]] * 5
            assert [result[kind]["id"] for result in payload["results"]] == [item[kind] for item in items]
            assert {result[kind]["deletedAt"] is None for result in payload["results"]} == {verb == "restore"}


async def test_dependents_that_have_the_smaller_ids_are_found_too(tenant: Tenant, database: Database) -> None:
    versions = [await tenant.version() for _ in range(5)]
    # As an import may give ids: each is made from the one that has the next id.
    pairs = [(uuid_of(one), uuid_of(base)) for one, base in itertools.pairwise(versions)]
    async with database.change(tenant.org_id) as change:
        for one, base in pairs:
            await change.execute(update(ModelVersion).where(col(ModelVersion.id) == one).values(base_version_id=base))
    items = [{"version": one} for one in (versions[2], *versions[:2], *versions[3:])]
    for verb in ("delete", "restore"):
        assert codes(await send(tenant.client, f"{verb}Versions", items)) == [[]] * 5


async def test_what_others_depend_on_is_refused_unless_they_are_deleted_with_it(tenant: Tenant) -> None:
    base = await tenant.version()
    derived = [await tenant.version(baseVersion=base) for _ in range(2)]
    payload = await send(tenant.client, "deleteVersions", [{"version": one} for one in (base, derived[0])])
    assert codes(payload) == [["IN_USE"], []]
    assert payload["results"][0]["errors"][0]["path"] == ["items", "0", "version"]
    assert len(await labels(tenant)) == 3


LOCKING = [batch for batch in BATCHES if batch != "createRuns"]
"""Batches whose rules lock rows that were there before."""


@pytest.mark.parametrize("batch", LOCKING)
async def test_batches_in_opposite_orders_do_not_wait_for_each_other_in_a_circle(
    tenant: Tenant, batch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The database ends a circle with an error, after which a change is tried anew: not here.
    monkeypatch.setattr(transactions, "RETRYABLE", frozenset())
    # Few, so that nobody waits for a lock longer than one may.
    items = [await valid_input(tenant, BATCHES[batch]) for _ in range(8)]
    orders = [items, items[::-1]]
    payloads = await asyncio.gather(*(send(tenant.client, batch, order, mode="ITEM_BY_ITEM") for order in orders))
    assert [len(payload["results"]) for payload in payloads] == [8, 8]
    assert any(not result["errors"] for payload in payloads for result in payload["results"])
