"""Deletion that can be undone: a deleted row keeps its id and frees its name.

The way back fails while a name is shared by a deleted row and another: it would have to choose which of them loses it.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_24_deletion"
down_revision = "2026_11_23_aliases"
branch_labels = None
depends_on = None

DELETABLE = ("artifact", "dataset", "dataset_version", "experiment", "model", "project", "run", "team", "version")
UNIQUE = {
    "dataset": ("project_id", "name"),
    "dataset_version": ("dataset_id", "digest"),
    "experiment": ("project_id", "name"),
    "model": ("project_id", "name"),
    "project": ("team_id", "name"),
    "team": ("name",),
}
PATH_KEYS = {"artifact_run_path_key": "run_id", "artifact_version_path_key": "version_id"}
TAKES_ITS_PATH = "state not in ('QUARANTINED', 'ABANDONED')"


def upgrade() -> None:
    for table in DELETABLE:
        op.add_column(table, sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True), schema="registry")
    for table, names in UNIQUE.items():
        op.drop_constraint(_key(table, names), table, schema="registry", type_="unique")
        _unique_index(_key(table, names), table, names, "deleted_at is null")
    for name, owner in PATH_KEYS.items():
        op.drop_index(name, table_name="artifact", schema="registry")
        _unique_index(name, "artifact", (owner, "folded_path"), f"{TAKES_ITS_PATH} and deleted_at is null")


def downgrade() -> None:
    for name, owner in PATH_KEYS.items():
        op.drop_index(name, table_name="artifact", schema="registry")
        _unique_index(name, "artifact", (owner, "folded_path"), TAKES_ITS_PATH)
    for table, names in UNIQUE.items():
        op.drop_index(_key(table, names), table_name=table, schema="registry")
        op.create_unique_constraint(_key(table, names), table, ["org_id", *names], schema="registry")
    for table in DELETABLE:
        op.drop_column(table, "deleted_at", schema="registry")


def _key(table: str, names: tuple[str, ...]) -> str:
    return op.f(f"{table}_org_id_{'_'.join(names)}_key")


def _unique_index(name: str, table: str, names: tuple[str, ...], where: str) -> None:
    op.create_index(name, table, ["org_id", *names], unique=True, schema="registry", postgresql_where=sa.text(where))
