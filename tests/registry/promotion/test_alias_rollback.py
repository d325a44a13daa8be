"""Rollback of aliases: what a name pointed at before is what it points at again, and what proved bad is not."""

import asyncio
from typing import Any

import pytest

from db.codes import Role
from db.session import Database
from tests.registry.promotion.test_alias_history import champion, history
from tests.registry.told import events_about
from tests.stages import Line, spoil
from tests.tenant import Client, GraphQLFailed, Tenant, uuid_of


async def roll_back(line: Line, client: Client | None = None, **given: Any) -> dict[str, Any]:
    """The payload of a rollback of `@champion`."""
    values = {"model": line.model, "name": "@champion", "reason": "It forgets.", **given}
    selection = "alias { id revision version { id } }"
    return await (client or line.tenant.client).change("rollBackAlias", selection, **values)


async def back(line: Line, client: Client | None = None, **given: Any) -> tuple[int, str]:
    """The revision and the version after a rollback."""
    payload = await roll_back(line, client, **given)
    assert payload["errors"] == []
    return payload["alias"]["revision"], payload["alias"]["version"]["id"]


async def refused(line: Line, **given: Any) -> tuple[str, list[str], str]:
    (error,) = (await roll_back(line, **given))["errors"]
    return error["code"], error["path"], error["message"].split(".")[0]


async def named(tenant: Tenant, count: int) -> Line:
    """A model whose alias pointed at each of so many versions."""
    line = await Line.of(tenant, count)
    for version in line.versions:
        await champion(tenant, version)
    return line


async def test_the_version_before_comes_back_and_is_told_as_a_rollback(tenant: Tenant, database: Database) -> None:
    line = await named(tenant, 2)
    first, second = line.versions
    assert await back(line, expectedRevision=2) == (3, first)
    assert await history(tenant, line.model) == [(3, "ROLLBACK", first), (2, "MOVE", second), (1, "MOVE", first)]
    (alias,) = (await tenant.client("query($id: ID!) { node(id: $id) { ... on Model { aliases { nodes { id } } } } }",
                                    id=line.model))["node"]["aliases"]["nodes"]  # fmt: skip
    told = await events_about(database, tenant.org_id, uuid_of(alias["id"]))
    assert [event.kind for event in told] == ["alias.created", "alias.moved", "alias.rolled_back"]
    assert told[-1].body["before"] == {"version_id": str(uuid_of(second)), "revision": 2}
    assert told[-1].body["after"] == {
        "version_id": str(uuid_of(first)), "revision": 3, "request_id": None, "reason": "It forgets.",
    }  # fmt: skip


async def test_each_rollback_goes_further_back_and_never_to_what_was_rolled_back(tenant: Tenant) -> None:
    line = await named(tenant, 3)
    first, second, third = line.versions
    assert await back(line) == (4, second)
    assert await back(line) == (5, first)
    code, path, said = await refused(line)
    assert (code, path) == ("CONFLICT", ["name"])
    assert said.startswith("There is nothing earlier that @champion can go back to")
    assert await back(line, to=third) == (6, third)


async def test_an_alias_that_was_removed_is_there_again(tenant: Tenant) -> None:
    line = await named(tenant, 2)
    await tenant.client.make("removeAlias", "model", model=line.model, name="champion")
    assert await back(line, expectedRevision=3) == (4, line.versions[1])
    assert await back(line) == (5, line.versions[0])


async def test_what_was_archived_by_hand_or_deleted_does_not_come_back(tenant: Tenant) -> None:
    line = await named(tenant, 4)
    displaced, by_hand, deleted, current = line.versions
    never = await tenant.version(line.model)
    await tenant.client.make("promoteVersion", "transition", version=displaced, to="STAGING")
    await tenant.client.make("promoteVersion", "transition", version=never, to="STAGING")
    await tenant.client.make("archiveVersion", "transition", version=by_hand)
    await tenant.client.make("deleteVersion", "version", version=deleted)

    told = [await refused(line, to=version) for version in (by_hand, deleted, never, current, await tenant.version())]

    assert told == [
        ("CONFLICT", ["to"], "This version was archived by hand and stays so"),
        ("NOT_FOUND", ["to"], "There is no ModelVersion with this id, or none that you may see"),
        ("CONFLICT", ["to"], "@champion never pointed at this version"),
        ("CONFLICT", ["to"], "@champion points at this version already"),
        ("CONFLICT", ["to"], "@champion never pointed at this version"),
    ]
    assert await back(line) == (5, displaced)


async def test_an_alias_that_never_was_is_not_found(tenant: Tenant) -> None:
    line = await Line.of(tenant, 1)
    assert (await refused(line))[:2] == ("NOT_FOUND", ["name"])
    await champion(tenant, line.versions[0])
    assert (await refused(line))[:2] == ("CONFLICT", ["name"])


async def test_a_protected_alias_is_rolled_back_by_who_may_roll_back_past_all_gates_but_integrity(
    tenant: Tenant,
) -> None:
    line = await named(tenant, 3)
    writer, promoter = await tenant.member(Role.WRITER), await tenant.member(Role.PROMOTER)
    assert await back(line, writer) == (4, line.versions[1])
    gates = [{"metricThreshold": {"metric": "accuracy", "phase": "TEST", "minimum": 0.9}}]
    await tenant.client.make("setPromotionPolicy", "promotionPolicy", model=line.model, alias="champion", gates=gates)
    with pytest.raises(GraphQLFailed) as forbidden:
        await roll_back(line, writer)
    assert forbidden.value.code == "FORBIDDEN"
    assert await back(line, promoter, to=line.versions[2]) == (5, line.versions[2])
    await spoil(tenant, line.versions[0])
    assert (await refused(line, to=line.versions[0]))[:2] == ("GATE_FAILED", ["to"])
    assert (await history(tenant, line.model))[0] == (5, "ROLLBACK", line.versions[2])


async def test_what_was_changed_since_a_protected_alias_left_it_does_not_come_back(tenant: Tenant) -> None:
    line = await named(tenant, 3)
    first, second, _ = line.versions
    await tenant.client.make("updateVersion", "version", version=second, runtime={"image": "slim"})
    await tenant.client.make("setPromotionPolicy", "promotionPolicy", model=line.model, alias="champion", gates=[])
    for given, path in (({}, ["name"]), ({"to": second}, ["to"])):
        code, where, said = await refused(line, **given)
        assert (code, where) == ("CONFLICT", path)
        assert said.endswith("has other contents than when @champion pointed at it")
    assert await back(line, to=first) == (4, first)


async def test_a_rollback_ends_the_requests_for_the_alias(tenant: Tenant) -> None:
    line = await named(tenant, 2)
    third = await tenant.version(line.model)
    request = await tenant.client.make("requestPromotion", "promotionRequest", version=third, alias="champion")
    await back(line)
    state = "query($id: ID!) { node(id: $id) { ... on PromotionRequest { state } } }"
    assert (await tenant.client(state, id=request))["node"] == {"state": "STALE"}


async def test_of_many_rollbacks_from_one_revision_one_is_done(tenant: Tenant) -> None:
    line = await named(tenant, 3)
    payloads = await asyncio.gather(*[roll_back(line, expectedRevision=3) for _ in range(6)])
    codes = sorted(error["code"] for payload in payloads for error in payload["errors"])
    assert codes == ["STALE_REVISION"] * 5
    assert (await history(tenant, line.model))[:2] == [
        (4, "ROLLBACK", line.versions[1]), (3, "MOVE", line.versions[2]),
    ]  # fmt: skip
