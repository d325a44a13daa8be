"""`registry export`: all of an organisation that is not deleted, as lines that an import takes, in one moment."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Any, BinaryIO, Final
from uuid import UUID

import orjson
from sqlalchemy import Select, and_, bindparam, or_, select, text, tuple_
from sqlalchemy.orm import aliased

from db.base import Deletable, Row
from db.codes import ArtifactState
from db.session import Database, Snapshot
from db.tables import Artifact
from registry.access import Action, Actor, require
from registry.transfer.kinds import BY_NAME, KINDS, Kind

PAGE = 2_000
# Whoever reads the file may be slower than a request is allowed to be.
_PATIENCE: Final = text("select set_config('idle_in_transaction_session_timeout', '10min', true)")


async def export(
    database: Database, actor: Actor, stream: BinaryIO, told: Callable[[Counter[str]], None] = lambda _: None
) -> Counter[str]:
    """Write the whole organisation as it is at one moment, a page of rows in memory at a time.

    Keys are the ids of the rows. Returns: how many lines of each kind. Raises: Forbidden.
    """
    require(actor, Action.READ)
    counts: Counter[str] = Counter()
    snapshot = database.new_snapshot(actor.org_id)
    try:
        await snapshot.rows(_PATIENCE)
        for kind in KINDS:
            async for rows in _pages(snapshot, actor.org_id, kind):
                stream.write(b"".join(map(partial(_line, kind), rows)))
                counts[kind.title] += len(rows)
                told(counts)
    finally:
        await snapshot.close()
    return counts


async def _pages(snapshot: Snapshot, org_id: UUID, kind: Kind) -> AsyncIterator[Any]:
    """All rows of a kind in the order of the file, page by page: each goes on where the one before has ended."""
    place = _place(kind)
    columns = tuple_(*[getattr(kind.table, name) for name in place])
    first = _rows(kind).order_by(*columns.clauses).limit(PAGE)
    rest = first.where(columns > tuple_(*[bindparam(f"after_{name}", type_=one.type) for name, one in _typed(kind)]))
    rows = await snapshot.rows(first, {"org": org_id})
    while rows:
        yield rows
        if len(rows) < PAGE:
            return
        after = {f"after_{name}": getattr(rows[-1], f"at_{name}") for name in place}
        rows = await snapshot.rows(rest, {"org": org_id, **after})


def _place(kind: Kind) -> tuple[str, ...]:
    """The columns that a kind is sorted by; no two rows are the same in all of them."""
    return (*kind.order, "id") if issubclass(kind.table, Row) else kind.natural


def _typed(kind: Kind) -> list[tuple[str, Any]]:
    return [(name, getattr(kind.table, name)) for name in _place(kind)]


def _rows(kind: Kind) -> Select[Any]:
    """The rows of a kind with the columns of its fields. What names something that is deleted does not name it."""
    table: Any = kind.table
    read = [getattr(table, name).label(f"at_{name}") for name in _place(kind)]
    wanted = [table.org_id == bindparam("org")]
    if issubclass(table, Row):
        read.append(table.created_at)
    if issubclass(table, Deletable):
        wanted.append(table.deleted_at.is_(None))
    if table is Artifact:
        read += [table.state, table.bucket, table.object_key]
    wanted += [_one_of(getattr(table, name), values) for name, values in kind.only.items()]
    statement = select(*read)
    for field in kind.fields:
        column = getattr(table, field.column)
        if field.refers:
            other: Any = aliased(BY_NAME[field.refers].table)
            joined = and_(other.org_id == table.org_id, other.id == column)
            if issubclass(BY_NAME[field.refers].table, Deletable):
                joined = and_(joined, other.deleted_at.is_(None))
            statement = statement.join(other, joined, isouter=not field.required)
            column = other.id
        statement = statement.add_columns(column.label(f"field_{field.name}"))
    if kind.one_of:
        names = {field.name: statement.selected_columns[f"field_{field.name}"] for field in kind.fields}
        wanted.append(or_(*[names[name].is_not(None) for name in kind.one_of]))
    return statement.where(*wanted)


def _one_of(column: Any, values: Any) -> Any:
    return or_(*[column.is_(None) if value is None else column == value for value in values])


def _line(kind: Kind, row: Any) -> bytes:
    """A row as a line; what is empty is left out."""
    told: dict[str, Any] = {"kind": kind.title}
    if not kind.points:
        told["key"] = str(row.at_id)
    for field in kind.fields:
        value = getattr(row, f"field_{field.name}")
        if value is not None and value != {} and value != []:
            told[field.name] = _plain(field.write(value))
    if kind.table is Artifact and row.state == ArtifactState.AVAILABLE:
        told["uri"] = f"s3://{row.bucket}/{row.object_key}"
    if not kind.points:
        told["createdAt"] = _plain(row.created_at)
    return orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value.value if isinstance(value, StrEnum) else value
