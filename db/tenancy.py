"""Row-level security as statements: what every migration that makes a table has to run."""

from collections.abc import Sequence

from alembic import op

from db.base import SCHEMA
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
    """The statements that confine `app` to the rows of its organisation in a table of the registry.

    Forced, so that not even the owner reads past the policy. Only what the rules need is granted.
    """
    name, own = f"{SCHEMA}.{table}", f"(org_id = {CURRENT_ORG})"
    return [
        f"alter table {name} enable row level security",
        f"alter table {name} force row level security",
        f"create policy tenant on {name} to {roles.app} using {own} with check {own}",
        f"grant {', '.join(privileges)} on {name} to {roles.app}",
    ]
