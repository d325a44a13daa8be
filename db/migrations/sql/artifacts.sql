-- Files: what was announced, sent and kept.

create table registry.blob (
  org_id uuid not null,
  bucket text not null,
  sha256 text not null,
  size_bytes bigint not null,
  object_key text not null,
  verified_at timestamptz not null,
  constraint blob_pk primary key (org_id, bucket, sha256)
);

create table registry.artifact (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  run_id uuid,
  version_id uuid,
  kind text not null,
  path text not null collate "C",
  folded_path text not null collate "C",
  content_type text not null,
  size_bytes bigint,
  sha256 text,
  state text not null,
  bucket text,
  object_key text,
  external_uri text,
  failure text,
  verified_at timestamptz,
  created_by uuid not null,
  deleted_at timestamptz,
  project_id uuid not null,
  constraint artifact_pk primary key (org_id, id),
  constraint artifact_org_id_created_by_fk foreign key (org_id, created_by) references registry.principal(org_id, id),
  constraint artifact_org_id_project_id_fk foreign key (org_id, project_id) references registry.project(org_id, id),
  constraint artifact_org_id_run_id_fk foreign key (org_id, run_id) references registry.run(org_id, id),
  constraint artifact_org_id_version_id_fk foreign key (org_id, version_id) references registry.model_version(org_id, id),
  constraint artifact_one_owner_check check (num_nonnulls(run_id, version_id) = 1),
  constraint artifact_whole_place_check check (num_nonnulls(bucket, object_key) = any (array[0, 2]))
);
create index artifact_org_id_run_id_id_ix on registry.artifact (org_id, run_id, id);
create index artifact_org_id_sha256_id_ix on registry.artifact (org_id, sha256, id);
create index artifact_org_id_version_id_id_ix on registry.artifact (org_id, version_id, id);
create unique index artifact_run_path_key on registry.artifact (org_id, run_id, folded_path) where ((state <> all (array['QUARANTINED'::text, 'ABANDONED'::text])) and (deleted_at is null));
create unique index artifact_version_path_key on registry.artifact (org_id, version_id, folded_path) where ((state <> all (array['QUARANTINED'::text, 'ABANDONED'::text])) and (deleted_at is null));

create table registry.upload (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  artifact_id uuid not null,
  bucket text not null,
  object_key text not null,
  store_upload_id text,
  part_size_bytes bigint not null,
  part_count integer not null,
  state text not null,
  expires_at timestamptz not null,
  project_id uuid not null,
  constraint upload_pk primary key (org_id, id),
  constraint upload_org_id_artifact_id_key unique (org_id, artifact_id),
  constraint upload_org_id_artifact_id_fk foreign key (org_id, artifact_id) references registry.artifact(org_id, id),
  constraint upload_org_id_project_id_fk foreign key (org_id, project_id) references registry.project(org_id, id)
);
