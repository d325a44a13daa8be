"""Making the three roles: by an administrator, by a login with few rights, by one with none, and again."""

import pytest

from db import migrate
from db.revision import require_current
from db.roles import NeedsAdministrator, Roles, ServerTooOld, bootstrap
from db.session import Database
from tests.db.ground import Ground, execute, fetch

MEMBERS = """
select r.rolname::text from pg_auth_members m join pg_roles r on r.oid = m.roleid join pg_roles u on u.oid = m.member
where u.rolname = $1 and coalesce((to_jsonb(m) ->> 'set_option')::boolean, true) order by 1
"""
OWNERS = "select nspname::text, pg_get_userbyid(nspowner)::text from pg_namespace where nspname = any($1) order by 1"


@pytest.mark.parametrize("prefix", ["", "1a", "A", "a-b", "a b", "a;drop", 'a"', "ä", "_a", "a" * 42, "a\n"])
def test_a_prefix_that_is_no_plain_name_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        Roles(prefix)


@pytest.mark.parametrize("prefix", ["a", "registry", "team_7", "a" * 41])
def test_the_names_of_the_roles_fit_into_what_the_server_keeps(prefix: str) -> None:
    assert all(name.startswith(f"{prefix}_") and len(name) <= 63 for name in Roles(prefix).all)
    assert len(set(Roles(prefix).all)) == 3


async def test_the_roles_can_neither_log_in_nor_pass_by_row_level_security(ground: Ground) -> None:
    url, roles = await ground.database(), ground.roles()
    await bootstrap(url, roles)
    attributes = "rolcanlogin, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication"
    found = await fetch(url, f"select {attributes} from pg_roles where rolname = any($1)", roles.all)
    assert found == [(False,) * 6] * 3


async def test_the_owner_role_has_both_schemas(ground: Ground) -> None:
    url, roles = await ground.database(), ground.roles()
    await bootstrap(url, roles)
    assert await fetch(url, OWNERS, ["registry", "ev"]) == [("ev", roles.owner), ("registry", roles.owner)]


async def test_a_second_bootstrap_has_nothing_to_do(ground: Ground) -> None:
    url, roles = await ground.database(), ground.roles()
    assert await bootstrap(url, roles)
    assert await bootstrap(url, roles) == []


async def test_a_second_database_of_the_same_roles_gets_only_what_it_lacks(ground: Ground) -> None:
    first, second, roles = await ground.database(), await ground.database(), ground.roles()
    await bootstrap(first, roles)
    ran = await bootstrap(second, roles)
    assert not [statement for statement in ran if statement.startswith("create role")]
    assert await fetch(second, OWNERS, ["registry", "ev"]) == [("ev", roles.owner), ("registry", roles.owner)]


async def test_what_went_missing_is_made_again(ground: Ground) -> None:
    url, roles = await ground.database(), ground.roles()
    await bootstrap(url, roles)
    await execute(url, f"set role {roles.owner}", "drop schema ev")
    assert await bootstrap(url, roles) == [f"set role {roles.owner}", "create schema ev", "reset role"]


async def test_a_login_that_may_create_roles_prepares_and_migrates_its_own_database(ground: Ground) -> None:
    login = await ground.login("createrole createdb nosuperuser")
    url, roles = login.to(await ground.database(owner=login)), ground.roles()
    await bootstrap(url, roles)
    assert await bootstrap(url, roles) == []
    assert await fetch(url, MEMBERS, login.name) == sorted((role,) for role in roles.all)
    await migrate.upgrade(url, roles)
    await _serves(url, roles)


async def test_a_login_without_rights_learns_what_an_administrator_has_to_run(ground: Ground) -> None:
    login = await ground.login("nocreaterole nosuperuser")
    plain = await ground.database()
    url, roles = login.to(plain), ground.roles()
    with pytest.raises(NeedsAdministrator, match="administrator") as refused:
        await bootstrap(url, roles)
    assert await fetch(url, "select 1 from pg_roles where rolname = any($1)", roles.all) == []

    await execute(plain, *refused.value.statements)

    assert await bootstrap(url, roles) == []
    assert await fetch(url, OWNERS, ["registry", "ev"]) == [("ev", roles.owner), ("registry", roles.owner)]
    await migrate.upgrade(url, roles)
    await _serves(url, roles)


async def test_another_login_serves_without_becoming_the_owner(ground: Ground) -> None:
    server = await ground.login()
    url, roles = await ground.database(), ground.roles()
    await bootstrap(url, roles, [server.name])
    assert await bootstrap(url, roles, [server.name]) == []
    assert await fetch(url, MEMBERS, server.name) == [(roles.app,), (roles.worker,)]
    await migrate.upgrade(url, roles)
    await _serves(server.to(url), roles)


async def test_a_login_with_an_awkward_name_is_granted_and_not_run(ground: Ground) -> None:
    name = f'{ground.stem} "; drop schema public; --'
    quoted = '"' + name.replace('"', '""') + '"'
    await ground.admin.execute(f"create role {quoted} login")
    ground.logins.append(quoted)
    url, roles = await ground.database(), ground.roles()
    await bootstrap(url, roles, [name])
    assert await fetch(url, MEMBERS, name) == [(roles.app,), (roles.worker,)]
    assert await fetch(url, OWNERS, ["public"]) != []


async def test_installations_with_prefixes_of_their_own_share_a_server_and_nothing_else(ground: Ground) -> None:
    urls, installations = [await ground.database(), await ground.database()], [ground.roles(), ground.roles()]
    for url, roles in zip(urls, installations, strict=True):
        await bootstrap(url, roles)
        await migrate.upgrade(url, roles)
        await _serves(url, roles)
    for role in installations[0].all:
        assert await fetch(urls[1], "select has_schema_privilege($1, 'registry', 'usage')", role) == [(False,)]


async def test_a_server_that_is_too_old_is_refused_before_anything_is_made(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, roles = await ground.database(), ground.roles()
    monkeypatch.setattr("db.roles.MINIMUM_SERVER", 990000)
    with pytest.raises(ServerTooOld, match="PostgreSQL 15"):
        await bootstrap(url, roles)
    assert await fetch(url, "select 1 from pg_roles where rolname = any($1)", roles.all) == []


async def _serves(url: str, roles: Roles) -> None:
    database = Database.connect(url, roles, pool_size=1)
    try:
        await require_current(database)
    finally:
        await database.close()
