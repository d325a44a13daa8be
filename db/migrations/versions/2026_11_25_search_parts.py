"""What is part of a deleted thing is not found: its document has no words until the thing is restored."""

from alembic import op

from db.tenancy import migrating_roles

revision = "2026_11_25_search_parts"
down_revision = "2026_11_25_fairness"
branch_labels = None
depends_on = None

# The document of the whole is locked before it is read, as in 2026_11_25_search_parents: who makes a part waits for whoever
# deletes the whole, or is waited for.
KEEP = """
create or replace function registry.search_keep(p_kind text, p_row jsonb, p_parent uuid) returns void
language plpgsql set search_path = pg_catalog as $$
declare
  v_org uuid := p_row ->> 'org_id';
  v_id uuid := p_row ->> 'id';
  v_title text := coalesce(p_row ->> 'name', p_row ->> 'label', p_row ->> 'path', p_row ->> 'digest');
  v_project uuid := case when p_kind = 'PROJECT' then p_row ->> 'id' else p_row ->> 'project_id' end;
  v_framework text := p_row ->> 'framework';
  v_tags jsonb := coalesce(nullif(p_row -> 'tags', 'null'), '{{}}');
  v_within text;
  v_gone boolean := false;
  v_vector tsvector;
begin
  if p_parent is not null then
    select coalesce(v_project, d.project_id), coalesce(v_framework, d.framework), d.title{gone}
      into v_project, v_framework, v_within{into}
      from registry.search_document d where d.org_id = v_org and d.id = p_parent for share;
  end if;
  if p_row ->> 'deleted_at' is null and v_gone is not true then
    v_vector := registry.search_vector(v_title, 'A')
      || registry.search_vector((
           select string_agg(key || ' ' || value, ' ' order by key) from (
             select * from jsonb_each_text(v_tags) union all
             select * from jsonb_each_text(coalesce(nullif(p_row -> 'parameters', 'null'), '{{}}'))) t), 'B')
      || registry.search_vector(concat_ws(' ', p_row ->> 'description', p_row ->> 'source', p_row ->> 'external_uri',
                                          p_row ->> 'endpoint'), 'D')
      || (select string_agg(quote_literal(token) || ':' || 1, ' ')
            from unnest(registry.search_tokens(v_org, v_title)) token)::tsvector
      || registry.search_vector(v_within, 'C');
  end if;
  insert into registry.search_document as d
    (org_id, kind, id, parent_id, project_id, framework, stage, title, tags, words)
  values (v_org, p_kind, v_id, p_parent, v_project, v_framework, p_row ->> 'stage', v_title, v_tags, v_vector)
  on conflict (org_id, id, kind) do update set
    parent_id = excluded.parent_id, project_id = excluded.project_id, framework = excluded.framework,
    stage = excluded.stage, title = excluded.title, tags = excluded.tags, words = excluded.words;
end $$
"""

PARTS = """
create function registry.search_parts() returns trigger
language plpgsql set search_path = pg_catalog as $$
begin
  if new.deleted_at is not null then
    update registry.search_document d set words = null
     where d.org_id = new.org_id and d.parent_id = new.id and d.kind = 'ARTIFACT';
  else
    perform registry.search_keep('ARTIFACT', to_jsonb(a), new.id) from registry.artifact a
     where a.org_id = new.org_id and (a.version_id = new.id or a.run_id = new.id);
  end if;
  return null;
end $$
"""

REPAIR = """
update registry.search_document d set words = null
  from registry.search_document whole
 where d.kind = 'ARTIFACT' and d.words is not null
   and whole.org_id = d.org_id and whole.id = d.parent_id and whole.words is null
"""
WHOLES = ("run", "version")


def upgrade() -> None:
    roles = migrating_roles()
    op.execute(KEEP.format(gone=", d.words is null", into=", v_gone"))
    op.execute(PARTS)
    op.execute("revoke all on function registry.search_parts() from public")
    op.execute(f"grant execute on function registry.search_parts() to {roles.app}")
    for whole in WHOLES:
        # Triggers fire in the order of their names: the document of the whole is kept first.
        op.execute(
            f"create trigger search_parts after update of deleted_at on registry.{whole} for each row"
            " when ((old.deleted_at is null) <> (new.deleted_at is null)) execute function registry.search_parts()"
        )
    op.execute(REPAIR)


def downgrade() -> None:
    for whole in WHOLES:
        op.execute(f"drop trigger search_parts on registry.{whole}")
    op.execute("drop function registry.search_parts()")
    op.execute(KEEP.format(gone="", into=""))
    op.execute("alter table registry.artifact no force row level security")
    op.execute(
        "select registry.search_keep('ARTIFACT', to_jsonb(a), coalesce(a.version_id, a.run_id))"
        " from registry.artifact a where a.deleted_at is null"
    )
    op.execute("alter table registry.artifact force row level security")
