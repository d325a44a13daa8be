"""What principals may do, and where."""

from typing import Any

import strawberry

from db import tables
from db.base import Row
from db.codes import Role, ScopeKind
from resolvers import ids
from resolvers.context import Info
from resolvers.pages.paging import MAX_PAGE
from schema.building.edges import few
from schema.building.node import type_of

_KINDS = {ScopeKind.ORGANIZATION: "Organization", ScopeKind.TEAM: "Team", ScopeKind.PROJECT: "Project"}


def _scope(root: strawberry.Parent[Any]) -> str:
    return ids.encode(_KINDS[ScopeKind(root.scope_kind)], root.scope_id)


def _within(kind: ScopeKind, table: type[Row]) -> Any:
    """The scope, where it is of this kind."""

    async def resolve(root: strawberry.Parent[Any], info: Info) -> Any:
        return await info.context.loaders.row(table).load(root.scope_id) if root.scope_kind == kind else None

    what = f"The {kind.lower()} that is the scope; null where it is none."
    return strawberry.field(resolve, graphql_type=type_of(table) | None, description=what)


@strawberry.type(description="A role that a principal has in a scope.")
class RoleGrant:
    """See `db.tables.RoleBinding`."""

    role: Role = strawberry.field(description="What it may do there.")
    scope_kind: ScopeKind = strawberry.field(description="What kind of scope.")
    scope = strawberry.field(
        _scope, graphql_type=strawberry.ID, description="The id of the organization, team or project."
    )
    organization = _within(ScopeKind.ORGANIZATION, tables.Organization)
    team = _within(ScopeKind.TEAM, tables.Team)
    project = _within(ScopeKind.PROJECT, tables.Project)


GRANTS: Any = few(
    tables.RoleBinding,
    "principal_id",
    limit=MAX_PAGE,
    shown=RoleGrant,
    description=f"What it may do, and where, oldest first; at most {MAX_PAGE}.",
)
