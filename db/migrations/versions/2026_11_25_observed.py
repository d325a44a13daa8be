"""The lineage tells which version each deployment was seen to run, and versions list those deployments."""

from alembic import op

revision = "2026_11_25_observed"
down_revision = "2026_11_25_run_endings"
branch_labels = None
depends_on = None

INDEX = "deployment_org_id_observed_version_id_id_ix"
READ = ("deployment", "deployment_report", "lineage_edge")

# Seen without a break since the first report behind the last one that said something else.
BACKFILL = """
insert into registry.lineage_edge
  (org_id, id, created_at, kind, upstream_kind, upstream_id, downstream_kind, downstream_id, valid_from)
select d.org_id, gen_random_uuid(), now(), 'OBSERVED', 'Version', d.observed_version_id, 'Deployment', d.id, coalesce((
  select min(same.observed_at) from registry.deployment_report same
  where same.org_id = d.org_id and same.deployment_id = d.id and same.observed_at > coalesce((
    select max(other.observed_at) from registry.deployment_report other
    where other.org_id = d.org_id and other.deployment_id = d.id
      and (other.observed_state <> 'RUNNING' or other.observed_version_id <> d.observed_version_id)), '-infinity')
  ), d.observed_at, now())
from registry.deployment d
where d.observed_state = 'RUNNING' and d.observed_version_id is not null and d.deleted_at is null
"""


def upgrade() -> None:
    op.create_index(op.f(INDEX), "deployment", ["org_id", "observed_version_id", "id"], schema="registry")
    _past_policies(BACKFILL)


def downgrade() -> None:
    # A server of the release before does not know this kind.
    _past_policies("delete from registry.lineage_edge where kind = 'OBSERVED'")
    op.drop_index(op.f(INDEX), table_name="deployment", schema="registry")


def _past_policies(statement: str) -> None:
    """Not even the owner of a table sees rows past a forced policy."""
    for table in READ:
        op.execute(f"alter table registry.{table} no force row level security")
    op.execute(statement)
    for table in READ:
        op.execute(f"alter table registry.{table} force row level security")
