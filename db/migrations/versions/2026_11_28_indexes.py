"""Statistics that keep up with new organisations, and indexes of how reports say health and of the log of deliveries."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_28_indexes"
down_revision = "2026_11_28_said"
branch_labels = None
depends_on = None

# By default a table is analysed once a tenth of it has changed: a new organisation in large tables would be one that the
# planner has never heard of for days, and it would read the whole organisation for each row. Points and samples come by
# the thousand and are only ever looked up through their primary key: they are analysed less often.
_SET = """
do $$
declare
  v_table text;
  v_often boolean;
begin
  for v_table, v_often in
    select c.relname, c.relname not in ('run_metric', 'version_metric', 'resource_sample')
      from pg_class c
     where c.relnamespace = 'registry'::regnamespace and c.relkind = 'r'
  loop
    execute format(
      'alter table registry.%I set (autovacuum_analyze_scale_factor = %s, autovacuum_analyze_threshold = %s)',
      v_table, case when v_often then 0 else 0.02 end, case when v_often then 1000 else 50000 end);
  end loop;
end $$
"""
_RESET = """
do $$
declare
  v_table text;
begin
  for v_table in
    select c.relname from pg_class c where c.relnamespace = 'registry'::regnamespace and c.relkind = 'r'
  loop
    execute format(
      'alter table registry.%I reset (autovacuum_analyze_scale_factor, autovacuum_analyze_threshold)', v_table);
  end loop;
end $$
"""


def upgrade() -> None:
    op.execute(_SET)
    op.create_index(
        "deployment_report_felt_ix",
        "deployment_report",
        ["org_id", "deployment_id", "observed_at", "id"],
        schema="registry",
        postgresql_where=sa.text("health <> 'UNKNOWN'"),
    )
    for column in ("created_at", "sequence"):
        op.create_index(
            f"webhook_delivery_org_id_webhook_id_{column}_id_ix",
            "webhook_delivery",
            ["org_id", "webhook_id", column, "id"],
            schema="registry",
        )


def downgrade() -> None:
    for column in ("sequence", "created_at"):
        op.drop_index(
            f"webhook_delivery_org_id_webhook_id_{column}_id_ix", table_name="webhook_delivery", schema="registry"
        )
    op.drop_index("deployment_report_felt_ix", table_name="deployment_report", schema="registry")
    op.execute(_RESET)
