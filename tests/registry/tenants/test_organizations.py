"""Organizations and what they hold: names unique where they must be, and only for those who may organize."""

from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlmodel import col

from db.codes import PrincipalKind, Role, ScopeKind
from db.ids import uuid7
from db.session import Database
from db.tables import Organization, Principal, RoleBinding
from registry.kernel.errors import Forbidden, InvalidValue, NameTaken, NotFound
from registry.tenants import organizations
from tests.registry.told import events_about
from tests.tenant import Tenant, found_organization, uuid_of


async def test_an_organization_is_its_own_tenant_and_tells_of_its_founding(database: Database) -> None:
    name = f"größe {uuid4()}"
    org_id = uuid7()
    async with database.change(org_id) as change:
        made = await organizations.create_organization(change, name=f" {name} ")
    assert (made.id, made.org_id, made.name) == (org_id, org_id, name)
    assert await organizations.id_by_name(database, name) == org_id
    (event,) = await events_about(database, org_id, org_id)
    assert (event.kind, event.actor) == ("organization.created", f"Principal:{organizations.SYSTEM_ID}")


async def test_the_name_of_an_organization_is_unique_in_the_installation(database: Database) -> None:
    name = f"org {uuid4()}"
    await found_organization(database, name)
    with pytest.raises(NameTaken):
        await found_organization(database, name)
    with pytest.raises(InvalidValue):
        await found_organization(database, " ")
    assert await organizations.id_by_name(database, f"no {name}") is None


async def test_an_organization_sees_nothing_of_another(tenant: Tenant, neighbor: Tenant, database: Database) -> None:
    async with database.change(tenant.org_id) as change:
        seen = (await change.execute(select(col(Organization.id)))).scalars().all()
    assert seen == [tenant.org_id]
    assert neighbor.org_id not in seen


async def test_a_principal_has_its_role_in_the_whole_organization(tenant: Tenant, database: Database) -> None:
    async with database.change(tenant.org_id) as change:
        made = await organizations.add_principal(
            change, tenant.actor, name=" bot ", kind=PrincipalKind.SERVICE_ACCOUNT, role=Role.WRITER
        )
    async with database.change(tenant.org_id) as change:
        statement = select(RoleBinding).where(col(RoleBinding.principal_id) == made.id)
        binding = (await change.execute(statement)).scalar_one()
        assert (await change.get_one(Principal, (tenant.org_id, made.id))).name == "bot"
    assert (binding.role, binding.scope_kind, binding.scope_id) == (
        Role.WRITER,
        ScopeKind.ORGANIZATION,
        tenant.org_id,
    )


async def test_the_name_of_a_principal_is_unique_in_its_organization(tenant: Tenant, neighbor: Tenant) -> None:
    for home in (tenant, neighbor):
        async with home.database.change(home.org_id) as change:
            await organizations.add_principal(change, home.actor, name="ada", kind=PrincipalKind.USER, role=Role.READER)
    with pytest.raises(NameTaken):
        async with tenant.database.change(tenant.org_id) as change:
            await organizations.add_principal(
                change, tenant.actor, name="ada", kind=PrincipalKind.SERVICE_ACCOUNT, role=Role.READER
            )


@pytest.mark.parametrize("role", [Role.READER, Role.WRITER, Role.MAINTAINER, Role.PROMOTER])
async def test_only_who_administers_adds_principals(tenant: Tenant, role: Role) -> None:
    member = await tenant.member(role)
    async with tenant.database.change(tenant.org_id) as change:
        with pytest.raises(Forbidden, match="ADMIN"):
            await organizations.add_principal(
                change, member.actor, name="friend", kind=PrincipalKind.USER, role=Role.OWNER
            )


async def test_the_name_of_a_team_is_unique_in_its_organization(tenant: Tenant, neighbor: Tenant) -> None:
    for home in (tenant, neighbor):
        assert await home.client.make("createTeam", "team", name="vision")
    error = await tenant.client.refusal("createTeam", "team", name="vision ")
    assert (error["code"], error["path"]) == ("NAME_TAKEN", ["name"])


async def test_the_name_of_a_project_is_unique_in_its_team(tenant: Tenant) -> None:
    one, other = [await tenant.client.make("createTeam", "team", name=name) for name in ("a", "b")]
    for team in (one, other):
        assert await tenant.client.make("createProject", "project", team=team, name="iris")
    error = await tenant.client.refusal("createProject", "project", team=one, name="iris")
    assert error["code"] == "NAME_TAKEN"


async def test_a_project_cannot_be_made_in_a_team_of_another_organization(tenant: Tenant, neighbor: Tenant) -> None:
    team = uuid_of(await neighbor.client.make("createTeam", "team", name="theirs"))
    async with tenant.database.change(tenant.org_id) as change:
        with pytest.raises(NotFound):
            await organizations.create_project(change, tenant.actor, team_id=team, name="mine")
