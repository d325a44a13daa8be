"""What aliases pointed at, as numbered revisions that go on across removals."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from db.tenancy import migrating_roles, protect

revision = "2026_11_25_alias_history"
down_revision = "2026_11_25_reviews"
branch_labels = None
depends_on = None

REFERENCES = {
    ("model_id",): "model",
    ("model_id", "version_id"): "version",
    ("request_id",): "promotion_request",
    ("policy_id",): "promotion_policy",
    ("created_by",): "principal",
}
INDEXES = ("model_id", "version_id", None)

# Who moved an alias last stands in the feed alone: its row says who set it first.
BACKFILL = """
insert into registry.alias_revision
  (org_id, id, created_at, model_id, name, revision, kind, version_id, verdicts, created_by, valid_from)
select a.org_id, gen_random_uuid(), a.updated_at, a.model_id, a.name, a.revision, 'MOVE', a.version_id, '[]',
  coalesce(mover.id, a.created_by), a.updated_at
from registry.alias a
left join lateral (
  select e.actor from ev.event e
  where e.org_id = a.org_id and e.subject = 'Alias:' || a.id and e.kind in ('alias.created', 'alias.moved')
  order by e.seq desc limit 1
) told on true
left join registry.principal mover
  on mover.org_id = a.org_id and mover.id = substring(told.actor from '^Principal:(.{36})$')::uuid
"""


def upgrade() -> None:
    op.create_table(
        "alias_revision",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=True),
        sa.Column("request_id", sa.Uuid(), nullable=True),
        sa.Column("policy_id", sa.Uuid(), nullable=True),
        sa.Column("policy_revision", sa.Integer(), nullable=True),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("verdicts", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        *[
            sa.ForeignKeyConstraint(
                ["org_id", *columns],
                [f"registry.{table}.{name}" for name in ("org_id", *columns[:-1], "id")],
                name=op.f(f"alias_revision_org_id_{'_'.join(columns)}_fk"),
            )
            for columns, table in REFERENCES.items()
        ],
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("alias_revision_pk")),
        sa.UniqueConstraint(
            "org_id", "model_id", "name", "revision", name=op.f("alias_revision_org_id_model_id_name_revision_key")
        ),
        sa.UniqueConstraint("org_id", "request_id", name=op.f("alias_revision_org_id_request_id_key")),
        schema="registry",
    )
    for owner in INDEXES:
        columns = [name for name in ("org_id", owner, "valid_from", "id") if name]
        op.create_index(op.f(f"alias_revision_{'_'.join(columns)}_ix"), "alias_revision", columns, schema="registry")
    # Not even the owner of a table sees rows past a forced policy.
    forced = ("alias", "principal")
    for table in forced:
        op.execute(f"alter table registry.{table} no force row level security")
    op.execute(BACKFILL)
    for table in forced:
        op.execute(f"alter table registry.{table} force row level security")
    for statement in protect("alias_revision", migrating_roles()):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("alias_revision", schema="registry")
