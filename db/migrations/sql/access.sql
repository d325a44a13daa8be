-- What runs as the owner, and what the worker sees beside the jobs: both narrow.

-- Runs as the owner: the caller cannot know the organization before it knows the token.
create function registry.authenticate(p_token_hash bytea)
  returns table(org_id uuid, principal_id uuid, principal_kind text, principal_name text, expires_at timestamptz, bindings jsonb)
  language plpgsql security definer
  set search_path = pg_catalog, registry
  as $$
begin
  update registry.api_token t set last_used_at = now()
    where t.token_hash = p_token_hash and t.revoked_at is null and t.expires_at > now()
      and (t.last_used_at is null or t.last_used_at < now() - interval '1 minute');
  return query
    select p.org_id, p.id, p.kind, p.name, t.expires_at,
           coalesce(jsonb_agg(jsonb_build_object('role', b.role, 'scope_kind', b.scope_kind, 'scope_id', b.scope_id))
                    filter (where b.id is not null), '[]'::jsonb)
      from registry.api_token t
      join registry.principal p on p.org_id = t.org_id and p.id = t.principal_id
      left join registry.role_binding b on b.org_id = p.org_id and b.principal_id = p.id
     where t.token_hash = p_token_hash and t.revoked_at is null and t.expires_at > now()
     group by p.org_id, p.id, p.kind, p.name, t.expires_at;
end $$;
revoke all on function registry.authenticate(bytea) from public;
grant execute on function registry.authenticate(bytea) to registry_app;

-- Only the owner of a table may ask. Large tables have statistics that a few thousand rows more do not change.
create function registry.refresh_statistics() returns void
  language plpgsql security definer
  set search_path = pg_catalog
  as $$
declare
  v_table text;
begin
  for v_table in
    select c.relname from pg_class c
     where c.relnamespace = 'registry'::regnamespace and c.relkind = 'r' and c.reltuples < 100000
     order by c.relname
  loop
    execute format('analyze registry.%I', v_table);
  end loop;
end $$;
revoke all on function registry.refresh_statistics() from public;
grant execute on function registry.refresh_statistics() to registry_app;

-- Row-level security of the feed. Not forced: the functions of the feed run as the owner and are the only writers.
alter table ev.event enable row level security;
alter table ev.origin enable row level security;
alter table ev.stream enable row level security;
create policy everybody on ev.origin for select to registry_app using (true);
create policy feed on ev.event for select to registry_worker using (true);
create policy feed on ev.stream for select to registry_worker using (true);
create policy tenant on ev.event for select to registry_app using (org_id = (select nullif(current_setting('app.org_id', true), '')::uuid));
create policy tenant on ev.stream for select to registry_app using (org_id = (select nullif(current_setting('app.org_id', true), '')::uuid));

-- The functions that run as the owner see what they have to.
create policy lookup on registry.api_token to registry_owner using (true) with check (true);
create policy lookup on registry.principal for select to registry_owner using (true);
create policy lookup on registry.role_binding for select to registry_owner using (true);
create policy lookup on registry.search_document to registry_owner using (true);

-- The worker sees jobs and feeds of all organizations, what is forgotten after a time, and of webhooks neither where they
-- go nor what they are signed with.
create policy forgotten on registry.idempotency to registry_worker using (created_at < (now() - '7 days'::interval));
create policy forgotten on registry.webhook_delivery to registry_worker using ((created_at < (now() - '30 days'::interval)) and (state <> 'PENDING'::text));
create policy worker on registry.job to registry_worker using (true) with check (true);
create policy worker on registry.organization for select to registry_worker using (true);
create policy worker on registry.webhook for select to registry_worker using (true);
grant select, delete on registry.idempotency to registry_worker;
grant select, insert, update on registry.job to registry_worker;
grant select on registry.organization to registry_worker;
grant delete on registry.webhook_delivery to registry_worker;
grant select (org_id, id, deleted_at, state, cursor_seq, delivered_count, failed_count, failing_since) on registry.webhook to registry_worker;
grant select (org_id, id, created_at, state) on registry.webhook_delivery to registry_worker;

-- The application and the worker.
grant usage on schema ev to registry_app, registry_worker;
grant usage on schema registry to registry_app, registry_worker;
grant select on ev.event to registry_app, registry_worker;
grant select on ev.origin to registry_app;
grant select on ev.stream to registry_app, registry_worker;
grant select on registry.alembic_version to registry_app, registry_worker;
