"""Edges declared as data: which rows belong to which, so that any executor can fetch them for many parents at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter, Signature
from typing import Any, Final

import strawberry
from aiodataloader import DataLoader
from strawberry import UNSET, Info as StrawberryInfo
from strawberry.extensions import FieldExtension
from strawberry.extensions.field_extension import AsyncExtensionResolver

from db.base import Row, Tenant
from db.codes import DatasetRole
from db.tables import LineageEdge
from registry.kernel.access import Action, require
from resolvers.context import Info
from resolvers.loading.loaders import Loaders
from resolvers.loading.shapes import Asked
from resolvers.pages.paging import DEFAULT_PAGE, Order, PageArgs, page_args
from resolvers.pages.relations import Alike, Children, Used
from schema.building import filters
from schema.building.filters import argument, order_of, where_of
from schema.building.node import After, Before, Connection, First, Last, UseConnection

NEWEST_FIRST, AS_GIVEN = Order(), Order(descending=False)

_WINDOW: Final[dict[str, tuple[Any, Any]]] = {
    "first": (First, DEFAULT_PAGE),
    "after": (After, UNSET),
    "last": (Last, UNSET),
    "before": (Before, UNSET),
}

_ROLE: Final = argument("role", list[DatasetRole], "Only uses in any of these roles.")


@dataclass(frozen=True)
class Edge:
    """How the values of an edge are found: `load(loaders, arguments)` is the loader, keyed by the column `parent_key`.

    The values are the rows of `table` whose `child_key` is the parent's `parent_key`: None, a row, a page or a list, as
    the type of the field has it. Where another table stands `between`, `child_key` is a column of that. `arguments` are
    those of the field, as its resolver takes them.
    """

    table: type[Tenant]
    parent_key: str
    child_key: str
    load: Callable[[Loaders, Mapping[str, Any]], DataLoader[Any, Any] | Asked]
    between: type[Tenant] | None = None


def one(
    ref: Any, table: type[Tenant], key: str, *, description: str, child_key: str = "id", required: bool = False
) -> Any:
    """The row of `table` whose `child_key` is this row's `key`; null where `key` is null or nothing is found.

    `required` promises that there is always one, for whoever may see this row.
    """

    def load(loaders: Loaders, _: Mapping[str, Any]) -> DataLoader[Any, Any]:
        return loaders.row(table, child_key)

    async def resolve(root: Any, info: Info) -> Any:
        value = getattr(root, key)
        return None if value is None else await load(info.context.loaders, {}).load(value)

    edge = Edge(table, key, child_key, load)
    shown = ref if required else ref | None
    return strawberry.field(resolve, graphql_type=shown, description=description, metadata={"edge": edge})


def many(ref: Any, table: type[Row], child_key: str, *, description: str, order: Order = NEWEST_FIRST) -> Any:
    """The rows of `table` whose `child_key` is this row's id, page by page, filtered and ordered as declared for it."""
    return _list(ref, Children(table, child_key), description, order)


def alike(
    ref: Any, table: type[Row], other: type[Row], names: tuple[str, ...], *, description: str, order: Order
) -> Any:
    """The rows of `table` that have the values of `names` in common with this row of `other`, page by page."""
    return _list(ref, Alike(table, "id", other, names), description, order, between=other)


def _list(ref: Any, children: Children, description: str, order: Order, *, between: type[Tenant] | None = None) -> Any:
    """The children of this row, page by page."""
    load = _pages(children, order)

    async def resolve(root: Any, info: Info, **arguments: Any) -> Any:
        return await load(info.context.loaders, arguments).load(root.id)

    _takes(resolve, ("root", "info"), children.table)
    edge = Edge(children.table, "id", children.parent, load, between)
    return strawberry.field(resolve, graphql_type=Connection[ref], description=description, metadata={"edge": edge})


def used(ref: Any, table: type[Row], near: str, *, description: str, order: Order = NEWEST_FIRST) -> Any:
    """The rows of `table` at the far end of the uses of data whose end `near` is this row, each with its role."""

    def load(loaders: Loaders, arguments: Mapping[str, Any]) -> DataLoader[Any, Any]:
        roles = arguments.get("role")
        children = Used(table, near, frozenset(roles) if isinstance(roles, list) else None)
        return _pages(children, order)(loaders, arguments)

    async def resolve(root: Any, info: Info, **arguments: Any) -> Any:
        return await load(info.context.loaders, arguments).load(root.id)

    _takes(resolve, ("root", "info"), table, _ROLE)
    edge = Edge(table, "id", near, load, between=LineageEdge)
    return strawberry.field(resolve, graphql_type=UseConnection[ref], description=description, metadata={"edge": edge})


def few(ref: Any, table: type[Row], child_key: str, *, limit: int, description: str, order: Order = AS_GIVEN) -> Any:
    """The rows of `table` whose `child_key` is this row's id, at most `limit`, as a plain list."""

    def load(loaders: Loaders, _: Mapping[str, Any]) -> DataLoader[Any, Any]:
        return loaders.bounded(table, child_key, order, limit)

    async def resolve(root: Any, info: Info) -> Any:
        return await load(info.context.loaders, {}).load(root.id)

    edge = Edge(table, "id", child_key, load)
    return strawberry.field(
        resolve, graphql_type=list[ref], description=description, metadata={"edge": edge, "rows": limit}
    )


def _pages(children: Children, usual: Order) -> Callable[[Loaders, Mapping[str, Any]], DataLoader[Any, Any]]:
    """How the pages of a list are found, from the arguments of its field."""
    table = children.table

    def load(loaders: Loaders, arguments: Mapping[str, Any]) -> DataLoader[Any, Any]:
        window = {name: value for name, value in arguments.items() if name in _WINDOW}
        order = order_of(table, arguments.get("order_by"), usual)
        where = where_of(table, arguments.get("where"), arguments.get("deleted"))
        return loaders.page(children, order, asked_window(**window), where)

    return load


def _takes(resolver: Any, usual: Sequence[str], table: type[Row], *others: Parameter) -> None:
    """Let a resolver of a list take its window, and the filter and the order that are declared for its rows."""
    annotations = resolver.__annotations__
    leading = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, annotation=annotations[name]) for name in usual]
    window = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in _WINDOW.items()
    ]
    resolver.__signature__ = Signature([*leading, *window, *filters.parameters(table), *others])


def asked_window(
    first: int | None = DEFAULT_PAGE, after: str | None = None, last: int | None = None, before: str | None = None
) -> PageArgs:
    """The window that was asked for. `first` has a default, which says nothing where the client pages backward."""
    size = last if isinstance(last, int) else None
    if (size is not None or before) and first == DEFAULT_PAGE:
        first = None
    return page_args(first, after or None, size, before or None)


class Requires(FieldExtension):
    """Refuses a root field unless the actor may do the action in its organisation."""

    def __init__(self, action: Action) -> None:
        self.action = action

    async def resolve_async(
        self, next_: AsyncExtensionResolver, source: Any, info: StrawberryInfo[Any, Any], **arguments: Any
    ) -> Any:
        """Check first."""
        require(info.context.actor, self.action)
        return await next_(source, info, **arguments)


def read(resolver: Callable[..., Any], graphql_type: Any, *, description: str, rows: int = 1, work: int = 0) -> Any:
    """A root field for whoever may read the organisation.

    `rows` is how many rows it may fetch at most; `work` is as how many more it counts, however few it shows.
    """
    return strawberry.field(
        resolver,
        graphql_type=graphql_type,
        description=description,
        metadata={"access": Action.READ, "rows": rows, "work": work},
        extensions=[Requires(Action.READ)],
    )


def all_of(ref: Any, table: type[Row], *, description: str, order: Order = NEWEST_FIRST) -> Any:
    """The rows of `table` in the whole organisation, page by page: the edge that a root field is."""
    load = _pages(Children(table, "org_id"), order)

    async def resolve(info: Info, **arguments: Any) -> Any:
        return await load(info.context.loaders, arguments).load(info.context.actor.org_id)

    _takes(resolve, ("info",), table)
    return read(resolve, Connection[ref], description=description)
