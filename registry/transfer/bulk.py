"""Many rows by one statement: arrays of columns that the database joins to rows again."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ARRAY, Select, Table, Text, TypeDecorator, and_, bindparam, column, func, select
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.sql.selectable import TableValuedAlias

from db.base import SCHEMA, Name, Tenant, metadata
from db.session import Change

# Parameters called as columns are would be taken for values of the insertion.
_PREFIX: Final = "given_"


def _member(kind: Any) -> Any:
    """The type of a column in an array: codes were checked when they were read, and a collation has no place there."""
    return Text() if isinstance(kind, TypeDecorator | Name) else kind


def core(table: type[Tenant]) -> Table:
    """The table below a class: what is written by the thousand has no use for objects."""
    return metadata.tables[f"{SCHEMA}.{table.__tablename__}"]


def _given(table: type[Tenant], names: Sequence[str]) -> TableValuedAlias:
    """A table with some columns of another, of which a statement is given the `arrays`."""
    types = {name: _member(core(table).c[name].type) for name in names}
    # One dimension, or the lists in a column of JSON would be taken for more of them.
    values = [bindparam(_PREFIX + name, type_=ARRAY(kind, dimensions=1)) for name, kind in types.items()]
    shape = [column(name, kind) for name, kind in types.items()]
    return func.unnest(*values).table_valued(*shape, name="given").render_derived()


def arrays(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, list[Any]]:
    """Rows as the arguments of a statement that is made here."""
    return {_PREFIX + name: [row[name] for row in rows] for name in names}


def insertion(table: type[Tenant], names: Sequence[str]) -> Insert:
    """An insertion of many rows with these columns."""
    given = _given(table, names)
    return insert(core(table)).from_select(list(names), select(*[given.c[name] for name in names]))


async def insert_all(change: Change, table: type[Tenant], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that all have the same columns."""
    if rows:
        names = list(rows[0])
        await change.execute(insertion(table, names), arrays(rows, names))


async def insert_free(change: Change, table: type[Tenant], rows: Sequence[Mapping[str, Any]]) -> set[Any]:
    """Insert those rows that break no unique constraint. Returns: their ids."""
    names = list(rows[0])
    statement = insertion(table, names).on_conflict_do_nothing().returning(core(table).c.id)
    return set((await change.execute(statement, arrays(rows, names))).scalars())


def matching(change: Change, table: type[Tenant], names: Sequence[str], read: Sequence[str]) -> Select[Any]:
    """Those rows of the organization that have given values in these columns."""
    given, own = _given(table, names), core(table).c
    same = [own[name] == given.c[name] for name in names]
    return select(*[own[name] for name in read]).join(given, and_(*same)).where(own.org_id == change.org_id)
