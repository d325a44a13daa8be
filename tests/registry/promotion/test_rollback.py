"""Rollback: the last good version comes back in one step, and what proved bad does not."""

import asyncio
from typing import Any

import pytest

from db.codes import Role
from tests.stages import Line
from tests.tenant import GraphQLFailed, Tenant


async def test_the_last_good_version_comes_back(tenant: Tenant) -> None:
    line = await Line.of(tenant, 2)
    first, second = line.versions
    await line.to_production(first, second)
    payload = await line.roll_back(reason="It forgets names.")
    assert payload["transition"] == {
        "kind": "ROLLBACK", "toStage": "PRODUCTION", "reason": "It forgets names.",
        "version": {"id": first}, "undone": {"version": {"id": second}},
    }  # fmt: skip
    assert await line.stages() == ["PRODUCTION", "ARCHIVED"]
    assert (await line.slots())["PRODUCTION"] == (3, first)


async def test_each_rollback_goes_further_back_and_never_to_what_was_rolled_back(tenant: Tenant) -> None:
    line = await Line.of(tenant, 3)
    first, second, third = line.versions
    await line.to_production(first, second, third)
    assert await line.put_back() == second
    assert await line.put_back() == first
    payload = await line.roll_back()
    assert [error["code"] for error in payload["errors"]] == ["CONFLICT"]
    assert (await line.slots())["PRODUCTION"] == (5, first)


async def test_an_earlier_version_comes_back_by_name_even_one_that_was_rolled_back(tenant: Tenant) -> None:
    line = await Line.of(tenant, 3)
    first, second, third = line.versions
    await line.to_production(first, second, third)
    assert await line.put_back(to=first) == first
    assert await line.put_back(to=third) == third
    assert await line.stages() == ["ARCHIVED", "ARCHIVED", "PRODUCTION"]


async def test_a_slot_that_was_emptied_is_filled_again(tenant: Tenant) -> None:
    line = await Line.of(tenant, 2)
    first, second = line.versions
    await line.to_production(first, second)
    await tenant.client.make("archiveVersion", "transition", version=second, expectedRevision=2)
    payload = await line.roll_back()
    assert payload["transition"]["version"] == {"id": first}
    assert payload["transition"]["undone"] is None


async def test_what_was_archived_by_hand_deleted_or_moved_elsewhere_does_not_come_back(tenant: Tenant) -> None:
    line = await Line.of(tenant, 5)
    by_hand, deleted, elsewhere, never, current = line.versions
    await line.to_production(by_hand)
    await tenant.client.make("archiveVersion", "transition", version=by_hand, expectedRevision=1)
    await line.to_production(deleted, elsewhere, current)
    await tenant.client.make("deleteVersion", "version", version=deleted)
    await tenant.client.make("reactivateVersion", "transition", version=elsewhere)
    payload = await line.roll_back()
    assert [(error["code"], error["path"]) for error in payload["errors"]] == [("CONFLICT", ["model"])]
    told = {}
    for version in (by_hand, elsewhere, never, current, deleted):
        (error,) = (await line.roll_back(to=version))["errors"]
        told[version] = (error["code"], error["path"], error["message"].split(".")[0])
    assert told == {
        by_hand: ("CONFLICT", ["to"], "This version was archived by hand and stays so"),
        elsewhere: ("CONFLICT", ["to"], "This version left PRODUCTION for another stage"),
        never: ("CONFLICT", ["to"], "This version was never in PRODUCTION"),
        current: ("CONFLICT", ["to"], "This version is in PRODUCTION already"),
        deleted: ("NOT_FOUND", ["to"], "There is no ModelVersion with this id, or none that you may see"),
    }
    assert (await line.slots())["PRODUCTION"][1] == current


async def test_a_version_that_was_demoted_before_it_was_displaced_is_no_last_good_one(tenant: Tenant) -> None:
    line = await Line.of(tenant, 3)
    first, second, third = line.versions
    await line.to_production(first)
    await tenant.client.make("demoteVersion", "transition", version=first, expectedRevision=1)
    await line.promote(second, "STAGING")
    await line.promote(second, "PRODUCTION")
    await line.to_production(third)
    assert await line.put_back() == second
    assert [error["code"] for error in (await line.roll_back())["errors"]] == ["CONFLICT"]


async def test_what_left_production_by_hand_does_not_come_back_by_name_either(tenant: Tenant) -> None:
    line = await Line.of(tenant, 2)
    first, second = line.versions
    await line.to_production(first)
    await tenant.client.make("archiveVersion", "transition", version=first, expectedRevision=1)
    await tenant.client.make("reactivateVersion", "transition", version=first)
    for version in (first, second):
        await line.promote(version, "STAGING")
    (error,) = (await line.roll_back(to=first))["errors"]
    assert (error["code"], error["path"]) == ("CONFLICT", ["to"])


async def test_staging_is_rolled_back_too(tenant: Tenant) -> None:
    line = await Line.of(tenant, 2)
    for version in line.versions:
        await line.promote(version, "STAGING")
    assert await line.put_back("STAGING") == line.versions[0]


@pytest.mark.parametrize(
    ("given", "code", "path"),
    [
        ({"stage": "ARCHIVED", "expectedRevision": 0}, "INVALID_VALUE", ["stage"]),
        ({"reason": " "}, "INVALID_VALUE", ["reason"]),
        ({"reason": "x" * 2001}, "INVALID_VALUE", ["reason"]),
        ({"expectedRevision": None}, "INVALID_VALUE", ["expectedRevision"]),
        ({"expectedRevision": 1}, "STALE_REVISION", ["expectedRevision"]),
    ],
)
async def test_a_rollback_that_cannot_be_meant_changes_nothing(
    tenant: Tenant, given: dict[str, Any], code: str, path: list[str]
) -> None:
    line = await Line.of(tenant, 2)
    await line.to_production(*line.versions)
    (error,) = (await line.roll_back(**given))["errors"]
    assert (error["code"], error["path"]) == (code, path)
    assert (await line.slots())["PRODUCTION"] == (2, line.versions[1])


async def test_a_version_of_another_model_cannot_be_put_back(tenant: Tenant) -> None:
    line, other = await Line.of(tenant, 2), await Line.of(tenant, 1)
    await line.to_production(*line.versions)
    (error,) = (await line.roll_back(to=other.versions[0]))["errors"]
    assert (error["code"], error["path"]) == ("INVALID_VALUE", ["to"])


async def test_rolling_back_is_a_permission_of_its_own(tenant: Tenant) -> None:
    line = await Line.of(tenant, 2)
    await line.to_production(*line.versions)
    given = {"model": line.model, "reason": "It forgets.", "expectedRevision": 2}
    maintainer = await tenant.member(Role.MAINTAINER)
    with pytest.raises(GraphQLFailed) as refused:
        await maintainer.change("rollBackModel", "transition { id }", **given)
    assert refused.value.code == "FORBIDDEN"
    assert "roll back" in str(refused.value)
    await (await tenant.member(Role.PROMOTER)).make("rollBackModel", "transition", **given)


async def test_of_many_rollbacks_at_once_one_wins_and_the_others_learn_the_new_state(tenant: Tenant) -> None:
    line = await Line.of(tenant, 3)
    await line.to_production(*line.versions)
    document = """mutation($input: RollBackModelInput!) { rollBackModel(input: $input) { transition { version { id } }
        errors { ... on StaleRevisionError { revision version { id } } } } }"""
    given = {"model": line.model, "reason": "It forgets.", "expectedRevision": 3}
    answers = await asyncio.gather(*[tenant.client(document, input=given) for _ in range(20)])
    payloads = [answer["rollBackModel"] for answer in answers]
    won = [payload for payload in payloads if payload["transition"]]
    assert [payload["transition"]["version"]["id"] for payload in won] == [line.versions[1]]
    told = [payload["errors"] for payload in payloads if not payload["transition"]]
    assert told == [[{"revision": 4, "version": {"id": line.versions[1]}}]] * 19


async def test_a_writer_takes_nothing_away_that_a_rollback_may_put_back(tenant: Tenant) -> None:
    line = await Line.of(tenant, 3)
    await line.to_production(*line.versions)
    writer, promoter = await tenant.member(Role.WRITER), await tenant.member(Role.PROMOTER)
    with pytest.raises(GraphQLFailed) as refused:
        await writer.change("deleteVersion", "replayed", version=line.versions[1])
    assert refused.value.code == "FORBIDDEN"
    assert await promoter.make("deleteVersion", "version", version=line.versions[1])
    assert await line.put_back() == line.versions[0]
