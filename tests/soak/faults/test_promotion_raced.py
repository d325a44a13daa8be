"""Two servers over one database, many who promote at once, and servers that are killed in the middle of it."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from tests.dependencies import Dependencies
from tests.patience import in_time
from tests.replicas import KILLED, client_of, end_of, process
from tests.stages import Line
from tests.tenant import Client, Tenant

CLIENTS = 50
PROMOTE = """mutation($input: PromoteVersionInput!) { promoteVersion(input: $input) { replayed transition { id number }
    errors { __typename code ... on StaleRevisionError { revision } } } }"""
WAIT_AND_TRY_AGAIN = {"OVERLOADED", "UNAVAILABLE"}


async def rows(tenant: Tenant, statement: str) -> list[Any]:
    async with tenant.database.change(tenant.org_id) as change:
        return list(await change.execute(text(statement), {"org_id": tenant.org_id}))


async def promote_once_it_works(client: Client, version: str, revision: int) -> int:
    """Promote to STAGING, looking again each time that somebody else was faster; how often that was."""
    for tries in range(1000):
        given = {"version": version, "to": "STAGING", "expectedRevision": revision, "idempotencyKey": version}
        answer = await client.post(PROMOTE, {"input": given})
        if "errors" in answer:
            assert answer["errors"][0]["extensions"]["code"] in WAIT_AND_TRY_AGAIN
            continue
        payload = answer["data"]["promoteVersion"]
        if not payload["errors"]:
            return tries
        (error,) = payload["errors"]
        assert error["code"] == "STALE_REVISION"
        assert error["revision"] > revision
        revision = error["revision"]
    raise AssertionError("others were always faster")


async def check_history(tenant: Tenant, line: Line, promotions: int) -> None:
    """Every revision was won once, each by the next transition, and each version that moved made one event."""
    revisions = await rows(
        tenant,
        "select revision, version_id, valid_from, valid_to from registry.slot_revision"
        " where org_id = :org_id and stage = 'STAGING' order by revision",
    )
    assert [row.revision for row in revisions] == list(range(1, promotions + 1))
    assert [row.valid_to for row in revisions[:-1]] == [row.valid_from for row in revisions[1:]]
    assert revisions[-1].valid_to is None
    assert len({row.version_id for row in revisions}) == promotions
    numbers = await rows(tenant, "select number from registry.transition where org_id = :org_id order by number")
    assert [row.number for row in numbers] == list(range(1, 2 * promotions))
    events = await rows(
        tenant,
        "select kind, count(*), count(distinct subject) from ev.event"
        " where org_id = :org_id and kind in ('version.promoted', 'version.displaced') group by kind",
    )
    assert {row[0]: (row[1], row[2]) for row in events} == {
        "version.promoted": (promotions, promotions),
        "version.displaced": (promotions - 1, promotions - 1),
    }
    assert Counter(await line.stages()) == {"ARCHIVED": promotions - 1, "STAGING": 1}


async def test_fifty_who_promote_fifty_versions_of_one_model_win_one_revision_each(
    own: Dependencies, tenant: Tenant
) -> None:
    line = await Line.of(tenant, CLIENTS)
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(client_of(await stack.enter_async_context(process(own, "serve")), tenant))
            for _ in range(2)
        ]
        async with in_time():
            tries = await asyncio.gather(
                *[
                    promote_once_it_works(clients[number % 2], version, 0)
                    for number, version in enumerate(line.versions)
                ]
            )
    assert sum(tries) > 0, "nobody met anybody"
    await check_history(tenant, line, CLIENTS)


@pytest.mark.parametrize("point", ["while a version moves", "after a change has committed"])
async def test_a_server_that_dies_while_it_promotes_has_promoted_once_when_another_is_asked_again(
    own: Dependencies, tenant: Tenant, point: str
) -> None:
    line = await Line.of(tenant, 2)
    await line.promote(line.versions[0], "STAGING")
    given = {"version": line.versions[1], "to": "STAGING", "expectedRevision": 1, "idempotencyKey": "once"}
    async with process(own, "serve", dying=point) as dying:
        async with client_of(dying, tenant) as client:
            with pytest.raises(httpx2.TransportError):
                await client(PROMOTE, input=given)
        assert await end_of(dying) == KILLED
    has_committed = point == "after a change has committed"
    assert await line.stages() == (["ARCHIVED", "STAGING"] if has_committed else ["STAGING", "DEVELOPMENT"])

    again = (await tenant.client(PROMOTE, input=given))["promoteVersion"]

    assert (again["errors"], again["replayed"], again["transition"]["number"]) == ([], has_committed, 2)
    await check_history(tenant, line, 2)


async def test_servers_that_are_killed_again_and_again_leave_one_effect_for_each_promotion(
    own: Dependencies, tenant: Tenant
) -> None:
    line = await Line.of(tenant, 12)
    left = list(line.versions)

    async def promote_until_killed(client: Client) -> None:
        while left:
            version = left[-1]
            try:
                payload = (
                    await client(PROMOTE, input={"version": version, "to": "STAGING", "idempotencyKey": version})
                )["promoteVersion"]
            except httpx2.TransportError:
                return
            assert payload["errors"] == []
            left.remove(version)

    while left:
        before = len(left)
        async with process(own, "serve") as killed, client_of(killed, tenant) as client:
            busy = asyncio.create_task(promote_until_killed(client))
            async with in_time():
                while len(left) > max(before - 4, 0):
                    await asyncio.sleep(0.002)
            killed.kill()
            await busy
    await check_history(tenant, line, len(line.versions))
