"""The index of the search: kept for every thing by triggers, in the same transaction, and read for one organization."""

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from db.base import Deletable, utc_now
from db.codes import SearchKind
from db.ids import uuid7
from db.searching import not_searchable, searchable
from db.session import Database
from db.tables import Webhook
from registry.graph import search as searches
from registry.graph.search import KINDS, Search
from tests.db.ground import Ground, execute, fetch
from tests.tenant import Tenant, uuid_of

ASK = "select count(*) from registry.search(:org_id, 'zebra', '[]', null, null, null, null, '{}', '{}', false, 10)"
TRIGGERS = """
select c.relname::text as name from pg_trigger t join pg_class c on c.oid = t.tgrelid
 where t.tgname = 'search_document' and t.tgenabled = 'O'
"""


async def test_another_organization_cannot_be_searched(tenant: Tenant, neighbor: Tenant, database: Database) -> None:
    await neighbor.model(name="zebra")
    for here in (tenant.org_id, None):
        opened = database.change(here) if here else database.as_nobody()
        with pytest.raises((DBAPIError, asyncpg.PostgresError), match="not the organization of this transaction"):
            async with opened as transaction:
                await transaction.execute(text(ASK), {"org_id": neighbor.org_id})
    async with database.change(neighbor.org_id) as change:
        assert (await change.execute(text(ASK), {"org_id": neighbor.org_id})).scalar_one() == 1


async def test_everything_that_can_be_deleted_can_be_searched(owner: asyncpg.Connection) -> None:
    watched = {row["name"] for row in await owner.fetch(TRIGGERS)}
    assert set(KINDS) == set(SearchKind)
    assert watched == {table.__tablename__ for table in KINDS.values()}
    # Webhooks are no part of what people make and look for.
    assert set(Deletable.__subclasses__()) - {Webhook} <= set(KINDS.values())


async def counted(tenant: Tenant, database: Database) -> searches.Counts:
    snapshot = database.new_snapshot(tenant.org_id)
    try:
        return await searches.counts(snapshot, tenant.org_id, Search("zebra"))
    finally:
        await snapshot.close()


async def test_rows_that_come_by_copy_are_found(tenant: Tenant, database: Database, owner: asyncpg.Connection) -> None:
    await owner.execute("reset role")
    if not await owner.fetchval("select rolsuper from pg_roles where rolname = current_user"):
        pytest.skip("row-level security allows COPY to superusers alone")
    await owner.copy_records_to_table(
        "team",
        schema_name="registry",
        columns=["org_id", "id", "name", "created_at"],
        records=[(tenant.org_id, uuid7(), f"zebra {place}", utc_now()) for place in range(300)],
    )
    assert (await counted(tenant, database)).total == 300


async def test_more_matches_than_are_counted_are_said_to_be_more(
    tenant: Tenant, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searches, "MAX_MATCHES", 3)
    made = [uuid_of(await tenant.model(name=f"zebra {place}")) for place in range(3)]
    assert not (await counted(tenant, database)).truncated
    made.append(uuid_of(await tenant.model(name="zebra 4")))
    counts = await counted(tenant, database)
    assert (counts.total, counts.truncated, counts.facets["kind"]) == (3, True, [("MODEL", 3)])
    snapshot = database.new_snapshot(tenant.org_id)
    hits = await searches.hits(snapshot, tenant.org_id, Search("zebra"), size=10)
    await snapshot.close()
    assert {hit.id for hit in hits} == set(made[1:])


async def test_heartbeats_and_other_columns_write_no_document(tenant: Tenant, owner: asyncpg.Connection) -> None:
    await owner.execute("reset role")
    run = await tenant.run()
    state = "select xmin::text, ctid::text from registry.search_document where id = $1"
    before = await owner.fetchrow(state, uuid_of(run))
    await tenant.client.change("heartbeatRun", "replayed", run=run)
    await tenant.client.change("finishRun", "replayed", run=run, status="FINISHED")
    assert await owner.fetchrow(state, uuid_of(run)) == before


async def test_rows_that_were_there_before_the_search_are_found_after_it(ground: Ground) -> None:
    url, roles = await ground.copied()
    org, team, project = uuid7(), uuid7(), uuid7()
    as_owner, as_app = f"set role {roles.owner}", f"set role {roles.app}"
    kinds = {"team": SearchKind.TEAM, "project": SearchKind.PROJECT}
    await execute(url, as_owner, *[one for table, kind in kinds.items() for one in not_searchable(table, kind)])
    await execute(
        url,
        as_app,
        f"select set_config('app.org_id', '{org}', false)",
        f"insert into registry.organization (org_id, id, created_at, name) values ('{org}', '{org}', now(), 'one')",
        f"insert into registry.team (org_id, id, created_at, name) values ('{org}', '{team}', now(), 'zebra')",
        "insert into registry.project (org_id, id, created_at, team_id, name)"
        f" values ('{org}', '{project}', now(), '{team}', 'herd')",
        "insert into registry.team (org_id, id, created_at, name, deleted_at)"
        f" values ('{org}', '{uuid7()}', now(), 'zebra', now())",
    )
    found = "select kind, id, project_id, words is null from registry.search_document order by words is null, kind"
    assert await fetch(url, found) == []
    await execute(url, as_owner, *[one for table, kind in kinds.items() for one in searchable(table, kind, ["name"])])
    documents = await fetch(url, found)
    assert documents[:2] == [("PROJECT", project, project, False), ("TEAM", team, None, False)]
    assert documents[2][3] is True
    forced = "select count(*) from pg_class where relname in ('team', 'project') and relforcerowsecurity"
    assert await fetch(url, forced) == [(2,)]
