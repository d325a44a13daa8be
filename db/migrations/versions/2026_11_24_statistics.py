"""Imports may ask for fresh statistics of tables that were small when they were last looked at."""

from alembic import op

from db.tenancy import migrating_roles

revision = "2026_11_24_statistics"
down_revision = "2026_11_24_transfer"
branch_labels = None
depends_on = None

# Only the owner of a table may ask. Large tables have statistics that a few thousand rows more do not change.
REFRESH = """
create function registry.refresh_statistics() returns void
language plpgsql security definer set search_path = pg_catalog as $$
declare
  v_table text;
begin
  for v_table in
    select c.relname from pg_class c
     where c.relnamespace = 'registry'::regnamespace and c.relkind = 'r' and c.reltuples < 100000
     order by c.relname
  loop
    execute format('analyze registry.%I', v_table);
  end loop;
end $$
"""


def upgrade() -> None:
    op.execute(REFRESH)
    op.execute("revoke all on function registry.refresh_statistics() from public")
    op.execute(f"grant execute on function registry.refresh_statistics() to {migrating_roles().app}")


def downgrade() -> None:
    op.execute("drop function registry.refresh_statistics()")
