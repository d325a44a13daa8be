"""The Relay shapes, fed by rows and pages: Node, Connection, Edge and PageInfo."""

from typing import Annotated, Any, ClassVar, Generic, TypeVar

import strawberry
from strawberry import Parent

from db.base import Row
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
    """A graph type whose values are rows of one table."""

    table: ClassVar[type[Row]]
    access: ClassVar[Action] = Action.READ
    """What whoever reaches this type was required to be allowed, by the root field or the mutation on the way."""

    @classmethod
    def is_type_of(cls, obj: Any, info: Any) -> bool:
        """Whether a record is one of this table."""
        return isinstance(obj, record_of(cls.table))


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
