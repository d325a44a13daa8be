-- Promotion: rules and policies, requests and reviews, slots and the history of both.

create table registry.automation_rule (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  model_id uuid not null,
  name text not null collate "C",
  is_enabled boolean not null,
  trigger text not null,
  stage text not null,
  metric text collate "C",
  minimum double precision,
  maximum double precision,
  reports integer,
  environment_id uuid,
  cool_down_seconds integer,
  revision integer not null,
  removed_at timestamptz,
  set_by uuid not null,
  created_by uuid not null,
  updated_at timestamptz not null,
  project_id uuid not null,
  constraint automation_rule_pk primary key (org_id, id),
  constraint automation_rule_org_id_created_by_fk foreign key (org_id, created_by) references registry.principal(org_id, id),
  constraint automation_rule_org_id_environment_id_fk foreign key (org_id, environment_id) references registry.environment(org_id, id),
  constraint automation_rule_org_id_model_id_fk foreign key (org_id, model_id) references registry.model(org_id, id),
  constraint automation_rule_org_id_project_id_fk foreign key (org_id, project_id) references registry.project(org_id, id),
  constraint automation_rule_org_id_set_by_fk foreign key (org_id, set_by) references registry.principal(org_id, id)
);
create index automation_rule_org_id_model_id_id_ix on registry.automation_rule (org_id, model_id, id);
create unique index automation_rule_key on registry.automation_rule (org_id, model_id, name) where (removed_at is null);

create table registry.promotion_policy (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  only_project_id uuid,
  model_id uuid,
  stage text,
  alias text collate "C",
  revision integer not null,
  gates jsonb not null,
  is_automatic boolean not null,
  request_expires_seconds integer not null,
  removed_at timestamptz,
  created_by uuid not null,
  updated_at timestamptz not null,
  project_id uuid,
  constraint promotion_policy_pk primary key (org_id, id),
  constraint promotion_policy_org_id_created_by_fk foreign key (org_id, created_by) references registry.principal(org_id, id),
  constraint promotion_policy_org_id_model_id_fk foreign key (org_id, model_id) references registry.model(org_id, id),
  constraint promotion_policy_org_id_only_project_id_fk foreign key (org_id, only_project_id) references registry.project(org_id, id),
  constraint promotion_policy_org_id_project_id_fk foreign key (org_id, project_id) references registry.project(org_id, id),
  constraint promotion_policy_one_scope_check check (num_nonnulls(only_project_id, model_id) <= 1),
  constraint promotion_policy_one_target_check check (num_nonnulls(stage, alias) = 1)
);
create index promotion_policy_org_id_model_id_id_ix on registry.promotion_policy (org_id, model_id, id);
create index promotion_policy_org_id_only_project_id_id_ix on registry.promotion_policy (org_id, only_project_id, id);
create unique index promotion_policy_key on registry.promotion_policy (org_id, model_id, only_project_id, stage, alias) nulls not distinct where (removed_at is null);

create table registry.promotion_policy_revision (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  policy_id uuid not null,
  revision integer not null,
  gates jsonb not null,
  is_automatic boolean not null,
  request_expires_seconds integer not null,
  reason text,
  created_by uuid not null,
  is_removal boolean not null,
  project_id uuid,
  constraint promotion_policy_revision_pk primary key (org_id, id),
  constraint promotion_policy_revision_org_id_policy_id_revision_key unique (org_id, policy_id, revision),
  constraint promotion_policy_revision_org_id_created_by_fk foreign key (org_id, created_by) references registry.principal(org_id, id),
  constraint promotion_policy_revision_org_id_policy_id_fk foreign key (org_id, policy_id) references registry.promotion_policy(org_id, id),
  constraint promotion_policy_revision_org_id_project_id_fk foreign key (org_id, project_id) references registry.project(org_id, id)
);

create table registry.promotion_request (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  model_id uuid not null,
  version_id uuid not null,
  stage text,
  alias text collate "C",
  state text not null,
  target_revision integer not null,
  digest text not null,
  reason text,
  outcome text,
  expires_at timestamptz not null,
  closed_at timestamptz,
  created_by uuid not null,
  project_id uuid not null,
  constraint promotion_request_pk primary key (org_id, id),
  constraint promotion_request_org_id_created_by_fk foreign key (org_id, created_by) references registry.principal(org_id, id),
  constraint promotion_request_org_id_model_id_fk foreign key (org_id, model_id) references registry.model(org_id, id),
  constraint promotion_request_org_id_model_id_version_id_fk foreign key (org_id, model_id, version_id) references registry.model_version(org_id, model_id, id),
  constraint promotion_request_org_id_project_id_fk foreign key (org_id, project_id) references registry.project(org_id, id),
  constraint promotion_request_one_target_check check (num_nonnulls(stage, alias) = 1)
);
create index promotion_request_org_id_model_id_id_ix on registry.promotion_request (org_id, model_id, id);
create index promotion_request_org_id_state_id_ix on registry.promotion_request (org_id, state, id);
create index promotion_request_org_id_version_id_id_ix on registry.promotion_request (org_id, version_id, id);
create unique index promotion_request_open_key on registry.promotion_request (org_id, version_id, stage, alias) nulls not distinct where (state = 'OPEN'::text);

create table registry.promotion_review (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  request_id uuid not null,
  decision text not null,
  comment text,
  role text not null,
  digest text not null,
  created_by uuid not null,
  project_id uuid not null,
  constraint promotion_review_pk primary key (org_id, id),
  constraint promotion_review_org_id_request_id_created_by_decision_key unique (org_id, request_id, created_by, decision),
  constraint promotion_review_org_id_created_by_fk foreign key (org_id, created_by) references registry.principal(org_id, id),
  constraint promotion_review_org_id_project_id_fk foreign key (org_id, project_id) references registry.project(org_id, id),
  constraint promotion_review_org_id_request_id_fk foreign key (org_id, request_id) references registry.promotion_request(org_id, id)
);
create index promotion_review_org_id_request_id_id_ix on registry.promotion_review (org_id, request_id, id);

create table registry.version_check (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  model_id uuid not null,
  version_id uuid not null,
  name text not null collate "C",
  digest text not null,
  passed boolean not null,
  summary text,
  url text,
  created_by uuid not null,
  project_id uuid not null,
  constraint version_check_pk primary key (org_id, id),
  constraint version_check_org_id_created_by_fk foreign key (org_id, created_by) references registry.principal(org_id, id),
  constraint version_check_org_id_model_id_fk foreign key (org_id, model_id) references registry.model(org_id, id),
  constraint version_check_org_id_model_id_version_id_fk foreign key (org_id, model_id, version_id) references registry.model_version(org_id, model_id, id),
  constraint version_check_org_id_project_id_fk foreign key (org_id, project_id) references registry.project(org_id, id)
);
create index version_check_org_id_version_id_id_ix on registry.version_check (org_id, version_id, id);
create index version_check_org_id_version_id_name_id_ix on registry.version_check (org_id, version_id, name, id);

create table registry.transition (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  model_id uuid not null,
  number integer not null,
  version_id uuid not null,
  kind text not null,
  from_stage text not null,
  to_stage text not null,
  cause_id uuid,
  undone_id uuid,
  reason text,
  created_by uuid not null,
  request_id uuid,
  policy_id uuid,
  policy_revision integer,
  digest text,
  verdicts jsonb not null,
  automation_rule_id uuid,
  project_id uuid not null,
  constraint transition_pk primary key (org_id, id),
  constraint transition_org_id_cause_id_key unique (org_id, cause_id),
  constraint transition_org_id_model_id_number_key unique (org_id, model_id, number),
  constraint transition_org_id_request_id_key unique (org_id, request_id),
  constraint transition_org_id_undone_id_key unique (org_id, undone_id),
  constraint transition_org_id_automation_rule_id_fk foreign key (org_id, automation_rule_id) references registry.automation_rule(org_id, id),
  constraint transition_org_id_cause_id_fk foreign key (org_id, cause_id) references registry.transition(org_id, id),
  constraint transition_org_id_created_by_fk foreign key (org_id, created_by) references registry.principal(org_id, id),
  constraint transition_org_id_model_id_fk foreign key (org_id, model_id) references registry.model(org_id, id),
  constraint transition_org_id_model_id_version_id_fk foreign key (org_id, model_id, version_id) references registry.model_version(org_id, model_id, id),
  constraint transition_org_id_policy_id_fk foreign key (org_id, policy_id) references registry.promotion_policy(org_id, id),
  constraint transition_org_id_project_id_fk foreign key (org_id, project_id) references registry.project(org_id, id),
  constraint transition_org_id_request_id_fk foreign key (org_id, request_id) references registry.promotion_request(org_id, id),
  constraint transition_org_id_undone_id_fk foreign key (org_id, undone_id) references registry.transition(org_id, id)
);
create index transition_org_id_created_at_id_ix on registry.transition (org_id, created_at, id);
create index transition_org_id_version_id_number_ix on registry.transition (org_id, version_id, number);

create table registry.slot (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  model_id uuid not null,
  stage text not null,
  version_id uuid,
  revision integer not null,
  transition_id uuid,
  updated_at timestamptz not null,
  project_id uuid not null,
  constraint slot_pk primary key (org_id, id),
  constraint slot_org_id_model_id_stage_key unique (org_id, model_id, stage),
  constraint slot_org_id_version_id_key unique (org_id, version_id),
  constraint slot_org_id_model_id_fk foreign key (org_id, model_id) references registry.model(org_id, id),
  constraint slot_org_id_model_id_version_id_fk foreign key (org_id, model_id, version_id) references registry.model_version(org_id, model_id, id),
  constraint slot_org_id_project_id_fk foreign key (org_id, project_id) references registry.project(org_id, id),
  constraint slot_org_id_transition_id_fk foreign key (org_id, transition_id) references registry.transition(org_id, id)
);

create table registry.slot_revision (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  model_id uuid not null,
  stage text not null,
  revision integer not null,
  version_id uuid,
  transition_id uuid not null,
  valid_from timestamptz not null,
  valid_to timestamptz,
  project_id uuid not null,
  constraint slot_revision_pk primary key (org_id, id),
  constraint slot_revision_org_id_model_id_stage_revision_key unique (org_id, model_id, stage, revision),
  constraint slot_revision_org_id_model_id_fk foreign key (org_id, model_id) references registry.model(org_id, id),
  constraint slot_revision_org_id_model_id_version_id_fk foreign key (org_id, model_id, version_id) references registry.model_version(org_id, model_id, id),
  constraint slot_revision_org_id_project_id_fk foreign key (org_id, project_id) references registry.project(org_id, id),
  constraint slot_revision_org_id_transition_id_fk foreign key (org_id, transition_id) references registry.transition(org_id, id)
);
create index slot_revision_org_id_model_id_valid_from_id_ix on registry.slot_revision (org_id, model_id, valid_from, id);
create index slot_revision_org_id_valid_from_id_ix on registry.slot_revision (org_id, valid_from, id);
create index slot_revision_org_id_version_id_valid_from_id_ix on registry.slot_revision (org_id, version_id, valid_from, id);

create table registry.automation_firing (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  model_id uuid not null,
  rule_id uuid not null,
  rule_revision integer not null,
  slot_revision integer not null,
  version_id uuid not null,
  state text not null,
  reason text not null,
  measured jsonb not null,
  deployment_id uuid,
  transition_id uuid,
  project_id uuid not null,
  constraint automation_firing_pk primary key (org_id, id),
  constraint automation_firing_key unique (org_id, rule_id, rule_revision, slot_revision),
  constraint automation_firing_org_id_transition_id_key unique (org_id, transition_id),
  constraint automation_firing_org_id_deployment_id_fk foreign key (org_id, deployment_id) references registry.deployment(org_id, id),
  constraint automation_firing_org_id_model_id_fk foreign key (org_id, model_id) references registry.model(org_id, id),
  constraint automation_firing_org_id_model_id_version_id_fk foreign key (org_id, model_id, version_id) references registry.model_version(org_id, model_id, id),
  constraint automation_firing_org_id_project_id_fk foreign key (org_id, project_id) references registry.project(org_id, id),
  constraint automation_firing_org_id_rule_id_fk foreign key (org_id, rule_id) references registry.automation_rule(org_id, id),
  constraint automation_firing_org_id_transition_id_fk foreign key (org_id, transition_id) references registry.transition(org_id, id)
);
create index automation_firing_org_id_model_id_id_ix on registry.automation_firing (org_id, model_id, id);
create index automation_firing_org_id_rule_id_id_ix on registry.automation_firing (org_id, rule_id, id);
