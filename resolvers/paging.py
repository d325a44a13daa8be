"""Pages: how much of a list is asked for, where it begins, and what comes back."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, Generic, TypeVar, get_args
from uuid import UUID

import orjson
from pydantic import TypeAdapter
from sqlalchemy import BigInteger

from db.base import Tenant, columns
from registry.errors import BadInput
from resolvers.keys import SortKey

DEFAULT_PAGE = 20
MAX_PAGE = 100
_LONGEST_CURSOR = 2_000

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
class PageInfo:
    """Whether there is more on either side, and the cursors at the ends."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@dataclass(frozen=True)
class Page(Generic[Node]):
    """One window of a list. `count` asks for the size of the whole list, only when somebody wants it.

    `places` holds the key of each row, by its id, where that is computed.
    """

    nodes: Sequence[Node]
    order: Order
    has_next: bool
    has_previous: bool
    count: Callable[[], Awaitable[int]]
    places: Mapping[UUID, Any] = field(default_factory=dict)

    def cursor(self, node: Any) -> str:
        """Where a row stands in the list."""
        key = self.order.key
        if key == "id":
            return encode_cursor(self.order, [node.id])
        place = getattr(node, key) if isinstance(key, str) else self.places[node.id]
        return encode_cursor(self.order, [place, node.id])


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


def encode_cursor(order: Order, values: Sequence[Any]) -> str:
    """A cursor: its order and the values a row is ordered by. Opaque to clients."""
    return urlsafe_b64encode(orjson.dumps([order.identity, *values], default=str)).decode().rstrip("=")


def decode_cursor(cursor: str, table: type[Tenant], order: Order) -> list[Any]:
    """The values in a cursor, typed, the id last. Raises: BadInput when it is not of this list in this order."""
    try:
        if len(cursor) > _LONGEST_CURSOR:
            raise ValueError(cursor)
        found = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(found, list) or len(found) != 1 + order.size or found[0] != order.identity:
            raise ValueError(found)
        *places, row_id = found[1:]
        return [*[_place(table, order.key, place) for place in places], _typed(table, "id", row_id)]
    except (ValueError, TypeError, UnicodeError):
        raise BadInput(
            "This is no cursor of this list in this order. Send a cursor as you got it, with the same `orderBy`."
        ) from None


def _place(table: type[Tenant], key: str | SortKey, value: Any) -> Any:
    return _typed(table, key, value) if isinstance(key, str) else key.typed(value)


def _typed(table: type[Tenant], column: str, value: Any) -> Any:
    """A value of a cursor as its column has it. Raises: ValueError for what the column cannot hold."""
    annotation: Any = table.model_fields[column].annotation
    written_as_text = any(_is_written_as_text(part) for part in get_args(annotation) or (annotation,))
    if written_as_text and not isinstance(value, str | None):
        raise ValueError(value)
    typed = _adapter(annotation).validate_python(value, strict=not written_as_text)
    if isinstance(typed, datetime) and typed.tzinfo is None:
        raise ValueError(value)
    if isinstance(typed, str) and "\0" in typed:
        raise ValueError(value)
    if type(typed) is int and not -(2**31) <= typed < 2**31 and not _is_big(table, column):
        raise ValueError(value)
    return typed


_adapter = cache(TypeAdapter[Any])


def _is_written_as_text(part: Any) -> bool:
    return isinstance(part, type) and issubclass(part, UUID | datetime | StrEnum)


def _is_big(table: type[Tenant], column: str) -> bool:
    return any(isinstance(one.type, BigInteger) for one in columns(table) if one.name == column)
