"""Indexes that give the edges at either end of the lineage in their order."""

from alembic import op

revision = "2026_11_25_uses"
down_revision = "2026_11_25_search_parents"
branch_labels = None
depends_on = None

ENDS = ("upstream_id", "downstream_id")


def upgrade() -> None:
    for end in ENDS:
        name = op.f(f"lineage_edge_org_id_{end}_id_ix")
        op.create_index(name, "lineage_edge", ["org_id", end, "id"], schema="registry")
        op.drop_index(op.f(f"lineage_edge_org_id_{end}_ix"), table_name="lineage_edge", schema="registry")


def downgrade() -> None:
    for end in ENDS:
        op.create_index(op.f(f"lineage_edge_org_id_{end}_ix"), "lineage_edge", ["org_id", end], schema="registry")
        op.drop_index(op.f(f"lineage_edge_org_id_{end}_id_ix"), table_name="lineage_edge", schema="registry")
