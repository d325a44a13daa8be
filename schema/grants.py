"""What principals may do, and where."""

from collections.abc import Mapping
from typing import Any

import strawberry
from aiodataloader import DataLoader

from db import tables
from db.codes import Role, ScopeKind
from resolvers import ids
from resolvers.context import Info
from resolvers.loading import Loaders
from resolvers.paging import MAX_PAGE, Order
from schema.edges import Edge

_KINDS = {ScopeKind.ORGANISATION: "Organisation", ScopeKind.TEAM: "Team", ScopeKind.PROJECT: "Project"}


def _scope(root: strawberry.Parent[Any]) -> str:
    return ids.encode(_KINDS[ScopeKind(root.scope_kind)], root.scope_id)


@strawberry.type(description="A role that a principal has in a scope.")
class Grant:
    """See `db.tables.RoleBinding`."""

    role: Role = strawberry.field(description="What it may do there.")
    scope_kind: ScopeKind = strawberry.field(description="What kind of scope.")
    scope = strawberry.field(
        _scope, graphql_type=strawberry.ID, description="The id of the organisation, team or project."
    )


def _grants() -> Any:
    def load(loaders: Loaders, _: Mapping[str, Any]) -> DataLoader[Any, Any]:
        return loaders.bounded(tables.RoleBinding, "principal_id", Order(descending=False), MAX_PAGE)

    async def resolve(root: Any, info: Info) -> Any:
        return await load(info.context.loaders, {}).load(root.id)

    return strawberry.field(
        resolve,
        graphql_type=list[Grant],
        description=f"What it may do, and where, oldest first; at most {MAX_PAGE}.",
        metadata={"edge": Edge(tables.RoleBinding, "id", "principal_id", load)},
    )


GRANTS: Any = _grants()
