"""The outcomes of many changes under one idempotency key."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_24_batches"
down_revision = "2026_11_24_orders"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("idempotency", sa.Column("outcome_ids", sa.ARRAY(sa.Uuid()), nullable=True), schema="registry")


def downgrade() -> None:
    op.drop_column("idempotency", "outcome_ids", schema="registry")
