-- The event feed: dense, chained and append-only per organization; feed, outbox and audit log in one.

-- `epoch` changes after a restore, so that an old cursor cannot meet reused numbers. Events up to `floor_seq` are pruned.
create table ev.stream (
  org_id uuid not null,
  epoch uuid default gen_random_uuid() not null,
  head_seq bigint default 0 not null,
  head_hash bytea default decode(repeat('00'::text, 32), 'hex'::text) not null,
  floor_seq bigint default 0 not null,
  constraint stream_pkey primary key (org_id)
) with (fillfactor='50', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='1000');

-- `body` is hashed as the text it is stored as: nothing may rewrite it. It has room for two images of 32 KiB.
create table ev.event (
  org_id uuid not null,
  seq bigint not null,
  at timestamptz not null,
  kind text not null,
  subject text not null,
  actor text not null,
  body text not null,
  prev_hash bytea not null,
  hash bytea not null,
  model_id uuid,
  project_id uuid,
  constraint event_pkey primary key (org_id, seq),
  constraint event_org_id_fkey foreign key (org_id) references ev.stream(org_id),
  constraint event_body_check check (octet_length(body) <= 66560)
);
create index event_org_id_kind_seq_ix on ev.event (org_id, kind, seq);
create index event_org_id_model_id_seq_ix on ev.event (org_id, model_id, seq) where (model_id is not null);
create index event_org_id_project_id_seq_ix on ev.event (org_id, project_id, seq) where (project_id is not null);
create index event_org_id_subject_seq_ix on ev.event (org_id, subject, seq);

-- The server on which the feeds got their epochs, so that a restore is noticed. Some providers let nobody ask who the
-- server is: there is no row then, and nobody is warned.
create table ev.origin (
  system_identifier bigint not null,
  timeline integer not null
);
create unique index origin_one on ev.origin ((true));

do $$ begin
  insert into ev.origin (system_identifier, timeline)
    select system_identifier, ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::integer
      from pg_control_system();
exception when insufficient_privilege then null;
end $$;

create function ev.refuse() returns trigger
  language plpgsql
  set search_path = pg_catalog
  as $$
begin raise exception 'the event log is append-only' using errcode = '42501'; end $$;
revoke all on function ev.refuse() from public;

-- The row lock on the stream is the commit order of the organization: numbers have no gaps and no reader can pass one
-- that is still to be committed. hash = sha256(previous hash || org || seq || microseconds since 1970 || sha256 of kind,
-- subject, actor and body), integers as 8 bytes big-endian, text as UTF-8. Model and project are no part of the hash: they
-- follow from the subject, as a model belongs to its project and a version to its model for ever.
create function ev.append(p_org uuid, p_events jsonb) returns bigint
  language plpgsql security definer
  set search_path = pg_catalog, ev
  as $$
declare
  v_seq bigint; v_hash bytea; v_prev bytea; v_event record; v_body text; v_at timestamptz;
begin
  if nullif(current_setting('app.org_id', true), '')::uuid is distinct from p_org then
    raise exception 'not the organization of this transaction' using errcode = '42501';
  end if;
  select head_seq, head_hash into v_seq, v_hash from ev.stream where org_id = p_org for update;
  if not found then raise exception 'this organization has no event stream' using errcode = 'P0002'; end if;
  for v_event in
    select e ->> 'kind' as kind, e ->> 'subject' as subject, e ->> 'actor' as actor, e ->> 'body' as body, (e ->> 'model_id')::uuid as model_id, (e ->> 'project_id')::uuid as project_id
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
    insert into ev.event (org_id, seq, at, kind, subject, actor, body, prev_hash, hash, model_id, project_id) values (p_org, v_seq, v_at, v_event.kind, v_event.subject, v_event.actor, v_body, v_prev, v_hash, v_event.model_id, v_event.project_id);
  end loop;
  update ev.stream set head_seq = v_seq, head_hash = v_hash where org_id = p_org;
  return v_seq;
end $$;
revoke all on function ev.append(uuid, jsonb) from public;
grant execute on function ev.append(uuid, jsonb) to registry_app;

create function ev.open_stream(p_org uuid) returns void
  language plpgsql security definer
  set search_path = pg_catalog, ev
  as $$
begin
  if nullif(current_setting('app.org_id', true), '')::uuid is distinct from p_org then
    raise exception 'not the organization of this transaction' using errcode = '42501';
  end if;
  insert into ev.stream (org_id) values (p_org) on conflict do nothing;
end $$;
revoke all on function ev.open_stream(uuid) from public;
grant execute on function ev.open_stream(uuid) to registry_app;

create trigger no_change before delete or update on ev.event
  for each row execute function ev.refuse();
create trigger no_truncate before truncate on ev.event for each statement execute function ev.refuse();
