"""Resource samples of runs, and prices of resources."""

import sqlalchemy as sa
from alembic import op

from db.tenancy import migrating_roles, protect

revision = "2026_11_24_measures"
down_revision = "2026_11_24_batches"
branch_labels = None
depends_on = None

BYTES = (
    "memory_bytes", "gpu_memory_bytes", "disk_read_bytes", "disk_written_bytes", "network_received_bytes",
    "network_sent_bytes",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "resource_sample",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("sampled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cpu_percent", sa.Float(), nullable=True),
        sa.Column("gpu_percent", sa.Float(), nullable=True),
        *[sa.Column(name, sa.BigInteger(), nullable=True) for name in BYTES],
        sa.ForeignKeyConstraint(
            ["org_id", "run_id"],
            ["registry.run.org_id", "registry.run.id"],
            name=op.f("resource_sample_org_id_run_id_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "run_id", "sampled_at", name=op.f("resource_sample_pk")),
        schema="registry",
    )
    op.create_table(
        "price",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("hardware", sa.Text(collation="C"), nullable=True),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.CheckConstraint("amount >= 0 and amount < 'Infinity'", name=op.f("price_amount_check")),
        sa.ForeignKeyConstraint(
            ["org_id", "created_by"],
            ["registry.principal.org_id", "registry.principal.id"],
            name=op.f("price_org_id_created_by_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("price_pk")),
        schema="registry",
    )
    op.create_index(
        "price_current_key",
        "price",
        ["org_id", "resource", "hardware"],
        unique=True,
        schema="registry",
        postgresql_where=sa.text("valid_to is null"),
        postgresql_nulls_not_distinct=True,
    )
    for table in ("resource_sample", "price"):
        for statement in protect(table, migrating_roles()):
            op.execute(statement)


def downgrade() -> None:
    op.drop_table("price", schema="registry")
    op.drop_table("resource_sample", schema="registry")
