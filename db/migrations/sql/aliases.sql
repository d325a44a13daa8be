-- The names of models that point at versions, and what they pointed at before.

create table registry.alias (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  model_id uuid not null,
  version_id uuid not null,
  name text not null collate "C",
  revision integer not null,
  created_by uuid not null,
  updated_at timestamptz not null,
  project_id uuid not null,
  constraint alias_pk primary key (org_id, id),
  constraint alias_org_id_model_id_name_key unique (org_id, model_id, name),
  constraint alias_org_id_created_by_fk foreign key (org_id, created_by) references registry.principal(org_id, id),
  constraint alias_org_id_model_id_fk foreign key (org_id, model_id) references registry.model(org_id, id),
  constraint alias_org_id_model_id_version_id_fk foreign key (org_id, model_id, version_id) references registry.model_version(org_id, model_id, id),
  constraint alias_org_id_project_id_fk foreign key (org_id, project_id) references registry.project(org_id, id)
);
create index alias_org_id_version_id_id_ix on registry.alias (org_id, version_id, id);

create table registry.alias_revision (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  model_id uuid not null,
  name text not null collate "C",
  revision integer not null,
  kind text not null,
  version_id uuid,
  request_id uuid,
  policy_id uuid,
  policy_revision integer,
  digest text,
  verdicts jsonb not null,
  reason text,
  created_by uuid not null,
  valid_from timestamptz not null,
  valid_to timestamptz,
  project_id uuid not null,
  constraint alias_revision_pk primary key (org_id, id),
  constraint alias_revision_org_id_model_id_name_revision_key unique (org_id, model_id, name, revision),
  constraint alias_revision_org_id_request_id_key unique (org_id, request_id),
  constraint alias_revision_org_id_created_by_fk foreign key (org_id, created_by) references registry.principal(org_id, id),
  constraint alias_revision_org_id_model_id_fk foreign key (org_id, model_id) references registry.model(org_id, id),
  constraint alias_revision_org_id_model_id_version_id_fk foreign key (org_id, model_id, version_id) references registry.model_version(org_id, model_id, id),
  constraint alias_revision_org_id_policy_id_fk foreign key (org_id, policy_id) references registry.promotion_policy(org_id, id),
  constraint alias_revision_org_id_project_id_fk foreign key (org_id, project_id) references registry.project(org_id, id),
  constraint alias_revision_org_id_request_id_fk foreign key (org_id, request_id) references registry.promotion_request(org_id, id)
);
create index alias_revision_org_id_model_id_valid_from_id_ix on registry.alias_revision (org_id, model_id, valid_from, id);
create index alias_revision_org_id_valid_from_id_ix on registry.alias_revision (org_id, valid_from, id);
create index alias_revision_org_id_version_id_valid_from_id_ix on registry.alias_revision (org_id, version_id, valid_from, id);
