-- Work to be done, and what keeps it from being done twice.

create table registry.job (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  kind text not null,
  subject_id uuid not null,
  run_after timestamptz not null,
  attempts integer not null,
  lease_id uuid,
  lease_until timestamptz,
  last_error text,
  constraint job_pk primary key (org_id, id),
  constraint job_org_id_kind_subject_id_key unique (org_id, kind, subject_id)
);
create index job_run_after_ix on registry.job (run_after);

create table registry.import_key (
  org_id uuid not null,
  source text not null collate "C",
  kind text not null,
  key text not null collate "C",
  row_id uuid not null,
  digest bytea not null,
  brought boolean default true not null,
  constraint import_key_pk primary key (org_id, source, kind, key)
);

create table registry.import_progress (
  org_id uuid not null,
  source text not null collate "C",
  size_bytes bigint not null,
  line_count bigint not null,
  digest bytea not null,
  updated_at timestamptz not null,
  constraint import_progress_pk primary key (org_id, source)
);

create table registry.idempotency (
  org_id uuid not null,
  principal_id uuid not null,
  key text not null,
  request_hash bytea not null,
  outcome_id uuid,
  created_at timestamptz not null,
  outcome_ids uuid[],
  constraint idempotency_pk primary key (org_id, principal_id, key),
  constraint idempotency_org_id_principal_id_fk foreign key (org_id, principal_id) references registry.principal(org_id, id)
);
create index idempotency_created_at_ix on registry.idempotency (created_at);
