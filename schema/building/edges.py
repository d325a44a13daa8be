"""Edges declared as data: which rows belong to which, so that any executor can fetch them for many parents at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter
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
from schema.building.arguments import optional, take
from schema.building.filters import order_of, where_of
from schema.building.node import After, Before, Connection, First, Last, UseConnection, type_of
from schema.execution.query_cost import Share

NEWEST_FIRST, AS_GIVEN = Order(), Order(descending=False)

WINDOW: Final = (
    Parameter("first", Parameter.KEYWORD_ONLY, default=DEFAULT_PAGE, annotation=First),
    Parameter("after", Parameter.KEYWORD_ONLY, default=UNSET, annotation=After),
    Parameter("last", Parameter.KEYWORD_ONLY, default=UNSET, annotation=Last),
    Parameter("before", Parameter.KEYWORD_ONLY, default=UNSET, annotation=Before),
)
"""The arguments of every page."""
_ROLE: Final = optional("role", list[DatasetRole], "Only uses in any of these roles.")

Load = Callable[[Loaders, Mapping[str, Any]], DataLoader[Any, Any] | Asked]


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
    load: Load
    between: type[Tenant] | None = None


def edge_field(
    edge: Edge,
    graphql_type: Any,
    *,
    description: str,
    takes: Sequence[Parameter] = (),
    rows: int | Share | None = None,
    unique: Sequence[frozenset[str]] = (),
) -> Any:
    """The field that shows what is at the far end of an edge; null where the parent's key is null.

    `takes` are its arguments. `rows` is what it counts in the cost of an operation, where its type does not tell;
    `unique` are the sets of filters that leave one row of a page at most.
    """

    async def resolve(root: Any, info: Info, **arguments: Any) -> Any:
        key = getattr(root, edge.parent_key)
        return None if key is None else await edge.load(info.context.loaders, arguments).load(key)

    take(resolve, *takes)
    metadata = {"edge": edge, "unique": unique} if rows is None else {"edge": edge, "rows": rows}
    return strawberry.field(resolve, graphql_type=graphql_type, description=description, metadata=metadata)


def one(table: type[Tenant], key: str, *, description: str, child_key: str = "id", required: bool = False) -> Any:
    """The row of `table` whose `child_key` is this row's `key`; null where `key` is null or nothing is found.

    `required` promises that there is always one, for whoever may see this row.
    """
    edge = Edge(table, key, child_key, lambda loaders, _: loaders.row(table, child_key))
    return edge_field(edge, type_of(table) if required else type_of(table) | None, description=description)


def many(table: type[Row], child_key: str, *, description: str, order: Order = NEWEST_FIRST) -> Any:
    """The rows of `table` whose `child_key` is this row's id, page by page, filtered and ordered as declared for it."""
    edge = Edge(table, "id", child_key, _pages(Children(table, child_key), order))
    unique = filters.unique_filters(table, child_key)
    takes = _page_arguments(table)
    return edge_field(edge, _page_of(table), description=description, takes=takes, unique=unique)


def alike(table: type[Row], other: type[Row], names: tuple[str, ...], *, description: str, order: Order) -> Any:
    """The rows of `table` that have the values of `names` in common with this row of `other`, page by page."""
    children = Alike(table, "id", other, names)
    edge = Edge(table, "id", children.parent, _pages(children, order), between=other)
    return edge_field(edge, _page_of(table), description=description, takes=_page_arguments(table))


def used(table: type[Row], near: str, *, description: str, order: Order = NEWEST_FIRST) -> Any:
    """The rows of `table` at the far end of the uses of data whose end `near` is this row, each with its role."""

    def load(loaders: Loaders, arguments: Mapping[str, Any]) -> DataLoader[Any, Any]:
        roles = arguments.get("role")
        children = Used(table, near, frozenset(roles) if isinstance(roles, list) else None)
        return _pages(children, order)(loaders, arguments)

    edge = Edge(table, "id", near, load, between=LineageEdge)
    takes = [*_page_arguments(table), _ROLE]
    return edge_field(edge, _page_of(table, UseConnection), description=description, takes=takes)


def few(
    table: type[Row], child_key: str, *, limit: int, description: str, order: Order = AS_GIVEN, shown: Any = None
) -> Any:
    """The rows of `table` whose `child_key` is this row's id, at most `limit`, as a plain list.

    `shown` is their type where they have no ids of their own in the graph.
    """
    shown = shown or type_of(table)
    edge = Edge(table, "id", child_key, lambda loaders, _: loaders.bounded(table, child_key, order, limit))
    return edge_field(edge, list[shown], description=description, rows=limit)


def _pages(children: Children, usual: Order) -> Callable[[Loaders, Mapping[str, Any]], DataLoader[Any, Any]]:
    """How the pages of a list are found, from the arguments of its field."""
    table = children.table
    names = {argument.name for argument in WINDOW}

    def load(loaders: Loaders, arguments: Mapping[str, Any]) -> DataLoader[Any, Any]:
        window = {name: value for name, value in arguments.items() if name in names}
        order = order_of(table, arguments.get("order_by"), usual)
        where = where_of(table, arguments.get("where"), arguments.get("deleted"))
        return loaders.page(children, order, asked_window(**window), where)

    return load


def _page_of(table: type[Row], connection: Any = Connection) -> Any:
    return connection[type_of(table)]


def _page_arguments(table: type[Row]) -> tuple[Parameter, ...]:
    """The window of a list, and the filter and the order that are declared for its rows."""
    return (*WINDOW, *filters.parameters(table))


def asked_window(
    first: int | None = DEFAULT_PAGE, after: str | None = None, last: int | None = None, before: str | None = None
) -> PageArgs:
    """The window that was asked for. `first` has a default, which says nothing where the client pages backward."""
    size = last if isinstance(last, int) else None
    if (size is not None or before) and first == DEFAULT_PAGE:
        first = None
    return page_args(first, after or None, size, before or None)


class Requires(FieldExtension):
    """Refuses a root field unless the actor may do the action in its organization."""

    def __init__(self, action: Action) -> None:
        self.action = action

    async def resolve_async(
        self, next_: AsyncExtensionResolver, source: Any, info: StrawberryInfo[Any, Any], **arguments: Any
    ) -> Any:
        """Check first."""
        require(info.context.actor, self.action)
        return await next_(source, info, **arguments)


def read(
    resolver: Callable[..., Any],
    graphql_type: Any,
    *,
    description: str,
    rows: int = 1,
    work: int = 0,
    unique: Sequence[frozenset[str]] = (),
) -> Any:
    """A root field for whoever may read the organization.

    `rows` is how many rows it may fetch at most; `work` is as how many more it counts, however few it shows; `unique`
    are the sets of filters that leave one row of a page at most.
    """
    return strawberry.field(
        resolver,
        graphql_type=graphql_type,
        description=description,
        metadata={"access": Action.READ, "rows": rows, "work": work, "unique": unique},
        extensions=[Requires(Action.READ)],
    )


def all_of(table: type[Row], *, description: str, order: Order = NEWEST_FIRST) -> Any:
    """The rows of `table` in the whole organization, page by page: the edge that a root field is."""
    load = _pages(Children(table, "org_id"), order)

    async def resolve(info: Info, **arguments: Any) -> Any:
        return await load(info.context.loaders, arguments).load(info.context.actor.org_id)

    take(resolve, *_page_arguments(table))
    unique = filters.unique_filters(table, "org_id")
    return read(resolve, _page_of(table), description=description, unique=unique)
