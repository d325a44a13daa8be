"""What a migration that makes a table has to run beside: row-level security, grants, statistics, projects of rows."""

from collections.abc import Sequence

from alembic import op

from db.base import SCHEMA
from db.projects import follow
from db.roles import Roles

# In a sub-select the setting is read once per statement and not once per row.
CURRENT_ORG = "(select nullif(current_setting('app.org_id', true), '')::uuid)"


def migrating_roles() -> Roles:
    """The names of the roles in the installation that is being migrated."""
    config = op.get_context().config
    if config is None:
        raise RuntimeError("Migrations run through db.migrate, which says what the roles are called.")
    roles: Roles = config.attributes["roles"]
    return roles


def protect(table: str, roles: Roles, privileges: Sequence[str] = ("select", "insert", "update")) -> list[str]:
    """The statements that confine `app` to the rows of its organization in a table of the registry.

    Forced, so that not even the owner reads past the policy. Only what the rules need is granted.
    """
    name, own = f"{SCHEMA}.{table}", f"(org_id = {CURRENT_ORG})"
    return [
        f"alter table {name} enable row level security",
        f"alter table {name} force row level security",
        f"create policy tenant on {name} to {roles.app} using {own} with check {own}",
        f"grant {', '.join(privileges)} on {name} to {roles.app}",
    ]


def tenant_table(
    table: str,
    privileges: Sequence[str] = ("select", "insert", "update"),
    *,
    in_project: bool = False,
    is_bulk: bool = False,
) -> None:
    """Give a new table of the registry all that it needs beside its columns, in the migration that makes it.

    `app` gets these privileges within its organization. `in_project` has the database see to the project of each row,
    for a table that has one. `is_bulk` is for points that come by the thousand and are looked up by their key.
    """
    for statement in (*protect(table, migrating_roles(), privileges), analyzed(table, is_bulk=is_bulk)):
        op.execute(statement)
    for statement in follow(table) if in_project else ():
        op.execute(statement)


def analyzed(table: str, *, is_bulk: bool = False) -> str:
    """The statement that keeps the statistics of a table fresh.

    By default a table is analyzed once a tenth of it has changed: a new organization in large tables would be one that
    the planner has never heard of for days, and it would read the whole organization for each row.
    """
    share, rows = (0.02, 50_000) if is_bulk else (0, 1_000)
    return (
        f"alter table {SCHEMA}.{table}"
        f" set (autovacuum_analyze_scale_factor = {share}, autovacuum_analyze_threshold = {rows})"
    )
