"""Organizations, teams, projects and principals: the scopes everything lives in, and who acts there."""

from typing import Annotated
from uuid import UUID

from sqlalchemy import select, text
from sqlmodel import col
from typing_extensions import Doc

from db.base import unique_key
from db.codes import PrincipalKind, Role, ScopeKind
from db.session import Change, Database
from db.tables import Organization, Principal, Project, RoleBinding, Team
from registry.kernel import inputs
from registry.kernel.access import Action, Actor, RoleGrant, require
from registry.kernel.errors import NameTaken
from registry.kernel.inputs import KEEP, Keep
from registry.kernel.paths import scope_name
from registry.kernel.rows import add, alter, find

SYSTEM_ID = UUID(int=0)


def system(org_id: UUID) -> Actor:
    """The operator at the command line, acting as owner of one organization."""
    grant = RoleGrant(Role.OWNER, ScopeKind.ORGANIZATION, org_id)
    return Actor(org_id, SYSTEM_ID, PrincipalKind.SERVICE_ACCOUNT, "system", (grant,))


async def create_organization(change: Change, *, name: str) -> Organization:
    """The organization of a change that began with a new id, and its event stream.

    Only operators do this; it has no members yet.

    Raises: InvalidValue, NameTaken.
    """
    await change.execute(text("select ev.open_stream(:org_id)"), {"org_id": change.org_id})
    row = Organization(org_id=change.org_id, id=change.org_id, name=inputs.name(name))
    taken = {unique_key(Organization, "name"): NameTaken("organization", row.name, "installation")}
    return await add(change, system(change.org_id), row, taken)


async def id_by_name(database: Database, name: str) -> UUID | None:
    """The id of an organization, for operators."""
    async with database.as_worker() as connection:
        statement = select(col(Organization.id)).where(col(Organization.name) == name)
        return (await connection.execute(statement)).scalar_one_or_none()


async def add_principal(change: Change, actor: Actor, *, name: str, kind: PrincipalKind, role: Role) -> Principal:
    """A new principal with a role in the whole organization.

    Raises: Forbidden, InvalidValue, NameTaken.
    """
    require(actor, Action.ADMINISTER)
    row = Principal(org_id=change.org_id, kind=kind, name=inputs.name(name))
    taken = NameTaken("principal", row.name, "organization")
    await add(change, actor, row, {unique_key(Principal, "name"): taken})
    binding = RoleBinding(
        org_id=change.org_id,
        principal_id=row.id,
        role=role,
        scope_kind=ScopeKind.ORGANIZATION,
        scope_id=change.org_id,
    )
    await add(change, actor, binding)
    return row


async def acting(change: Change, principal: Principal) -> Actor:
    """A principal at work, with the roles it has now, for operators at the command line."""
    statement = select(RoleBinding).where(
        col(RoleBinding.org_id) == change.org_id, col(RoleBinding.principal_id) == principal.id
    )
    bindings = (await change.execute(statement)).scalars()
    grants = tuple(RoleGrant(one.role, one.scope_kind, one.scope_id) for one in bindings)
    return Actor(change.org_id, principal.id, principal.kind, principal.name, grants)


async def in_the_name_of(change: Change, principal_id: UUID) -> Actor:
    """Whoever asked for something that happens without their being here. It may do nothing else.

    Raises: NotFound.
    """
    principal = await find(change, Principal, principal_id, "createdBy")
    return Actor(change.org_id, principal.id, PrincipalKind(principal.kind), principal.name, ())


async def roles_of(change: Change, principal: Principal) -> set[Role]:
    """The roles of a principal, whatever their scopes."""
    statement = select(col(RoleBinding.role)).where(
        col(RoleBinding.org_id) == change.org_id, col(RoleBinding.principal_id) == principal.id
    )
    return set((await change.execute(statement)).scalars())


async def create_team(
    change: Change, actor: Actor, *, name: Annotated[str, Doc("Unique in the organization.")]
) -> Team:
    """A new team.

    Raises: Forbidden, InvalidValue, NameTaken.
    """
    require(actor, Action.ORGANIZE)
    row = Team(org_id=change.org_id, name=scope_name(name))
    return await add(change, actor, row, {unique_key(Team, "name"): NameTaken("team", row.name, "organization")})


async def create_project(
    change: Change,
    actor: Actor,
    *,
    team_id: Annotated[inputs.TeamId, Doc("The team that owns it.")],
    name: Annotated[str, Doc("Unique in the team.")],
    description: Annotated[str | None, Doc("What it is about.")] = None,
) -> Project:
    """A new project of a team.

    Raises: Forbidden, NotFound, InvalidValue, NameTaken.
    """
    team = await find(change, Team, team_id, "team")
    require(actor, Action.ORGANIZE, team)
    row = Project(
        org_id=change.org_id,
        team_id=team.id,
        name=scope_name(name),
        description=inputs.text(description, ("description",)),
    )
    taken = NameTaken("project", row.name, "team")
    return await add(change, actor, row, {unique_key(Project, "team_id", "name"): taken})


async def update_team(
    change: Change,
    actor: Actor,
    *,
    team_id: Annotated[inputs.TeamId, Doc("Which one.")],
    name: Annotated[str | Keep, Doc("A new name.")] = KEEP,
) -> Team:
    """Give a team another name.

    Raises: Forbidden, NotFound, InvalidValue, NameTaken.
    """
    team = await find(change, Team, team_id, "team", lock=True)
    require(actor, Action.ORGANIZE, team)
    values = inputs.description_of(name, clean_name=scope_name)
    taken = NameTaken("team", str(values.get("name")), "organization")
    return await alter(change, actor, team, values, taken={unique_key(Team, "name"): taken})


async def update_project(
    change: Change,
    actor: Actor,
    *,
    project_id: Annotated[inputs.ProjectId, Doc("Which one.")],
    name: Annotated[str | Keep, Doc("A new name.")] = KEEP,
    description: Annotated[str | Keep | None, Doc("A new description; null removes it.")] = KEEP,
) -> Project:
    """Change what people say about a project. What is not given stays.

    Raises: Forbidden, NotFound, InvalidValue, NameTaken.
    """
    project = await find(change, Project, project_id, "project", lock=True)
    require(actor, Action.ORGANIZE, project)
    values = inputs.description_of(name, description, clean_name=scope_name)
    taken = NameTaken("project", str(values.get("name")), "team")
    return await alter(change, actor, project, values, taken={unique_key(Project, "team_id", "name"): taken})
