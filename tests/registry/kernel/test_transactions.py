"""Running a change: once under its key whoever calls at the same moment, again where the database asks for it."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError
from sqlmodel import col

from db.base import utc_now
from db.codes import Role
from db.errors import DatabaseUnavailable, sqlstate
from db.session import Change
from db.tables import Idempotency, Team
from registry.kernel import transactions
from registry.kernel.access import Actor
from registry.kernel.errors import IdempotencyKeyReused, InvalidValue, NameTaken
from registry.kernel.inputs import KEEP
from registry.kernel.rows import add
from registry.kernel.transactions import Outcome, Rule, run_in_transaction, run_once
from registry.tenants import organizations
from tests.blocking import is_waited_for, until_it_waits
from tests.patience import eventually
from tests.tenant import Tenant


async def once(
    tenant: Tenant, name: str, rule: Rule, values: dict[str, Any], key: str | None = None, actor: Actor | None = None
) -> Outcome:
    """Run a rule once under a key, in a transaction."""
    who = actor or tenant.actor
    return await run_in_transaction(tenant.database, who, lambda change: run_once(change, who, name, rule, values, key))


async def run(tenant: Tenant, key: str | None = None, *, actor: Actor | None = None, **values: Any) -> Outcome:
    """Create a team."""
    return await once(tenant, "createTeam", organizations.create_team, values, key, actor)


async def teams(tenant: Tenant, prefix: str) -> int:
    snapshot = tenant.database.new_snapshot(tenant.org_id)
    rows = await snapshot.rows(select(col(Team.id)).where(col(Team.name).like(f"{prefix}%")))
    await snapshot.close()
    return len(rows)


async def keys(tenant: Tenant) -> Sequence[str]:
    snapshot = tenant.database.new_snapshot(tenant.org_id)
    rows = await snapshot.rows(select(col(Idempotency.key)).order_by(col(Idempotency.key)))
    await snapshot.close()
    return [row.key for row in rows]


async def test_without_a_key_a_change_happens_each_time(tenant: Tenant) -> None:
    outcomes = [await run(tenant, name=f"team {place}") for place in range(2)]
    assert outcomes[0].id != outcomes[1].id
    assert [outcome.replayed for outcome in outcomes] == [False, False]
    assert await keys(tenant) == []


async def test_of_fifty_calls_at_once_one_is_executed_and_the_others_get_its_outcome(tenant: Tenant) -> None:
    executed = Counter[str]()

    async def slow(change: Change, actor: Actor, *, name: str) -> Team:
        executed[name] += 1
        row = await add(change, actor, Team(org_id=change.org_id, name=name))
        await eventually(partial(is_waited_for, change))
        return row

    outcomes = await asyncio.gather(*(once(tenant, "slow", slow, {"name": "once"}, "key") for _ in range(50)))

    assert Counter(outcome.replayed for outcome in outcomes) == {False: 1, True: 49}
    assert len({outcome.id for outcome in outcomes}) == 1
    assert executed == {"once": 1}
    assert await teams(tenant, "once") == 1


async def test_a_replay_later_gets_the_first_outcome(tenant: Tenant) -> None:
    first = await run(tenant, "key", name="team a")
    assert await run(tenant, "key", name="team a") == Outcome(first.id, replayed=True)


@pytest.mark.parametrize("other", [{"name": "team b"}, {"name": "team a", "description": None}, {}])
async def test_a_key_used_for_another_request_is_refused(tenant: Tenant, other: dict[str, Any]) -> None:
    await run(tenant, "key", name="team a")
    with pytest.raises(IdempotencyKeyReused) as refused:
        await run(tenant, "key", **other)
    assert refused.value.path == ("idempotencyKey",)
    assert await teams(tenant, "team b") == 0


async def test_a_key_used_for_another_kind_of_change_is_refused(tenant: Tenant) -> None:
    await run(tenant, "key", name="team a")
    with pytest.raises(IdempotencyKeyReused):
        await once(tenant, "renameTeam", organizations.create_team, {"name": "team a"}, "key")


async def test_the_order_of_the_values_is_not_part_of_a_request(tenant: Tenant) -> None:
    async def rule(change: Change, actor: Actor, *, name: str, more: dict[str, int]) -> Team:
        return await add(change, actor, Team(org_id=change.org_id, name=name))

    values = {"name": "ordered", "more": {"a": 1, "b": 2}}
    turned = {"more": {"b": 2, "a": 1}, "name": "ordered"}
    first = await once(tenant, "rule", rule, values, "key")
    assert await once(tenant, "rule", rule, turned, "key") == Outcome(first.id, True)


async def test_a_value_that_was_not_given_is_no_text_of_that_spelling(tenant: Tenant) -> None:
    async def rule(change: Change, actor: Actor, *, name: object) -> Team:
        return await add(change, actor, Team(org_id=change.org_id, name="kept" if name is KEEP else str(name)))

    await once(tenant, "rule", rule, {"name": KEEP}, "key")
    with pytest.raises(IdempotencyKeyReused):
        await once(tenant, "rule", rule, {"name": "KEEP"}, "key")


async def test_what_the_server_supplies_is_not_part_of_a_request(tenant: Tenant) -> None:
    async def rule(change: Change, actor: Actor, *, name: str, limit: int) -> Team:
        return await add(change, actor, Team(org_id=change.org_id, name=name))

    values = {"name": "limited"}
    first = await once(tenant, "rule", partial(rule, limit=1), values, "key")
    again = await once(tenant, "rule", partial(rule, limit=2), values, "key")
    assert again == Outcome(first.id, replayed=True)


async def test_a_change_that_fails_leaves_neither_row_nor_key(tenant: Tenant) -> None:
    await run(tenant, name="taken")
    with pytest.raises(NameTaken):
        await run(tenant, "key", name="taken")
    assert await keys(tenant) == []
    assert not (await run(tenant, "key", name="free")).replayed


async def test_a_waiting_call_makes_the_change_when_the_first_one_fails(tenant: Tenant) -> None:
    waiting: list[asyncio.Task[Outcome]] = []

    async def first(change: Change, actor: Actor, *, name: str) -> Team:
        waiting.append(asyncio.create_task(run(tenant, "key", name="x")))
        await until_it_waits(waiting[0], change)
        raise InvalidValue("no")

    with pytest.raises(InvalidValue):
        await once(tenant, "createTeam", first, {"name": "x"}, "key")
    assert not (await waiting[0]).replayed


async def test_the_same_key_of_another_principal_is_another_key(tenant: Tenant) -> None:
    other = await tenant.member(Role.OWNER)
    outcomes = [await run(tenant, "key", name="mine"), await run(tenant, "key", actor=other.actor, name="theirs")]
    assert [outcome.replayed for outcome in outcomes] == [False, False]
    assert outcomes[0].id != outcomes[1].id
    assert await run(tenant, "key", name="mine") == Outcome(outcomes[0].id, replayed=True)


async def test_the_same_key_of_another_organization_is_another_key(tenant: Tenant, neighbor: Tenant) -> None:
    outcomes = [await run(one, "key", name="the same") for one in (tenant, neighbor)]
    assert [outcome.replayed for outcome in outcomes] == [False, False]


@pytest.mark.parametrize("key", ["", " ", "x" * (transactions.MAX_KEY + 1), "a\0b", "\u202e"])
async def test_a_key_that_is_none_is_refused_with_its_place(tenant: Tenant, key: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        await run(tenant, key, name="team a")
    assert refused.value.path == ("idempotencyKey",)
    assert await teams(tenant, "team a") == 0


async def test_the_longest_key_is_a_key(tenant: Tenant) -> None:
    await run(tenant, "ü" * transactions.MAX_KEY, name="team a")
    assert (await run(tenant, "ü" * transactions.MAX_KEY, name="team a")).replayed


async def test_forgetting_removes_old_keys_and_no_fresh_ones(tenant: Tenant) -> None:
    await run(tenant, "old", name="old")
    await run(tenant, "fresh", name="fresh")
    async with tenant.database.change(tenant.org_id) as change:
        await change.execute(
            text("update registry.idempotency set created_at = now() - interval '7 days 1 second' where key = 'old'")
        )
    await transactions.forget(tenant.database)
    assert await keys(tenant) == ["fresh"]


async def test_keys_are_forgotten_in_bounded_steps(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "FORGOTTEN_AT_ONCE", 2)
    for key in ("a", "b", "c", "fresh"):
        await run(tenant, key, name=key)
    await _age(tenant, "a", "b", "c")
    removed = 0
    while step := await transactions.forget(tenant.database):
        assert step <= 2
        removed += step
    assert removed >= 3
    assert await keys(tenant) == ["fresh"]


async def test_a_key_that_is_forgotten_while_it_is_asked_for_is_taken_anew(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await run(tenant, "key", name="first")
    await _age(tenant, "key")
    original = Change.execute
    forgotten: list[int] = []

    async def execute(change: Change, *given: Any, **named: Any) -> Any:
        result = await original(change, *given, **named)
        if not forgotten:
            forgotten.append(await transactions.forget(tenant.database))
        return result

    monkeypatch.setattr(Change, "execute", execute)
    async with tenant.database.change(tenant.org_id) as change:
        assert await transactions.claim(change, tenant.actor, "key", b"hash") is None
    assert forgotten[0] >= 1
    assert first.id


async def test_a_deadlock_is_broken_and_both_changes_happen(tenant: Tenant) -> None:
    rows = [(await run(tenant, name=f"row {place}")).id for place in range(2)]
    tries = Counter[str]()
    both = asyncio.Barrier(2)

    async def rename(change: Change, actor: Actor, *, name: str, order: list[UUID]) -> Team:
        tries[name] += 1
        # The database looks for deadlocks after a second; one that waits for a lock is not to give up before.
        await change.execute(text("set local lock_timeout = '10s'"))
        await _lock(change, order[0])
        if tries[name] == 1:
            await both.wait()
        await _lock(change, order[1])
        return await add(change, actor, Team(org_id=change.org_id, name=name))

    outcomes = await asyncio.gather(
        once(tenant, "rename", rename, {"name": "one", "order": rows}, "key 1"),
        once(tenant, "rename", rename, {"name": "two", "order": rows[::-1]}, "key 2"),
    )

    assert sorted(tries.values()) == [1, 2]
    assert [outcome.replayed for outcome in outcomes] == [False, False]
    assert await teams(tenant, "one") == await teams(tenant, "two") == 1


@pytest.mark.parametrize("state", ["40001", "40P01"])
async def test_a_change_is_tried_four_times_where_the_database_asks_for_another_try(tenant: Tenant, state: str) -> None:
    tries = Counter[str]()

    async def fail(change: Change, actor: Actor, *, times: int) -> Team:
        tries["made"] += 1
        row = await add(change, actor, Team(org_id=change.org_id, name=f"team {times}"))
        if tries["made"] <= times:
            await change.execute(text(f"do $$ begin raise exception 'again' using errcode = '{state}'; end $$"))
        return row

    assert not (await once(tenant, "fail", fail, {"times": 3}, "key")).replayed
    assert tries == {"made": 4}
    assert await teams(tenant, "team 3") == 1

    tries.clear()
    with pytest.raises(DBAPIError) as refused:
        await once(tenant, "fail", fail, {"times": 4}, "other key")
    assert sqlstate(refused.value) == state
    assert tries == {"made": 4}
    assert await keys(tenant) == ["key"]
    assert await teams(tenant, "team 4") == 0


@pytest.mark.parametrize("state", ["23505", "57014", "22012", "P0001"])
async def test_other_errors_of_the_database_are_not_tried_again(tenant: Tenant, state: str) -> None:
    tries = Counter[str]()

    async def fail(change: Change, actor: Actor) -> Team:
        tries["made"] += 1
        await change.execute(text(f"do $$ begin raise exception 'no' using errcode = '{state}'; end $$"))
        raise AssertionError

    with pytest.raises((DBAPIError, DatabaseUnavailable)):
        await once(tenant, "fail", fail, {})
    assert tries == {"made": 1}


async def _age(tenant: Tenant, *names: str) -> None:
    async with tenant.database.change(tenant.org_id) as change:
        old = utc_now() - timedelta(days=8)
        await change.execute(update(Idempotency).where(col(Idempotency.key).in_(names)).values(created_at=old))


async def _lock(change: Change, id: UUID) -> None:
    await change.execute(select(col(Team.id)).where(col(Team.id) == id).with_for_update())
