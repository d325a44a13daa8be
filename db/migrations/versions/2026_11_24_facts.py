"""Signatures, runtimes, schemas and profiles of data; task and owner of models; more words about data."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from db.tenancy import migrating_roles, protect

revision = "2026_11_24_facts"
down_revision = "2026_11_24_deployments"
branch_labels = None
depends_on = None

REFERENCES = (
    ("dataset_version", "schema_id", "dataset_schema"),
    ("run", "runtime_id", "runtime"),
    ("version", "signature_id", "signature"),
    ("version", "runtime_id", "runtime"),
)


def upgrade() -> None:
    for table, columns in _contents().items():
        _content(table, columns)
    for table, column, target in REFERENCES:
        op.add_column(table, sa.Column(column, sa.Uuid(), nullable=True), schema="registry")
        _foreign_key(table, column, target)
        op.create_index(op.f(f"{table}_org_id_{column}_id_ix"), table, ["org_id", column, "id"], schema="registry")
    _profile()
    op.add_column("model", sa.Column("task", sa.Text(), nullable=True), schema="registry")
    op.add_column("model", sa.Column("owner_id", sa.Uuid(), nullable=True), schema="registry")
    _foreign_key("model", "owner_id", "principal")
    # Not even the owner of a table sees rows past a forced policy.
    op.execute("alter table registry.model no force row level security")
    op.execute("update registry.model set owner_id = created_by")
    op.execute("alter table registry.model force row level security")
    op.add_column("dataset_version", sa.Column("description", sa.Text(), nullable=True), schema="registry")
    # The defaults stay: a server of the release before knows nothing of these columns.
    for table in ("dataset", "dataset_version"):
        tags = sa.Column("tags", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'"))
        op.add_column(table, tags, schema="registry")
    moment = sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()"))
    op.add_column("dataset", moment, schema="registry")


def downgrade() -> None:
    op.drop_column("dataset", "updated_at", schema="registry")
    for table in ("dataset_version", "dataset"):
        op.drop_column(table, "tags", schema="registry")
    op.drop_column("dataset_version", "description", schema="registry")
    op.drop_column("model", "owner_id", schema="registry")
    op.drop_column("model", "task", schema="registry")
    op.drop_table("dataset_profile", schema="registry")
    for table, column, _ in reversed(REFERENCES):
        op.drop_column(table, column, schema="registry")
    for table in reversed(_contents()):
        op.drop_table(table, schema="registry")


def _contents() -> dict[str, list[sa.Column[Any]]]:
    """The columns of each table of contents, made anew: a column belongs to one table for good."""
    return {
        "signature": [
            sa.Column(name, postgresql.JSONB(), nullable=False)
            for name in ("inputs", "outputs", "parameters", "features")
        ],
        "runtime": [
            sa.Column("python_version", sa.Text(), nullable=True),
            sa.Column("packages", postgresql.JSONB(), nullable=False),
            sa.Column("image", sa.Text(), nullable=True),
            sa.Column("repository", sa.Text(), nullable=True),
            sa.Column("commit", sa.Text(), nullable=True),
            sa.Column("hardware", postgresql.JSONB(), nullable=True),
        ],
        "dataset_schema": [sa.Column("columns", postgresql.JSONB(), nullable=False)],
    }


def _content(table: str, columns: list[sa.Column[Any]]) -> None:
    op.create_table(
        table,
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f(f"{table}_pk")),
        sa.UniqueConstraint("org_id", "digest", name=op.f(f"{table}_org_id_digest_key")),
        schema="registry",
    )
    for statement in protect(table, migrating_roles()):
        op.execute(statement)


def _profile() -> None:
    op.create_table(
        "dataset_profile",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dataset_version_id", sa.Uuid(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=True),
        sa.Column("columns", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "dataset_version_id"],
            ["registry.dataset_version.org_id", "registry.dataset_version.id"],
            name=op.f("dataset_profile_org_id_dataset_version_id_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("dataset_profile_pk")),
        sa.UniqueConstraint("org_id", "dataset_version_id", name=op.f("dataset_profile_org_id_dataset_version_id_key")),
        schema="registry",
    )
    for statement in protect("dataset_profile", migrating_roles()):
        op.execute(statement)


def _foreign_key(table: str, column: str, target: str) -> None:
    op.create_foreign_key(
        op.f(f"{table}_org_id_{column}_fk"),
        table,
        target,
        ["org_id", column],
        ["org_id", "id"],
        source_schema="registry",
        referent_schema="registry",
    )
