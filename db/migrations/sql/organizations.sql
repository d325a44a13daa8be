-- Who works here: organizations, their teams and projects, principals, tokens and roles.

create table registry.organization (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  name text not null collate "C",
  constraint organization_pk primary key (org_id, id),
  constraint organization_name_key unique (name),
  constraint organization_is_its_own_check check (id = org_id)
);

create table registry.team (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  name text not null collate "C",
  deleted_at timestamptz,
  constraint team_pk primary key (org_id, id)
);
create unique index team_org_id_name_key on registry.team (org_id, name) where (deleted_at is null);

create table registry.project (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  team_id uuid not null,
  name text not null collate "C",
  description text,
  deleted_at timestamptz,
  constraint project_pk primary key (org_id, id),
  constraint project_org_id_team_id_fk foreign key (org_id, team_id) references registry.team(org_id, id)
);
create unique index project_org_id_team_id_name_key on registry.project (org_id, team_id, name) where (deleted_at is null);

create table registry.principal (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  kind text not null,
  name text not null collate "C",
  constraint principal_pk primary key (org_id, id),
  constraint principal_org_id_name_key unique (org_id, name)
);

create table registry.api_token (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  principal_id uuid not null,
  name text not null collate "C",
  token_hash bytea not null,
  last_four text not null,
  expires_at timestamptz not null,
  revoked_at timestamptz,
  last_used_at timestamptz,
  constraint api_token_pk primary key (org_id, id),
  constraint api_token_token_hash_key unique (token_hash),
  constraint api_token_org_id_principal_id_fk foreign key (org_id, principal_id) references registry.principal(org_id, id)
);
create index api_token_org_id_principal_id_id_ix on registry.api_token (org_id, principal_id, id);

create table registry.role_binding (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  principal_id uuid not null,
  role text not null,
  scope_kind text not null,
  scope_id uuid not null,
  constraint role_binding_pk primary key (org_id, id),
  constraint role_binding_org_id_principal_id_role_scope_kind_scope_id_key unique (org_id, principal_id, role, scope_kind, scope_id),
  constraint role_binding_org_id_principal_id_fk foreign key (org_id, principal_id) references registry.principal(org_id, id)
);
