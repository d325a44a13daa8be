-- Where versions run, and what agents report from there.

create table registry.environment (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  deleted_at timestamptz,
  name text not null collate "C",
  description text,
  tags jsonb not null,
  created_by uuid not null,
  updated_at timestamptz not null,
  constraint environment_pk primary key (org_id, id),
  constraint environment_org_id_created_by_fk foreign key (org_id, created_by) references registry.principal(org_id, id)
);
create unique index environment_org_id_name_key on registry.environment (org_id, name) where (deleted_at is null);

create table registry.deployment (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  deleted_at timestamptz,
  model_id uuid not null,
  environment_id uuid not null,
  name text not null collate "C",
  version_id uuid not null,
  desired_state text not null,
  traffic_percent double precision not null,
  endpoint text,
  tags jsonb not null,
  revision integer not null,
  observed_state text not null,
  observed_version_id uuid,
  health text not null,
  health_message text,
  observed_at timestamptz,
  created_by uuid not null,
  updated_at timestamptz not null,
  project_id uuid not null,
  constraint deployment_pk primary key (org_id, id),
  constraint deployment_org_id_created_by_fk foreign key (org_id, created_by) references registry.principal(org_id, id),
  constraint deployment_org_id_environment_id_fk foreign key (org_id, environment_id) references registry.environment(org_id, id),
  constraint deployment_org_id_model_id_fk foreign key (org_id, model_id) references registry.model(org_id, id),
  constraint deployment_org_id_model_id_observed_version_id_fk foreign key (org_id, model_id, observed_version_id) references registry.model_version(org_id, model_id, id),
  constraint deployment_org_id_model_id_version_id_fk foreign key (org_id, model_id, version_id) references registry.model_version(org_id, model_id, id),
  constraint deployment_org_id_project_id_fk foreign key (org_id, project_id) references registry.project(org_id, id),
  constraint deployment_share_check check ((traffic_percent >= (0)::double precision) and (traffic_percent <= (100)::double precision))
);
create index deployment_org_id_environment_id_id_ix on registry.deployment (org_id, environment_id, id);
create index deployment_org_id_model_id_id_ix on registry.deployment (org_id, model_id, id);
create index deployment_org_id_observed_version_id_id_ix on registry.deployment (org_id, observed_version_id, id);
create index deployment_org_id_version_id_id_ix on registry.deployment (org_id, version_id, id);
create unique index deployment_org_id_environment_id_name_key on registry.deployment (org_id, environment_id, name) where (deleted_at is null);

create table registry.deployment_change (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  deployment_id uuid not null,
  revision integer not null,
  version_id uuid not null,
  desired_state text not null,
  traffic_percent double precision not null,
  endpoint text,
  reason text,
  created_by uuid not null,
  project_id uuid not null,
  constraint deployment_change_pk primary key (org_id, id),
  constraint deployment_change_org_id_deployment_id_revision_key unique (org_id, deployment_id, revision),
  constraint deployment_change_org_id_created_by_fk foreign key (org_id, created_by) references registry.principal(org_id, id),
  constraint deployment_change_org_id_deployment_id_fk foreign key (org_id, deployment_id) references registry.deployment(org_id, id),
  constraint deployment_change_org_id_project_id_fk foreign key (org_id, project_id) references registry.project(org_id, id),
  constraint deployment_change_org_id_version_id_fk foreign key (org_id, version_id) references registry.model_version(org_id, id)
);

create table registry.deployment_report (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  deployment_id uuid not null,
  observed_state text not null,
  observed_version_id uuid,
  health text not null,
  health_message text,
  observed_at timestamptz not null,
  created_by uuid not null,
  project_id uuid not null,
  constraint deployment_report_pk primary key (org_id, id),
  constraint deployment_report_key unique (org_id, deployment_id, created_by, observed_at),
  constraint deployment_report_org_id_created_by_fk foreign key (org_id, created_by) references registry.principal(org_id, id),
  constraint deployment_report_org_id_deployment_id_fk foreign key (org_id, deployment_id) references registry.deployment(org_id, id),
  constraint deployment_report_org_id_observed_version_id_fk foreign key (org_id, observed_version_id) references registry.model_version(org_id, id),
  constraint deployment_report_org_id_project_id_fk foreign key (org_id, project_id) references registry.project(org_id, id)
);
create index deployment_report_felt_ix on registry.deployment_report (org_id, deployment_id, observed_at, id) where (health <> 'UNKNOWN'::text);
create index deployment_report_org_id_deployment_id_id_ix on registry.deployment_report (org_id, deployment_id, id);
create index deployment_report_org_id_deployment_id_observed_at_id_ix on registry.deployment_report (org_id, deployment_id, observed_at, id);
create index deployment_report_said_idx on registry.deployment_report (org_id, deployment_id, observed_at, id) where (observed_version_id is not null);

create table registry.deployment_metric (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  deployment_id uuid not null,
  name text not null collate "C",
  value double precision,
  special text,
  measured_at timestamptz not null,
  report_id uuid,
  constraint deployment_metric_pk primary key (org_id, id),
  constraint deployment_metric_org_id_deployment_id_name_measured_at_key unique (org_id, deployment_id, name, measured_at),
  constraint deployment_metric_org_id_deployment_id_fk foreign key (org_id, deployment_id) references registry.deployment(org_id, id),
  constraint deployment_metric_org_id_report_id_fk foreign key (org_id, report_id) references registry.deployment_report(org_id, id),
  constraint deployment_metric_value_check check ((value is null) = (special is not null))
);
create index deployment_metric_org_id_deployment_id_measured_at_id_ix on registry.deployment_metric (org_id, deployment_id, measured_at, id);
