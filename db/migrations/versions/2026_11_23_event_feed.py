"""The event feed: dense, chained and append-only per organisation; feed, outbox and audit log in one."""

from alembic import op

from db.tenancy import CURRENT_ORG, migrating_roles

revision = "2026_11_23_event_feed"
down_revision = "2026_11_23_tenancy"
branch_labels = None
depends_on = None

# `epoch` changes after a restore, so that an old cursor cannot meet reused numbers. Events up to `floor_seq` are pruned.
STREAM = """
create table ev.stream (
  org_id uuid primary key,
  epoch uuid not null default gen_random_uuid(),
  head_seq bigint not null default 0,
  head_hash bytea not null default decode(repeat('00', 32), 'hex'),
  floor_seq bigint not null default 0
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)
"""

# `body` is hashed as the text it is stored as: nothing may rewrite it. It has room for two images of 32 KiB.
EVENT = """
create table ev.event (
  org_id uuid not null references ev.stream,
  seq bigint not null,
  at timestamptz not null,
  kind text not null,
  subject text not null,
  actor text not null,
  body text not null check (octet_length(body) <= 66560),
  prev_hash bytea not null,
  hash bytea not null,
  primary key (org_id, seq)
)
"""

REFUSE = """
create function ev.refuse() returns trigger language plpgsql set search_path = pg_catalog as $$
begin raise exception 'the event log is append-only' using errcode = '42501'; end $$
"""

# The row lock on the stream is the commit order of the organisation: numbers have no gaps and no reader can pass one
# that is still to be committed. hash = sha256(previous hash || org || seq || microseconds since 1970 || sha256 of kind,
# subject, actor and body), integers as 8 bytes big-endian, text as UTF-8.
APPEND = """
create function ev.append(p_org uuid, p_events jsonb) returns bigint
language plpgsql security definer set search_path = pg_catalog, ev as $$
declare
  v_seq bigint; v_hash bytea; v_prev bytea; v_event record; v_body text; v_at timestamptz;
begin
  if nullif(current_setting('app.org_id', true), '')::uuid is distinct from p_org then
    raise exception 'not the organisation of this transaction' using errcode = '42501';
  end if;
  select head_seq, head_hash into v_seq, v_hash from ev.stream where org_id = p_org for update;
  if not found then raise exception 'this organisation has no event stream' using errcode = 'P0002'; end if;
  for v_event in
    select e ->> 'kind' as kind, e ->> 'subject' as subject, e ->> 'actor' as actor, e ->> 'body' as body
      from jsonb_array_elements(p_events) with ordinality as t(e, place) order by place
  loop
    v_seq := v_seq + 1;
    v_prev := v_hash;
    v_body := coalesce(v_event.body, 'null');
    v_at := clock_timestamp();
    v_hash := sha256(v_prev || uuid_send(p_org) || int8send(v_seq)
      || int8send((extract(epoch from v_at) * 1000000)::bigint)
      || sha256(convert_to(v_event.kind, 'UTF8')) || sha256(convert_to(v_event.subject, 'UTF8'))
      || sha256(convert_to(v_event.actor, 'UTF8')) || sha256(convert_to(v_body, 'UTF8')));
    insert into ev.event values
      (p_org, v_seq, v_at, v_event.kind, v_event.subject, v_event.actor, v_body, v_prev, v_hash);
  end loop;
  update ev.stream set head_seq = v_seq, head_hash = v_hash where org_id = p_org;
  return v_seq;
end $$
"""

OPEN_STREAM = """
create function ev.open_stream(p_org uuid) returns void
language plpgsql security definer set search_path = pg_catalog, ev as $$
begin
  if nullif(current_setting('app.org_id', true), '')::uuid is distinct from p_org then
    raise exception 'not the organisation of this transaction' using errcode = '42501';
  end if;
  insert into ev.stream (org_id) values (p_org) on conflict do nothing;
end $$
"""


def upgrade() -> None:
    roles = migrating_roles()
    for statement in (STREAM, EVENT, REFUSE, APPEND, OPEN_STREAM):
        op.execute(statement)
    op.execute("create index event_org_id_kind_seq_ix on ev.event (org_id, kind, seq)")
    op.execute("create index event_org_id_subject_seq_ix on ev.event (org_id, subject, seq)")
    op.execute("create trigger no_change before update or delete on ev.event for each row execute function ev.refuse()")
    op.execute("create trigger no_truncate before truncate on ev.event execute function ev.refuse()")

    op.execute(f"grant usage on schema ev to {roles.app}, {roles.worker}")
    op.execute(f"grant select on ev.stream, ev.event to {roles.app}, {roles.worker}")
    op.execute("revoke all on function ev.refuse() from public")
    for function in ("ev.append(uuid, jsonb)", "ev.open_stream(uuid)"):
        op.execute(f"revoke all on function {function} from public")
        op.execute(f"grant execute on function {function} to {roles.app}")
    # Not forced: the two functions above run as the owner and are the only writers.
    for table in ("ev.stream", "ev.event"):
        op.execute(f"alter table {table} enable row level security")
        op.execute(f"create policy tenant on {table} for select to {roles.app} using (org_id = {CURRENT_ORG})")
        op.execute(f"create policy feed on {table} for select to {roles.worker} using (true)")


def downgrade() -> None:
    roles = migrating_roles()
    op.execute("drop function ev.append(uuid, jsonb)")
    op.execute("drop function ev.open_stream(uuid)")
    op.execute("drop table ev.event")
    op.execute("drop table ev.stream")
    op.execute("drop function ev.refuse()")
    op.execute(f"revoke usage on schema ev from {roles.app}, {roles.worker}")
