"""`registry export`: all of an organization or project that is not deleted, in one moment, as lines for an import."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Any, BinaryIO, Final
from uuid import UUID

import orjson
from sqlalchemy import Select, and_, bindparam, exists, or_, select, text, tuple_
from sqlalchemy.orm import aliased

from db.base import Deletable, Row
from db.codes import ArtifactState
from db.session import Database, Snapshot
from db.tables import Artifact, Price
from registry.kernel.access import Action, Actor, require
from registry.transfer.declaring import Kind
from registry.transfer.kinds import BY_NAME, KINDS
from registry.transfer.scoping import leading_out, live, may_lead_out, within

PAGE = 2_000
# Whoever reads the file may be slower than a request is allowed to be.
_PATIENCE: Final = text("select set_config('idle_in_transaction_session_timeout', '10min', true)")


@dataclass(frozen=True)
class Exported:
    """How many lines of each kind were written, and how many fields left out, as `Kind.field`, that lead to others."""

    counts: Counter[str]
    left_out: Counter[str]


async def export(
    database: Database,
    actor: Actor,
    stream: BinaryIO,
    told: Callable[[Counter[str]], None] = lambda _: None,
    project_id: UUID | None = None,
) -> Exported:
    """Write the whole organization as it is at one moment, a page of rows in memory at a time.

    Of one project: what is in it, its team, and the environments, runtimes, signatures and schemas that it names. What
    leads to another project is left out: the field, or the line where the field has to be there. Keys are the ids of
    the rows. Raises: Forbidden.
    """
    require(actor, Action.READ)
    done, given = Exported(Counter(), Counter()), {"org": actor.org_id}
    if project_id is not None:
        given["project"] = project_id
    snapshot = database.new_snapshot(actor.org_id)
    try:
        await snapshot.rows(_PATIENCE)
        for kind in KINDS:
            async for rows in _pages(snapshot, kind, given):
                stream.write(b"".join(map(partial(_line, kind), rows)))
                done.counts[kind.title] += len(rows)
                told(done.counts)
        if project_id is not None:
            for name, statement in leading_out().items():
                ((count,),) = await snapshot.rows(statement, given)
                done.left_out[name] += count
    finally:
        await snapshot.close()
    return done


async def _pages(snapshot: Snapshot, kind: Kind, given: Mapping[str, UUID]) -> AsyncIterator[Any]:
    """All rows of a kind in the order of the file, page by page: each goes on where the one before has ended.

    Those of the organization `org` that is given, and of the `project` if one is.
    """
    place = _place(kind)
    columns = tuple_(*[getattr(kind.table, name) for name in place])
    first = _rows(kind, of_project="project" in given).order_by(*columns.clauses).limit(PAGE)
    further = _rows(kind, of_project="project" in given, further=True).order_by(*columns.clauses).limit(PAGE)
    rest = further.where(columns > tuple_(*[bindparam(f"after_{name}", type_=one.type) for name, one in _typed(kind)]))
    rows = await snapshot.rows(first, given)
    while rows:
        yield rows
        if len(rows) < PAGE:
            return
        after = {f"after_{name}": getattr(rows[-1], f"at_{name}") for name in place}
        rows = await snapshot.rows(rest, {**given, **after})


def _place(kind: Kind) -> tuple[str, ...]:
    """The columns that a kind is sorted by; no two rows are the same in all of them."""
    return (*kind.order, "id") if issubclass(kind.table, Row) else kind.natural


def _typed(kind: Kind) -> list[tuple[str, Any]]:
    return [(name, getattr(kind.table, name)) for name in _place(kind)]


def _rows(kind: Kind, *, of_project: bool, further: bool = False) -> Select[Any]:
    """The rows of a kind with the columns of its fields. What names something that is deleted does not name it.

    `further` where a page was read before: nothing that sorts below its last row is looked at again.
    """
    table: Any = kind.table
    read = [getattr(table, name).label(f"at_{name}") for name in _place(kind)]
    wanted = live(kind, table)
    if issubclass(table, Row):
        read.append(table.created_at)
    if table is Price:
        wanted.append(_counts(table))
    if table is Artifact:
        read += [table.state, table.bucket, table.object_key]
    if of_project:
        wanted.append(within(kind, table))
    statement = select(*read)
    for field in kind.fields:
        column = getattr(table, field.column)
        if field.refers:
            other: Any = aliased(BY_NAME[field.refers].table)
            joined = and_(other.org_id == table.org_id, other.id == column)
            if issubclass(BY_NAME[field.refers].table, Deletable):
                joined = and_(joined, other.deleted_at.is_(None))
            if further and field.column == _place(kind)[0]:
                # Rows that are sorted by what they belong to: the planner may read run after run, but none again.
                joined = and_(joined, other.id >= bindparam(f"after_{field.column}", type_=column.type))
            if of_project and may_lead_out(kind, field):
                joined = and_(joined, within(BY_NAME[field.refers], other))
            statement = statement.join(other, joined, isouter=not field.required)
            column = other.id
        statement = statement.add_columns(column.label(f"field_{field.name}"))
    if kind.one_of:
        names = {field.name: statement.selected_columns[f"field_{field.name}"] for field in kind.fields}
        wanted.append(or_(*[names[name].is_not(None) for name in kind.one_of]))
    return statement.where(*wanted)


def _counts(price: Any) -> Any:
    """A price that some run may cost: not one that was removed before it began, or replaced from its beginning on."""
    later: Any = aliased(Price)
    replaced = exists().where(
        later.org_id == price.org_id,
        later.resource == price.resource,
        later.hardware.is_not_distinct_from(price.hardware),
        later.valid_from == price.valid_from,
        tuple_(later.created_at, later.id) > tuple_(price.created_at, price.id),
        or_(later.valid_to.is_(None), later.valid_to >= price.valid_to),
    )
    return and_(or_(price.valid_to.is_(None), price.valid_to > price.valid_from), ~replaced)


def _line(kind: Kind, row: Any) -> bytes:
    """A row as a line; what is empty is left out, but for tags: that there are none any more is to arrive."""
    told: dict[str, Any] = {"kind": kind.title}
    if not kind.points:
        told["key"] = str(row.at_id)
    for field in kind.fields:
        value = getattr(row, f"field_{field.name}")
        if value is not None and (field.name == "tags" or value not in ({}, [])):
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
