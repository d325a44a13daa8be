"""Events say which model and which project they are about, so that readers who follow one need not read the others."""

from alembic import op

revision = "2026_11_25_event_routing"
down_revision = "2026_11_25_gates"
branch_labels = None
depends_on = None

_FOUND = "select e ->> 'kind' as kind, e ->> 'subject' as subject, e ->> 'actor' as actor, e ->> 'body' as body"
_COLUMNS = "org_id, seq, at, kind, subject, actor, body, prev_hash, hash"
_VALUES = "p_org, v_seq, v_at, v_event.kind, v_event.subject, v_event.actor, v_body, v_prev, v_hash"

# As in 2026_11_23_event_feed, but for the columns that the events fill. What a server does not tell stays null.
APPEND = """
create or replace function ev.append(p_org uuid, p_events jsonb) returns bigint
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
    {found}
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
    insert into ev.event ({columns}) values ({values});
  end loop;
  update ev.stream set head_seq = v_seq, head_hash = v_hash where org_id = p_org;
  return v_seq;
end $$
"""


def upgrade() -> None:
    # Not part of the hash: they follow from the subject, as a model belongs to its project and a version to its model
    # for ever. Earlier events have none and are found by subject and kind.
    op.execute("alter table ev.event add column model_id uuid, add column project_id uuid")
    op.execute(
        "create index event_org_id_model_id_seq_ix on ev.event (org_id, model_id, seq) where model_id is not null"
    )
    op.execute(
        "create index event_org_id_project_id_seq_ix on ev.event (org_id, project_id, seq) where project_id is not null"
    )
    op.execute(
        APPEND.format(
            found=f"{_FOUND}, (e ->> 'model_id')::uuid as model_id, (e ->> 'project_id')::uuid as project_id",
            columns=f"{_COLUMNS}, model_id, project_id",
            values=f"{_VALUES}, v_event.model_id, v_event.project_id",
        )
    )


def downgrade() -> None:
    op.execute(APPEND.format(found=_FOUND, columns=_COLUMNS, values=_VALUES))
    op.execute("alter table ev.event drop column model_id, drop column project_id")
