"""Automation rules, what each of them did, and which of them made a transition."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from db.tenancy import migrating_roles, protect

revision = "2026_11_25_automation"
down_revision = "2026_11_25_webhooks"
branch_labels = None
depends_on = None

GRANTED = {
    "automation_rule": ("select", "insert", "update"),
    "automation_firing": ("select", "insert"),
}


def upgrade() -> None:
    op.create_table(
        "automation_rule",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("metric", sa.Text(collation="C"), nullable=True),
        sa.Column("minimum", sa.Float(), nullable=True),
        sa.Column("maximum", sa.Float(), nullable=True),
        sa.Column("reports", sa.Integer(), nullable=True),
        sa.Column("environment_id", sa.Uuid(), nullable=True),
        sa.Column("cool_down_s", sa.Integer(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("set_by", sa.Uuid(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "created_by"],
            ["registry.principal.org_id", "registry.principal.id"],
            name=op.f("automation_rule_org_id_created_by_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "environment_id"],
            ["registry.environment.org_id", "registry.environment.id"],
            name=op.f("automation_rule_org_id_environment_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "model_id"],
            ["registry.model.org_id", "registry.model.id"],
            name=op.f("automation_rule_org_id_model_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "set_by"],
            ["registry.principal.org_id", "registry.principal.id"],
            name=op.f("automation_rule_org_id_set_by_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("automation_rule_pk")),
        schema="registry",
    )
    op.create_index(
        "automation_rule_key",
        "automation_rule",
        ["org_id", "model_id", "name"],
        unique=True,
        schema="registry",
        postgresql_where=sa.text("removed_at is null"),
    )
    op.create_index(
        op.f("automation_rule_org_id_model_id_id_ix"),
        "automation_rule",
        ["org_id", "model_id", "id"],
        unique=False,
        schema="registry",
    )
    op.create_table(
        "automation_firing",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("rule_id", sa.Uuid(), nullable=False),
        sa.Column("rule_revision", sa.Integer(), nullable=False),
        sa.Column("slot_revision", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("measured", postgresql.JSONB(), nullable=False),
        sa.Column("deployment_id", sa.Uuid(), nullable=True),
        sa.Column("transition_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["org_id", "deployment_id"],
            ["registry.deployment.org_id", "registry.deployment.id"],
            name=op.f("automation_firing_org_id_deployment_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "model_id", "version_id"],
            ["registry.version.org_id", "registry.version.model_id", "registry.version.id"],
            name=op.f("automation_firing_org_id_model_id_version_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "model_id"],
            ["registry.model.org_id", "registry.model.id"],
            name=op.f("automation_firing_org_id_model_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "rule_id"],
            ["registry.automation_rule.org_id", "registry.automation_rule.id"],
            name=op.f("automation_firing_org_id_rule_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "transition_id"],
            ["registry.transition.org_id", "registry.transition.id"],
            name=op.f("automation_firing_org_id_transition_id_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("automation_firing_pk")),
        sa.UniqueConstraint("org_id", "rule_id", "rule_revision", "slot_revision", name="automation_firing_key"),
        sa.UniqueConstraint("org_id", "transition_id", name=op.f("automation_firing_org_id_transition_id_key")),
        schema="registry",
    )
    op.create_index(
        op.f("automation_firing_org_id_model_id_id_ix"),
        "automation_firing",
        ["org_id", "model_id", "id"],
        unique=False,
        schema="registry",
    )
    op.create_index(
        op.f("automation_firing_org_id_rule_id_id_ix"),
        "automation_firing",
        ["org_id", "rule_id", "id"],
        unique=False,
        schema="registry",
    )
    op.create_index(
        op.f("deployment_report_org_id_deployment_id_observed_at_id_ix"),
        "deployment_report",
        ["org_id", "deployment_id", "observed_at", "id"],
        unique=False,
        schema="registry",
    )
    op.add_column("transition", sa.Column("automation_rule_id", sa.Uuid(), nullable=True), schema="registry")
    op.create_foreign_key(
        op.f("transition_org_id_automation_rule_id_fk"),
        "transition",
        "automation_rule",
        ["org_id", "automation_rule_id"],
        ["org_id", "id"],
        source_schema="registry",
        referent_schema="registry",
    )
    roles = migrating_roles()
    for table, privileges in GRANTED.items():
        for statement in protect(table, roles, privileges):
            op.execute(statement)


def downgrade() -> None:
    op.drop_constraint(
        op.f("transition_org_id_automation_rule_id_fk"), "transition", schema="registry", type_="foreignkey"
    )
    op.drop_column("transition", "automation_rule_id", schema="registry")
    op.drop_index(
        op.f("deployment_report_org_id_deployment_id_observed_at_id_ix"),
        table_name="deployment_report",
        schema="registry",
    )
    op.drop_index(op.f("automation_firing_org_id_rule_id_id_ix"), table_name="automation_firing", schema="registry")
    op.drop_index(op.f("automation_firing_org_id_model_id_id_ix"), table_name="automation_firing", schema="registry")
    op.drop_table("automation_firing", schema="registry")
    op.drop_index(op.f("automation_rule_org_id_model_id_id_ix"), table_name="automation_rule", schema="registry")
    op.drop_index(
        "automation_rule_key",
        table_name="automation_rule",
        schema="registry",
        postgresql_where=sa.text("removed_at is null"),
    )
    op.drop_table("automation_rule", schema="registry")
