"""Every row below a project names it, and the database sees to that."""

import re
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import DBAPIError
from sqlmodel import col

from db.base import SCHEMA, columns, metadata, utc_now
from db.belonging import KINDS, belonging, parents
from db.projects import UNPLACED, follow, is_placed, project_of
from db.session import Database
from db.tables import LineageEdge, Model, ModelVersion
from tests.tenant import Tenant, uuid_of

PLACED = sorted(name for name, table in KINDS.items() if is_placed(table))
FOLLOWING = [name for name in PLACED if parents(KINDS[name]) and "project_id" not in KINDS[name].belongs_to]
FUNCTIONS = """
select p.proname::text as name, btrim(p.prosrc) as source, t.tgenabled as enabled,
       pg_get_triggerdef(t.oid) as trigger
  from pg_trigger t join pg_proc p on p.oid = t.tgfoid where t.tgname = 'project'
   and p.proname <> 'stays_in_its_project'
"""


STAYING = """
select c.relname::text as table, pg_get_triggerdef(t.oid) as trigger
  from pg_trigger t join pg_proc p on p.oid = t.tgfoid join pg_class c on c.oid = t.tgrelid
 where t.tgname = 'project' and p.proname = 'stays_in_its_project' and t.tgenabled = 'O'
"""


def below_projects() -> set[str]:
    """The tables that refer to a project, directly or through others."""
    found, more = {"project"}, True
    while more:
        names = {
            table.name
            for table in metadata.tables.values()
            if found & {key.column.table.name for key in table.foreign_keys}
        }
        more = not names <= found
        found |= names
    return found - {"project"}


def test_every_table_below_a_project_names_it_or_has_a_reason() -> None:
    placed = {str(KINDS[name].__tablename__) for name in PLACED}
    # The documents of the search follow the rows by a trigger of their own.
    assert placed - {"search_document"} == below_projects() - UNPLACED.keys()
    assert UNPLACED.keys() <= below_projects()


@pytest.mark.parametrize("kind", [name for name in PLACED if name != "SearchDocument"])
def test_a_project_that_is_named_is_one_of_the_organization(kind: str) -> None:
    table = metadata.tables[f"{SCHEMA}.{KINDS[kind].__tablename__}"]
    keys = {(tuple(key.column_keys), key.referred_table.name) for key in table.foreign_key_constraints}
    assert (("org_id", "project_id"), "project") in keys


async def test_the_database_follows_what_the_tables_declare(owner: asyncpg.Connection) -> None:
    found = {row["name"]: row for row in await owner.fetch(FUNCTIONS)}
    assert found.keys() == {f"{KINDS[name].__tablename__}_project" for name in FOLLOWING}
    for name in FOLLOWING:
        table = KINDS[name]
        one = found[f"{table.__tablename__}_project"]
        assert one["source"] == f"begin new.project_id := {project_of(table)}; return new; end"
        assert one["enabled"] == b"O"
        assert "BEFORE INSERT OR UPDATE OF" in one["trigger"]
        for column in (*table.belongs_to, "project_id"):
            assert column in one["trigger"].partition(" ON ")[0]
        assert one["trigger"].partition(" OF ")[2].partition(" ON ")[0] in follow(str(table.__tablename__))[2]


async def test_a_row_that_names_another_project_is_put_into_that_of_its_parent(
    tenant: Tenant, database: Database
) -> None:
    model, team = await tenant.model(), (await tenant.client("{ teams { nodes { id } } }"))["teams"]["nodes"][0]["id"]
    other = uuid_of(await tenant.client.make("createProject", "project", team=team, name="other"))
    values = {"org_id": tenant.org_id, "id": uuid4(), "created_at": utc_now(), "created_by": tenant.actor.principal_id}
    row = {"model_id": uuid_of(model), "number": 1, "label": "1", "parameters": {}, "tags": {}, "stage": "DEVELOPMENT"}
    async with database.change(tenant.org_id) as change:
        await change.execute(insert(ModelVersion).values(**values, **row, project_id=other))
        read = select(col(ModelVersion.project_id)).where(col(ModelVersion.id) == values["id"])
        assert (await change.execute(read)).scalar_one() == uuid_of(tenant.project)
        await change.execute(update(ModelVersion).where(col(ModelVersion.id) == values["id"]).values(project_id=other))
        assert (await change.execute(read)).scalar_one() == uuid_of(tenant.project)


async def test_a_row_without_a_parent_is_refused(tenant: Tenant, database: Database) -> None:
    values = {"org_id": tenant.org_id, "id": uuid4(), "created_at": utc_now(), "created_by": tenant.actor.principal_id}
    row = {"model_id": uuid4(), "number": 1, "label": "1", "parameters": {}, "tags": {}, "stage": "DEVELOPMENT"}
    with pytest.raises(DBAPIError, match="project_id"):
        async with database.change(tenant.org_id) as change:
            await change.execute(insert(ModelVersion).values(**values, **row))


async def test_what_rows_belong_to_is_found_from_the_least_of_them(tenant: Tenant, database: Database) -> None:
    model = await tenant.model()
    version, run = await tenant.version(model), await tenant.run()
    data = await tenant.dataset_version()
    deployment = await tenant.deployment(version=version)
    made: dict[str, str] = {}
    for kind, owner in (("version", version), ("run", run)):
        given = {kind: owner, "path": "a.bin", "kind": "MODEL", "uri": "s3://elsewhere/a.bin", "sha256": "ab" * 32}
        made[kind] = await tenant.client.make("createExternalArtifact", "artifact", **given, sizeBytes="5")
    here, project = uuid_of(model), uuid_of(tenant.project)
    of_model = {("ModelVersion", version), ("Deployment", deployment), ("Artifact", made["version"]), ("Model", model)}
    of_project = {("Run", run), ("DatasetVersion", data), ("Artifact", made["run"])}
    owners = [(kind, uuid_of(gid)) for kind, gid in of_model | of_project]
    async with database.change(tenant.org_id) as change:
        found = await belonging(change, tenant.org_id, owners)
    assert found == {(kind, uuid_of(gid)): (here, project) for kind, gid in of_model} | {
        (kind, uuid_of(gid)): (None, project) for kind, gid in of_project
    }


async def test_rows_of_all_kinds_are_in_the_project_of_what_they_belong_to(tenant: Tenant, database: Database) -> None:
    await tenant.deployment()
    async with database.change(tenant.org_id) as change:
        for name in FOLLOWING:
            rows = columns(KINDS[name])[0].table
            elsewhere = select(func.count()).where(rows.c.project_id != uuid_of(tenant.project))
            assert (await change.execute(elsewhere)).scalar_one() == 0, name
        edges = select(func.count()).where(col(LineageEdge.project_id) == uuid_of(tenant.project))
        assert (await change.execute(edges)).scalar_one() > 0


async def test_what_is_in_a_project_stays_there(tenant: Tenant, database: Database, owner: asyncpg.Connection) -> None:
    kept = {row["table"]: row["trigger"] for row in await owner.fetch(STAYING)}
    for table, trigger in kept.items():
        (made,) = follow(table)
        assert re.sub(r"[()]", "", made.lower()) == re.sub(r"[()]", "", trigger.lower())
    assert kept.keys() == {str(table.__tablename__) for table in KINDS.values() if table.belongs_to == ("project_id",)}
    team = (await tenant.client("{ teams { nodes { id } } }"))["teams"]["nodes"][0]["id"]
    other = uuid_of(await tenant.client.make("createProject", "project", team=team, name="other"))
    model = uuid_of(await tenant.model())
    with pytest.raises(DBAPIError, match="stays in it"):
        async with database.change(tenant.org_id) as change:
            await change.execute(update(Model).where(col(Model.id) == model).values(project_id=other))
