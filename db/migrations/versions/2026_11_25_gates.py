"""Policies with their gates, requests for promotion with their reviews, and reports of checks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from db.tenancy import migrating_roles, protect

revision = "2026_11_25_gates"
down_revision = "2026_11_25_promotion"
branch_labels = None
depends_on = None

GRANTED = {
    "promotion_policy": ("select", "insert", "update"),
    "promotion_policy_revision": ("select", "insert"),
    "promotion_request": ("select", "insert", "update"),
    "promotion_review": ("select", "insert"),
    "version_check": ("select", "insert"),
}


def upgrade() -> None:
    op.create_table(
        "promotion_policy",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=True),
        sa.Column("model_id", sa.Uuid(), nullable=True),
        sa.Column("stage", sa.Text(), nullable=True),
        sa.Column("alias", sa.Text(collation="C"), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("gates", postgresql.JSONB(), nullable=False),
        sa.Column("is_automatic", sa.Boolean(), nullable=False),
        sa.Column("request_expires_s", sa.Integer(), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("num_nonnulls(project_id, model_id) <= 1", name=op.f("promotion_policy_one_scope_check")),
        sa.CheckConstraint("num_nonnulls(stage, alias) = 1", name=op.f("promotion_policy_one_target_check")),
        sa.ForeignKeyConstraint(
            ["org_id", "created_by"],
            ["registry.principal.org_id", "registry.principal.id"],
            name=op.f("promotion_policy_org_id_created_by_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "model_id"],
            ["registry.model.org_id", "registry.model.id"],
            name=op.f("promotion_policy_org_id_model_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "project_id"],
            ["registry.project.org_id", "registry.project.id"],
            name=op.f("promotion_policy_org_id_project_id_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("promotion_policy_pk")),
        schema="registry",
    )
    op.create_index(
        "promotion_policy_key",
        "promotion_policy",
        ["org_id", "model_id", "project_id", "stage", "alias"],
        unique=True,
        schema="registry",
        postgresql_where=sa.text("removed_at is null"),
        postgresql_nulls_not_distinct=True,
    )
    op.create_index(
        op.f("promotion_policy_org_id_model_id_id_ix"),
        "promotion_policy",
        ["org_id", "model_id", "id"],
        unique=False,
        schema="registry",
    )
    op.create_index(
        op.f("promotion_policy_org_id_project_id_id_ix"),
        "promotion_policy",
        ["org_id", "project_id", "id"],
        unique=False,
        schema="registry",
    )
    op.create_table(
        "promotion_policy_revision",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("policy_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("gates", postgresql.JSONB(), nullable=False),
        sa.Column("is_automatic", sa.Boolean(), nullable=False),
        sa.Column("request_expires_s", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "created_by"],
            ["registry.principal.org_id", "registry.principal.id"],
            name=op.f("promotion_policy_revision_org_id_created_by_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "policy_id"],
            ["registry.promotion_policy.org_id", "registry.promotion_policy.id"],
            name=op.f("promotion_policy_revision_org_id_policy_id_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("promotion_policy_revision_pk")),
        sa.UniqueConstraint(
            "org_id", "policy_id", "revision", name=op.f("promotion_policy_revision_org_id_policy_id_revision_key")
        ),
        schema="registry",
    )
    op.create_table(
        "promotion_request",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=True),
        sa.Column("alias", sa.Text(collation="C"), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("target_revision", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.CheckConstraint("num_nonnulls(stage, alias) = 1", name=op.f("promotion_request_one_target_check")),
        sa.ForeignKeyConstraint(
            ["org_id", "created_by"],
            ["registry.principal.org_id", "registry.principal.id"],
            name=op.f("promotion_request_org_id_created_by_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "model_id", "version_id"],
            ["registry.version.org_id", "registry.version.model_id", "registry.version.id"],
            name=op.f("promotion_request_org_id_model_id_version_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "model_id"],
            ["registry.model.org_id", "registry.model.id"],
            name=op.f("promotion_request_org_id_model_id_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("promotion_request_pk")),
        schema="registry",
    )
    op.create_index(
        "promotion_request_open_key",
        "promotion_request",
        ["org_id", "version_id", "stage", "alias"],
        unique=True,
        schema="registry",
        postgresql_where=sa.text("state = 'OPEN'"),
        postgresql_nulls_not_distinct=True,
    )
    op.create_index(
        op.f("promotion_request_org_id_model_id_id_ix"),
        "promotion_request",
        ["org_id", "model_id", "id"],
        unique=False,
        schema="registry",
    )
    op.create_index(
        op.f("promotion_request_org_id_state_id_ix"),
        "promotion_request",
        ["org_id", "state", "id"],
        unique=False,
        schema="registry",
    )
    op.create_index(
        op.f("promotion_request_org_id_version_id_id_ix"),
        "promotion_request",
        ["org_id", "version_id", "id"],
        unique=False,
        schema="registry",
    )
    op.create_table(
        "version_check",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "created_by"],
            ["registry.principal.org_id", "registry.principal.id"],
            name=op.f("version_check_org_id_created_by_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "model_id", "version_id"],
            ["registry.version.org_id", "registry.version.model_id", "registry.version.id"],
            name=op.f("version_check_org_id_model_id_version_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "model_id"],
            ["registry.model.org_id", "registry.model.id"],
            name=op.f("version_check_org_id_model_id_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("version_check_pk")),
        schema="registry",
    )
    op.create_index(
        op.f("version_check_org_id_version_id_id_ix"),
        "version_check",
        ["org_id", "version_id", "id"],
        unique=False,
        schema="registry",
    )
    op.create_index(
        op.f("version_check_org_id_version_id_name_id_ix"),
        "version_check",
        ["org_id", "version_id", "name", "id"],
        unique=False,
        schema="registry",
    )
    op.create_table(
        "promotion_review",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "created_by"],
            ["registry.principal.org_id", "registry.principal.id"],
            name=op.f("promotion_review_org_id_created_by_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "request_id"],
            ["registry.promotion_request.org_id", "registry.promotion_request.id"],
            name=op.f("promotion_review_org_id_request_id_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("promotion_review_pk")),
        sa.UniqueConstraint(
            "org_id", "request_id", "created_by", name=op.f("promotion_review_org_id_request_id_created_by_key")
        ),
        schema="registry",
    )
    op.create_index(
        op.f("promotion_review_org_id_request_id_id_ix"),
        "promotion_review",
        ["org_id", "request_id", "id"],
        unique=False,
        schema="registry",
    )
    op.add_column("transition", sa.Column("request_id", sa.Uuid(), nullable=True), schema="registry")
    op.add_column("transition", sa.Column("policy_id", sa.Uuid(), nullable=True), schema="registry")
    op.add_column("transition", sa.Column("policy_revision", sa.Integer(), nullable=True), schema="registry")
    op.add_column("transition", sa.Column("digest", sa.Text(), nullable=True), schema="registry")
    # What went before had no gates.
    verdicts = sa.Column("verdicts", postgresql.JSONB(), nullable=False, server_default=sa.text("'[]'"))
    op.add_column("transition", verdicts, schema="registry")
    op.alter_column("transition", "verdicts", server_default=None, schema="registry")
    op.create_unique_constraint(
        op.f("transition_org_id_request_id_key"), "transition", ["org_id", "request_id"], schema="registry"
    )
    op.create_foreign_key(
        op.f("transition_org_id_policy_id_fk"),
        "transition",
        "promotion_policy",
        ["org_id", "policy_id"],
        ["org_id", "id"],
        source_schema="registry",
        referent_schema="registry",
    )
    op.create_foreign_key(
        op.f("transition_org_id_request_id_fk"),
        "transition",
        "promotion_request",
        ["org_id", "request_id"],
        ["org_id", "id"],
        source_schema="registry",
        referent_schema="registry",
    )
    roles = migrating_roles()
    for table, privileges in GRANTED.items():
        for statement in protect(table, roles, privileges):
            op.execute(statement)


def downgrade() -> None:
    op.drop_constraint(op.f("transition_org_id_request_id_fk"), "transition", schema="registry", type_="foreignkey")
    op.drop_constraint(op.f("transition_org_id_policy_id_fk"), "transition", schema="registry", type_="foreignkey")
    op.drop_constraint(op.f("transition_org_id_request_id_key"), "transition", schema="registry", type_="unique")
    op.drop_column("transition", "verdicts", schema="registry")
    op.drop_column("transition", "digest", schema="registry")
    op.drop_column("transition", "policy_revision", schema="registry")
    op.drop_column("transition", "policy_id", schema="registry")
    op.drop_column("transition", "request_id", schema="registry")
    op.drop_index(op.f("promotion_review_org_id_request_id_id_ix"), table_name="promotion_review", schema="registry")
    op.drop_table("promotion_review", schema="registry")
    op.drop_index(op.f("version_check_org_id_version_id_name_id_ix"), table_name="version_check", schema="registry")
    op.drop_index(op.f("version_check_org_id_version_id_id_ix"), table_name="version_check", schema="registry")
    op.drop_table("version_check", schema="registry")
    op.drop_index(op.f("promotion_request_org_id_version_id_id_ix"), table_name="promotion_request", schema="registry")
    op.drop_index(op.f("promotion_request_org_id_state_id_ix"), table_name="promotion_request", schema="registry")
    op.drop_index(op.f("promotion_request_org_id_model_id_id_ix"), table_name="promotion_request", schema="registry")
    op.drop_index(
        "promotion_request_open_key",
        table_name="promotion_request",
        schema="registry",
        postgresql_where=sa.text("state = 'OPEN'"),
        postgresql_nulls_not_distinct=True,
    )
    op.drop_table("promotion_request", schema="registry")
    op.drop_table("promotion_policy_revision", schema="registry")
    op.drop_index(op.f("promotion_policy_org_id_project_id_id_ix"), table_name="promotion_policy", schema="registry")
    op.drop_index(op.f("promotion_policy_org_id_model_id_id_ix"), table_name="promotion_policy", schema="registry")
    op.drop_index(
        "promotion_policy_key",
        table_name="promotion_policy",
        schema="registry",
        postgresql_where=sa.text("removed_at is null"),
        postgresql_nulls_not_distinct=True,
    )
    op.drop_table("promotion_policy", schema="registry")
