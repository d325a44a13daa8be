"""The first tables: tenancy, access, models, runs, datasets, versions, metrics, lineage, artifacts, jobs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_23_tables"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "blob",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "bucket", "sha256", name=op.f("blob_pk")),
        schema="registry",
    )
    op.create_table(
        "job",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("run_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_id", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("job_pk")),
        sa.UniqueConstraint("org_id", "kind", "subject_id", name=op.f("job_org_id_kind_subject_id_key")),
        schema="registry",
    )
    op.create_index(op.f("job_run_after_ix"), "job", ["run_after"], unique=False, schema="registry")
    op.create_table(
        "lineage_edge",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=True),
        sa.Column("upstream_kind", sa.Text(), nullable=False),
        sa.Column("upstream_id", sa.Uuid(), nullable=False),
        sa.Column("downstream_kind", sa.Text(), nullable=False),
        sa.Column("downstream_id", sa.Uuid(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("lineage_edge_pk")),
        schema="registry",
    )
    op.create_index(
        "lineage_edge_key",
        "lineage_edge",
        ["org_id", "upstream_id", "downstream_id", "kind", "role"],
        unique=True,
        schema="registry",
        postgresql_where=sa.text("valid_to is null"),
        postgresql_nulls_not_distinct=True,
    )
    op.create_index(
        op.f("lineage_edge_org_id_downstream_id_ix"),
        "lineage_edge",
        ["org_id", "downstream_id"],
        unique=False,
        schema="registry",
    )
    op.create_index(
        op.f("lineage_edge_org_id_upstream_id_ix"),
        "lineage_edge",
        ["org_id", "upstream_id"],
        unique=False,
        schema="registry",
    )
    op.create_table(
        "organisation",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.CheckConstraint("id = org_id", name=op.f("organisation_is_its_own_check")),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("organisation_pk")),
        sa.UniqueConstraint("name", name=op.f("organisation_name_key")),
        schema="registry",
    )
    op.create_table(
        "principal",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("principal_pk")),
        sa.UniqueConstraint("org_id", "name", name=op.f("principal_org_id_name_key")),
        schema="registry",
    )
    op.create_table(
        "team",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("team_pk")),
        sa.UniqueConstraint("org_id", "name", name=op.f("team_org_id_name_key")),
        schema="registry",
    )
    op.create_table(
        "api_token",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("principal_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("last_four", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["org_id", "principal_id"],
            ["registry.principal.org_id", "registry.principal.id"],
            name=op.f("api_token_org_id_principal_id_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("api_token_pk")),
        sa.UniqueConstraint("token_hash", name=op.f("api_token_token_hash_key")),
        schema="registry",
    )
    op.create_index(
        op.f("api_token_org_id_principal_id_id_ix"),
        "api_token",
        ["org_id", "principal_id", "id"],
        unique=False,
        schema="registry",
    )
    op.create_table(
        "idempotency",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("principal_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("outcome_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "principal_id"],
            ["registry.principal.org_id", "registry.principal.id"],
            name=op.f("idempotency_org_id_principal_id_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "principal_id", "key", name=op.f("idempotency_pk")),
        schema="registry",
    )
    op.create_index(op.f("idempotency_created_at_ix"), "idempotency", ["created_at"], unique=False, schema="registry")
    op.create_table(
        "project",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["org_id", "team_id"], ["registry.team.org_id", "registry.team.id"], name=op.f("project_org_id_team_id_fk")
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("project_pk")),
        sa.UniqueConstraint("org_id", "team_id", "name", name=op.f("project_org_id_team_id_name_key")),
        schema="registry",
    )
    op.create_table(
        "role_binding",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("principal_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("scope_kind", sa.Text(), nullable=False),
        sa.Column("scope_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "principal_id"],
            ["registry.principal.org_id", "registry.principal.id"],
            name=op.f("role_binding_org_id_principal_id_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("role_binding_pk")),
        sa.UniqueConstraint(
            "org_id",
            "principal_id",
            "role",
            "scope_kind",
            "scope_id",
            name=op.f("role_binding_org_id_principal_id_role_scope_kind_scope_id_key"),
        ),
        schema="registry",
    )
    op.create_table(
        "dataset",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "created_by"],
            ["registry.principal.org_id", "registry.principal.id"],
            name=op.f("dataset_org_id_created_by_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "project_id"],
            ["registry.project.org_id", "registry.project.id"],
            name=op.f("dataset_org_id_project_id_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("dataset_pk")),
        sa.UniqueConstraint("org_id", "project_id", "name", name=op.f("dataset_org_id_project_id_name_key")),
        schema="registry",
    )
    op.create_index(
        op.f("dataset_org_id_project_id_id_ix"),
        "dataset",
        ["org_id", "project_id", "id"],
        unique=False,
        schema="registry",
    )
    op.create_table(
        "model",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("framework", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("tags", postgresql.JSONB(), nullable=False),
        sa.Column("version_count", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "created_by"],
            ["registry.principal.org_id", "registry.principal.id"],
            name=op.f("model_org_id_created_by_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "project_id"],
            ["registry.project.org_id", "registry.project.id"],
            name=op.f("model_org_id_project_id_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("model_pk")),
        sa.UniqueConstraint("org_id", "project_id", "name", name=op.f("model_org_id_project_id_name_key")),
        schema="registry",
    )
    op.create_index(
        op.f("model_org_id_project_id_id_ix"), "model", ["org_id", "project_id", "id"], unique=False, schema="registry"
    )
    op.create_table(
        "run",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("parameters", postgresql.JSONB(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "created_by"],
            ["registry.principal.org_id", "registry.principal.id"],
            name=op.f("run_org_id_created_by_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "project_id"],
            ["registry.project.org_id", "registry.project.id"],
            name=op.f("run_org_id_project_id_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("run_pk")),
        schema="registry",
    )
    op.create_index(
        op.f("run_org_id_project_id_id_ix"), "run", ["org_id", "project_id", "id"], unique=False, schema="registry"
    )
    op.create_table(
        "dataset_version",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("row_count", sa.BigInteger(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "created_by"],
            ["registry.principal.org_id", "registry.principal.id"],
            name=op.f("dataset_version_org_id_created_by_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "dataset_id"],
            ["registry.dataset.org_id", "registry.dataset.id"],
            name=op.f("dataset_version_org_id_dataset_id_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("dataset_version_pk")),
        sa.UniqueConstraint(
            "org_id", "dataset_id", "digest", name=op.f("dataset_version_org_id_dataset_id_digest_key")
        ),
        schema="registry",
    )
    op.create_index(
        op.f("dataset_version_org_id_dataset_id_id_ix"),
        "dataset_version",
        ["org_id", "dataset_id", "id"],
        unique=False,
        schema="registry",
    )
    op.create_table(
        "run_metric",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("special", sa.Text(), nullable=True),
        sa.Column("measured_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("(value is null) = (special is not null)", name=op.f("run_metric_value_check")),
        sa.ForeignKeyConstraint(
            ["org_id", "run_id"], ["registry.run.org_id", "registry.run.id"], name=op.f("run_metric_org_id_run_id_fk")
        ),
        sa.PrimaryKeyConstraint("org_id", "run_id", "phase", "name", "step", name=op.f("run_metric_pk")),
        schema="registry",
    )
    op.create_table(
        "version",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("label", sa.Text(collation="C"), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("base_version_id", sa.Uuid(), nullable=True),
        sa.Column("parameters", postgresql.JSONB(), nullable=False),
        sa.Column("tags", postgresql.JSONB(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "base_version_id"],
            ["registry.version.org_id", "registry.version.id"],
            name=op.f("version_org_id_base_version_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "created_by"],
            ["registry.principal.org_id", "registry.principal.id"],
            name=op.f("version_org_id_created_by_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "model_id"],
            ["registry.model.org_id", "registry.model.id"],
            name=op.f("version_org_id_model_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "run_id"], ["registry.run.org_id", "registry.run.id"], name=op.f("version_org_id_run_id_fk")
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("version_pk")),
        sa.UniqueConstraint("org_id", "model_id", "id", name=op.f("version_org_id_model_id_id_key")),
        sa.UniqueConstraint("org_id", "model_id", "label", name=op.f("version_org_id_model_id_label_key")),
        sa.UniqueConstraint("org_id", "model_id", "number", name=op.f("version_org_id_model_id_number_key")),
        schema="registry",
    )
    op.create_index(
        op.f("version_org_id_base_version_id_id_ix"),
        "version",
        ["org_id", "base_version_id", "id"],
        unique=False,
        schema="registry",
    )
    op.create_index(
        op.f("version_org_id_run_id_id_ix"), "version", ["org_id", "run_id", "id"], unique=False, schema="registry"
    )
    op.create_table(
        "artifact",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("version_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(collation="C"), nullable=False),
        sa.Column("folded_path", sa.Text(collation="C"), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("bucket", sa.Text(), nullable=True),
        sa.Column("object_key", sa.Text(), nullable=True),
        sa.Column("external_uri", sa.Text(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.CheckConstraint("num_nonnulls(bucket, object_key) in (0, 2)", name=op.f("artifact_whole_place_check")),
        sa.CheckConstraint("num_nonnulls(run_id, version_id) = 1", name=op.f("artifact_one_owner_check")),
        sa.ForeignKeyConstraint(
            ["org_id", "created_by"],
            ["registry.principal.org_id", "registry.principal.id"],
            name=op.f("artifact_org_id_created_by_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "run_id"], ["registry.run.org_id", "registry.run.id"], name=op.f("artifact_org_id_run_id_fk")
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "version_id"],
            ["registry.version.org_id", "registry.version.id"],
            name=op.f("artifact_org_id_version_id_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("artifact_pk")),
        schema="registry",
    )
    op.create_index(
        op.f("artifact_org_id_run_id_id_ix"), "artifact", ["org_id", "run_id", "id"], unique=False, schema="registry"
    )
    op.create_index(
        op.f("artifact_org_id_version_id_id_ix"),
        "artifact",
        ["org_id", "version_id", "id"],
        unique=False,
        schema="registry",
    )
    op.create_index(
        "artifact_run_path_key",
        "artifact",
        ["org_id", "run_id", "folded_path"],
        unique=True,
        schema="registry",
        postgresql_where=sa.text("state not in ('QUARANTINED', 'ABANDONED')"),
    )
    op.create_index(
        "artifact_version_path_key",
        "artifact",
        ["org_id", "version_id", "folded_path"],
        unique=True,
        schema="registry",
        postgresql_where=sa.text("state not in ('QUARANTINED', 'ABANDONED')"),
    )
    op.create_table(
        "version_metric",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("special", sa.Text(), nullable=True),
        sa.Column("measured_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("(value is null) = (special is not null)", name=op.f("version_metric_value_check")),
        sa.ForeignKeyConstraint(
            ["org_id", "version_id"],
            ["registry.version.org_id", "registry.version.id"],
            name=op.f("version_metric_org_id_version_id_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "version_id", "phase", "name", "step", name=op.f("version_metric_pk")),
        schema="registry",
    )
    op.create_table(
        "upload",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("artifact_id", sa.Uuid(), nullable=False),
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("store_upload_id", sa.Text(), nullable=True),
        sa.Column("part_size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("part_count", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "artifact_id"],
            ["registry.artifact.org_id", "registry.artifact.id"],
            name=op.f("upload_org_id_artifact_id_fk"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("upload_pk")),
        sa.UniqueConstraint("org_id", "artifact_id", name=op.f("upload_org_id_artifact_id_key")),
        schema="registry",
    )


def downgrade() -> None:
    op.drop_table("upload", schema="registry")
    op.drop_table("version_metric", schema="registry")
    op.drop_index(
        "artifact_version_path_key",
        table_name="artifact",
        schema="registry",
        postgresql_where=sa.text("state not in ('QUARANTINED', 'ABANDONED')"),
    )
    op.drop_index(
        "artifact_run_path_key",
        table_name="artifact",
        schema="registry",
        postgresql_where=sa.text("state not in ('QUARANTINED', 'ABANDONED')"),
    )
    op.drop_index(op.f("artifact_org_id_version_id_id_ix"), table_name="artifact", schema="registry")
    op.drop_index(op.f("artifact_org_id_run_id_id_ix"), table_name="artifact", schema="registry")
    op.drop_table("artifact", schema="registry")
    op.drop_index(op.f("version_org_id_run_id_id_ix"), table_name="version", schema="registry")
    op.drop_index(op.f("version_org_id_base_version_id_id_ix"), table_name="version", schema="registry")
    op.drop_table("version", schema="registry")
    op.drop_table("run_metric", schema="registry")
    op.drop_index(op.f("dataset_version_org_id_dataset_id_id_ix"), table_name="dataset_version", schema="registry")
    op.drop_table("dataset_version", schema="registry")
    op.drop_index(op.f("run_org_id_project_id_id_ix"), table_name="run", schema="registry")
    op.drop_table("run", schema="registry")
    op.drop_index(op.f("model_org_id_project_id_id_ix"), table_name="model", schema="registry")
    op.drop_table("model", schema="registry")
    op.drop_index(op.f("dataset_org_id_project_id_id_ix"), table_name="dataset", schema="registry")
    op.drop_table("dataset", schema="registry")
    op.drop_table("role_binding", schema="registry")
    op.drop_table("project", schema="registry")
    op.drop_index(op.f("idempotency_created_at_ix"), table_name="idempotency", schema="registry")
    op.drop_table("idempotency", schema="registry")
    op.drop_index(op.f("api_token_org_id_principal_id_id_ix"), table_name="api_token", schema="registry")
    op.drop_table("api_token", schema="registry")
    op.drop_table("team", schema="registry")
    op.drop_table("principal", schema="registry")
    op.drop_table("organisation", schema="registry")
    op.drop_index(op.f("lineage_edge_org_id_upstream_id_ix"), table_name="lineage_edge", schema="registry")
    op.drop_index(op.f("lineage_edge_org_id_downstream_id_ix"), table_name="lineage_edge", schema="registry")
    op.drop_index(
        "lineage_edge_key",
        table_name="lineage_edge",
        schema="registry",
        postgresql_where=sa.text("valid_to is null"),
        postgresql_nulls_not_distinct=True,
    )
    op.drop_table("lineage_edge", schema="registry")
    op.drop_index(op.f("job_run_after_ix"), table_name="job", schema="registry")
    op.drop_table("job", schema="registry")
    op.drop_table("blob", schema="registry")
