"""Row-level security of the first tables, and the one way to ask who a token is."""

from alembic import op

from db.tenancy import migrating_roles, protect

revision = "2026_11_23_tenancy"
down_revision = "2026_11_23_tables"
branch_labels = None
depends_on = None

READ, ADD, CHANGE, REMOVE = "select", "insert", "update", "delete"
PRIVILEGES = {
    "organisation": (READ, ADD, CHANGE),
    "team": (READ, ADD, CHANGE),
    "project": (READ, ADD, CHANGE),
    "principal": (READ, ADD, CHANGE),
    "api_token": (READ, ADD, CHANGE),
    "role_binding": (READ, ADD, REMOVE),
    "model": (READ, ADD, CHANGE),
    "dataset": (READ, ADD, CHANGE),
    "dataset_version": (READ, ADD, CHANGE),
    "run": (READ, ADD, CHANGE),
    "version": (READ, ADD, CHANGE),
    "run_metric": (READ, ADD, CHANGE),
    "version_metric": (READ, ADD, CHANGE),
    "lineage_edge": (READ, ADD, CHANGE),
    "blob": (READ, ADD, CHANGE),
    "artifact": (READ, ADD, CHANGE),
    "upload": (READ, ADD, CHANGE),
    "job": (READ, ADD, CHANGE, REMOVE),
    "idempotency": (READ, ADD, CHANGE),
}

# Runs as the owner: the caller cannot know the organisation before it knows the token.
AUTHENTICATE = """
create function registry.authenticate(p_token_hash bytea)
returns table (org_id uuid, principal_id uuid, principal_kind text, principal_name text, expires_at timestamptz, bindings jsonb)
language plpgsql security definer set search_path = pg_catalog, registry as $$
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
end $$
"""


def upgrade() -> None:
    roles = migrating_roles()
    op.execute(f"grant usage on schema registry to {roles.app}, {roles.worker}")
    op.execute(f"grant select on registry.alembic_version to {roles.app}, {roles.worker}")
    for table, privileges in PRIVILEGES.items():
        for statement in protect(table, roles, privileges):
            op.execute(statement)

    op.execute(f"create policy lookup on registry.api_token for all to {roles.owner} using (true) with check (true)")
    op.execute(f"create policy lookup on registry.principal for select to {roles.owner} using (true)")
    op.execute(f"create policy lookup on registry.role_binding for select to {roles.owner} using (true)")
    op.execute(AUTHENTICATE)
    op.execute("revoke all on function registry.authenticate(bytea) from public")
    op.execute(f"grant execute on function registry.authenticate(bytea) to {roles.app}")

    op.execute(f"create policy worker on registry.organisation for select to {roles.worker} using (true)")
    op.execute(f"grant select on registry.organisation to {roles.worker}")
    op.execute(f"create policy worker on registry.job for all to {roles.worker} using (true) with check (true)")
    op.execute(f"grant select, update on registry.job to {roles.worker}")
    op.execute(
        f"create policy forgotten on registry.idempotency for all to {roles.worker}"
        " using (created_at < now() - interval '7 days')"
    )
    op.execute(f"grant select, delete on registry.idempotency to {roles.worker}")


def downgrade() -> None:
    roles = migrating_roles()
    op.execute("drop function registry.authenticate(bytea)")
    policies = {
        "api_token": ["lookup"],
        "principal": ["lookup"],
        "role_binding": ["lookup"],
        "organisation": ["worker"],
        "job": ["worker"],
        "idempotency": ["forgotten"],
    }
    for table in PRIVILEGES:
        for policy in ("tenant", *policies.get(table, ())):
            op.execute(f"drop policy {policy} on registry.{table}")
        op.execute(f"revoke all on registry.{table} from {roles.app}, {roles.worker}")
        op.execute(f"alter table registry.{table} no force row level security")
        op.execute(f"alter table registry.{table} disable row level security")
    op.execute(f"revoke select on registry.alembic_version from {roles.app}, {roles.worker}")
    op.execute(f"revoke usage on schema registry from {roles.app}, {roles.worker}")
