"""What loaders can be asked beyond rows: shapes that know how they are read, by one statement for all keys."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from aiodataloader import DataLoader
from sqlalchemy import (
    ColumnElement,
    Executable,
    FromClause,
    Row as ResultRow,
    and_,
    bindparam,
    exists,
    literal,
    or_,
    select,
)

from db.base import Deletable, Tenant, columns
from db.session import Snapshot
from registry.deletion.dependents import DEPENDENCES
from registry.kernel.access import Actor
from resolvers.loading.visibility import is_over, visible


@dataclass(frozen=True)
class Reading:
    """One view of one organization: for whom it is read, and as of when, now if None."""

    snapshot: Snapshot
    actor: Actor
    at: datetime | None = None

    @property
    def org_id(self) -> UUID:
        """The organization."""
        return self.actor.org_id

    async def rows(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[ResultRow[*tuple[Any, ...]]]:
        """All rows of a statement that takes the organization as `:org_id`, and what `visible` asks for."""
        return await self.snapshot.rows(statement, {"org_id": self.org_id, **(parameters or {})})


class Shape(Hashable, Protocol):
    """Something that can be read for many keys at once. Equal shapes share a loader: they are frozen dataclasses."""

    async def read(self, reading: Reading, keys: list[Any]) -> list[Any]:
        """What belongs to each key, in their order."""
        ...


@dataclass(frozen=True)
class Asked:
    """A loader of which each parent asks the same question: its keys are the parent's key and the question.

    Two fields with other questions are still one batch.
    """

    loader: DataLoader[Any, Any]
    question: Callable[[Any], Any]

    async def load(self, key: Any) -> Any:
        """The answer for one parent."""
        return await self.loader.load(self.question(key))

    async def load_many(self, keys: list[Any]) -> list[Any]:
        """The answers for many parents, in their order."""
        return list(await self.loader.load_many([self.question(key) for key in keys]))


def column_of(table: type[Tenant], name: str) -> ColumnElement[Any]:
    """The column of a table with this name."""
    return next(column for column in columns(table) if column.name == name)


def own(table: type[Tenant], row: FromClause | None = None) -> ColumnElement[bool]:
    """The rows of a table, or of an alias `row` of it, that are read: those of the organization that may be seen.

    Every statement names the organization itself; row-level security is the net under it.
    """
    org_id = column_of(table, "org_id") if row is None else row.c.org_id
    return and_(org_id == bindparam("org_id"), *visible(table, row))


def gone(table: type[Deletable]) -> ColumnElement[bool]:
    """Whether a row is deleted, or part of what is: it goes out of sight with it."""
    row = columns(table)[0].table
    wholes = [
        _is_deleted(one.on, row, one.column)
        for one in DEPENDENCES
        if one.part and one.table is table and one.column is not None
    ]
    return or_(is_over(row.c.deleted_at), *wholes)


def _is_deleted(table: type[Tenant], row: FromClause, column: str) -> ColumnElement[bool]:
    whole = columns(table)[0].table.alias()
    same = (whole.c.org_id == row.c.org_id, whole.c.id == row.c[column])
    return exists(select(literal(1)).where(*same, *visible(table, whole), is_over(whole.c.deleted_at)))


def live(table: type[Tenant]) -> ColumnElement[bool]:
    """What counts of the whole organization hold: its rows that are not deleted, and not part of what is."""
    return own(table) & ~gone(table) if issubclass(table, Deletable) else own(table)
