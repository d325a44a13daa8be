"""After a restore: numbers are given out again, and neither followers nor endpoints take them for those of before."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from db.restoring import origin_warnings
from registry.events import event_log
from registry.events.event_log import Stream
from registry.kernel.errors import CursorReset
from server.workers.job_handlers import WorkerServices
from server.workers.worker import deliver_due
from tests import services
from tests.db.ground import connect
from tests.hooks import hook, teams
from tests.receiver import Receiver
from tests.server import processes
from tests.tenant import Tenant, uuid_of

CHANGED = {
    "ev.stream": False,
    "ev.event": False,
    "ev.origin": False,
    "registry.webhook": True,
    "registry.webhook_delivery": True,
}
"""The tables that a restore changes, and whether row-level security binds their owner as well."""


@pytest.fixture
async def restorer(own_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Whoever may do to the feed what a restore does."""
    connection = await connect(own_url)
    try:
        # As the owner of the tables, who need not be a superuser.
        for table, is_forced in CHANGED.items():
            await connection.execute(f"alter table {table} disable trigger user")
            if is_forced:
                await connection.execute(f"alter table {table} no force row level security")
        yield connection
        for table, is_forced in CHANGED.items():
            await connection.execute(f"alter table {table} enable trigger user")
            if is_forced:
                await connection.execute(f"alter table {table} force row level security")
    finally:
        await connection.close()


async def stream_of(tenant: Tenant) -> Stream:
    snapshot = tenant.database.new_snapshot(tenant.org_id)
    try:
        return await event_log.stream_of(snapshot, tenant.org_id)
    finally:
        await snapshot.close()


async def command(url: str) -> str:
    """Run what the documentation says."""
    given = {"DATABASE_URL": url, "DATABASE_ROLE_PREFIX": services.ROLES.prefix}
    ran = await asyncio.to_thread(processes.registry, "db", "restored", **given)
    assert ran.status == 0, ran.err
    return ran.out


async def test_old_cursors_are_reset_and_webhooks_go_on_under_a_new_epoch(
    tenant: Tenant, means: WorkerServices, endpoint: Receiver, own_url: str, restorer: asyncpg.Connection
) -> None:
    webhook, _ = await hook(tenant, endpoint.url)
    await teams(tenant)
    await deliver_due(means)
    saved = await restorer.fetchrow("select head_seq, head_hash from ev.stream where org_id = $1", tenant.org_id)
    assert saved is not None
    await teams(tenant, 2)
    await deliver_due(means)
    seen = (await stream_of(tenant)).head

    await restorer.execute("delete from ev.event where org_id = $1 and seq > $2", tenant.org_id, saved["head_seq"])
    await restorer.execute(
        "update ev.stream set head_seq = $2, head_hash = $3 where org_id = $1", tenant.org_id, *saved
    )
    await restorer.execute(
        "delete from registry.webhook_delivery where webhook_id = $1 and sequence > $2",
        uuid_of(webhook), saved["head_seq"],
    )  # fmt: skip
    await restorer.execute(
        "update registry.webhook set cursor_seq = $2 where id = $1", uuid_of(webhook), saved["head_seq"]
    )
    assert "have a new epoch" in await command(own_url)
    await teams(tenant, 3)
    await deliver_due(means)

    now = await stream_of(tenant)
    assert now.head_seq > seen.seq, "the numbers were given out again"
    with pytest.raises(CursorReset):
        now.after(seen)
    told = [(one.told["sequence"], one.headers["webhook-id"]) for one in endpoint.received]
    assert len(told) == 6
    assert [int(sequence) for sequence, _ in told[1:3]] == [int(sequence) for sequence, _ in told[3:5]]
    assert len({one for _, one in told}) == 6, "an endpoint that knows deliveries by their id takes all of them"
    assert [one.startswith(f"evt_{now.epoch.hex}_") for _, one in told] == [False] * 3 + [True] * 3


async def test_the_command_can_be_run_again(tenant: Tenant, own_url: str) -> None:
    epochs = set()
    for _ in range(2):
        assert int((await command(own_url)).split()[0]) >= 1
        epochs.add((await stream_of(tenant)).epoch)
    assert len(epochs) == 2


@pytest.mark.parametrize("elsewhere", ["timeline = timeline - 1", "system_identifier = system_identifier - 1"])
async def test_a_server_warns_where_the_database_came_from_elsewhere(
    tenant: Tenant, own_url: str, restorer: asyncpg.Connection, elsewhere: str
) -> None:
    assert await origin_warnings(tenant.database) == ()
    await restorer.execute(f"update ev.origin set {elsewhere}")
    (warning,) = await origin_warnings(tenant.database)
    assert "`registry db restored`" in warning
    await command(own_url)
    assert await origin_warnings(tenant.database) == ()
