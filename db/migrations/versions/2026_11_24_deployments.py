"""Environments, deployments, what was wanted of them, and what agents saw and measured there."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from db.tenancy import migrating_roles, protect

revision = "2026_11_24_deployments"
down_revision = "2026_11_24_deletion"
branch_labels = None
depends_on = None

CHANGEABLE = ("environment", "deployment", "deployment_metric")
KEPT = ("deployment_change", "deployment_report")


def upgrade() -> None:
    op.create_table(
        "environment",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("tags", postgresql.JSONB(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "created_by"],
            ["registry.principal.org_id", "registry.principal.id"],
            name=op.f("environment_org_id_created_by_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("environment_pk")),
        schema="registry",
    )
    op.create_index(
        "environment_org_id_name_key",
        "environment",
        ["org_id", "name"],
        unique=True,
        schema="registry",
        postgresql_where=sa.text("deleted_at is null"),
    )
    op.create_table(
        "deployment",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("environment_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("desired_state", sa.Text(), nullable=False),
        sa.Column("traffic_percent", sa.Float(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=True),
        sa.Column("tags", postgresql.JSONB(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("observed_state", sa.Text(), nullable=False),
        sa.Column("observed_version_id", sa.Uuid(), nullable=True),
        sa.Column("health", sa.Text(), nullable=False),
        sa.Column("health_message", sa.Text(), nullable=True),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("traffic_percent between 0 and 100", name=op.f("deployment_share_check")),
        sa.ForeignKeyConstraint(
            ["org_id", "created_by"],
            ["registry.principal.org_id", "registry.principal.id"],
            name=op.f("deployment_org_id_created_by_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "environment_id"],
            ["registry.environment.org_id", "registry.environment.id"],
            name=op.f("deployment_org_id_environment_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "model_id", "observed_version_id"],
            ["registry.version.org_id", "registry.version.model_id", "registry.version.id"],
            name=op.f("deployment_org_id_model_id_observed_version_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "model_id", "version_id"],
            ["registry.version.org_id", "registry.version.model_id", "registry.version.id"],
            name=op.f("deployment_org_id_model_id_version_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "model_id"],
            ["registry.model.org_id", "registry.model.id"],
            name=op.f("deployment_org_id_model_id_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("deployment_pk")),
        schema="registry",
    )
    op.create_index(
        op.f("deployment_org_id_environment_id_id_ix"),
        "deployment",
        ["org_id", "environment_id", "id"],
        unique=False,
        schema="registry",
    )
    op.create_index(
        "deployment_org_id_environment_id_name_key",
        "deployment",
        ["org_id", "environment_id", "name"],
        unique=True,
        schema="registry",
        postgresql_where=sa.text("deleted_at is null"),
    )
    op.create_index(
        op.f("deployment_org_id_model_id_id_ix"),
        "deployment",
        ["org_id", "model_id", "id"],
        unique=False,
        schema="registry",
    )
    op.create_index(
        op.f("deployment_org_id_version_id_id_ix"),
        "deployment",
        ["org_id", "version_id", "id"],
        unique=False,
        schema="registry",
    )
    op.create_table(
        "deployment_change",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deployment_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("desired_state", sa.Text(), nullable=False),
        sa.Column("traffic_percent", sa.Float(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "created_by"],
            ["registry.principal.org_id", "registry.principal.id"],
            name=op.f("deployment_change_org_id_created_by_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "deployment_id"],
            ["registry.deployment.org_id", "registry.deployment.id"],
            name=op.f("deployment_change_org_id_deployment_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "version_id"],
            ["registry.version.org_id", "registry.version.id"],
            name=op.f("deployment_change_org_id_version_id_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("deployment_change_pk")),
        sa.UniqueConstraint(
            "org_id", "deployment_id", "revision", name=op.f("deployment_change_org_id_deployment_id_revision_key")
        ),
        schema="registry",
    )
    op.create_table(
        "deployment_metric",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deployment_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("special", sa.Text(), nullable=True),
        sa.Column("measured_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(value is null) = (special is not null)", name=op.f("deployment_metric_value_check")),
        sa.ForeignKeyConstraint(
            ["org_id", "deployment_id"],
            ["registry.deployment.org_id", "registry.deployment.id"],
            name=op.f("deployment_metric_org_id_deployment_id_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("deployment_metric_pk")),
        sa.UniqueConstraint(
            "org_id",
            "deployment_id",
            "name",
            "measured_at",
            name=op.f("deployment_metric_org_id_deployment_id_name_measured_at_key"),
        ),
        schema="registry",
    )
    op.create_index(
        op.f("deployment_metric_org_id_deployment_id_measured_at_id_ix"),
        "deployment_metric",
        ["org_id", "deployment_id", "measured_at", "id"],
        unique=False,
        schema="registry",
    )
    op.create_table(
        "deployment_report",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deployment_id", sa.Uuid(), nullable=False),
        sa.Column("observed_state", sa.Text(), nullable=False),
        sa.Column("observed_version_id", sa.Uuid(), nullable=True),
        sa.Column("health", sa.Text(), nullable=False),
        sa.Column("health_message", sa.Text(), nullable=True),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "created_by"],
            ["registry.principal.org_id", "registry.principal.id"],
            name=op.f("deployment_report_org_id_created_by_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "deployment_id"],
            ["registry.deployment.org_id", "registry.deployment.id"],
            name=op.f("deployment_report_org_id_deployment_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "observed_version_id"],
            ["registry.version.org_id", "registry.version.id"],
            name=op.f("deployment_report_org_id_observed_version_id_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("deployment_report_pk")),
        sa.UniqueConstraint("org_id", "deployment_id", "created_by", "observed_at", name="deployment_report_key"),
        schema="registry",
    )
    op.create_index(
        op.f("deployment_report_org_id_deployment_id_id_ix"),
        "deployment_report",
        ["org_id", "deployment_id", "id"],
        unique=False,
        schema="registry",
    )
    for table in CHANGEABLE:
        for statement in protect(table, migrating_roles()):
            op.execute(statement)
    for table in KEPT:
        for statement in protect(table, migrating_roles(), ("select", "insert")):
            op.execute(statement)


def downgrade() -> None:
    op.drop_index(
        op.f("deployment_report_org_id_deployment_id_id_ix"), table_name="deployment_report", schema="registry"
    )
    op.drop_table("deployment_report", schema="registry")
    op.drop_index(
        op.f("deployment_metric_org_id_deployment_id_measured_at_id_ix"),
        table_name="deployment_metric",
        schema="registry",
    )
    op.drop_table("deployment_metric", schema="registry")
    op.drop_table("deployment_change", schema="registry")
    op.drop_index(op.f("deployment_org_id_version_id_id_ix"), table_name="deployment", schema="registry")
    op.drop_index(op.f("deployment_org_id_model_id_id_ix"), table_name="deployment", schema="registry")
    op.drop_index(
        "deployment_org_id_environment_id_name_key",
        table_name="deployment",
        schema="registry",
        postgresql_where=sa.text("deleted_at is null"),
    )
    op.drop_index(op.f("deployment_org_id_environment_id_id_ix"), table_name="deployment", schema="registry")
    op.drop_table("deployment", schema="registry")
    op.drop_index(
        "environment_org_id_name_key",
        table_name="environment",
        schema="registry",
        postgresql_where=sa.text("deleted_at is null"),
    )
    op.drop_table("environment", schema="registry")
