"""Migrations: up from nothing, down and up again, from several places at once, and what a server says of each state."""

import asyncio
import sys
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from db import migrate, revision
from db.revision import SchemaBehind, head, require_current
from db.roles import Roles, bootstrap
from db.session import Database
from tests.db.ground import Ground, execute, fetch

HISTORY = ScriptDirectory(str(Path(migrate.__file__).parent / "migrations"))
REVISION = "select version_num::text from registry.alembic_version"
# Everything that a migration can leave behind, as text.
CONTENT = """
with ours as (select unnest(array['registry', 'ev'])::regnamespace as namespace)
select 'relation ' || relname from pg_class join ours on relnamespace = namespace
union all select 'function ' || proname from pg_proc join ours on pronamespace = namespace
union all select 'type ' || typname from pg_type join ours on typnamespace = namespace
union all select 'policy ' || polname from pg_policy
"""
GRANTS = """
select n.nspname::text || ' to ' || pg_get_userbyid(a.grantee) || ': ' || a.privilege_type
from pg_namespace n, aclexplode(n.nspacl) a where n.nspname in ('registry', 'ev') and a.grantee <> n.nspowner
"""
_MIGRATE = "import asyncio, sys; from db import migrate; from db.roles import Roles; " \
    "print(asyncio.run(migrate.upgrade(sys.argv[1], Roles(sys.argv[2]))))"  # fmt: skip


def test_the_history_is_one_line() -> None:
    steps = list(HISTORY.walk_revisions())
    assert len(HISTORY.get_heads()) == len(HISTORY.get_bases()) == 1
    assert not [step.revision for step in steps if step.is_branch_point or step.is_merge_point]
    assert head() == HISTORY.get_current_head()


def test_every_revision_is_named_as_its_file() -> None:
    for step in HISTORY.walk_revisions():
        assert step.path.endswith(f"/{step.revision}.py")


async def test_an_upgrade_from_nothing_reaches_the_tables_of_the_code(ground: Ground) -> None:
    url, roles = await _bootstrapped(ground)
    assert await migrate.upgrade(url, roles) == head()
    assert await fetch(url, REVISION) == [(head(),)]
    assert await migrate.drift(url, roles) == []


async def test_a_second_upgrade_changes_nothing(ground: Ground) -> None:
    url, roles = await ground.copied()
    before = await fetch(url, "select oid::text, xmin::text from pg_class order by 1")
    assert await migrate.upgrade(url, roles) == head()
    assert await fetch(url, "select oid::text, xmin::text from pg_class order by 1") == before


async def test_the_way_down_leaves_nothing_and_the_way_up_works_again(ground: Ground) -> None:
    url, roles = await ground.copied()
    full = sorted(await fetch(url, CONTENT))
    grants = sorted(await fetch(url, GRANTS))

    await migrate.downgrade(url, roles, "base")
    left = {content for (content,) in await fetch(url, CONTENT)}
    assert {content for content in left if "alembic_version" not in str(content)} == set()
    assert await fetch(url, GRANTS) == []
    assert await fetch(url, REVISION) == []

    await migrate.upgrade(url, roles)
    assert sorted(await fetch(url, CONTENT)) == full
    assert sorted(await fetch(url, GRANTS)) == grants
    assert await migrate.drift(url, roles) == []


async def test_each_step_down_can_be_gone_up_again(ground: Ground) -> None:
    url, roles = await ground.copied()
    for step in HISTORY.walk_revisions():
        await migrate.upgrade(url, roles)
        await migrate.downgrade(url, roles, str(step.down_revision or "base"))
    await migrate.upgrade(url, roles)
    assert await migrate.drift(url, roles) == []


async def test_processes_that_migrate_at_once_take_turns(ground: Ground) -> None:
    url, roles = await _bootstrapped(ground)
    ends = await asyncio.gather(*(_migrate_elsewhere(url, roles) for _ in range(3)))
    assert ends == [(0, head())] * 3
    assert await fetch(url, REVISION) == [(head(),)]


async def test_everything_belongs_to_the_owner_role(ground: Ground) -> None:
    url, roles = await ground.copied()
    schemas = "in ('registry'::regnamespace, 'ev'::regnamespace)"
    owners = await fetch(
        url,
        f"select pg_get_userbyid(relowner)::text from pg_class where relnamespace {schemas}"
        f" union select pg_get_userbyid(proowner)::text from pg_proc where pronamespace {schemas}",
    )
    assert owners == [(roles.owner,)]


async def test_no_extension_is_needed(ground: Ground) -> None:
    url, _ = await ground.copied()
    assert await fetch(url, "select extname::text from pg_extension") == [("plpgsql",)]


async def test_a_column_that_the_code_does_not_know_is_drift(ground: Ground) -> None:
    url, roles = await ground.copied()
    await execute(url, f"set role {roles.owner}", "alter table registry.team add column motto text")
    (found,) = await migrate.drift(url, roles)
    assert (found[0], found[2], found[3].name) == ("remove_column", "team", "motto")


@pytest.mark.parametrize("change", ["type bytea using null", "drop not null"])
async def test_a_column_of_another_kind_is_drift(ground: Ground, change: str) -> None:
    url, roles = await ground.copied()
    await execute(url, f"set role {roles.owner}", f"alter table registry.artifact alter column content_type {change}")
    assert len(await migrate.drift(url, roles)) == 1


async def test_a_database_without_roles_is_refused_with_both_commands(ground: Ground) -> None:
    await _is_behind(await ground.database(), ground.roles(), "none")


async def test_a_database_without_tables_is_refused_with_the_command(ground: Ground) -> None:
    await _is_behind(*await _bootstrapped(ground), "none")


async def test_a_login_that_was_not_let_in_is_refused_with_the_command(ground: Ground) -> None:
    url, roles = await ground.copied()
    await _is_behind((await ground.login()).to(url), roles, "none")


async def test_an_older_schema_is_refused_with_the_command(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    url, roles = await ground.copied()
    older, newer = head(), "2999_01_01_next"
    monkeypatch.setattr(revision, "_revisions", lambda: ({older, newer}, {older}))
    await _is_behind(url, roles, older)


@pytest.mark.parametrize("made_by", ["2026_11_24_facts", "2026_12_01_projects"])
async def test_a_database_of_a_development_version_is_refused_and_not_touched(ground: Ground, made_by: str) -> None:
    url, roles = await ground.copied()
    as_owner = f"set role {roles.owner}"
    await execute(url, as_owner, f"update registry.alembic_version set version_num = '{made_by}'")
    state = "select oid::text, xmin::text from pg_class union all select version_num, xmin::text"
    before = sorted(await fetch(url, f"{state} from registry.alembic_version"))
    why = f"made by a development version, at revision {made_by}, .* empty database"
    for act in (
        migrate.upgrade(url, roles),
        migrate.downgrade(url, roles, "base"),
        migrate.draft(url, roles, "anything"),
        _warnings(url, roles),
    ):
        with pytest.raises(SchemaBehind, match=why):
            await act
    assert sorted(await fetch(url, f"{state} from registry.alembic_version")) == before


async def test_a_schema_from_the_future_is_served_with_a_warning(ground: Ground) -> None:
    url, roles = await ground.copied()
    assert await _warnings(url, roles) == ()
    await execute(url, f"set role {roles.owner}", "update registry.alembic_version set version_num = '2999_01_01_next'")
    (warning,) = await _warnings(url, roles)
    assert "2999_01_01_next, which is newer" in warning
    assert head() in warning


async def _bootstrapped(ground: Ground) -> tuple[str, Roles]:
    url, roles = await ground.database(), ground.roles()
    await bootstrap(url, roles)
    return url, roles


async def _warnings(url: str, roles: Roles) -> tuple[str, ...]:
    database = Database.connect(url, roles, pool_size=1)
    try:
        return await require_current(database)
    finally:
        await database.close()


async def _is_behind(url: str, roles: Roles, revision: str) -> None:
    database = Database.connect(url, roles, pool_size=1)
    try:
        with pytest.raises(SchemaBehind) as refused:
            await require_current(database)
    finally:
        await database.close()
    assert f"revision {revision}," in str(refused.value)
    assert head() in str(refused.value)
    assert "`registry migrate`" in str(refused.value)
    assert "`registry db bootstrap`" in str(refused.value)


async def _migrate_elsewhere(url: str, roles: Roles) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _MIGRATE, url, roles.prefix, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    return process.returncode, printed.decode().strip()
