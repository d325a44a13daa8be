"""What each role sees and may change, through the transactions that the server really uses."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import Executable, delete, func, insert, literal_column, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from db.base import columns, metadata, utc_now
from db.codes import JobKind
from db.errors import sqlstate
from db.session import Database
from db.tables import Idempotency, Job, Model, Organization, Project, Team
from tests.tenant import Tenant, uuid_of

FORBIDDEN = "42501"
TABLES = sorted(metadata.tables)


async def refusal(database: Database, org_id: UUID, statement: Executable, values: Any = None) -> str | None:
    """The SQLSTATE with which a statement of the application is refused."""
    with pytest.raises(DBAPIError) as refused:
        async with database.change(org_id) as change:
            await change.execute(statement, values)
    return sqlstate(refused.value)


async def count(connection: AsyncConnection, table: str) -> int:
    found: int = (await connection.execute(text(f"select count(*) from {table}"))).scalar_one()
    return found


@pytest.mark.parametrize("table", [*TABLES, "ev.event", "ev.stream"])
async def test_without_an_organization_nothing_is_seen(database: Database, tenant: Tenant, table: str) -> None:
    await tenant.version()
    async with database.as_nobody() as connection:
        assert await count(connection, table) == 0


@pytest.mark.parametrize("table", [*TABLES, "ev.event", "ev.stream"])
async def test_a_table_read_whole_shows_the_own_organization_only(
    database: Database, tenant: Tenant, neighbor: Tenant, table: str
) -> None:
    await tenant.version()
    await neighbor.version()
    snapshot = database.new_snapshot(tenant.org_id)
    rows = await snapshot.rows(text(f"select distinct org_id from {table}"))
    await snapshot.close()
    assert {row.org_id for row in rows} <= {tenant.org_id}


async def test_the_row_of_another_organization_can_be_neither_read_nor_changed(
    database: Database, tenant: Tenant, neighbor: Tenant
) -> None:
    theirs = uuid_of(await neighbor.model(name="theirs"))
    async with database.change(tenant.org_id) as change:
        assert (await change.execute(select(*columns(Model)).where(col(Model.id) == theirs))).all() == []
        changed = await change.execute(
            update(Model).where(col(Model.id) == theirs).values(name="mine").returning(col(Model.id))
        )
        assert changed.all() == []
    async with database.change(neighbor.org_id) as change:
        assert (await change.execute(select(col(Model.name)).where(col(Model.id) == theirs))).scalar() == "theirs"


async def test_a_row_cannot_be_put_into_another_organization(
    database: Database, tenant: Tenant, neighbor: Tenant
) -> None:
    values = {"org_id": neighbor.org_id, "id": uuid4(), "created_at": utc_now(), "name": "intruder"}
    assert await refusal(database, tenant.org_id, insert(Team), values) == FORBIDDEN


async def test_a_row_cannot_be_moved_into_another_organization(
    database: Database, tenant: Tenant, neighbor: Tenant
) -> None:
    moved = update(Team).values(org_id=neighbor.org_id, id=uuid4(), name="intruder")
    assert await refusal(database, tenant.org_id, moved) == FORBIDDEN


async def test_a_row_cannot_point_at_one_of_another_organization(
    database: Database, tenant: Tenant, neighbor: Tenant
) -> None:
    row = Model(
        org_id=tenant.org_id,
        project_id=uuid_of(neighbor.project),
        name="x",
        framework="onnx",
        created_by=tenant.actor.principal_id,
    )
    with pytest.raises(IntegrityError, match="model_org_id_project_id_fk"):
        async with database.change(tenant.org_id) as change:
            change.add(row)


async def test_a_name_that_a_neighbor_uses_is_free(database: Database, tenant: Tenant, neighbor: Tenant) -> None:
    for organization in (tenant, neighbor):
        async with database.change(organization.org_id) as change:
            change.add(Team(org_id=organization.org_id, name="the same"))


async def test_tables_without_a_right_to_remove_refuse_it(database: Database, tenant: Tenant) -> None:
    for table in (Organization, Project, Model, Idempotency):
        assert await refusal(database, tenant.org_id, delete(table)) == FORBIDDEN


@pytest.mark.parametrize(
    "statement",
    [
        "insert into ev.event select * from ev.event",
        "update ev.event set kind = 'rewritten'",
        "delete from ev.event",
        "truncate ev.event",
        "update ev.stream set head_seq = 0",
        "delete from ev.stream",
        "insert into ev.stream (org_id) values (gen_random_uuid())",
        "truncate ev.stream cascade",
        "alter table ev.event disable trigger all",
        "alter table registry.model disable row level security",
        "set local session_replication_role = replica",
        "drop policy tenant on registry.model",
        "create table registry.mine (id int)",
        "create function ev.mine() returns int language sql as 'select 1'",
    ],
)
async def test_the_application_cannot_rewrite_the_feed_or_undo_its_limits(
    database: Database, tenant: Tenant, statement: str
) -> None:
    assert await refusal(database, tenant.org_id, text(statement)) == FORBIDDEN


@pytest.mark.parametrize(
    "statement", ["update ev.event set kind = 'rewritten'", "delete from ev.event", "truncate ev.event"]
)
async def test_not_even_the_owner_of_the_feed_rewrites_it_by_mistake(
    owner: asyncpg.Connection, tenant: Tenant, statement: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await owner.execute(statement)


@pytest.mark.parametrize("call", ["ev.append(:other, '[]')", "ev.open_stream(:other)"])
async def test_the_feed_of_another_organization_cannot_be_written(
    database: Database, tenant: Tenant, neighbor: Tenant, call: str
) -> None:
    statement = text(f"select {call}")
    assert await refusal(database, tenant.org_id, statement, {"other": neighbor.org_id}) == FORBIDDEN
    with pytest.raises(DBAPIError, match="not the organization"):
        async with database.as_nobody() as connection:
            await connection.execute(statement, {"other": neighbor.org_id})


async def test_an_organization_without_a_stream_cannot_append(database: Database) -> None:
    unknown = uuid4()
    assert await refusal(database, unknown, text("select ev.append(:org, '[]')"), {"org": unknown}) == "P0002"


@pytest.mark.parametrize("call", ["ev.append(gen_random_uuid(), '[]')", "registry.authenticate('x')"])
async def test_the_worker_calls_none_of_the_functions(database: Database, call: str) -> None:
    with pytest.raises(DBAPIError, match="permission denied for function"):
        async with database.as_worker() as connection:
            await connection.execute(text(f"select {call}"))


@pytest.mark.parametrize("table", ["registry.organization", "registry.job", "ev.event", "ev.stream"])
async def test_the_worker_sees_jobs_feeds_and_organizations_of_all(
    database: Database, tenant: Tenant, neighbor: Tenant, table: str
) -> None:
    for organization in (tenant, neighbor):
        async with database.change(organization.org_id) as change:
            later = utc_now() + timedelta(days=1)
            change.add(Job(org_id=organization.org_id, kind=JobKind.CLEAR_UPLOAD, subject_id=uuid4(), run_after=later))
    async with database.as_worker() as connection:
        rows = await connection.execute(text(f"select distinct org_id from {table}"))
        assert {tenant.org_id, neighbor.org_id} <= set(rows.scalars())


SEEN = {"registry.organization", "registry.job", "registry.idempotency"}
SEEN_IN_PART = {"registry.webhook", "registry.webhook_delivery"}
HIDDEN = sorted(set(TABLES) - SEEN - SEEN_IN_PART)


@pytest.mark.parametrize("table", HIDDEN)
async def test_the_worker_may_not_read_what_organizations_hold(database: Database, table: str) -> None:
    with pytest.raises(DBAPIError, match="permission denied for table"):
        async with database.as_worker() as connection:
            await count(connection, table)


@pytest.mark.parametrize(
    "column", ["webhook.url", "webhook.host", "webhook.secret", "webhook.earlier_secret", "webhook_delivery.failure"]
)
async def test_the_worker_does_not_see_where_webhooks_go(database: Database, column: str) -> None:
    table, _, name = column.partition(".")
    with pytest.raises(DBAPIError, match="permission denied for table"):
        async with database.as_worker() as connection:
            await connection.execute(text(f"select {name} from registry.{table}"))


async def test_the_worker_sees_and_removes_keys_of_more_than_a_week_only(database: Database, tenant: Tenant) -> None:
    async with database.change(tenant.org_id) as change:
        for key, days in (("fresh", 6.99), ("old", 7.01)):
            change.add(
                Idempotency(
                    org_id=tenant.org_id,
                    principal_id=tenant.actor.principal_id,
                    key=key,
                    request_hash=b"",
                    created_at=utc_now() - timedelta(days=days),
                )
            )
    own = col(Idempotency.org_id) == tenant.org_id
    async with database.as_worker() as connection:
        seen = (await connection.execute(select(col(Idempotency.key)).where(own))).scalars().all()
        removed = (await connection.execute(delete(Idempotency).where(own).returning(col(Idempotency.key)))).scalars()
        assert (seen, removed.all()) == (["old"], ["old"])
    async with database.change(tenant.org_id) as change:
        assert (await change.execute(select(col(Idempotency.key)).where(own))).scalars().all() == ["fresh"]


@pytest.mark.parametrize("began", ["snapshot", "change", "refused change", "nobody", "worker"])
async def test_neither_role_nor_organization_outlives_the_transaction(
    database_url: str, tenant: Tenant, began: str
) -> None:
    alone = Database.connect(database_url, tenant.database.roles, pool_size=1)
    try:
        async with alone.engine.connect() as connection:
            before = (await connection.execute(SESSION)).one()
        await _transact(alone, tenant.org_id, began)
        async with alone.engine.connect() as connection:
            after = (await connection.execute(SESSION)).one()
    finally:
        await alone.close()
    assert after.pid == before.pid
    assert tuple(after) == tuple(before)
    assert after.organization in (None, "")


SESSION = select(
    literal_column("pg_backend_pid()").label("pid"),
    literal_column("current_user::text").label("role"),
    func.coalesce(func.current_setting("app.org_id", True), "").label("organization"),
    func.current_setting("statement_timeout").label("statement_timeout"),
    func.current_setting("lock_timeout").label("lock_timeout"),
    func.current_setting("idle_in_transaction_session_timeout").label("idle_timeout"),
    func.current_setting("transaction_isolation").label("isolation"),
    func.current_setting("transaction_read_only").label("read_only"),
)


async def _transact(database: Database, org_id: UUID, kind: str) -> None:
    if kind == "snapshot":
        snapshot = database.new_snapshot(org_id)
        await snapshot.rows(select(1))
        await snapshot.close()
    elif kind == "change":
        async with database.change(org_id) as change:
            await change.execute(select(1))
    elif kind == "refused change":
        assert await refusal(database, org_id, text("truncate ev.event")) == FORBIDDEN
    else:
        async with database.as_nobody() if kind == "nobody" else database.as_worker() as connection:
            await connection.execute(select(1))
