"""Slots, what they held, and how versions went from stage to stage."""

import sqlalchemy as sa
from alembic import op

from db.tenancy import migrating_roles, protect

revision = "2026_11_25_promotion"
down_revision = "2026_11_25_uses"
branch_labels = None
depends_on = None

GRANTED = {
    "transition": ("select", "insert"),
    "slot": ("select", "insert", "update"),
    "slot_revision": ("select", "insert", "update"),
}


def upgrade() -> None:
    op.create_table(
        "transition",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("from_stage", sa.Text(), nullable=False),
        sa.Column("to_stage", sa.Text(), nullable=False),
        sa.Column("cause_id", sa.Uuid(), nullable=True),
        sa.Column("undone_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "cause_id"],
            ["registry.transition.org_id", "registry.transition.id"],
            name=op.f("transition_org_id_cause_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "created_by"],
            ["registry.principal.org_id", "registry.principal.id"],
            name=op.f("transition_org_id_created_by_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "model_id", "version_id"],
            ["registry.version.org_id", "registry.version.model_id", "registry.version.id"],
            name=op.f("transition_org_id_model_id_version_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "model_id"],
            ["registry.model.org_id", "registry.model.id"],
            name=op.f("transition_org_id_model_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "undone_id"],
            ["registry.transition.org_id", "registry.transition.id"],
            name=op.f("transition_org_id_undone_id_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("transition_pk")),
        sa.UniqueConstraint("org_id", "cause_id", name=op.f("transition_org_id_cause_id_key")),
        sa.UniqueConstraint("org_id", "model_id", "number", name=op.f("transition_org_id_model_id_number_key")),
        sa.UniqueConstraint("org_id", "undone_id", name=op.f("transition_org_id_undone_id_key")),
        schema="registry",
    )
    op.create_index(
        op.f("transition_org_id_created_at_id_ix"),
        "transition",
        ["org_id", "created_at", "id"],
        unique=False,
        schema="registry",
    )
    op.create_index(
        op.f("transition_org_id_version_id_number_ix"),
        "transition",
        ["org_id", "version_id", "number"],
        unique=False,
        schema="registry",
    )
    op.create_table(
        "slot",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("transition_id", sa.Uuid(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "model_id", "version_id"],
            ["registry.version.org_id", "registry.version.model_id", "registry.version.id"],
            name=op.f("slot_org_id_model_id_version_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "model_id"], ["registry.model.org_id", "registry.model.id"], name=op.f("slot_org_id_model_id_fk")
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "transition_id"],
            ["registry.transition.org_id", "registry.transition.id"],
            name=op.f("slot_org_id_transition_id_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("slot_pk")),
        sa.UniqueConstraint("org_id", "model_id", "stage", name=op.f("slot_org_id_model_id_stage_key")),
        sa.UniqueConstraint("org_id", "version_id", name=op.f("slot_org_id_version_id_key")),
        schema="registry",
    )
    op.create_table(
        "slot_revision",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=True),
        sa.Column("transition_id", sa.Uuid(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["org_id", "model_id", "version_id"],
            ["registry.version.org_id", "registry.version.model_id", "registry.version.id"],
            name=op.f("slot_revision_org_id_model_id_version_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "model_id"],
            ["registry.model.org_id", "registry.model.id"],
            name=op.f("slot_revision_org_id_model_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "transition_id"],
            ["registry.transition.org_id", "registry.transition.id"],
            name=op.f("slot_revision_org_id_transition_id_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("slot_revision_pk")),
        sa.UniqueConstraint(
            "org_id", "model_id", "stage", "revision", name=op.f("slot_revision_org_id_model_id_stage_revision_key")
        ),
        schema="registry",
    )
    op.create_index(
        op.f("slot_revision_org_id_model_id_valid_from_id_ix"),
        "slot_revision",
        ["org_id", "model_id", "valid_from", "id"],
        unique=False,
        schema="registry",
    )
    op.create_index(
        op.f("slot_revision_org_id_valid_from_id_ix"),
        "slot_revision",
        ["org_id", "valid_from", "id"],
        unique=False,
        schema="registry",
    )
    op.create_index(
        op.f("slot_revision_org_id_version_id_valid_from_id_ix"),
        "slot_revision",
        ["org_id", "version_id", "valid_from", "id"],
        unique=False,
        schema="registry",
    )
    roles = migrating_roles()
    for table, privileges in GRANTED.items():
        for statement in protect(table, roles, privileges):
            op.execute(statement)


def downgrade() -> None:
    op.drop_index(
        op.f("slot_revision_org_id_version_id_valid_from_id_ix"), table_name="slot_revision", schema="registry"
    )
    op.drop_index(op.f("slot_revision_org_id_valid_from_id_ix"), table_name="slot_revision", schema="registry")
    op.drop_index(op.f("slot_revision_org_id_model_id_valid_from_id_ix"), table_name="slot_revision", schema="registry")
    op.drop_table("slot_revision", schema="registry")
    op.drop_table("slot", schema="registry")
    op.drop_index(op.f("transition_org_id_version_id_number_ix"), table_name="transition", schema="registry")
    op.drop_index(op.f("transition_org_id_created_at_id_ix"), table_name="transition", schema="registry")
    op.drop_table("transition", schema="registry")
