"""One job for the pings and redeliveries of a webhook; which report measured a value; who removed a policy, and why."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_25_fairness"
down_revision = "2026_11_25_origin"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "webhook_delivery_pending_ix",
        "webhook_delivery",
        ["org_id", "webhook_id", "id"],
        unique=False,
        schema="registry",
        postgresql_where=sa.text("state = 'PENDING'"),
    )
    # What waits is sent by a job of its webhook from now on, no longer by one of its own.
    op.execute("""
        insert into registry.job (org_id, id, created_at, kind, subject_id, run_after, attempts)
        select d.org_id, gen_random_uuid(), now(), 'SEND_DELIVERY', d.webhook_id, now(), 0
          from registry.webhook_delivery d
          join registry.job j on j.org_id = d.org_id and j.kind = 'SEND_DELIVERY' and j.subject_id = d.id
         group by d.org_id, d.webhook_id
        on conflict (org_id, kind, subject_id) do nothing
    """)
    op.execute("""
        delete from registry.job j using registry.webhook_delivery d
         where j.kind = 'SEND_DELIVERY' and d.org_id = j.org_id and d.id = j.subject_id
    """)
    op.add_column("deployment_metric", sa.Column("report_id", sa.Uuid(), nullable=True), schema="registry")
    op.create_foreign_key(
        op.f("deployment_metric_org_id_report_id_fk"),
        "deployment_metric",
        "deployment_report",
        ["org_id", "report_id"],
        ["org_id", "id"],
        source_schema="registry",
        referent_schema="registry",
    )
    op.add_column(
        "promotion_policy_revision",
        sa.Column("is_removal", sa.Boolean(), server_default=sa.false(), nullable=False),
        schema="registry",
    )
    op.alter_column("promotion_policy_revision", "is_removal", server_default=None, schema="registry")


def downgrade() -> None:
    op.drop_column("promotion_policy_revision", "is_removal", schema="registry")
    op.drop_constraint(
        op.f("deployment_metric_org_id_report_id_fk"), "deployment_metric", schema="registry", type_="foreignkey"
    )
    op.drop_column("deployment_metric", "report_id", schema="registry")
    op.drop_index(
        "webhook_delivery_pending_ix",
        table_name="webhook_delivery",
        schema="registry",
        postgresql_where=sa.text("state = 'PENDING'"),
    )
