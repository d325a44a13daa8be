"""Experiments, tuning by parent and child runs, tags and heartbeats of runs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from db.tenancy import migrating_roles, protect

revision = "2026_11_23_experiments"
down_revision = "2026_11_23_event_feed"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "experiment",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("tags", postgresql.JSONB(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "created_by"],
            ["registry.principal.org_id", "registry.principal.id"],
            name=op.f("experiment_org_id_created_by_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "project_id"],
            ["registry.project.org_id", "registry.project.id"],
            name=op.f("experiment_org_id_project_id_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("experiment_pk")),
        sa.UniqueConstraint("org_id", "project_id", "name", name=op.f("experiment_org_id_project_id_name_key")),
        schema="registry",
    )
    op.create_index(
        op.f("experiment_org_id_project_id_id_ix"),
        "experiment",
        ["org_id", "project_id", "id"],
        unique=False,
        schema="registry",
    )
    op.add_column("run", sa.Column("experiment_id", sa.Uuid(), nullable=True), schema="registry")
    op.add_column("run", sa.Column("parent_run_id", sa.Uuid(), nullable=True), schema="registry")
    op.add_column(
        "run",
        sa.Column("heartbeat_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        schema="registry",
    )
    op.add_column("run", sa.Column("heartbeat_timeout_s", sa.Integer(), nullable=True), schema="registry")
    op.add_column(
        "run", sa.Column("tags", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'")), schema="registry"
    )
    # Rows that are there get a value; from here on the program gives one.
    op.alter_column("run", "heartbeat_at", server_default=None, schema="registry")
    op.alter_column("run", "tags", server_default=None, schema="registry")
    op.create_index(
        op.f("run_org_id_experiment_id_id_ix"),
        "run",
        ["org_id", "experiment_id", "id"],
        unique=False,
        schema="registry",
    )
    op.create_index(
        op.f("run_org_id_parent_run_id_id_ix"),
        "run",
        ["org_id", "parent_run_id", "id"],
        unique=False,
        schema="registry",
    )
    op.create_foreign_key(
        op.f("run_org_id_experiment_id_fk"),
        "run",
        "experiment",
        ["org_id", "experiment_id"],
        ["org_id", "id"],
        source_schema="registry",
        referent_schema="registry",
    )
    op.create_foreign_key(
        op.f("run_org_id_parent_run_id_fk"),
        "run",
        "run",
        ["org_id", "parent_run_id"],
        ["org_id", "id"],
        source_schema="registry",
        referent_schema="registry",
    )
    for statement in protect("experiment", migrating_roles()):
        op.execute(statement)


def downgrade() -> None:
    op.drop_constraint(op.f("run_org_id_parent_run_id_fk"), "run", schema="registry", type_="foreignkey")
    op.drop_constraint(op.f("run_org_id_experiment_id_fk"), "run", schema="registry", type_="foreignkey")
    op.drop_index(op.f("run_org_id_parent_run_id_id_ix"), table_name="run", schema="registry")
    op.drop_index(op.f("run_org_id_experiment_id_id_ix"), table_name="run", schema="registry")
    op.drop_column("run", "tags", schema="registry")
    op.drop_column("run", "heartbeat_timeout_s", schema="registry")
    op.drop_column("run", "heartbeat_at", schema="registry")
    op.drop_column("run", "parent_run_id", schema="registry")
    op.drop_column("run", "experiment_id", schema="registry")
    op.drop_index(op.f("experiment_org_id_project_id_id_ix"), table_name="experiment", schema="registry")
    op.drop_table("experiment", schema="registry")
