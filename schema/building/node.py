"""The Relay shapes, fed by rows and pages: Node, Connection, Edge and PageInfo; and which type shows which table."""

from typing import Annotated, Any, ClassVar, Final, Generic, TypeVar

import strawberry
from strawberry import LazyType, Parent

from db.base import Row, Tenant
from db.codes import DatasetRole
from registry.kernel.access import Action
from resolvers.loading.records import record_of
from resolvers.pages import paging

T = TypeVar("T")


@strawberry.interface(description="Anything with a global id.")
class Node:
    """The Relay interface."""

    gid: strawberry.ID = strawberry.field(
        name="id", description="Unique in the whole graph. Opaque: send it back as you got it."
    )


class RowNode(Node):
    """A graph type whose values are rows of one table, and which has the name of the table."""

    table: ClassVar[type[Row]]
    value_class: ClassVar[type]
    """The class of the records that it shows."""
    access: ClassVar[Action] = Action.READ
    """What whoever reaches this type was required to be allowed, by the root field or the mutation on the way."""

    def __init_subclass__(cls) -> None:
        """Register the type under the name of its table. Raises: TypeError for another name, or a second type."""
        super().__init_subclass__()
        if "table" not in vars(cls):
            return
        kind = cls.table.__name__
        if cls.__name__ != kind or kind in NODES:
            raise TypeError(f"The table {kind} is shown by one type, and by the name of {kind}: not by {cls!r}.")
        NODES[kind] = cls
        cls.value_class = record_of(cls.table)

    @classmethod
    def is_type_of(cls, obj: Any, info: Any) -> bool:
        """Whether a record is one of this table."""
        return isinstance(obj, cls.value_class)


NODES: Final[dict[str, type[RowNode]]] = {}
"""The types of rows by the names of their tables. Complete once `schema.root` is imported."""


class _TypeOfTable(LazyType[Any, Any]):
    """The type that shows a table, looked up when the schema is built: by then every area has declared its types."""

    def resolve_type(self) -> type[Any]:
        """Return the type. Raises: LookupError where no area of the graph declares one."""
        if self.type_name not in NODES:
            raise LookupError(f"No type shows the table {self.type_name}. Is its module in AREAS of schema/root.py?")
        return NODES[self.type_name]


def type_of(table: type[Tenant]) -> Any:
    """Return the graph type of a table's rows, wherever it is declared, for use as the type of a field."""
    return _TypeOfTable(table.__name__, table.__module__)


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    """The Relay page info."""

    has_next_page: bool = strawberry.field(description="Whether rows follow this page.")
    has_previous_page: bool = strawberry.field(description="Whether rows precede this page.")
    start_cursor: str | None = strawberry.field(description="The cursor of the first row; null on an empty page.")
    end_cursor: str | None = strawberry.field(description="The cursor of the last row; null on an empty page.")


@strawberry.type(description="A row and where it stands in its list.")
class Edge(Generic[T]):
    """The Relay edge."""

    node: T = strawberry.field(description="The row.")
    cursor: str = strawberry.field(
        description="Send it as `after` or `before` of the same field, with the same `orderBy`, to go on from here."
    )


def _edges(root: Parent[paging.Page[Any]]) -> Any:
    return root.edges


def _page_info(root: Parent[paging.Page[Any]]) -> Any:
    ends = (root.cursor(0), root.cursor(-1)) if root.nodes else (None, None)
    return paging.PageInfo(root.has_next, root.has_previous, *ends)


async def _total_count(root: Parent[paging.Page[Any]]) -> int:
    return await root.count()


@strawberry.type(description="One page of a list.")
class Connection(Generic[T]):
    """The Relay connection, with the rows also without their edges."""

    nodes: list[T] = strawberry.field(description="The rows of this page.")
    edges: list[Edge[T]] = strawberry.field(resolver=_edges, description="The rows of this page with their cursors.")
    page_info: PageInfo = strawberry.field(resolver=_page_info, description="Whether there is more, and from where.")
    total_count: int = strawberry.field(
        resolver=_total_count, description="How many rows the whole list has. Counted only when asked for."
    )


@strawberry.type(description="A row, where it stands in its list, and what the data was used for.")
class UseEdge(Edge[T]):
    """See `resolvers.pages.paging.UseEdge`."""

    role: DatasetRole = strawberry.field(description="What the run did with the dataset version.")


@strawberry.type(description="One page of a list of uses: a thing is there once for each role.")
class UseConnection(Connection[T]):
    """The Relay connection with a role on each edge."""

    edges: list[UseEdge[T]] = strawberry.field(  # type: ignore[assignment]  # nobody adds to an answer
        resolver=_edges, description="The rows of this page with their roles and cursors."
    )


First = Annotated[
    int | None, strawberry.argument(description=f"How many rows, from the beginning; at most {paging.MAX_PAGE}.")
]
After = Annotated[str | None, strawberry.argument(description="Only rows behind this cursor.")]
Last = Annotated[
    int | None, strawberry.argument(description=f"How many rows, from the end; at most {paging.MAX_PAGE}.")
]
Before = Annotated[str | None, strawberry.argument(description="Only rows ahead of this cursor.")]
