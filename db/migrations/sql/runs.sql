-- Experiments, their runs, what was measured of them, and prices.

create table registry.experiment (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  project_id uuid not null,
  name text not null collate "C",
  description text,
  tags jsonb not null,
  created_by uuid not null,
  updated_at timestamptz not null,
  deleted_at timestamptz,
  constraint experiment_pk primary key (org_id, id),
  constraint experiment_org_id_created_by_fk foreign key (org_id, created_by) references registry.principal(org_id, id),
  constraint experiment_org_id_project_id_fk foreign key (org_id, project_id) references registry.project(org_id, id)
);
create index experiment_org_id_project_id_id_ix on registry.experiment (org_id, project_id, id);
create unique index experiment_org_id_project_id_name_key on registry.experiment (org_id, project_id, name) where (deleted_at is null);

create table registry.run (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  project_id uuid not null,
  name text not null collate "C",
  description text,
  external_url text,
  status text not null,
  parameters jsonb not null,
  started_at timestamptz not null,
  ended_at timestamptz,
  created_by uuid not null,
  experiment_id uuid,
  parent_run_id uuid,
  heartbeat_at timestamptz not null,
  heartbeat_timeout_seconds integer,
  tags jsonb not null,
  deleted_at timestamptz,
  runtime_id uuid,
  constraint run_pk primary key (org_id, id),
  constraint run_org_id_created_by_fk foreign key (org_id, created_by) references registry.principal(org_id, id),
  constraint run_org_id_experiment_id_fk foreign key (org_id, experiment_id) references registry.experiment(org_id, id),
  constraint run_org_id_parent_run_id_fk foreign key (org_id, parent_run_id) references registry.run(org_id, id),
  constraint run_org_id_project_id_fk foreign key (org_id, project_id) references registry.project(org_id, id),
  constraint run_org_id_runtime_id_fk foreign key (org_id, runtime_id) references registry.runtime(org_id, id),
  constraint run_ended_check check ((status = 'RUNNING'::text) = (ended_at is null))
);
create index run_org_id_experiment_id_id_ix on registry.run (org_id, experiment_id, id);
create index run_org_id_experiment_id_started_at_id_ix on registry.run (org_id, experiment_id, started_at, id);
create index run_org_id_parent_run_id_id_ix on registry.run (org_id, parent_run_id, id);
create index run_org_id_project_id_id_ix on registry.run (org_id, project_id, id);
create index run_org_id_runtime_id_id_ix on registry.run (org_id, runtime_id, id);
create index run_org_id_started_at_id_ix on registry.run (org_id, started_at, id);

create table registry.run_metric (
  org_id uuid not null,
  phase text not null,
  name text not null collate "C",
  step bigint not null,
  value double precision,
  special text,
  measured_at timestamptz not null,
  run_id uuid not null,
  constraint run_metric_pk primary key (org_id, run_id, phase, name, step),
  constraint run_metric_org_id_run_id_fk foreign key (org_id, run_id) references registry.run(org_id, id),
  constraint run_metric_value_check check ((value is null) = (special is not null))
);

create table registry.resource_sample (
  org_id uuid not null,
  run_id uuid not null,
  sampled_at timestamptz not null,
  cpu_percent double precision,
  gpu_percent double precision,
  memory_bytes bigint,
  gpu_memory_bytes bigint,
  disk_read_bytes bigint,
  disk_written_bytes bigint,
  network_received_bytes bigint,
  network_sent_bytes bigint,
  constraint resource_sample_pk primary key (org_id, run_id, sampled_at),
  constraint resource_sample_org_id_run_id_fk foreign key (org_id, run_id) references registry.run(org_id, id)
);

create table registry.price (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  resource text not null,
  hardware text collate "C",
  amount numeric not null,
  currency text not null,
  valid_from timestamptz not null,
  valid_to timestamptz,
  created_by uuid not null,
  constraint price_pk primary key (org_id, id),
  constraint price_org_id_created_by_fk foreign key (org_id, created_by) references registry.principal(org_id, id),
  constraint price_amount_check check ((amount >= (0)::numeric) and (amount < 'Infinity'::numeric))
);
create unique index price_current_key on registry.price (org_id, resource, hardware) nulls not distinct where (valid_to is null);
