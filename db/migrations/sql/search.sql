-- The search: a document for each thing, kept by triggers, and the function that looks through them.

-- What is no letter or digit in ASCII parts words, as do white space and punctuation elsewhere. Scripts without spaces
-- are read sign by sign: a phrase then finds any part. A lexeme has an upper length, and so has a whole vector.
create function registry.search_words(p_text text) returns text[]
  language plpgsql immutable parallel safe
  set search_path = pg_catalog
  as $$
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
end $$;
revoke all on function registry.search_words(text) from public;
grant execute on function registry.search_words(text) to registry_app;

-- Words in their places. One in camelCase stands there in its parts and as it is written.
create function registry.search_vector(p_text text, p_weight "char") returns tsvector
  language plpgsql immutable parallel safe
  set search_path = pg_catalog
  as $$
declare
  v_words text[];
begin
  if p_text is null or p_text = '' then return ''; end if;
  v_words := registry.search_words(p_text);
  if p_text ~ '[a-z0-9][A-Z]|[A-Z][A-Z][a-z]' then v_words := v_words || registry.search_words(lower(p_text)); end if;
  return setweight(coalesce((
    select string_agg(quote_literal(word) || ':' || least(place, 16383), ' ')
      from unnest(v_words) with ordinality t(word, place)), '')::tsvector, p_weight);
end $$;
revoke all on function registry.search_vector(text, "char") from public;
grant execute on function registry.search_vector(text, "char") to registry_app;

-- A token of the organization lets the index itself leave out all others; one of the whole title finds a thing by its
-- exact name, whatever signs that has. No word begins with their dot; both have a place because a filter by weight drops
-- what has none.
create function registry.search_tokens(p_org uuid, p_title text) returns text[]
  language sql immutable parallel safe
  set search_path = pg_catalog
  as $$
  select array['.o' || replace(p_org::text, '-', ''),
               '.t' || left(encode(sha256(convert_to(lower(p_title), 'UTF8')), 'hex'), 32)]
$$;
revoke all on function registry.search_tokens(uuid, text) from public;
grant execute on function registry.search_tokens(uuid, text) to registry_app;

-- Null where the text has no word. The last word of a prefix may go on; one in camelCase may also stand in one piece.
create function registry.search_term(p_text text, p_prefix boolean) returns tsquery
  language sql immutable parallel safe
  set search_path = pg_catalog
  as $$
  select case when split = whole then split::tsquery else (split || ' | ' || whole)::tsquery end from (
    select string_agg(quote_literal(word), ' <-> ') || case when p_prefix then ':*' else '' end as split
      from unnest(registry.search_words(p_text)) word) one, (
    select string_agg(quote_literal(word), ' <-> ') || case when p_prefix then ':*' else '' end as whole
      from unnest(registry.search_words(lower(p_text))) word) two
$$;
revoke all on function registry.search_term(text, boolean) from public;
grant execute on function registry.search_term(text, boolean) to registry_app;

-- The parent's document is locked before its name is read. Who renames the parent waits for this transaction and then
-- finds the new document; and this one waits for whoever renames it, and reads the new name. Locks are taken from parents
-- down, as a name is passed down.
create function registry.search_keep(p_kind text, p_row jsonb, p_parent uuid) returns void
  language plpgsql
  set search_path = pg_catalog
  as $$
declare
  v_org uuid := p_row ->> 'org_id';
  v_id uuid := p_row ->> 'id';
  v_title text := coalesce(p_row ->> 'name', p_row ->> 'label', p_row ->> 'path', p_row ->> 'digest');
  v_project uuid := case when p_kind = 'PROJECT' then p_row ->> 'id' else p_row ->> 'project_id' end;
  v_framework text := p_row ->> 'framework';
  v_tags jsonb := coalesce(nullif(p_row -> 'tags', 'null'), '{}');
  v_within text;
  v_gone boolean := false;
  v_vector tsvector;
begin
  if p_parent is not null then
    select coalesce(v_project, d.project_id), coalesce(v_framework, d.framework), d.title, d.words is null
      into v_project, v_framework, v_within, v_gone
      from registry.search_document d where d.org_id = v_org and d.id = p_parent for share;
  end if;
  if p_row ->> 'deleted_at' is null and v_gone is not true then
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
end $$;
revoke all on function registry.search_keep(text, jsonb, uuid) from public;
grant execute on function registry.search_keep(text, jsonb, uuid) to registry_app;

create function registry.search_follow() returns trigger
  language plpgsql
  set search_path = pg_catalog
  as $$
declare
  v_row jsonb := to_jsonb(new);
begin
  perform registry.search_keep(
    tg_argv[0], v_row, coalesce(v_row ->> tg_argv[1], v_row ->> tg_argv[2])::uuid);
  return null;
end $$;
revoke all on function registry.search_follow() from public;
grant execute on function registry.search_follow() to registry_app;

-- What a document has from its parent follows the parent, and so on down.
create function registry.search_pass_down() returns trigger
  language plpgsql
  set search_path = pg_catalog
  as $$
begin
  update registry.search_document d set
    project_id = new.project_id,
    framework = new.framework,
    words = ts_filter(d.words, '{a,b,d}') || registry.search_vector(new.title, 'C')
  where d.org_id = new.org_id and d.parent_id = new.id;
  return null;
end $$;
revoke all on function registry.search_pass_down() from public;
grant execute on function registry.search_pass_down() to registry_app;

-- The document of the whole is locked before it is read, as in search_keep: who makes a part waits for whoever deletes
-- the whole, or is waited for.
create function registry.search_parts() returns trigger
  language plpgsql
  set search_path = pg_catalog
  as $$
begin
  if new.deleted_at is not null then
    update registry.search_document d set words = null
     where d.org_id = new.org_id and d.parent_id = new.id and d.kind = 'ARTIFACT';
  else
    perform registry.search_keep('ARTIFACT', to_jsonb(a), new.id) from registry.artifact a
     where a.org_id = new.org_id and (a.version_id = new.id or a.run_id = new.id);
  end if;
  return null;
end $$;
revoke all on function registry.search_parts() from public;
grant execute on function registry.search_parts() to registry_app;

-- Runs as the owner: `@@` is not leakproof, so that under row-level security it could not use an index.
-- A term is {"text", "prefix", "negated"}; all of a group have to be there, and any of the groups suffices.
create function registry.search(p_org uuid, p_text text, p_groups jsonb, p_kinds text[], p_projects uuid[], p_frameworks text[], p_stages text[], p_tags jsonb, p_tag_keys text[], p_ranked boolean, p_most integer)
  returns table(kind text, id uuid, project_id uuid, framework text, stage text, tag_keys text[], score integer)
  language plpgsql stable security definer
  set search_path = pg_catalog
  as $$
declare
  v_tokens text[] := registry.search_tokens(p_org, p_text);
  v_organization tsquery := quote_literal(v_tokens[1])::tsquery;
  v_title tsquery := quote_literal(v_tokens[2])::tsquery;
  v_wanted tsquery := v_title;
  v_group jsonb; v_term jsonb; v_all tsquery; v_one tsquery;
begin
  if nullif(current_setting('app.org_id', true), '')::uuid is distinct from p_org then
    raise exception 'not the organization of this transaction' using errcode = '42501';
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
      select d.* from registry.search_document d where d.words @@ (v_organization && v_wanted)
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
end $$;
revoke all on function registry.search(uuid, text, jsonb, text[], uuid[], text[], text[], jsonb, text[], boolean, integer) from public;
grant execute on function registry.search(uuid, text, jsonb, text[], uuid[], text[], text[], jsonb, text[], boolean, integer) to registry_app;

create trigger pass_down after update of title, project_id, framework on registry.search_document
  for each row when ((old.title, old.project_id, old.framework) is distinct from (new.title, new.project_id, new.framework)) execute function registry.search_pass_down();
create trigger search_document after insert or update of path, external_uri, deleted_at on registry.artifact
  for each row execute function registry.search_follow('ARTIFACT', 'version_id', 'run_id');
create trigger search_document after insert or update of name, description, tags, project_id, deleted_at on registry.dataset
  for each row execute function registry.search_follow('DATASET');
create trigger search_document after insert or update of digest, source, description, tags, deleted_at on registry.dataset_version
  for each row execute function registry.search_follow('DATASET_VERSION', 'dataset_id');
create trigger search_document after insert or update of name, endpoint, tags, deleted_at on registry.deployment
  for each row execute function registry.search_follow('DEPLOYMENT', 'model_id');
create trigger search_document after insert or update of name, description, tags, deleted_at on registry.environment
  for each row execute function registry.search_follow('ENVIRONMENT');
create trigger search_document after insert or update of name, description, tags, project_id, deleted_at on registry.experiment
  for each row execute function registry.search_follow('EXPERIMENT');
create trigger search_document after insert or update of name, framework, description, tags, project_id, deleted_at on registry.model
  for each row execute function registry.search_follow('MODEL');
create trigger search_document after insert or update of name, description, deleted_at on registry.project
  for each row execute function registry.search_follow('PROJECT');
create trigger search_document after insert or update of name, description, parameters, tags, project_id, deleted_at on registry.run
  for each row execute function registry.search_follow('RUN');
create trigger search_document after insert or update of name, deleted_at on registry.team
  for each row execute function registry.search_follow('TEAM');
create trigger search_document after insert or update of label, description, stage, parameters, tags, deleted_at on registry.model_version
  for each row execute function registry.search_follow('VERSION', 'model_id');
create trigger search_parts after update of deleted_at on registry.run
  for each row when (((old.deleted_at is null) <> (new.deleted_at is null))) execute function registry.search_parts();
create trigger search_parts after update of deleted_at on registry.model_version
  for each row when (((old.deleted_at is null) <> (new.deleted_at is null))) execute function registry.search_parts();
