"""Snapshots, changes and the pool: one view for a query, one transaction for a change, nothing left behind."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import AsyncAdaptedQueuePool, Executable, select, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import col

from db.errors import DatabaseUnavailable, PoolExhausted, sqlstate
from db.roles import Roles
from db.session import Database, SnapshotClosed
from db.tables import Team
from tests import services
from tests.blocking import is_waited_for, until_it_waits
from tests.db.ground import connect, with_parameters
from tests.patience import PATIENCE_S, eventually
from tests.tenant import Tenant

NAMES = select(col(Team.name)).order_by(col(Team.name))
PID = text("select pg_backend_pid() as pid")


@pytest.fixture
async def ours(database_url: str, tenant: Tenant) -> AsyncIterator[Database]:
    """The migrated database through two connections that nobody else uses."""
    database = Database.connect(
        with_parameters(database_url, f"application_name=ours_{tenant.org_id.hex}"), services.ROLES, pool_size=2
    )
    yield database
    await database.close()


def pool_of(database: Database) -> AsyncAdaptedQueuePool:
    pool = database.engine.pool
    assert isinstance(pool, AsyncAdaptedQueuePool)
    return pool


async def sessions(tenant: Tenant) -> list[str]:
    """The states of the sessions of `ours`, as the server sees them."""
    connection = await connect(services.server_url())
    try:
        rows = await connection.fetch(
            "select coalesce(state, '') from pg_stat_activity where application_name = $1 order by 1",
            f"ours_{tenant.org_id.hex}",
        )
        return [row[0] for row in rows]
    finally:
        await connection.close()


async def settled(tenant: Tenant) -> list[str]:
    """The states once all are idle: a canceled statement ends a moment after its task. Raises: TimeoutError."""
    states: list[str] = []

    async def are_idle() -> bool:
        states[:] = await sessions(tenant)
        return set(states) <= {"idle"}

    await eventually(are_idle)
    return states


async def test_a_snapshot_is_opened_by_its_first_statement_and_closed_once(ours: Database, tenant: Tenant) -> None:
    snapshot = ours.new_snapshot(tenant.org_id)
    assert pool_of(ours).checkedout() == 0
    await snapshot.rows(NAMES)
    assert pool_of(ours).checkedout() == 1
    await snapshot.close()
    await snapshot.close()
    assert pool_of(ours).checkedout() == 0


async def test_a_snapshot_that_read_nothing_takes_no_connection(ours: Database, tenant: Tenant) -> None:
    await ours.new_snapshot(tenant.org_id).close()
    assert await sessions(tenant) == []


async def test_however_many_loaders_read_they_share_one_connection(ours: Database, tenant: Tenant) -> None:
    snapshot = ours.new_snapshot(tenant.org_id)
    answers = await asyncio.gather(*(snapshot.rows(PID) for _ in range(50)))
    assert len({row.pid for (row,) in answers}) == 1
    assert pool_of(ours).checkedout() == 1
    await snapshot.close()


async def test_a_loader_may_wait_for_another_between_its_statements(ours: Database, tenant: Tenant) -> None:
    snapshot = ours.new_snapshot(tenant.org_id)

    async def nested(depth: int) -> int:
        await snapshot.rows(PID)
        below = sum(await asyncio.gather(nested(depth - 1), nested(depth - 1))) if depth else 0
        await snapshot.rows(PID)
        return below + 1

    assert await asyncio.wait_for(nested(4), PATIENCE_S) == 31
    await snapshot.close()


@pytest.mark.parametrize(
    "write",
    [
        "insert into registry.team (org_id, id, created_at, name) values (:org, :org, now(), 'x')",
        "select ev.append(:org, '[]')",
    ],
)
async def test_a_snapshot_cannot_write(ours: Database, tenant: Tenant, write: str) -> None:
    snapshot = ours.new_snapshot(tenant.org_id)
    with pytest.raises(DatabaseUnavailable) as refused:
        await snapshot.rows(text(write), {"org": tenant.org_id})
    assert sqlstate(refused.value) == "25006"
    await snapshot.close()


async def test_a_snapshot_sees_one_moment_while_others_commit(ours: Database, tenant: Tenant) -> None:
    snapshot = ours.new_snapshot(tenant.org_id)
    before = await snapshot.rows(NAMES)
    async with ours.change(tenant.org_id) as change:
        change.add(Team(org_id=tenant.org_id, name="newcomer"))
    assert await snapshot.rows(NAMES) == before
    await snapshot.close()

    later = ours.new_snapshot(tenant.org_id)
    assert "newcomer" in [row.name for row in await later.rows(NAMES)]
    await later.close()


async def test_the_first_error_of_a_snapshot_is_kept(ours: Database, tenant: Tenant) -> None:
    snapshot = ours.new_snapshot(tenant.org_id)
    with pytest.raises(DBAPIError, match="division by zero") as first:
        await snapshot.rows(text("select 1 / 0"))
    with pytest.raises(DBAPIError) as second:
        await snapshot.rows(NAMES)
    assert second.value is first.value
    await snapshot.close()
    assert await settled(tenant) == ["idle"]


async def test_siblings_of_a_failing_statement_fail_for_its_reason(ours: Database, tenant: Tenant) -> None:
    snapshot = ours.new_snapshot(tenant.org_id)
    statements: list[Executable] = [NAMES, text("select 1 / 0"), NAMES, NAMES]
    ends = await asyncio.gather(*(snapshot.rows(one) for one in statements), return_exceptions=True)
    assert [isinstance(end, DBAPIError) and sqlstate(end) for end in ends] == [False, "22012", "22012", "22012"]
    await snapshot.close()


async def test_a_closed_snapshot_refuses_to_read(ours: Database, tenant: Tenant) -> None:
    snapshot = ours.new_snapshot(tenant.org_id)
    await snapshot.rows(NAMES)
    await snapshot.close()
    with pytest.raises(SnapshotClosed):
        await snapshot.rows(NAMES)
    assert pool_of(ours).checkedout() == 0


async def test_closing_waits_for_the_statement_under_way(ours: Database, tenant: Tenant) -> None:
    snapshot = ours.new_snapshot(tenant.org_id)
    lock = text("select pg_advisory_xact_lock(:key), 1 as one").bindparams(key=tenant.org_id.int % 2**63)
    await snapshot.rows(text("select set_config('lock_timeout', '0', true)"))
    async with tenant.database.change(tenant.org_id) as holder:
        await holder.execute(lock)
        reading = asyncio.create_task(snapshot.rows(lock))
        await until_it_waits(reading, holder)
        closing = asyncio.create_task(snapshot.close())
        await is_waited_for(holder)
        assert not closing.done()
    await closing
    assert (await reading)[0].one == 1
    assert pool_of(ours).checkedout() == 0


@pytest.mark.parametrize("after_s", [0, 0.0005, 0.002, 0.005, 0.02, 0.08, None])
async def test_a_canceled_query_leaves_neither_connection_nor_transaction(
    ours: Database, tenant: Tenant, after_s: float | None
) -> None:
    async def query() -> None:
        snapshot = ours.new_snapshot(tenant.org_id)
        try:
            while True:
                await snapshot.rows(text("select pg_sleep(0.03)"))
        finally:
            await snapshot.close()

    await _cancel(query(), after_s, tenant)
    assert pool_of(ours).checkedout() == 0
    assert set(await settled(tenant)) <= {"idle"}
    await _is_usable(ours, tenant)


@pytest.mark.parametrize("after_s", [0, 0.0005, 0.002, 0.005, 0.02, 0.08, None])
async def test_a_canceled_change_changes_nothing_and_leaves_nothing(
    ours: Database, tenant: Tenant, after_s: float | None
) -> None:
    async def alter() -> None:
        async with ours.change(tenant.org_id) as change:
            change.add(Team(org_id=tenant.org_id, name="never"))
            await change.flush()
            while True:
                await change.execute(text("select pg_sleep(0.03)"))

    await _cancel(alter(), after_s, tenant)
    assert pool_of(ours).checkedout() == 0
    assert set(await settled(tenant)) <= {"idle"}
    assert "never" not in await _is_usable(ours, tenant)


async def test_a_snapshot_canceled_while_it_closes_gives_its_connection_back(ours: Database, tenant: Tenant) -> None:
    for _ in range(10):
        snapshot = ours.new_snapshot(tenant.org_id)
        await snapshot.rows(NAMES)
        await _cancel(snapshot.close(), 0, tenant)
        await snapshot.close()
        assert pool_of(ours).checkedout() == 0
    assert set(await settled(tenant)) <= {"idle"}


async def test_who_finds_no_free_connection_is_told_in_bounded_time(
    ours: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_of(ours), "_timeout", 0.1)
    holders = [ours.new_snapshot(tenant.org_id) for _ in range(2)]
    for holder in holders:
        await holder.rows(NAMES)
    with pytest.raises(PoolExhausted):
        await ours.new_snapshot(tenant.org_id).rows(NAMES)
    with pytest.raises(PoolExhausted):
        async with ours.change(tenant.org_id):
            pytest.fail("there was no connection for this")
    with pytest.raises(PoolExhausted):
        async with ours.as_worker():
            pytest.fail("there was no connection for this")
    for holder in holders:
        await holder.close()
    await _is_usable(ours, tenant)


def test_nobody_waits_for_a_connection_longer_than_a_few_seconds(database: Database) -> None:
    assert pool_of(database).timeout() == 3


async def test_a_session_that_is_killed_is_an_outage_and_then_forgotten(ours: Database, tenant: Tenant) -> None:
    snapshot = ours.new_snapshot(tenant.org_id)
    ((pid,),) = await snapshot.rows(PID)
    await _kill(pid)
    with pytest.raises(DatabaseUnavailable):
        await snapshot.rows(NAMES)
    await snapshot.close()
    await _is_usable(ours, tenant)


@pytest.mark.parametrize("fault", ["killed", "busy"])
async def test_a_snapshot_whose_session_breaks_off_after_its_last_statement_closes_like_any_other(
    ours: Database, tenant: Tenant, fault: str
) -> None:
    for _ in range(3):
        snapshot = ours.new_snapshot(tenant.org_id)
        pid = (await snapshot.rows(PID))[0].pid
        if fault == "killed":
            await _kill(pid)
        else:
            assert snapshot._connection is not None
            raw: Any = (await snapshot._connection.get_raw_connection()).driver_connection
            under_way = asyncio.ensure_future(raw.execute("select pg_sleep(30)"))
            await asyncio.sleep(0)
        await snapshot.close()
        assert pool_of(ours).checkedout() == 0
        if fault == "busy":
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
                await under_way


async def test_a_change_whose_session_is_killed_is_an_outage_and_then_forgotten(ours: Database, tenant: Tenant) -> None:
    async def alter() -> None:
        async with ours.change(tenant.org_id) as change:
            change.add(Team(org_id=tenant.org_id, name="never"))
            await change.flush()
            await _kill((await change.execute(PID)).scalar_one())

    with pytest.raises(DatabaseUnavailable):
        await alter()
    assert "never" not in await _is_usable(ours, tenant)


async def test_sessions_killed_while_idle_are_noticed_by_nobody(ours: Database, tenant: Tenant) -> None:
    snapshot = ours.new_snapshot(tenant.org_id)
    ((pid,),) = await snapshot.rows(PID)
    await snapshot.close()
    await _kill(pid)
    await _is_usable(ours, tenant)


@pytest.mark.parametrize("place", ["127.0.0.1:1", "%2Fnowhere%2Fat%2Fall", "host.invalid"])
async def test_a_server_that_is_not_there_is_an_outage(place: str) -> None:
    nowhere = Database.connect(f"postgresql://u:p@{place}/d", Roles())
    with pytest.raises(DatabaseUnavailable) as refused:
        async with nowhere.as_nobody():
            pytest.fail("there is no server")
    assert place not in str(refused.value)
    await nowhere.close()


@pytest.mark.parametrize("kind", ["snapshot", "change", "nobody", "worker"])
async def test_every_transaction_has_its_time_outs_and_its_role_and_compiles_nothing(
    ours: Database, tenant: Tenant, kind: str
) -> None:
    asked = text(
        "select current_user::text as role, current_setting('app.org_id') as organization,"
        " current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock,"
        " current_setting('idle_in_transaction_session_timeout') as idle, current_setting('jit') as jit"
    )
    if kind == "snapshot":
        snapshot = ours.new_snapshot(tenant.org_id)
        (found,) = await snapshot.rows(asked)
        await snapshot.close()
    elif kind == "change":
        async with ours.change(tenant.org_id) as change:
            found = (await change.execute(asked)).one()
    else:
        async with ours.as_nobody() if kind == "nobody" else ours.as_worker() as connection:
            found = (await connection.execute(asked)).one()
    assert (found.statement, found.lock, found.idle, found.jit) == ("4s", "2s", "10s", "off")
    assert found.role == (services.ROLES.worker if kind == "worker" else services.ROLES.app)
    assert found.organization == (str(tenant.org_id) if kind in ("snapshot", "change") else "")


async def test_a_statement_beyond_its_time_is_an_outage_that_ends_with_it(ours: Database, tenant: Tenant) -> None:
    snapshot = ours.new_snapshot(tenant.org_id)
    await snapshot.rows(text("select set_config('statement_timeout', '50ms', true)"))
    with pytest.raises(DatabaseUnavailable):
        await snapshot.rows(text("select pg_sleep(5)"))
    await snapshot.close()
    await _is_usable(ours, tenant)


async def test_a_lock_that_is_held_too_long_is_an_outage(ours: Database, tenant: Tenant) -> None:
    lock = text("select 1 from registry.team where org_id = :org for update")

    async def wait() -> None:
        async with ours.change(tenant.org_id) as waiting:
            await waiting.execute(text("set local lock_timeout = '50ms'"))
            await waiting.execute(lock, {"org": tenant.org_id})

    async with ours.change(tenant.org_id) as holder:
        await holder.execute(lock, {"org": tenant.org_id})
        with pytest.raises(DatabaseUnavailable):
            await wait()


async def test_values_of_a_failed_statement_stay_out_of_its_message(ours: Database, tenant: Tenant) -> None:
    secret = uuid4().hex
    with pytest.raises(DBAPIError) as refused:
        async with ours.change(tenant.org_id) as change:
            await change.execute(text("select 1 / 0, cast(:secret as text)"), {"secret": secret})
    assert secret not in str(refused.value)


async def test_an_error_of_the_body_comes_out_as_it_was_and_nothing_is_kept(ours: Database, tenant: Tenant) -> None:
    async def fail() -> None:
        async with ours.change(tenant.org_id) as change:
            change.add(Team(org_id=tenant.org_id, name="never"))
            await change.flush()
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await fail()
    assert "never" not in await _is_usable(ours, tenant)


async def _cancel(work: Coroutine[Any, Any, None], after_s: float | None, tenant: Tenant) -> None:
    """Cancel what goes on for ever; after None, while the server is at a statement of it."""
    task = asyncio.create_task(work)
    if after_s is None:

        async def is_at_it() -> bool:
            return "active" in await sessions(tenant)

        await eventually(is_at_it)
    else:
        await asyncio.sleep(after_s)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _kill(pid: int) -> None:
    connection = await connect(services.server_url())
    try:
        await connection.execute("select pg_terminate_backend($1, 5000)", pid)
    finally:
        await connection.close()


async def _is_usable(database: Database, tenant: Tenant) -> list[str]:
    """Reads through every connection of the pool at once; the names of the teams."""
    snapshots = [database.new_snapshot(tenant.org_id) for _ in range(2)]
    answers = await asyncio.gather(*(snapshot.rows(NAMES) for snapshot in snapshots))
    for snapshot in snapshots:
        await snapshot.close()
    assert answers[0] == answers[1]
    return [row.name for row in answers[0]]
