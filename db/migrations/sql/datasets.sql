-- Datasets and what is known of their versions.

create table registry.dataset (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  project_id uuid not null,
  name text not null collate "C",
  description text,
  created_by uuid not null,
  deleted_at timestamptz,
  tags jsonb default '{}'::jsonb not null,
  updated_at timestamptz default now() not null,
  constraint dataset_pk primary key (org_id, id),
  constraint dataset_org_id_created_by_fk foreign key (org_id, created_by) references registry.principal(org_id, id),
  constraint dataset_org_id_project_id_fk foreign key (org_id, project_id) references registry.project(org_id, id)
);
create index dataset_org_id_project_id_id_ix on registry.dataset (org_id, project_id, id);
create unique index dataset_org_id_project_id_name_key on registry.dataset (org_id, project_id, name) where (deleted_at is null);

create table registry.dataset_version (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  dataset_id uuid not null,
  digest text not null,
  source text,
  row_count bigint,
  created_by uuid not null,
  deleted_at timestamptz,
  schema_id uuid,
  description text,
  tags jsonb default '{}'::jsonb not null,
  project_id uuid not null,
  constraint dataset_version_pk primary key (org_id, id),
  constraint dataset_version_org_id_created_by_fk foreign key (org_id, created_by) references registry.principal(org_id, id),
  constraint dataset_version_org_id_dataset_id_fk foreign key (org_id, dataset_id) references registry.dataset(org_id, id),
  constraint dataset_version_org_id_project_id_fk foreign key (org_id, project_id) references registry.project(org_id, id),
  constraint dataset_version_org_id_schema_id_fk foreign key (org_id, schema_id) references registry.dataset_schema(org_id, id)
);
create index dataset_version_org_id_dataset_id_id_ix on registry.dataset_version (org_id, dataset_id, id);
create index dataset_version_org_id_digest_id_ix on registry.dataset_version (org_id, digest, id);
create index dataset_version_org_id_schema_id_id_ix on registry.dataset_version (org_id, schema_id, id);
create unique index dataset_version_org_id_dataset_id_digest_key on registry.dataset_version (org_id, dataset_id, digest) where (deleted_at is null);

create table registry.dataset_profile (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  dataset_version_id uuid not null,
  row_count bigint,
  columns jsonb not null,
  project_id uuid not null,
  constraint dataset_profile_pk primary key (org_id, id),
  constraint dataset_profile_org_id_dataset_version_id_key unique (org_id, dataset_version_id),
  constraint dataset_profile_org_id_dataset_version_id_fk foreign key (org_id, dataset_version_id) references registry.dataset_version(org_id, id),
  constraint dataset_profile_org_id_project_id_fk foreign key (org_id, project_id) references registry.project(org_id, id)
);
