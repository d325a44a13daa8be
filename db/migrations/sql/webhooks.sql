-- Endpoints of others that are told of events, and what was told to them.

create table registry.webhook (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  deleted_at timestamptz,
  name text not null collate "C",
  url text not null,
  host text not null,
  kinds jsonb not null,
  only_project_id uuid,
  only_model_id uuid,
  state text not null,
  disabled_reason text,
  disabled_at timestamptz,
  secret text not null,
  secret_made_at timestamptz not null,
  earlier_secret text,
  earlier_secret_until timestamptz,
  cursor_seq bigint not null,
  delivered_count bigint not null,
  failed_count bigint not null,
  failures_in_a_row integer not null,
  failing_since timestamptz,
  last_success_at timestamptz,
  created_by uuid not null,
  updated_at timestamptz not null,
  constraint webhook_pk primary key (org_id, id),
  constraint webhook_org_id_created_by_fk foreign key (org_id, created_by) references registry.principal(org_id, id),
  constraint webhook_org_id_only_model_id_fk foreign key (org_id, only_model_id) references registry.model(org_id, id),
  constraint webhook_org_id_only_project_id_fk foreign key (org_id, only_project_id) references registry.project(org_id, id),
  constraint webhook_earlier_secret_check check (num_nonnulls(earlier_secret, earlier_secret_until) = any (array[0, 2])),
  constraint webhook_reason_check check ((state = 'DISABLED'::text) = (disabled_reason is not null))
);
create unique index webhook_org_id_name_key on registry.webhook (org_id, name) where (deleted_at is null);

create table registry.webhook_delivery (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  webhook_id uuid not null,
  sequence bigint,
  kind text not null,
  redelivery_of uuid,
  state text not null,
  attempts integer not null,
  status integer,
  failure text,
  duration_milliseconds integer,
  next_attempt_at timestamptz,
  delivered_at timestamptz,
  constraint webhook_delivery_pk primary key (org_id, id),
  constraint webhook_delivery_org_id_webhook_id_fk foreign key (org_id, webhook_id) references registry.webhook(org_id, id)
);
create index webhook_delivery_created_at_ix on registry.webhook_delivery (created_at);
create index webhook_delivery_org_id_webhook_id_created_at_id_ix on registry.webhook_delivery (org_id, webhook_id, created_at, id);
create index webhook_delivery_org_id_webhook_id_id_ix on registry.webhook_delivery (org_id, webhook_id, id);
create index webhook_delivery_org_id_webhook_id_sequence_id_ix on registry.webhook_delivery (org_id, webhook_id, sequence, id);
create index webhook_delivery_pending_ix on registry.webhook_delivery (org_id, webhook_id, id) where (state = 'PENDING'::text);
create unique index webhook_delivery_sequence_key on registry.webhook_delivery (org_id, webhook_id, sequence) where (redelivery_of is null);
