"""The first steps in an installation: an organization, somebody in it, a token, a project to begin with."""

from datetime import timedelta
from uuid import UUID

from db.codes import PrincipalKind, Role
from db.ids import uuid7
from db.session import Change, Database
from db.tables import Principal
from registry.kernel.access import Actor
from registry.kernel.errors import Conflict, NameTaken
from registry.kernel.inputs import name as clean_name
from registry.kernel.rows import find_by
from registry.tenants import organizations, tokens


async def token_for(
    database: Database,
    organization: str,
    principal: str,
    *,
    kind: PrincipalKind | None = None,
    role: Role | None = None,
    lifetime: timedelta,
) -> str:
    """A new token of a principal. Organization and principal are made where they are missing, so is a first project.

    A principal that is made is a user and owner unless told otherwise. One that is there keeps what it is.

    Raises: InvalidValue; Conflict when the principal is there with another kind or role than was asked for.
    """
    org_id = await _organization(database, clean_name(organization, ("organization",)))
    system = organizations.system(org_id)
    async with database.change(org_id) as change:
        found = await _principal(change, system, clean_name(principal, ("principal",)), kind, role)
        _, token = await tokens.issue(change, system, principal_id=found.id, name="command line", lifetime=lifetime)
    return token


async def _organization(database: Database, name: str) -> UUID:
    known = await organizations.id_by_name(database, name)
    if known is not None:
        return known
    org_id = uuid7()
    system = organizations.system(org_id)
    try:
        async with database.change(org_id) as change:
            await organizations.create_organization(change, name=name)
            team = await organizations.create_team(change, system, name="default")
            await organizations.create_project(change, system, team_id=team.id, name="default")
    except NameTaken:
        # Somebody else was faster by a moment.
        again = await organizations.id_by_name(database, name)
        if again is None:
            raise
        return again
    return org_id


async def _principal(
    change: Change, system: Actor, name: str, kind: PrincipalKind | None, role: Role | None
) -> Principal:
    known = await find_by(change, Principal, name=name)
    if known is None:
        kind, role = kind or PrincipalKind.USER, role or Role.OWNER
        return await organizations.add_principal(change, system, name=name, kind=kind, role=role)
    roles = await organizations.roles_of(change, known)
    if kind not in (None, known.kind) or (role is not None and roles != {role}):
        held = ", ".join(sorted(roles)) or "none"
        raise Conflict(
            f"{name!r} is there already: a {known.kind} with the role {held}. Ask for a token without a role and a kind"
            " to give it another one, or choose another principal.",
            ("principal",),
        )
    return known
