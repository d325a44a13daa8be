"""Changes whose actor has lost its rights, and changes after a service has stopped answering."""

from functools import partial
from typing import Any

import pytest
from sqlalchemy import text

from db.codes import Role
from db.errors import DatabaseUnavailable
from db.session import Database
from registry.kernel import operations, transactions
from registry.tenants import tokens
from tests.tenant import GraphQLFailed, Tenant

TWO = """mutation($first: CreateTeamInput!, $second: CreateTeamInput!) {
    first: createTeam(input: $first) { team { name } } second: createTeam(input: $second) { team { name } } }"""


async def test_a_replay_shows_nothing_to_whoever_has_lost_the_right(tenant: Tenant, database: Database) -> None:
    writer = await tenant.member(Role.WRITER)
    given = {"project": tenant.project, "name": "own", "framework": "sklearn", "idempotencyKey": "once"}
    await writer.make("createModel", "model", **given)
    async with database.change(tenant.org_id) as change:
        await change.execute(
            text("delete from registry.role_binding where principal_id = :id"), {"id": writer.actor.principal_id}
        )
    stripped = type(writer)(writer.http, writer.token, await tokens.authenticate(database, writer.token))
    assert stripped.actor.grants == ()
    again = (await tenant.member(Role.READER)).token

    for token in (again,):
        with pytest.raises(GraphQLFailed) as refused:
            await type(writer)(writer.http, token, writer.actor).make("createModel", "model", **given)
        assert refused.value.code == "FORBIDDEN"


async def test_after_a_service_stopped_answering_no_further_change_of_the_request_waits_for_it(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    async def dead(_database: Any, _actor: Any, once: partial[Any]) -> None:
        tried.append(once.keywords["values"]["name"])
        raise DatabaseUnavailable("gone")

    monkeypatch.setattr(operations, "run_in_transaction", dead)

    answer = await tenant.client.post(TWO, {"first": {"name": "a"}, "second": {"name": "b"}})

    assert tried == ["a"]
    assert answer["data"] == {"first": None, "second": None}
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["UNAVAILABLE"] * 2


async def test_what_was_committed_is_told_when_the_next_change_takes_too_long(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, tried = transactions.run_in_transaction, 0

    async def slow(*given: Any, **more: Any) -> Any:
        nonlocal tried
        tried += 1
        if tried == 2:
            raise TimeoutError
        return await original(*given, **more)

    monkeypatch.setattr(operations, "run_in_transaction", slow)

    answer = await tenant.client.post(TWO, {"first": {"name": "a"}, "second": {"name": "b"}})

    assert answer["data"] == {"first": {"team": {"name": "a"}}, "second": None}
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["TIMEOUT"]
