"""What the catalog says of every table: who may do what, and that no row can be reached without an organization.

`alembic check` sees none of this, so a table that is merely made and not protected has to fail here.
"""

import asyncpg
import pytest

from db.base import metadata
from tests import services

ROLES = services.ROLES
TABLES = """
select c.oid::regclass::text as name, c.relkind, c.relrowsecurity as enabled, c.relforcerowsecurity as forced
  from pg_class c where c.relnamespace = 'registry'::regnamespace and c.relkind not in ('i', 'I', 'S', 'c', 't')
   and c.relname <> 'alembic_version'
"""
# Permissive policies add up: one more, for everybody or for `app`, would open the table.
POLICIES = """
select p.polrelid::regclass::text as name, p.polname as policy, p.polpermissive as permissive, p.polcmd as command,
       (select array_agg(case r when 0 then 'public' else pg_get_userbyid(r)::text end)
          from unnest(p.polroles) r) as roles,
       pg_get_expr(p.polqual, p.polrelid) as visible, pg_get_expr(p.polwithcheck, p.polrelid) as writable
  from pg_policy p
"""
GRANTS = """
select c.oid::regclass::text as name,
       case a.grantee when 0 then 'public' else pg_get_userbyid(a.grantee)::text end as role,
       array_agg(lower(a.privilege_type) order by a.privilege_type) as privileges
  from pg_class c, aclexplode(c.relacl) a
 where c.relnamespace in ('registry'::regnamespace, 'ev'::regnamespace) and a.grantee <> c.relowner group by 1, 2
"""
COLUMNS = """
select c.oid::regclass::text as name, t.attname::text as column, pg_get_userbyid(a.grantee)::text as role,
       a.privilege_type as privilege
  from pg_attribute t join pg_class c on c.oid = t.attrelid, aclexplode(t.attacl) a
 where c.relnamespace in ('registry'::regnamespace, 'ev'::regnamespace)
"""
KEYS = """
select i.indexrelid::regclass::text as name, i.indisunique as is_unique,
       (select attname::text from pg_attribute where attrelid = i.indrelid and attnum = i.indkey[0]) as first
  from pg_index i join pg_class c on c.oid = i.indrelid
 where c.relnamespace = 'registry'::regnamespace and c.relname <> 'alembic_version'
"""
FOREIGN_KEYS = """
select k.conname::text as name,
       (select attname::text from pg_attribute where attrelid = k.conrelid and attnum = k.conkey[1]) as from_first,
       (select attname::text from pg_attribute where attrelid = k.confrelid and attnum = k.confkey[1]) as to_first
  from pg_constraint k where k.contype = 'f' and k.connamespace in ('registry'::regnamespace, 'ev'::regnamespace)
"""
FUNCTIONS = """
select p.oid::regprocedure::text as name, p.prosecdef as as_owner, coalesce(p.proconfig, '{}') as settings,
       (select array_agg(distinct case a.grantee when 0 then 'public' else pg_get_userbyid(a.grantee)::text end)
          from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a where a.grantee <> p.proowner) as callers
  from pg_proc p where p.pronamespace in ('registry'::regnamespace, 'ev'::regnamespace)
"""
PUBLIC = """
select 'schema ' || n.nspname from pg_namespace n, aclexplode(n.nspacl) a
 where n.nspname in ('registry', 'ev') and a.grantee = 0
union all
select 'column ' || t.attname from pg_attribute t join pg_class c on c.oid = t.attrelid, aclexplode(t.attacl) a
 where c.relnamespace in ('registry'::regnamespace, 'ev'::regnamespace) and a.grantee = 0
union all
select 'default ' || d.oid from pg_default_acl d
"""
ORGANIZATION = "(org_id = ( SELECT (NULLIF(current_setting('app.org_id'::text, true), ''::text))::uuid AS \"nullif\"))"


async def complaints(owner: asyncpg.Connection) -> set[str]:
    """What is wrong with the protection of the tables, as `table: complaint`."""
    found = set()
    policies = await owner.fetch(POLICIES)
    grants = {(row["name"], row["role"]): row["privileges"] for row in await owner.fetch(GRANTS)}
    for table in await owner.fetch(TABLES):
        name = table["name"]
        own = [row for row in policies if row["name"] == name]
        tenant = next((row for row in own if row["policy"] == "tenant"), None)
        if table["relkind"] not in (b"r", b"p"):
            found.add(f"{name}: a view reads past the policies of its tables")
        if not table["enabled"]:
            found.add(f"{name}: row-level security is not enabled")
        if not table["forced"]:
            found.add(f"{name}: row-level security is not forced")
        if tenant is None:
            found.add(f"{name}: no policy")
        elif tenant["visible"] != ORGANIZATION or tenant["writable"] != ORGANIZATION or tenant["command"] != b"*":
            found.add(f"{name}: the policy does not compare the organization")
        for policy in own:
            if policy is not tenant and {"public", ROLES.app} & set(policy["roles"]):
                found.add(f"{name}: another policy opens it")
        if "select" not in grants.get((name, ROLES.app), []):
            found.add(f"{name}: {ROLES.app} may not read it")
    for (name, role), privileges in grants.items():
        if role not in ROLES.all:
            found.add(f"{name}: granted to {role}")
        if beyond := set(privileges) - {"select", "insert", "update", "delete"}:
            found.add(f"{name}: {role} may {', '.join(sorted(beyond))}")
    return found


async def test_every_table_is_confined_to_one_organization(owner: asyncpg.Connection) -> None:
    assert await complaints(owner) == set()


async def test_every_table_of_the_code_was_looked_at(owner: asyncpg.Connection) -> None:
    assert {row["name"] for row in await owner.fetch(TABLES)} == set(metadata.tables)


async def test_every_table_is_analyzed_before_a_new_organization_in_it_is_large(owner: asyncpg.Connection) -> None:
    late = await owner.fetch("""
        select relname from pg_class where relnamespace = 'registry'::regnamespace and relkind = 'r'
           and not coalesce(reloptions @> array['autovacuum_analyze_threshold=1000'], false) order by 1""")
    # Read through their primary keys alone.
    assert [row["relname"] for row in late] == ["resource_sample", "run_metric", "version_metric"]


PROTECTED = (
    "create table registry.naked (org_id uuid primary key)",
    "alter table registry.naked enable row level security",
    "alter table registry.naked force row level security",
    f"create policy tenant on registry.naked to {ROLES.app} using {ORGANIZATION} with check {ORGANIZATION}",
    f"grant select on registry.naked to {ROLES.app}",
)


@pytest.mark.parametrize(
    ("forgotten", "instead", "complaint"),
    [
        (1, "", "row-level security is not enabled"),
        (2, "", "row-level security is not forced"),
        (3, "", "no policy"),
        (3, f"create policy tenant on registry.naked to {ROLES.app} using (true)", "the policy does not compare"),
        (
            3,
            f"create policy tenant on registry.naked to {ROLES.app} using {ORGANIZATION} with check (true)",
            "the policy",
        ),
        (4, "", "may not read it"),
        (4, f"grant all on registry.naked to {ROLES.app}", "truncate"),
        (4, "grant select on registry.naked to public", "granted to public"),
        (None, "create policy more on registry.naked using (true)", "another policy opens it"),
        (None, "create view registry.naked_view as select * from registry.naked", "a view reads past"),
    ],
)
async def test_a_table_that_is_not_protected_is_found(
    owner: asyncpg.Connection, forgotten: int | None, instead: str, complaint: str
) -> None:
    transaction = owner.transaction()
    await transaction.start()
    try:
        for place, statement in enumerate(PROTECTED):
            if place != forgotten:
                await owner.execute(statement)
        if instead:
            await owner.execute(instead)
        assert [found for found in await complaints(owner) if complaint in found]
    finally:
        await transaction.rollback()


async def test_a_table_that_is_protected_is_not_complained_about(owner: asyncpg.Connection) -> None:
    transaction = owner.transaction()
    await transaction.start()
    try:
        for statement in PROTECTED:
            await owner.execute(statement)
        assert await complaints(owner) == set()
    finally:
        await transaction.rollback()


async def test_every_key_and_index_begins_with_the_organization(owner: asyncpg.Connection) -> None:
    others = {row["name"] for row in await owner.fetch(KEYS) if row["first"] != "org_id"}
    # The name and the token are looked up before the organization is known; three are the worker's. The words of
    # a search have a token of the organization among them.
    assert others == {
        "registry.organization_name_key",
        "registry.api_token_token_hash_key",
        "registry.job_run_after_ix",
        "registry.idempotency_created_at_ix",
        "registry.webhook_delivery_created_at_ix",
        "registry.search_document_words_ix",
    }


async def test_every_foreign_key_stays_in_the_organization(owner: asyncpg.Connection) -> None:
    keys = await owner.fetch(FOREIGN_KEYS)
    assert len(keys) > 20
    assert {(row["from_first"], row["to_first"]) for row in keys} == {("org_id", "org_id")}


async def test_the_feed_has_row_level_security_that_its_owner_passes(owner: asyncpg.Connection) -> None:
    states = await owner.fetch(
        "select oid::regclass::text, relrowsecurity, relforcerowsecurity from pg_class"
        " where relnamespace = 'ev'::regnamespace and relkind = 'r' order by 1"
    )
    assert [tuple(row) for row in states] == [(table, True, False) for table in ("ev.event", "ev.origin", "ev.stream")]
    policies = {
        (row["name"], tuple(row["roles"]), row["command"], row["visible"], row["writable"])
        for row in await owner.fetch(POLICIES)
        if row["name"].startswith("ev.")
    }
    assert policies == {
        (table, (role,), b"r", visible, None)
        for table in ("ev.event", "ev.stream")
        for role, visible in ((ROLES.app, ORGANIZATION), (ROLES.worker, "true"))
    } | {("ev.origin", (ROLES.app,), b"r", "true", None)}


async def test_the_worker_may_do_these_few_things(owner: asyncpg.Connection) -> None:
    grants = {row["name"]: row["privileges"] for row in await owner.fetch(GRANTS) if row["role"] == ROLES.worker}
    assert grants == {
        "ev.event": ["select"],
        "ev.stream": ["select"],
        "registry.alembic_version": ["select"],
        "registry.idempotency": ["delete", "select"],
        "registry.job": ["insert", "select", "update"],
        "registry.organization": ["select"],
        "registry.webhook_delivery": ["delete"],
    }
    seen = {
        (row["name"], row["column"])
        for row in await owner.fetch(COLUMNS)
        if row["role"] == ROLES.worker and row["privilege"] == "SELECT"
    }
    assert {column for name, column in seen if name == "registry.webhook_delivery"} == {
        "org_id", "id", "created_at", "state",
    }  # fmt: skip
    assert {column for name, column in seen if name == "registry.webhook"} == {
        "org_id", "id", "deleted_at", "state", "cursor_seq", "delivered_count", "failed_count", "failing_since",
    }  # fmt: skip


async def test_the_application_may_remove_rows_of_these_tables_only(owner: asyncpg.Connection) -> None:
    grants = await owner.fetch(GRANTS)
    removable = {row["name"] for row in grants if row["role"] == ROLES.app and "delete" in row["privileges"]}
    assert removable == {"registry.alias", "registry.import_progress", "registry.job", "registry.role_binding"}


async def test_nothing_is_granted_to_everybody(owner: asyncpg.Connection) -> None:
    assert [row[0] for row in await owner.fetch(PUBLIC)] == []
    assert not [row["name"] for row in await owner.fetch(GRANTS) if row["role"] == "public"]
    assert not [row["name"] for row in await owner.fetch(FUNCTIONS) if "public" in (row["callers"] or ())]


async def test_every_function_has_a_fixed_search_path(owner: asyncpg.Connection) -> None:
    for row in await owner.fetch(FUNCTIONS):
        (path,) = [setting for setting in row["settings"] if setting.startswith("search_path=")]
        assert path.split("=")[1].split(", ")[0] == "pg_catalog", row["name"]


async def test_only_these_functions_run_as_the_owner_and_only_the_application_calls_them(
    owner: asyncpg.Connection,
) -> None:
    functions = {row["name"]: row["callers"] for row in await owner.fetch(FUNCTIONS) if row["as_owner"]}
    assert functions == {
        "ev.append(uuid,jsonb)": [ROLES.app],
        "ev.open_stream(uuid)": [ROLES.app],
        "registry.authenticate(bytea)": [ROLES.app],
        "registry.refresh_statistics()": [ROLES.app],
        "registry.search(uuid,text,jsonb,text[],uuid[],text[],text[],jsonb,text[],boolean,integer)": [ROLES.app],
    }
