"""What lists hold: rows below a parent, by a column of their own or by what stands between them and the parent."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, false, or_, true

from db.base import Deletable, Row, columns
from db.codes import DatasetRole, LineageKind
from db.tables import LineageEdge
from resolvers.loading.shapes import column_of, gone, own
from resolvers.loading.visibility import is_over


@dataclass(frozen=True)
class Children:
    """The rows of `table` whose column `parent` holds the key of the parent. Equal ones are one list."""

    table: type[Row]
    parent: str

    @property
    def owner(self) -> ColumnElement[Any]:
        """The key of the parent."""
        return column_of(self.table, self.parent)

    @property
    def place_id(self) -> ColumnElement[Any]:
        """What tells the places of the list apart."""
        return column_of(self.table, "id")

    @property
    def beside(self) -> tuple[ColumnElement[Any], ...]:
        """What is read behind the row and the key of its order, whose it is last; nothing where the row says that."""
        return ()

    def joined(self, rows: FromClause) -> FromClause:
        """The rows with what stands between them and the parent."""
        return rows

    def holds(self) -> ColumnElement[bool]:
        """Whether a row that is joined belongs to the list."""
        return own(self.table)

    def gone(self) -> ColumnElement[bool]:
        """Whether a row counts as deleted. In a list of the whole organization that is also what is part of such a row.

        The parts of a deleted thing are still seen below it, by whoever looks at it.
        """
        if not issubclass(self.table, Deletable):
            return false()
        return gone(self.table) if self.parent == "org_id" else is_over(column_of(self.table, "deleted_at"))


@dataclass(frozen=True)
class Used(Children):
    """The rows at the far end of the uses of data: dataset versions that runs used, or runs that used them.

    `parent` is the column of the edge that holds the key of the parent. A row is there once for each of its roles;
    `roles` are those that are wanted, all where it is None.
    """

    roles: frozenset[DatasetRole] | None = None

    @property
    def owner(self) -> ColumnElement[Any]:
        """The near end."""
        return column_of(LineageEdge, self.parent)

    @property
    def place_id(self) -> ColumnElement[Any]:
        """The use, since a row may be there more than once."""
        return column_of(LineageEdge, "id")

    @property
    def beside(self) -> tuple[ColumnElement[Any], ...]:
        """The use, its role and whose it is."""
        return self.place_id, column_of(LineageEdge, "role"), self.owner

    def joined(self, rows: FromClause) -> FromClause:
        """Each row with its uses."""
        edge = columns(LineageEdge)[0].table
        far = "upstream_id" if self.parent == "downstream_id" else "downstream_id"
        return rows.join(edge, and_(own(LineageEdge), edge.c[far] == column_of(self.table, "id")))

    def holds(self) -> ColumnElement[bool]:
        """A use that is still so, in one of the roles."""
        edge = columns(LineageEdge)[0].table.c
        in_role = true() if self.roles is None else or_(false(), *[edge.role == role for role in sorted(self.roles)])
        return and_(own(self.table), edge.kind == LineageKind.USED, ~is_over(edge.valid_to), in_role)


@dataclass(frozen=True)
class Alike(Children):
    """The rows of `table` that have the values of `names` in common with the row of `other` that is the parent.

    `parent` is the column of `other` that holds the key of the parent.
    """

    other: type[Row]
    names: tuple[str, ...]

    @property
    def owner(self) -> ColumnElement[Any]:
        """The row that they are like."""
        return column_of(self.other, self.parent)

    @property
    def beside(self) -> tuple[ColumnElement[Any], ...]:
        """Whose it is."""
        return (self.owner,)

    def joined(self, rows: FromClause) -> FromClause:
        """Each row with the one that it is like."""
        like = [column_of(self.other, name) == column_of(self.table, name) for name in self.names]
        return rows.join(columns(self.other)[0].table, and_(own(self.other), *like))
