"""A run has a time when it ended if it is no longer RUNNING, and only then."""

from alembic import op

revision = "2026_11_25_run_endings"
down_revision = "2026_11_25_import_brought"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Not even the owner of a table sees rows past a forced policy.
    op.execute("alter table registry.run no force row level security")
    # A lost run that an import found again kept the time when it was lost.
    op.execute(
        "update registry.run set ended_at = case when status <> 'RUNNING' then heartbeat_at end"
        " where (status = 'RUNNING') <> (ended_at is null)"
    )
    op.execute("alter table registry.run force row level security")
    op.create_check_constraint(
        op.f("run_ended_check"), "run", "(status = 'RUNNING') = (ended_at is null)", schema="registry"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("run_ended_check"), "run", schema="registry")
