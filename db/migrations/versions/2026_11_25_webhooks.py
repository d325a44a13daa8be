"""Webhooks, the log of their deliveries, and what a worker sees of both."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from db.tenancy import migrating_roles, protect

revision = "2026_11_25_webhooks"
down_revision = "2026_11_25_event_routing"
branch_labels = None
depends_on = None

# Neither where a webhook goes nor what it is signed with.
SEEN = "org_id, id, deleted_at, state, cursor_seq, delivered_count, failed_count, failing_since"


def upgrade() -> None:
    op.create_table(
        "webhook",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("kinds", postgresql.JSONB(), nullable=False),
        sa.Column("only_project_id", sa.Uuid(), nullable=True),
        sa.Column("only_model_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("secret_made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("earlier_secret", sa.Text(), nullable=True),
        sa.Column("earlier_secret_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cursor_seq", sa.BigInteger(), nullable=False),
        sa.Column("delivered_count", sa.BigInteger(), nullable=False),
        sa.Column("failed_count", sa.BigInteger(), nullable=False),
        sa.Column("failures_in_a_row", sa.Integer(), nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_success_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(state = 'DISABLED') = (disabled_reason is not null)", name=op.f("webhook_reason_check")),
        sa.CheckConstraint(
            "num_nonnulls(earlier_secret, earlier_secret_until) in (0, 2)", name=op.f("webhook_earlier_secret_check")
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "created_by"],
            ["registry.principal.org_id", "registry.principal.id"],
            name=op.f("webhook_org_id_created_by_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "only_model_id"],
            ["registry.model.org_id", "registry.model.id"],
            name=op.f("webhook_org_id_only_model_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "only_project_id"],
            ["registry.project.org_id", "registry.project.id"],
            name=op.f("webhook_org_id_only_project_id_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("webhook_pk")),
        schema="registry",
    )
    op.create_index(
        "webhook_org_id_name_key",
        "webhook",
        ["org_id", "name"],
        unique=True,
        schema="registry",
        postgresql_where=sa.text("deleted_at is null"),
    )
    op.create_table(
        "webhook_delivery",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("webhook_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("redelivery_of", sa.Uuid(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["org_id", "webhook_id"],
            ["registry.webhook.org_id", "registry.webhook.id"],
            name=op.f("webhook_delivery_org_id_webhook_id_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("webhook_delivery_pk")),
        schema="registry",
    )
    op.create_index(
        op.f("webhook_delivery_created_at_ix"), "webhook_delivery", ["created_at"], unique=False, schema="registry"
    )
    op.create_index(
        op.f("webhook_delivery_org_id_webhook_id_id_ix"),
        "webhook_delivery",
        ["org_id", "webhook_id", "id"],
        unique=False,
        schema="registry",
    )
    op.create_index(
        "webhook_delivery_sequence_key",
        "webhook_delivery",
        ["org_id", "webhook_id", "sequence"],
        unique=True,
        schema="registry",
        postgresql_where=sa.text("redelivery_of is null"),
    )

    roles = migrating_roles()
    for table in ("webhook", "webhook_delivery"):
        for statement in protect(table, roles):
            op.execute(statement)
    op.execute(f"create policy worker on registry.webhook for select to {roles.worker} using (true)")
    op.execute(f"grant select ({SEEN}) on registry.webhook to {roles.worker}")
    op.execute(
        f"create policy forgotten on registry.webhook_delivery for all to {roles.worker}"
        " using (created_at < now() - interval '30 days' and state <> 'PENDING')"
    )
    op.execute(f"grant select (org_id, id, created_at, state), delete on registry.webhook_delivery to {roles.worker}")
    op.execute(f"grant insert on registry.job to {roles.worker}")


def downgrade() -> None:
    op.execute(f"revoke insert on registry.job from {migrating_roles().worker}")
    op.drop_index(
        "webhook_delivery_sequence_key",
        table_name="webhook_delivery",
        schema="registry",
        postgresql_where=sa.text("redelivery_of is null"),
    )
    op.drop_index(op.f("webhook_delivery_org_id_webhook_id_id_ix"), table_name="webhook_delivery", schema="registry")
    op.drop_index(op.f("webhook_delivery_created_at_ix"), table_name="webhook_delivery", schema="registry")
    op.drop_table("webhook_delivery", schema="registry")
    op.drop_index(
        "webhook_org_id_name_key",
        table_name="webhook",
        schema="registry",
        postgresql_where=sa.text("deleted_at is null"),
    )
    op.drop_table("webhook", schema="registry")
