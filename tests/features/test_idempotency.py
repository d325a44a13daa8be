"""Retries over HTTP: the same key and request happen once, another request under the same key is refused."""

import asyncio
from typing import Any

import pytest

from db.codes import Role
from tests.tenant import Tenant

MADE = "model { id name description }"


async def create(tenant: Tenant, key: str | None, name: str, **more: Any) -> dict[str, Any]:
    given = {"project": tenant.project, "framework": "sklearn", "name": name, "idempotencyKey": key, **more}
    return await tenant.client.change("createModel", MADE, **given)


async def model_count(tenant: Tenant) -> int:
    count: int = (await tenant.client("{ models { totalCount } }"))["models"]["totalCount"]
    return count


async def test_the_same_request_again_gives_the_first_outcome_as_it_is_now(tenant: Tenant) -> None:
    first = await create(tenant, "once", "iris")
    await tenant.client.make("updateModel", "model", model=first["model"]["id"], description="later")
    again = await create(tenant, "once", "iris")
    assert (first["replayed"], again["replayed"]) == (False, True)
    assert again["model"] == {**first["model"], "description": "later"}
    assert await model_count(tenant) == 1


async def test_the_order_of_fields_and_the_way_they_are_sent_do_not_matter(tenant: Tenant) -> None:
    first = await create(tenant, "once", "iris", tags=[{"key": "a", "value": "b"}])
    document = f"""mutation {{ createModel(input: {{idempotencyKey: "once", tags: {{value: "b", key: "a"}},
        name: "iris", framework: "sklearn", project: "{tenant.project}"}}) {{ replayed model {{ id }} }} }}"""
    again = (await tenant.client(document))["createModel"]
    assert again == {"replayed": True, "model": {"id": first["model"]["id"]}}


@pytest.mark.parametrize(
    "more", [{"name": "other"}, {"description": ""}, {"tags": [{"key": "a"}]}, {"framework": "SKLEARN"}]
)
async def test_another_request_under_the_same_key_is_refused(tenant: Tenant, more: dict[str, Any]) -> None:
    await create(tenant, "once", "iris")
    payload = await create(tenant, "once", **{"name": "iris", **more})
    assert payload["model"] is None
    assert [error["code"] for error in payload["errors"]] == ["IDEMPOTENCY_KEY_REUSED"]
    assert payload["errors"][0]["path"] == ["idempotencyKey"]
    assert await model_count(tenant) == 1


async def test_another_mutation_under_the_same_key_is_refused(tenant: Tenant) -> None:
    await tenant.client.change("createTeam", "replayed", name="same", idempotencyKey="once")
    error = await tenant.client.refusal(
        "createDataset", "dataset", project=tenant.project, name="same", idempotencyKey="once"
    )
    assert error["code"] == "IDEMPOTENCY_KEY_REUSED"


async def test_a_refused_change_does_not_use_up_its_key(tenant: Tenant) -> None:
    await tenant.model(name="taken")
    assert (await create(tenant, "once", "taken"))["errors"][0]["code"] == "NAME_TAKEN"
    made = await create(tenant, "once", "free")
    assert (made["errors"], made["replayed"]) == ([], False)


async def test_without_a_key_or_with_null_each_request_is_its_own(tenant: Tenant) -> None:
    assert (await create(tenant, None, "iris"))["errors"] == []
    assert (await create(tenant, None, "iris"))["errors"][0]["code"] == "NAME_TAKEN"


@pytest.mark.parametrize("key", ["größe", "🚀", "a b", "x" * 255, "'; --", "{}", "null", "\u200bx"])
async def test_a_key_may_be_any_visible_text(tenant: Tenant, key: str) -> None:
    first, again = await create(tenant, key, "iris"), await create(tenant, key, "iris")
    assert (first["replayed"], again["replayed"]) == (False, True)
    assert first["model"] == again["model"]


@pytest.mark.parametrize("key", ["", " ", "\t", "\u200b", "a\nb", "a\u202eb", "x" * 256])
async def test_a_key_that_cannot_be_kept_is_refused_and_nothing_is_made(tenant: Tenant, key: str) -> None:
    payload = await create(tenant, key, "iris")
    assert [(error["code"], error["path"]) for error in payload["errors"]] == [("INVALID_VALUE", ["idempotencyKey"])]
    assert await model_count(tenant) == 0


async def test_a_key_belongs_to_who_sent_it(tenant: Tenant) -> None:
    other = await tenant.member(Role.WRITER)
    await tenant.client.change("createRun", "replayed", project=tenant.project, name="a", idempotencyKey="once")
    payload = await other.change("createRun", "run { name }", project=tenant.project, name="b", idempotencyKey="once")
    assert (payload["replayed"], payload["run"]) == (False, {"name": "b"})


async def test_retries_at_the_same_moment_make_one_model(tenant: Tenant) -> None:
    payloads = await asyncio.gather(*[create(tenant, "once", "iris") for _ in range(12)])
    assert [payload["errors"] for payload in payloads] == [[]] * 12
    assert len({payload["model"]["id"] for payload in payloads}) == 1
    assert sorted(payload["replayed"] for payload in payloads) == [False] + [True] * 11
    assert await model_count(tenant) == 1


async def test_two_changes_in_one_operation_each_see_what_was_written_before(tenant: Tenant) -> None:
    answer = await tenant.client(
        """mutation($a: CreateModelInput!, $b: CreateModelInput!, $c: CreateModelInput!) {
            a: createModel(input: $a) { replayed model { id project { models { totalCount } } } }
            again: createModel(input: $b) { replayed model { id project { models { totalCount } } } }
            c: createModel(input: $c) { replayed model { id project { models { totalCount } } } } }""",
        **{
            variable: {"project": tenant.project, "framework": "sklearn", "name": name, "idempotencyKey": name}
            for variable, name in (("a", "iris"), ("b", "iris"), ("c", "wine"))
        },
    )
    assert [answer[name]["replayed"] for name in ("a", "again", "c")] == [False, True, False]
    counts = [answer[name]["model"]["project"]["models"]["totalCount"] for name in ("a", "again", "c")]
    assert counts == [1, 1, 2]
    assert answer["a"]["model"]["id"] == answer["again"]["model"]["id"]


async def test_a_second_change_that_is_refused_does_not_hide_the_first(tenant: Tenant) -> None:
    answer = await tenant.client.post(
        """mutation($a: CreateTeamInput!, $b: CreateTeamInput!) {
            a: createTeam(input: $a) { team { name } errors { __typename } }
            b: createTeam(input: $b) { team { name } errors { __typename } } }""",
        {"a": {"name": "same"}, "b": {"name": "same"}},
    )
    assert answer["data"] == {
        "a": {"team": {"name": "same"}, "errors": []},
        "b": {"team": None, "errors": [{"__typename": "NameTakenError"}]},
    }
