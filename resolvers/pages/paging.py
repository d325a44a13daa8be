"""Pages: how much of a list is asked for, where it begins, and what comes back."""

import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any, Generic, TypeVar, get_args
from uuid import UUID

import orjson
from pydantic import TypeAdapter
from sqlalchemy import BigInteger

from db.base import Tenant, columns
from db.codes import DatasetRole
from registry.kernel.errors import BadInput
from resolvers.pages.relations import Children
from resolvers.pages.sort_keys import SortKey

DEFAULT_PAGE = 20
MAX_PAGE = 100
_LONGEST_CURSOR = 8_000
"""Twice what the longest value by which lists are ordered takes, a path of 1,024 bytes whose every byte is escaped."""
# The list and its order; cursors of earlier servers name the order alone.
_MARK = re.compile("([0-9a-f]{6})?[+-][0-9a-z_]+")

Node = TypeVar("Node")


class OrderDirection(StrEnum):
    """Which end of an order comes first."""

    ASC = "ASC"
    DESC = "DESC"


@dataclass(frozen=True)
class Order:
    """The order of a list: by a column or a computed key and then by id, so that no two rows are equal.

    Rows without a value come last, whichever the direction. The database needs an index on (org_id, parent, column, id)
    to find a page without sorting.
    """

    key: str | SortKey = "id"
    descending: bool = True

    @property
    def identity(self) -> str:
        """What a cursor says about its order."""
        named = self.key if isinstance(self.key, str) else self.key.identity
        return f"{'-' if self.descending else '+'}{named}"

    @property
    def size(self) -> int:
        """How many values a cursor holds."""
        return 1 if self.key == "id" else 2


BY_NAME = Order("name", descending=False)


@dataclass(frozen=True)
class PageArgs:
    """A window of a list: the `size` rows after a cursor, or, `backward`, before one."""

    size: int = DEFAULT_PAGE
    cursor: str | None = None
    backward: bool = False


@dataclass(frozen=True)
class PageEdge(Generic[Node]):
    """A row and where it stands in its list."""

    node: Node
    cursor: str


@dataclass(frozen=True)
class Use:
    """What stands between a row of a list and its parent where that is a use of data."""

    id: UUID
    role: DatasetRole | None


@dataclass(frozen=True)
class UseEdge(PageEdge[Node]):
    """A row of a list, where it stands, and in which role the data was used."""

    role: DatasetRole | None


@dataclass(frozen=True)
class PageInfo:
    """Whether there is more on either side, and the cursors at the ends."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@dataclass(frozen=True)
class Page(Generic[Node]):
    """One window of a list. `count` asks for the size of the whole list, only when somebody wants it.

    `places` holds the key of each row, by its id, where that is computed. `uses` stand beside the rows of a list of
    uses.
    """

    nodes: Sequence[Node]
    children: Children
    order: Order
    has_next: bool
    has_previous: bool
    count: Callable[[], Awaitable[int]]
    places: Mapping[UUID, Any] = field(default_factory=dict)
    uses: Sequence[Use] = ()

    def cursor(self, nth: int) -> str:
        """Where the nth row of the page stands in the list."""
        key = self.order.key
        node: Any = self.nodes[nth]
        place_id = self.uses[nth].id if self.uses else node.id
        if key == "id":
            return encode_cursor(self.children, self.order, [place_id])
        place = getattr(node, key) if isinstance(key, str) else self.places[node.id]
        return encode_cursor(self.children, self.order, [place, place_id])

    @property
    def edges(self) -> list[PageEdge[Node]]:
        """The rows with their cursors, and with their roles where they are uses."""
        if self.uses:
            return [UseEdge(node, self.cursor(nth), self.uses[nth].role) for nth, node in enumerate(self.nodes)]
        return [PageEdge(node, self.cursor(nth)) for nth, node in enumerate(self.nodes)]


def page_args(first: int | None, after: str | None, last: int | None, before: str | None) -> PageArgs:
    """The window that a client's arguments mean.

    Raises: BadInput when they contradict each other or ask for more than MAX_PAGE rows.
    """
    backward = last is not None or before is not None
    if backward and (first is not None or after is not None):
        raise BadInput("Page either forward with `first` and `after`, or backward with `last` and `before`.")
    size = (last if backward else first) if (last if backward else first) is not None else DEFAULT_PAGE
    if size is None or not 0 <= size <= MAX_PAGE:
        raise BadInput(f"A page has 0 to {MAX_PAGE} rows.")
    return PageArgs(size, before if backward else after, backward)


def encode_cursor(children: Children, order: Order, values: Sequence[Any]) -> str:
    """A cursor: its list, its order and the values a row is ordered by. Opaque to clients.

    A list is all that a field gives: one cursor is a place below any parent, since a page is asked of many at once.
    """
    mark = _mark_of(children.table, children.parent) + order.identity
    return urlsafe_b64encode(orjson.dumps([mark, *values], default=str)).decode().rstrip("=")


def decode_cursor(cursor: str, children: Children, order: Order) -> list[Any]:
    """The values in a cursor, typed, the id last. Raises: BadInput when it is not of this list in this order."""
    table, own = children.table, _mark_of(children.table, children.parent)
    try:
        if len(cursor) > _LONGEST_CURSOR:
            raise ValueError(cursor)
        found = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        mark, *values = found if isinstance(found, list) else []
        if _MARK.fullmatch(mark) and not mark.startswith(own):
            raise BadInput(
                "This cursor belongs to another list. Send a cursor as you got it, to the list that gave it."
            )
        if len(values) != order.size or mark != own + order.identity:
            raise ValueError(found)
        *places, row_id = values
        return [*[_place(table, order.key, place) for place in places], _typed(table, "id", row_id)]
    except (ValueError, TypeError, UnicodeError):
        raise BadInput(
            "This is no cursor of this list in this order. Send a cursor as you got it, with the same `orderBy`."
        ) from None


@cache
def _mark_of(table: type[Tenant], parent: str) -> str:
    """A short text that no other list has."""
    return hashlib.sha256(f"{table.__name__}.{parent}".encode()).hexdigest()[:6]


def _place(table: type[Tenant], key: str | SortKey, value: Any) -> Any:
    return _typed(table, key, value) if isinstance(key, str) else key.typed(value)


def _typed(table: type[Tenant], column: str, value: Any) -> Any:
    """A value of a cursor as its column has it. Raises: ValueError for what the column cannot hold."""
    annotation: Any = table.model_fields[column].annotation
    written_as_text = any(_is_written_as_text(part) for part in get_args(annotation) or (annotation,))
    if written_as_text and not isinstance(value, str | None):
        raise ValueError(value)
    typed = _adapter(annotation).validate_python(value, strict=not written_as_text)
    if isinstance(typed, datetime):
        if typed.tzinfo is None:
            raise ValueError(value)
        typed = _in_utc(typed)
    if isinstance(typed, str) and "\0" in typed:
        raise ValueError(value)
    if type(typed) is int and not -(2**31) <= typed < 2**31 and not _is_big(table, column):
        raise ValueError(value)
    return typed


def _in_utc(moment: datetime) -> datetime:
    """A moment in UTC. Raises: ValueError for one beyond the years that there are."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(moment) from None


_adapter = cache(TypeAdapter[Any])


def _is_written_as_text(part: Any) -> bool:
    return isinstance(part, type) and issubclass(part, UUID | datetime | StrEnum)


def _is_big(table: type[Tenant], column: str) -> bool:
    return any(isinstance(one.type, BigInteger) for one in columns(table) if one.name == column)
