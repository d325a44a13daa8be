"""Indexes for the orders that long lists of models and runs are asked for in."""

from alembic import op

revision = "2026_11_24_orders"
down_revision = "2026_11_24_search"
branch_labels = None
depends_on = None

ORDERS = (
    ("model", "name"),
    ("model", "updated_at"),
    ("run", "experiment_id", "started_at"),
    ("run", "started_at"),
)


def upgrade() -> None:
    for table, *columns in ORDERS:
        name = op.f(f"{table}_org_id_{'_'.join(columns)}_id_ix")
        op.create_index(name, table, ["org_id", *columns, "id"], schema="registry")


def downgrade() -> None:
    for table, *columns in ORDERS:
        op.drop_index(op.f(f"{table}_org_id_{'_'.join(columns)}_id_ix"), table_name=table, schema="registry")
