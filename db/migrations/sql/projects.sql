-- The project of every row below one: `db.projects` says how these follow from what tables belong to.

create function registry.stays_in_its_project() returns trigger
  language plpgsql
  set search_path = pg_catalog
  as $$ begin raise exception 'what is in a project stays in it' using errcode = '42501'; end $$;
revoke all on function registry.stays_in_its_project() from public;

create function registry.alias_project() returns trigger
  language plpgsql
  set search_path = pg_catalog, registry
  as $$ begin new.project_id := (select project_id from model where org_id = new.org_id and id = new.model_id); return new; end $$;
revoke all on function registry.alias_project() from public;

create function registry.alias_revision_project() returns trigger
  language plpgsql
  set search_path = pg_catalog, registry
  as $$ begin new.project_id := (select project_id from model where org_id = new.org_id and id = new.model_id); return new; end $$;
revoke all on function registry.alias_revision_project() from public;

create function registry.artifact_project() returns trigger
  language plpgsql
  set search_path = pg_catalog, registry
  as $$ begin new.project_id := coalesce((select project_id from model_version where org_id = new.org_id and id = new.version_id), (select project_id from run where org_id = new.org_id and id = new.run_id)); return new; end $$;
revoke all on function registry.artifact_project() from public;

create function registry.automation_firing_project() returns trigger
  language plpgsql
  set search_path = pg_catalog, registry
  as $$ begin new.project_id := (select project_id from model where org_id = new.org_id and id = new.model_id); return new; end $$;
revoke all on function registry.automation_firing_project() from public;

create function registry.automation_rule_project() returns trigger
  language plpgsql
  set search_path = pg_catalog, registry
  as $$ begin new.project_id := (select project_id from model where org_id = new.org_id and id = new.model_id); return new; end $$;
revoke all on function registry.automation_rule_project() from public;

create function registry.dataset_profile_project() returns trigger
  language plpgsql
  set search_path = pg_catalog, registry
  as $$ begin new.project_id := (select project_id from dataset_version where org_id = new.org_id and id = new.dataset_version_id); return new; end $$;
revoke all on function registry.dataset_profile_project() from public;

create function registry.dataset_version_project() returns trigger
  language plpgsql
  set search_path = pg_catalog, registry
  as $$ begin new.project_id := (select project_id from dataset where org_id = new.org_id and id = new.dataset_id); return new; end $$;
revoke all on function registry.dataset_version_project() from public;

create function registry.deployment_change_project() returns trigger
  language plpgsql
  set search_path = pg_catalog, registry
  as $$ begin new.project_id := (select project_id from deployment where org_id = new.org_id and id = new.deployment_id); return new; end $$;
revoke all on function registry.deployment_change_project() from public;

create function registry.deployment_project() returns trigger
  language plpgsql
  set search_path = pg_catalog, registry
  as $$ begin new.project_id := (select project_id from model where org_id = new.org_id and id = new.model_id); return new; end $$;
revoke all on function registry.deployment_project() from public;

create function registry.deployment_report_project() returns trigger
  language plpgsql
  set search_path = pg_catalog, registry
  as $$ begin new.project_id := (select project_id from deployment where org_id = new.org_id and id = new.deployment_id); return new; end $$;
revoke all on function registry.deployment_report_project() from public;

create function registry.lineage_edge_project() returns trigger
  language plpgsql
  set search_path = pg_catalog, registry
  as $$ begin new.project_id := case new.downstream_kind when 'Artifact' then (select project_id from artifact where org_id = new.org_id and id = new.downstream_id) when 'Dataset' then (select project_id from dataset where org_id = new.org_id and id = new.downstream_id) when 'DatasetVersion' then (select project_id from dataset_version where org_id = new.org_id and id = new.downstream_id) when 'Deployment' then (select project_id from deployment where org_id = new.org_id and id = new.downstream_id) when 'Experiment' then (select project_id from experiment where org_id = new.org_id and id = new.downstream_id) when 'Model' then (select project_id from model where org_id = new.org_id and id = new.downstream_id) when 'ModelVersion' then (select project_id from model_version where org_id = new.org_id and id = new.downstream_id) when 'Run' then (select project_id from run where org_id = new.org_id and id = new.downstream_id) end; return new; end $$;
revoke all on function registry.lineage_edge_project() from public;

create function registry.promotion_policy_project() returns trigger
  language plpgsql
  set search_path = pg_catalog, registry
  as $$ begin new.project_id := coalesce((select project_id from model where org_id = new.org_id and id = new.model_id), new.only_project_id); return new; end $$;
revoke all on function registry.promotion_policy_project() from public;

create function registry.promotion_policy_revision_project() returns trigger
  language plpgsql
  set search_path = pg_catalog, registry
  as $$ begin new.project_id := (select project_id from promotion_policy where org_id = new.org_id and id = new.policy_id); return new; end $$;
revoke all on function registry.promotion_policy_revision_project() from public;

create function registry.promotion_request_project() returns trigger
  language plpgsql
  set search_path = pg_catalog, registry
  as $$ begin new.project_id := (select project_id from model where org_id = new.org_id and id = new.model_id); return new; end $$;
revoke all on function registry.promotion_request_project() from public;

create function registry.promotion_review_project() returns trigger
  language plpgsql
  set search_path = pg_catalog, registry
  as $$ begin new.project_id := (select project_id from promotion_request where org_id = new.org_id and id = new.request_id); return new; end $$;
revoke all on function registry.promotion_review_project() from public;

create function registry.slot_project() returns trigger
  language plpgsql
  set search_path = pg_catalog, registry
  as $$ begin new.project_id := (select project_id from model where org_id = new.org_id and id = new.model_id); return new; end $$;
revoke all on function registry.slot_project() from public;

create function registry.slot_revision_project() returns trigger
  language plpgsql
  set search_path = pg_catalog, registry
  as $$ begin new.project_id := (select project_id from model where org_id = new.org_id and id = new.model_id); return new; end $$;
revoke all on function registry.slot_revision_project() from public;

create function registry.transition_project() returns trigger
  language plpgsql
  set search_path = pg_catalog, registry
  as $$ begin new.project_id := (select project_id from model where org_id = new.org_id and id = new.model_id); return new; end $$;
revoke all on function registry.transition_project() from public;

create function registry.upload_project() returns trigger
  language plpgsql
  set search_path = pg_catalog, registry
  as $$ begin new.project_id := (select project_id from artifact where org_id = new.org_id and id = new.artifact_id); return new; end $$;
revoke all on function registry.upload_project() from public;

create function registry.version_check_project() returns trigger
  language plpgsql
  set search_path = pg_catalog, registry
  as $$ begin new.project_id := (select project_id from model where org_id = new.org_id and id = new.model_id); return new; end $$;
revoke all on function registry.version_check_project() from public;

create function registry.model_version_project() returns trigger
  language plpgsql
  set search_path = pg_catalog, registry
  as $$ begin new.project_id := (select project_id from model where org_id = new.org_id and id = new.model_id); return new; end $$;
revoke all on function registry.model_version_project() from public;

create trigger project before insert or update of model_id, project_id on registry.alias
  for each row execute function registry.alias_project();
create trigger project before insert or update of model_id, project_id on registry.alias_revision
  for each row execute function registry.alias_revision_project();
create trigger project before insert or update of version_id, run_id, project_id on registry.artifact
  for each row execute function registry.artifact_project();
create trigger project before insert or update of model_id, project_id on registry.automation_firing
  for each row execute function registry.automation_firing_project();
create trigger project before insert or update of model_id, project_id on registry.automation_rule
  for each row execute function registry.automation_rule_project();
create trigger project before update of project_id on registry.dataset
  for each row when (new.project_id is distinct from old.project_id) execute function registry.stays_in_its_project();
create trigger project before insert or update of dataset_version_id, project_id on registry.dataset_profile
  for each row execute function registry.dataset_profile_project();
create trigger project before insert or update of dataset_id, project_id on registry.dataset_version
  for each row execute function registry.dataset_version_project();
create trigger project before insert or update of model_id, project_id on registry.deployment
  for each row execute function registry.deployment_project();
create trigger project before insert or update of deployment_id, project_id on registry.deployment_change
  for each row execute function registry.deployment_change_project();
create trigger project before insert or update of deployment_id, project_id on registry.deployment_report
  for each row execute function registry.deployment_report_project();
create trigger project before update of project_id on registry.experiment
  for each row when (new.project_id is distinct from old.project_id) execute function registry.stays_in_its_project();
create trigger project before insert or update of downstream_id, downstream_kind, project_id on registry.lineage_edge
  for each row execute function registry.lineage_edge_project();
create trigger project before update of project_id on registry.model
  for each row when (new.project_id is distinct from old.project_id) execute function registry.stays_in_its_project();
create trigger project before insert or update of model_id, only_project_id, project_id on registry.promotion_policy
  for each row execute function registry.promotion_policy_project();
create trigger project before insert or update of policy_id, project_id on registry.promotion_policy_revision
  for each row execute function registry.promotion_policy_revision_project();
create trigger project before insert or update of model_id, project_id on registry.promotion_request
  for each row execute function registry.promotion_request_project();
create trigger project before insert or update of request_id, project_id on registry.promotion_review
  for each row execute function registry.promotion_review_project();
create trigger project before update of project_id on registry.run
  for each row when (new.project_id is distinct from old.project_id) execute function registry.stays_in_its_project();
create trigger project before insert or update of model_id, project_id on registry.slot
  for each row execute function registry.slot_project();
create trigger project before insert or update of model_id, project_id on registry.slot_revision
  for each row execute function registry.slot_revision_project();
create trigger project before insert or update of model_id, project_id on registry.transition
  for each row execute function registry.transition_project();
create trigger project before insert or update of artifact_id, project_id on registry.upload
  for each row execute function registry.upload_project();
create trigger project before insert or update of model_id, project_id on registry.model_version
  for each row execute function registry.model_version_project();
create trigger project before insert or update of model_id, project_id on registry.version_check
  for each row execute function registry.version_check_project();
