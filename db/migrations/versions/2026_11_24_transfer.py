"""Imports: which rows the keys of a file stand for, and how far an import has come."""

import sqlalchemy as sa
from alembic import op

from db.tenancy import migrating_roles, protect

revision = "2026_11_24_transfer"
down_revision = "2026_11_24_measures"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "import_key",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("row_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "source", "kind", "key", name=op.f("import_key_pk")),
        schema="registry",
    )
    op.create_table(
        "import_progress",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(collation="C"), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("line_count", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "source", name=op.f("import_progress_pk")),
        schema="registry",
    )
    roles = migrating_roles()
    for statement in protect("import_key", roles):
        op.execute(statement)
    for statement in protect("import_progress", roles, ("select", "insert", "update", "delete")):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("import_progress", schema="registry")
    op.drop_table("import_key", schema="registry")
