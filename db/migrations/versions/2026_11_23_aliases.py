"""Aliases of models."""

import sqlalchemy as sa
from alembic import op

from db.tenancy import migrating_roles, protect

revision = "2026_11_23_aliases"
down_revision = "2026_11_23_experiments"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alias",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "created_by"],
            ["registry.principal.org_id", "registry.principal.id"],
            name=op.f("alias_org_id_created_by_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "model_id", "version_id"],
            ["registry.version.org_id", "registry.version.model_id", "registry.version.id"],
            name=op.f("alias_org_id_model_id_version_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "model_id"],
            ["registry.model.org_id", "registry.model.id"],
            name=op.f("alias_org_id_model_id_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("alias_pk")),
        sa.UniqueConstraint("org_id", "model_id", "name", name=op.f("alias_org_id_model_id_name_key")),
        schema="registry",
    )
    op.create_index(
        op.f("alias_org_id_version_id_id_ix"), "alias", ["org_id", "version_id", "id"], unique=False, schema="registry"
    )
    for statement in protect("alias", migrating_roles(), ("select", "insert", "update", "delete")):
        op.execute(statement)


def downgrade() -> None:
    op.drop_index(op.f("alias_org_id_version_id_id_ix"), table_name="alias", schema="registry")
    op.drop_table("alias", schema="registry")
