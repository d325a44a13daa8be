"""Search: one document for each thing that can be found, kept by triggers, read by one function."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from db.codes import SearchKind
from db.searching import not_searchable, searchable
from db.tenancy import migrating_roles, protect

revision = "2026_11_24_search"
down_revision = "2026_11_24_facts"
branch_labels = None
depends_on = None

SEARCHABLE = {
    SearchKind.TEAM: ("team", ("name",), ()),
    SearchKind.PROJECT: ("project", ("name", "description"), ()),
    SearchKind.MODEL: ("model", ("name", "framework", "description", "tags", "project_id"), ()),
    SearchKind.DATASET: ("dataset", ("name", "description", "tags", "project_id"), ()),
    SearchKind.EXPERIMENT: ("experiment", ("name", "description", "tags", "project_id"), ()),
    SearchKind.RUN: ("run", ("name", "parameters", "tags", "project_id"), ()),
    SearchKind.VERSION: ("version", ("label", "description", "stage", "parameters", "tags"), ("model_id",)),
    SearchKind.DATASET_VERSION: ("dataset_version", ("digest", "source", "description", "tags"), ("dataset_id",)),
    SearchKind.ARTIFACT: ("artifact", ("path", "external_uri"), ("version_id", "run_id")),
    SearchKind.ENVIRONMENT: ("environment", ("name", "description", "tags"), ()),
    SearchKind.DEPLOYMENT: ("deployment", ("name", "endpoint", "tags"), ("model_id",)),
}

# What is no letter or digit in ASCII parts words, as do white space and punctuation elsewhere. Scripts without spaces
# are read sign by sign: a phrase then finds any part. A lexeme has an upper length, and so has a whole vector.
WORDS = r"""
create function registry.search_words(p_text text) returns text[]
language plpgsql immutable parallel safe set search_path = pg_catalog as $$
declare
  v_text text := left(p_text, 20000);
begin
  if octet_length(v_text) > length(v_text) then
    v_text := regexp_replace(v_text, '[\u0080-\u00a0\u2000-\u206f\u3000-\u303f\ufe00-\ufe0f\ufeff]', ' ', 'g');
    v_text := regexp_replace(v_text, '([\u0e00-\u0eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3])', ' \1 ', 'g');
  end if;
  v_text := regexp_replace(v_text, '([a-z0-9])([A-Z])', '\1 \2', 'g');
  v_text := regexp_replace(v_text, '([A-Z])([A-Z][a-z])', '\1 \2', 'g');
  v_text := regexp_replace(lower(v_text), '[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u007f]+', ' ', 'g');
  return array(select left(word, 100) from unnest(string_to_array(v_text, ' ')) word where word <> '');
end $$
"""

# Words in their places. One in camelCase stands there in its parts and as it is written.
VECTOR = r"""
create function registry.search_vector(p_text text, p_weight "char") returns tsvector
language plpgsql immutable parallel safe set search_path = pg_catalog as $$
declare
  v_words text[];
begin
  if p_text is null or p_text = '' then return ''; end if;
  v_words := registry.search_words(p_text);
  if p_text ~ '[a-z0-9][A-Z]|[A-Z][A-Z][a-z]' then v_words := v_words || registry.search_words(lower(p_text)); end if;
  return setweight(coalesce((
    select string_agg(quote_literal(word) || ':' || least(place, 16383), ' ')
      from unnest(v_words) with ordinality t(word, place)), '')::tsvector, p_weight);
end $$
"""

# A token of the organisation lets the index itself leave out all others; one of the whole title finds a thing by its
# exact name, whatever signs that has. No word begins with their dot; both have a place because a filter by weight drops what
# has none.
TOKENS = """
create function registry.search_tokens(p_org uuid, p_title text) returns text[]
language sql immutable parallel safe set search_path = pg_catalog as $$
  select array['.o' || replace(p_org::text, '-', ''),
               '.t' || left(encode(sha256(convert_to(lower(p_title), 'UTF8')), 'hex'), 32)]
$$
"""

KEEP = """
create function registry.search_keep(p_kind text, p_row jsonb, p_parent uuid) returns void
language plpgsql set search_path = pg_catalog as $$
declare
  v_org uuid := p_row ->> 'org_id';
  v_id uuid := p_row ->> 'id';
  v_title text := coalesce(p_row ->> 'name', p_row ->> 'label', p_row ->> 'path', p_row ->> 'digest');
  v_project uuid := case when p_kind = 'PROJECT' then p_row ->> 'id' else p_row ->> 'project_id' end;
  v_framework text := p_row ->> 'framework';
  v_tags jsonb := coalesce(nullif(p_row -> 'tags', 'null'), '{}');
  v_within text;
  v_vector tsvector;
begin
  if p_parent is not null then
    select coalesce(v_project, d.project_id), coalesce(v_framework, d.framework), d.title
      into v_project, v_framework, v_within
      from registry.search_document d where d.org_id = v_org and d.id = p_parent;
  end if;
  if p_row ->> 'deleted_at' is null then
    v_vector := registry.search_vector(v_title, 'A')
      || registry.search_vector((
           select string_agg(key || ' ' || value, ' ' order by key) from (
             select * from jsonb_each_text(v_tags) union all
             select * from jsonb_each_text(coalesce(nullif(p_row -> 'parameters', 'null'), '{}'))) t), 'B')
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

FOLLOW = """
create function registry.search_follow() returns trigger
language plpgsql set search_path = pg_catalog as $$
declare
  v_row jsonb := to_jsonb(new);
begin
  perform registry.search_keep(
    tg_argv[0], v_row, coalesce(v_row ->> tg_argv[1], v_row ->> tg_argv[2])::uuid);
  return null;
end $$
"""

# What a document has from its parent follows the parent, and so on down.
FROM_PARENT = """
create function registry.search_pass_down() returns trigger
language plpgsql set search_path = pg_catalog as $$
begin
  update registry.search_document d set
    project_id = new.project_id,
    framework = new.framework,
    words = ts_filter(d.words, '{a,b,d}') || registry.search_vector(new.title, 'C')
  where d.org_id = new.org_id and d.parent_id = new.id;
  return null;
end $$
"""

# Runs as the owner: `@@` is not leakproof, so that under row-level security it could not use an index.
# A term is {"text", "prefix", "negated"}; all of a group have to be there, and any of the groups suffices.
SEARCH = """
create function registry.search(
  p_org uuid, p_text text, p_groups jsonb, p_kinds text[], p_projects uuid[], p_frameworks text[], p_stages text[],
  p_tags jsonb, p_tag_keys text[], p_ranked boolean, p_most int)
returns table (kind text, id uuid, project_id uuid, framework text, stage text, tag_keys text[], score int)
language plpgsql stable security definer set search_path = pg_catalog as $$
declare
  v_tokens text[] := registry.search_tokens(p_org, p_text);
  v_organisation tsquery := quote_literal(v_tokens[1])::tsquery;
  v_title tsquery := quote_literal(v_tokens[2])::tsquery;
  v_wanted tsquery := v_title;
  v_group jsonb; v_term jsonb; v_all tsquery; v_one tsquery;
begin
  if nullif(current_setting('app.org_id', true), '')::uuid is distinct from p_org then
    raise exception 'not the organisation of this transaction' using errcode = '42501';
  end if;
  for v_group in select * from jsonb_array_elements(p_groups) loop
    v_all := null;
    for v_term in select * from jsonb_array_elements(v_group) loop
      v_one := registry.search_term(v_term ->> 'text', (v_term ->> 'prefix')::boolean);
      if v_one is null then continue; end if;
      if (v_term ->> 'negated')::boolean then v_one := !!v_one; end if;
      v_all := case when v_all is null then v_one else v_all && v_one end;
    end loop;
    if v_all is not null then v_wanted := v_wanted || v_all; end if;
  end loop;
  return query
    with matched as materialized (
      select d.* from registry.search_document d where d.words @@ (v_organisation && v_wanted)
    ), chosen as (
      select m.* from matched m
       where m.org_id = p_org
         and (p_kinds is null or m.kind = any (p_kinds))
         and (p_projects is null or m.project_id = any (p_projects))
         and (p_frameworks is null or m.framework = any (p_frameworks))
         and (p_stages is null or m.stage = any (p_stages))
         and (p_tags is null or m.tags @> p_tags)
         and (p_tag_keys is null or m.tags ?& p_tag_keys)
       order by m.id desc limit p_most
    )
    select c.kind, c.id, c.project_id, c.framework, c.stage,
           case when p_ranked then null else array(select jsonb_object_keys(c.tags)) end,
           case when p_ranked then ((case when c.words @@ v_title then 1 else 0 end
             + ts_rank('{0.1, 0.2, 0.4, 1}', c.words, v_wanted, 1)) * 1000000)::int end
      from chosen c;
end $$
"""

# Null where the text has no word. The last word of a prefix may go on; one in camelCase may also stand in one piece.
TERM = """
create function registry.search_term(p_text text, p_prefix boolean) returns tsquery
language sql immutable parallel safe set search_path = pg_catalog as $$
  select case when split = whole then split::tsquery else (split || ' | ' || whole)::tsquery end from (
    select string_agg(quote_literal(word), ' <-> ') || case when p_prefix then ':*' else '' end as split
      from unnest(registry.search_words(p_text)) word) one, (
    select string_agg(quote_literal(word), ' <-> ') || case when p_prefix then ':*' else '' end as whole
      from unnest(registry.search_words(lower(p_text))) word) two
$$
"""

SEARCH_OF = "registry.search(uuid, text, jsonb, text[], uuid[], text[], text[], jsonb, text[], boolean, int)"
INNER = (
    "registry.search_words(text)",
    'registry.search_vector(text, "char")',
    "registry.search_tokens(uuid, text)",
    "registry.search_keep(text, jsonb, uuid)",
    "registry.search_follow()",
    "registry.search_pass_down()",
    "registry.search_term(text, boolean)",
)


def upgrade() -> None:
    roles = migrating_roles()
    op.create_table(
        "search_document",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("project_id", sa.Uuid(), nullable=True),
        sa.Column("framework", sa.Text(), nullable=True),
        sa.Column("stage", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("tags", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("words", postgresql.TSVECTOR(), nullable=True),
        sa.PrimaryKeyConstraint("org_id", "id", "kind", name="search_document_pk"),
        schema="registry",
    )
    op.execute("create index search_document_org_id_parent_id_ix on registry.search_document (org_id, parent_id)")
    op.execute("create index search_document_words_ix on registry.search_document using gin (words)")
    for statement in protect("search_document", roles):
        op.execute(statement)
    op.execute(f"create policy lookup on registry.search_document for all to {roles.owner} using (true)")
    for function in (WORDS, VECTOR, TOKENS, TERM, KEEP, FOLLOW, FROM_PARENT, SEARCH):
        op.execute(function)
    for name in (*INNER, SEARCH_OF):
        op.execute(f"revoke all on function {name} from public")
        op.execute(f"grant execute on function {name} to {roles.app}")
    op.execute(
        "create trigger pass_down after update of title, project_id, framework on registry.search_document"
        " for each row when ((old.title, old.project_id, old.framework) is distinct from"
        " (new.title, new.project_id, new.framework)) execute function registry.search_pass_down()"
    )
    for kind, (table, watched, parents) in SEARCHABLE.items():
        for statement in searchable(table, kind, watched, parents):
            op.execute(statement)


def downgrade() -> None:
    for kind, (table, _, _) in reversed(SEARCHABLE.items()):
        for statement in not_searchable(table, kind):
            op.execute(statement)
    op.drop_table("search_document", schema="registry")
    for name in reversed((*INNER, SEARCH_OF)):
        op.execute(f"drop function {name}")
