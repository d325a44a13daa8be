"""Keys of imports know whether the row came by them or was here before."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_25_import_brought"
down_revision = "2026_11_25_alias_history"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Nobody knows any more of earlier keys: they stay what they were taken for. The default stays: a server of the
    # release before knows nothing of this column.
    brought: sa.Column[bool] = sa.Column("brought", sa.Boolean(), nullable=False, server_default=sa.text("true"))
    op.add_column("import_key", brought, schema="registry")


def downgrade() -> None:
    op.drop_column("import_key", "brought", schema="registry")
