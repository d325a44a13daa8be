"""The database remembers on which server its feeds got their epochs, so that a restore is noticed."""

from alembic import op

from db.tenancy import migrating_roles

revision = "2026_11_25_origin"
down_revision = "2026_11_25_observed"
branch_labels = None
depends_on = None

# Some providers let nobody ask who the server is: there is no row then, and nobody is warned.
FILL = """
do $$ begin
  insert into ev.origin (system_identifier, timeline)
    select system_identifier, ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::integer
      from pg_control_system();
exception when insufficient_privilege then null;
end $$
"""


def upgrade() -> None:
    roles = migrating_roles()
    op.execute("create table ev.origin (system_identifier bigint not null, timeline integer not null)")
    op.execute("create unique index origin_one on ev.origin ((true))")
    op.execute("alter table ev.origin enable row level security")
    op.execute(f"create policy everybody on ev.origin for select to {roles.app} using (true)")
    op.execute(f"grant select on ev.origin to {roles.app}")
    op.execute(FILL)


def downgrade() -> None:
    op.execute("drop table ev.origin")
