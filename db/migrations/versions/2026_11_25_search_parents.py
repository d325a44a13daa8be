"""A search document has the name that its parent has when both are committed, whoever renames it at the same moment."""

from alembic import op

revision = "2026_11_25_search_parents"
down_revision = "2026_11_24_statistics"
branch_labels = None
depends_on = None

# The parent's document is locked before its name is read. Who renames the parent waits for this transaction and then finds
# the new document; and this one waits for whoever renames it, and reads the new name. Locks are taken from parents down,
# as a name is passed down.
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
  v_vector tsvector;
begin
  if p_parent is not null then
    select coalesce(v_project, d.project_id), coalesce(v_framework, d.framework), d.title
      into v_project, v_framework, v_within
      from registry.search_document d where d.org_id = v_org and d.id = p_parent{lock};
  end if;
  if p_row ->> 'deleted_at' is null then
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


def upgrade() -> None:
    op.execute(KEEP.format(lock=" for share"))


def downgrade() -> None:
    op.execute(KEEP.format(lock=""))
