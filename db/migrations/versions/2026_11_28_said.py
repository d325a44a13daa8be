"""An index of the reports that name a version, which rules look for behind each value."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_28_said"
down_revision = "2026_11_25_roots"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "deployment_report_said_idx",
        "deployment_report",
        ["org_id", "deployment_id", "observed_at", "id"],
        schema="registry",
        postgresql_where=sa.text("observed_version_id is not null"),
    )


def downgrade() -> None:
    op.drop_index("deployment_report_said_idx", table_name="deployment_report", schema="registry")
