"""The whole schema as it was before the first release: tables, functions, triggers, policies and grants."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from alembic import op

from db.roles import Roles
from db.tenancy import analyzed, migrating_roles, tenant_table

revision = "2026_12_01_baseline"
down_revision = None
branch_labels = None
depends_on = None

READ, ADD, CHANGE, REMOVE = "select", "insert", "update", "delete"
TABLES: Final = {
    "organizations": ("organization", "team", "project", "principal", "api_token", "role_binding"),
    "contents": ("signature", "runtime", "dataset_schema"),
    "datasets": ("dataset", "dataset_version", "dataset_profile"),
    "runs": ("experiment", "run", "run_metric", "resource_sample", "price"),
    "models": ("model", "model_version", "version_metric"),
    "artifacts": ("blob", "artifact", "upload"),
    "deployments": ("environment", "deployment", "deployment_change", "deployment_report", "deployment_metric"),
    "promotion": (
        "automation_rule",
        "promotion_policy",
        "promotion_policy_revision",
        "promotion_request",
        "promotion_review",
        "version_check",
        "transition",
        "slot",
        "slot_revision",
        "automation_firing",
    ),
    "aliases": ("alias", "alias_revision"),
    "graph": ("lineage_edge", "search_document"),
    "webhooks": ("webhook", "webhook_delivery"),
    "work": ("job", "import_key", "import_progress", "idempotency"),
}
"""The files of `db/migrations/sql` that make tables, each with its tables, in an order that foreign keys allow."""
REST: Final = ("events", "projects", "search", "access")
"""The files with everything else."""
# Others are read, added to and changed.
PRIVILEGES: Final = {
    "role_binding": (READ, ADD, REMOVE),
    "alias": (READ, ADD, CHANGE, REMOVE),
    "job": (READ, ADD, CHANGE, REMOVE),
    "import_progress": (READ, ADD, CHANGE, REMOVE),
    "automation_firing": (READ, ADD),
    "deployment_change": (READ, ADD),
    "deployment_report": (READ, ADD),
    "promotion_policy_revision": (READ, ADD),
    "promotion_review": (READ, ADD),
    "transition": (READ, ADD),
    "version_check": (READ, ADD),
}
# Points and samples come by the thousand and are only ever looked up through their primary key.
BULK: Final = ("run_metric", "version_metric", "resource_sample")
_FUNCTIONS: Final = """
do $$
declare
  v_function text;
begin
  for v_function in
    select oid::regprocedure from pg_proc where pronamespace in ('registry'::regnamespace, 'ev'::regnamespace)
  loop
    execute format('drop function %s', v_function);
  end loop;
end $$
"""


def upgrade() -> None:
    roles = migrating_roles()
    for name in (*TABLES, *REST):
        for statement in statements(name, roles):
            op.get_bind().exec_driver_sql(statement)
    for table in _tables():
        tenant_table(table, PRIVILEGES.get(table, (READ, ADD, CHANGE)), is_bulk=table in BULK)
    op.execute(analyzed("alembic_version"))


def downgrade() -> None:
    roles = migrating_roles()
    tables = [f"registry.{table}" for table in _tables()]
    op.execute(f"drop table {', '.join((*tables, 'ev.event', 'ev.stream', 'ev.origin'))}")
    op.execute(_FUNCTIONS)
    op.execute(
        "alter table registry.alembic_version reset (autovacuum_analyze_scale_factor, autovacuum_analyze_threshold)"
    )
    op.execute(f"revoke select on registry.alembic_version from {roles.app}, {roles.worker}")
    for schema in ("registry", "ev"):
        op.execute(f"revoke usage on schema {schema} from {roles.app}, {roles.worker}")


def _tables() -> list[str]:
    return [table for tables in TABLES.values() for table in tables]


def statements(name: str, roles: Roles) -> Iterator[str]:
    """The statements of a file, in order. They name the roles as a default installation does."""
    text = (Path(__file__).parents[1] / "sql" / f"{name}.sql").read_text()
    for role, own in zip(Roles().all, roles.all, strict=True):
        text = text.replace(role, own)
    lines: list[str] = []
    for line in text.splitlines():
        lines.append(line)
        # The body of a function has statements of its own.
        if line.endswith(";") and "\n".join(lines).count("$$") % 2 == 0:
            yield "\n".join(lines)
            lines = []
