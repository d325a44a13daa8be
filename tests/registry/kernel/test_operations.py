"""Executing a mutation without any door: who may, when it is given up, and what happens around the transaction."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from db.codes import Role
from db.errors import DatabaseUnavailable
from db.session import Change
from db.tables import Team
from registry.kernel import operations
from registry.kernel.access import Action, Actor
from registry.kernel.errors import DeadlineExceeded, Forbidden, InvalidValue, Refusal, RegistryError, Unavailable
from registry.kernel.operations import Mutation, execute_within_deadline
from registry.kernel.transactions import Outcome, run_once
from registry.tenants import organizations
from tests.tenant import Tenant

CREATE = Mutation("createTeam", organizations.create_team, run_once, ())


@dataclass
class Request:
    """A request that came through no door."""

    services: Any
    actor: Actor
    given_up: Refusal | None = None
    noted: list[str] = field(default_factory=list)

    async def renew(self) -> None:
        self.noted.append("renewed")


@pytest.fixture
def request_(tenant: Tenant) -> Request:
    return Request(tenant, tenant.actor)


async def test_a_replay_needs_the_permission_that_the_change_needed(tenant: Tenant, request_: Request) -> None:
    await execute_within_deadline(CREATE, request_, {"name": "a"}, "key")
    again = await execute_within_deadline(CREATE, request_, {"name": "a"}, "key")
    reader = Request(tenant, replace(tenant.actor, grants=(await tenant.member(Role.READER)).actor.grants))
    with pytest.raises(Forbidden):
        await execute_within_deadline(CREATE, reader, {"name": "a"}, "key")
    assert again.replayed
    assert reader.noted == []
    reads = replace(CREATE, action=Action.READ)
    assert (await execute_within_deadline(reads, reader, {"name": "a"}, "key")).replayed


async def test_the_steps_around_a_change_run_outside_of_its_transaction(request_: Request) -> None:
    opened: list[Change] = []

    async def before(context: Request, name: str) -> None:
        context.noted.append(f"before {name}")

    async def rule(change: Change, actor: Actor, *, name: str, limit: int) -> Team:
        opened.append(change)
        request_.noted.append(f"rule, limit {limit}, in transaction: {change.in_transaction()}")
        return await organizations.create_team(change, actor, name=name)

    async def after(context: Request, outcome: Outcome) -> None:
        context.noted.append(f"after, replayed: {outcome.replayed}, in transaction: {opened[0].in_transaction()}")

    mutation = Mutation(
        "createTeam",
        rule,
        run_once,
        (),
        supply=lambda services: {"limit": len(str(services.org_id))},
        before=("name", before),
        after=after,
    )
    for _ in range(2):
        await execute_within_deadline(mutation, request_, {"name": "a"}, "key")
    assert request_.noted == [
        "renewed",
        "before a",
        "rule, limit 36, in transaction: True",
        "after, replayed: False, in transaction: False",
        "renewed",
        "before a",
        "after, replayed: True, in transaction: False",
    ]


async def test_after_the_deadline_no_further_change_of_the_request_is_tried(
    request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "DEADLINE_S", 0.02)

    async def hang(_context: Request, name: str) -> None:
        request_.noted.append(name)
        await asyncio.Event().wait()

    for name in ("a", "b"):
        with pytest.raises(DeadlineExceeded):
            await execute_within_deadline(replace(CREATE, before=("name", hang)), request_, {"name": name})
    assert request_.noted == ["renewed", "a", "renewed"]


async def test_after_a_service_did_not_answer_no_further_change_of_the_request_is_tried(request_: Request) -> None:
    async def dead(change: Change, actor: Actor, *, name: str) -> Team:
        request_.noted.append(name)
        raise DatabaseUnavailable("gone")

    with pytest.raises(DatabaseUnavailable):
        await execute_within_deadline(replace(CREATE, rule=dead), request_, {"name": "a"})
    with pytest.raises(Unavailable):
        await execute_within_deadline(replace(CREATE, rule=dead), request_, {"name": "b"})
    assert request_.noted == ["renewed", "a", "renewed"]


@pytest.mark.parametrize("refusal", [InvalidValue("no"), Forbidden("no")])
async def test_a_change_that_is_refused_does_not_stop_the_next_one(request_: Request, refusal: RegistryError) -> None:
    async def refuse(change: Change, actor: Actor, *, name: str) -> Team:
        raise refusal

    with pytest.raises(type(refusal)):
        await execute_within_deadline(replace(CREATE, rule=refuse), request_, {"name": "a"})
    assert not (await execute_within_deadline(CREATE, request_, {"name": "a"})).replayed
