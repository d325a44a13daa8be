-- Contents that several things share, kept once by their digest.

create table registry.signature (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  digest text not null,
  inputs jsonb not null,
  outputs jsonb not null,
  parameters jsonb not null,
  features jsonb not null,
  constraint signature_pk primary key (org_id, id),
  constraint signature_org_id_digest_key unique (org_id, digest)
);

create table registry.runtime (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  digest text not null,
  python_version text,
  packages jsonb not null,
  image text,
  repository text,
  commit text,
  hardware jsonb,
  constraint runtime_pk primary key (org_id, id),
  constraint runtime_org_id_digest_key unique (org_id, digest)
);

create table registry.dataset_schema (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  digest text not null,
  columns jsonb not null,
  constraint dataset_schema_pk primary key (org_id, id),
  constraint dataset_schema_org_id_digest_key unique (org_id, digest)
);
