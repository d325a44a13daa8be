"""Filters that lead to rows of another table: some row that is linked to this one is like what is asked."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import FromClause, exists, literal, select

from db.base import Tenant, columns
from resolvers.filters.fields import Filter, Holds
from resolvers.loading.shapes import own
from resolvers.loading.visibility import is_over


@dataclass(frozen=True)
class Through(Filter):
    """What holds of some row of another table whose `key` is this row's `own_key`."""

    table: type[Tenant]
    key: str
    inner: Filter
    own_key: str = "id"
    open_until: str | None = None
    """A column that is null in the rows that count."""

    @property
    def takes(self) -> Any:
        """What the inner filter takes."""
        return self.inner.takes

    def holds(self, row: FromClause, asked: Any) -> Holds:
        """Is there one."""
        return _some(row, self, lambda other: self.inner.holds(other, asked))


@dataclass(frozen=True)
class Some(Filter):
    """Some row of another table, whose `key` is this row's id, is like what is asked."""

    table: type[Tenant]
    key: str
    own_key: str = "id"
    open_until: str | None = None

    @property
    def takes(self) -> Any:
        """The filters of the other table."""
        return self.table

    def holds(self, row: FromClause, asked: Any) -> Holds:
        """Is there one."""
        return _some(row, self, asked.holds)


def _some(row: FromClause, link: Through | Some, holds: Any) -> Holds:
    other = columns(link.table)[0].table.alias()
    parts = [own(link.table, other), other.c[link.key] == row.c[link.own_key], holds(other)]
    # Whatever is over or was deleted does not count; what this row is a part of does: it may be deleted as well.
    is_above = link.key == "id"
    over = (link.open_until or "", "" if is_above else "deleted_at")
    parts += [~is_over(other.c[name]) for name in over if name in other.c]
    return exists(select(literal(1)).select_from(other).where(*parts))
