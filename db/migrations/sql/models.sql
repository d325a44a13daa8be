-- Models, their versions, and what was measured of these.

create table registry.model (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  project_id uuid not null,
  name text not null collate "C",
  framework text not null,
  description text,
  tags jsonb not null,
  version_count integer not null,
  created_by uuid not null,
  updated_at timestamptz not null,
  deleted_at timestamptz,
  task text,
  owner_id uuid,
  constraint model_pk primary key (org_id, id),
  constraint model_org_id_created_by_fk foreign key (org_id, created_by) references registry.principal(org_id, id),
  constraint model_org_id_owner_id_fk foreign key (org_id, owner_id) references registry.principal(org_id, id),
  constraint model_org_id_project_id_fk foreign key (org_id, project_id) references registry.project(org_id, id)
);
create index model_org_id_name_id_ix on registry.model (org_id, name, id);
create index model_org_id_owner_id_id_ix on registry.model (org_id, owner_id, id);
create index model_org_id_project_id_id_ix on registry.model (org_id, project_id, id);
create index model_org_id_updated_at_id_ix on registry.model (org_id, updated_at, id);
create unique index model_org_id_project_id_name_key on registry.model (org_id, project_id, name) where (deleted_at is null);

create table registry.model_version (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  model_id uuid not null,
  number integer not null,
  label text not null collate "C",
  description text,
  stage text not null,
  run_id uuid,
  base_version_id uuid,
  parameters jsonb not null,
  tags jsonb not null,
  created_by uuid not null,
  deleted_at timestamptz,
  signature_id uuid,
  runtime_id uuid,
  project_id uuid not null,
  constraint model_version_pk primary key (org_id, id),
  constraint model_version_org_id_model_id_id_key unique (org_id, model_id, id),
  constraint model_version_org_id_model_id_label_key unique (org_id, model_id, label),
  constraint model_version_org_id_model_id_number_key unique (org_id, model_id, number),
  constraint model_version_org_id_base_version_id_fk foreign key (org_id, base_version_id) references registry.model_version(org_id, id),
  constraint model_version_org_id_created_by_fk foreign key (org_id, created_by) references registry.principal(org_id, id),
  constraint model_version_org_id_model_id_fk foreign key (org_id, model_id) references registry.model(org_id, id),
  constraint model_version_org_id_project_id_fk foreign key (org_id, project_id) references registry.project(org_id, id),
  constraint model_version_org_id_run_id_fk foreign key (org_id, run_id) references registry.run(org_id, id),
  constraint model_version_org_id_runtime_id_fk foreign key (org_id, runtime_id) references registry.runtime(org_id, id),
  constraint model_version_org_id_signature_id_fk foreign key (org_id, signature_id) references registry.signature(org_id, id)
);
create index model_version_org_id_base_version_id_id_ix on registry.model_version (org_id, base_version_id, id);
create index model_version_org_id_created_by_id_ix on registry.model_version (org_id, created_by, id);
create index model_version_org_id_run_id_id_ix on registry.model_version (org_id, run_id, id);
create index model_version_org_id_runtime_id_id_ix on registry.model_version (org_id, runtime_id, id);
create index model_version_org_id_signature_id_id_ix on registry.model_version (org_id, signature_id, id);
create index model_version_org_id_stage_id_ix on registry.model_version (org_id, stage, id);

create table registry.version_metric (
  org_id uuid not null,
  phase text not null,
  name text not null collate "C",
  step bigint not null,
  value double precision,
  special text,
  measured_at timestamptz not null,
  version_id uuid not null,
  constraint version_metric_pk primary key (org_id, version_id, phase, name, step),
  constraint version_metric_org_id_version_id_fk foreign key (org_id, version_id) references registry.model_version(org_id, id),
  constraint version_metric_value_check check ((value is null) = (special is not null))
);
