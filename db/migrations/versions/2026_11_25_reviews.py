"""Who approved a request may still reject it: one review of each decision for each person."""

from alembic import op

revision = "2026_11_25_reviews"
down_revision = "2026_11_25_automation"
branch_labels = None
depends_on = None

_BEFORE = "promotion_review_org_id_request_id_created_by_key"
_AFTER = "promotion_review_org_id_request_id_created_by_decision_key"


def upgrade() -> None:
    """Apply."""
    op.create_unique_constraint(
        op.f(_AFTER), "promotion_review", ["org_id", "request_id", "created_by", "decision"], schema="registry"
    )
    op.drop_constraint(op.f(_BEFORE), "promotion_review", schema="registry", type_="unique")


def downgrade() -> None:
    """Undo."""
    op.create_unique_constraint(
        op.f(_BEFORE), "promotion_review", ["org_id", "request_id", "created_by"], schema="registry"
    )
    op.drop_constraint(op.f(_AFTER), "promotion_review", schema="registry", type_="unique")
