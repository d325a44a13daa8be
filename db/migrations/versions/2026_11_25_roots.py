"""Indexes behind lists of the whole organisation and of principals."""

from alembic import op

revision = "2026_11_25_roots"
down_revision = "2026_11_25_search_parts"
branch_labels = None
depends_on = None

INDEXES = (
    ("artifact", "sha256"),
    ("dataset_version", "digest"),
    ("model", "owner_id"),
    ("version", "created_by"),
    ("version", "stage"),
)


def upgrade() -> None:
    for table, column in INDEXES:
        name = op.f(f"{table}_org_id_{column}_id_ix")
        op.create_index(name, table, ["org_id", column, "id"], schema="registry")


def downgrade() -> None:
    for table, column in reversed(INDEXES):
        op.drop_index(op.f(f"{table}_org_id_{column}_id_ix"), table_name=table, schema="registry")
