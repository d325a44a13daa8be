"""What every change is made of: find a row, add one, alter one, and record each as an event of the same transaction."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar
from uuid import UUID

import orjson
from sqlalchemy import Select, func, inspect, select
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from db.base import Deletable, Row, noun_of, utc_now
from db.belonging import KINDS, Route, route
from db.errors import constraint
from db.session import Change, Event
from registry.kernel.access import Actor
from registry.kernel.errors import Failure, NotFound

MAX_IMAGE_BYTES = 32 * 1024
EVENT_SHAPE = 1

NOWHERE: Final = Route()

AnyRow = TypeVar("AnyRow", bound=Row)


async def database_time(change: Change) -> datetime:
    """Now, by the one clock that all servers share."""
    moment: datetime = (await change.execute(select(func.clock_timestamp()))).scalar_one()
    return moment


async def find(
    change: Change,
    table: type[AnyRow],
    id: UUID,
    path: str,
    *,
    lock: bool = False,
    alone: bool = False,
    deleted: bool = False,
) -> AnyRow:
    """The row with this id in the organization of the change; `path` is the input that named it, dots between names.

    What can be deleted is held: it stays until the end of the transaction. `lock` keeps others from changing the row,
    `alone` also waits for all who hold it and keeps others from finding it. `deleted` finds one that is deleted too.

    Raises: NotFound.
    """
    statement = _held(select(table).where(col(table.org_id) == change.org_id, col(table.id) == id), table)
    if lock:
        # Not FOR UPDATE: rows that merely refer to this one need not wait.
        statement = statement.with_for_update(key_share=True)
    if alone:
        statement = statement.with_for_update()
    row = (await change.execute(statement)).scalar_one_or_none()
    if row is None or (isinstance(row, Deletable) and row.deleted_at is not None and not deleted):
        raise NotFound(table.__name__, path.split("."))
    return row


async def find_by(change: Change, table: type[AnyRow], **values: object) -> AnyRow | None:
    """The one row of the organization whose columns have these values, by a unique key; None where there is none.

    One that is deleted is not found: others may have taken its name since.
    """
    live = {"deleted_at": None} if issubclass(table, Deletable) else {}
    statement = select(table).filter_by(org_id=change.org_id, **live, **values)
    return (await change.execute(statement)).scalar_one_or_none()


async def find_all(
    change: Change, table: type[AnyRow], ids: Sequence[UUID], path: str, *, lock: bool = False
) -> list[AnyRow]:
    """The rows with these ids in their order, by one statement; `path` has a place for the number of an id.

    `lock` keeps others from changing them until the end of the transaction, as in `find`.

    Raises: NotFound for the first that is missing.
    """
    if not ids:
        return []
    statement = select(table).where(col(table.org_id) == change.org_id, col(table.id).in_(set(ids)))
    if issubclass(table, Deletable):
        statement = statement.where(col(table.deleted_at).is_(None))
    # Always in the same order, so that two changes of the same rows cannot wait for each other.
    statement = _held(statement, table).order_by(col(table.id))
    if lock:
        statement = statement.with_for_update(key_share=True)
    found = {row.id: row for row in (await change.execute(statement)).scalars()}
    for place, one in enumerate(ids):
        if one not in found:
            raise NotFound(table.__name__, path.format(place).split("."))
    return [found[one] for one in ids]


async def lock_all(change: Change, table: type[AnyRow], ids: Sequence[UUID]) -> None:
    """Lock rows as `find` does with `alone`, in the order of their ids; an id without a row is passed over."""
    own = select(col(table.id)).where(col(table.org_id) == change.org_id, col(table.id).in_(set(ids)))
    await change.execute(own.order_by(col(table.id)).with_for_update())


def _held(statement: Select[AnyRow], table: type[AnyRow]) -> Select[AnyRow]:
    """Hold what can be deleted, as a foreign key would on insertion: who refers to a row that is being deleted waits.

    Read again by whoever waited, so that it is seen to be deleted. Nobody else waits for the holders of a row.
    """
    fresh = statement.execution_options(populate_existing=True)
    return fresh.with_for_update(read=True, key_share=True) if issubclass(table, Deletable) else fresh


async def add(change: Change, actor: Actor, row: AnyRow, taken: Mapping[str, Failure] | None = None) -> AnyRow:
    """Insert a row and record that it was created.

    `taken` maps the names of unique constraints to the failure that tells the caller what is in use.
    """
    change.add(row)
    await flush(change, taken)
    record(change, actor, row, "created", None, image(row))
    return row


async def alter(
    change: Change,
    actor: Actor,
    row: AnyRow,
    values: Mapping[str, Any],
    *,
    verb: str = "updated",
    taken: Mapping[str, Failure] | None = None,
) -> AnyRow:
    """Set columns of a row and record what they were before and are now. Nothing happens where nothing differs."""
    before = {name: getattr(row, name) for name, value in values.items() if getattr(row, name) != value}
    if not before:
        return row
    for name in before:
        setattr(row, name, values[name])
    if "updated_at" in type(row).model_fields and before.keys() - {"deleted_at"}:
        row.updated_at = utc_now()
    await flush(change, taken)
    visible = [name for name in before if name in shown(type(row))]
    if visible:
        earlier, later = ({name: before[name] for name in visible}, {name: getattr(row, name) for name in visible})
        record(change, actor, row, verb, earlier, later)
    return row


async def flush(change: Change, taken: Mapping[str, Failure] | None = None) -> None:
    """Send pending rows; a broken unique constraint named in `taken` becomes its failure."""
    try:
        await change.flush()
    except IntegrityError as error:
        failure = (taken or {}).get(constraint(error) or "")
        if failure is None:
            raise
        raise failure from None


def record(
    change: Change,
    actor: Actor,
    row: Row,
    verb: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> None:
    """Add an event to the change: what the named columns were before and are after."""
    found = route(type(row), partial(getattr, row))
    record_of(change, actor, type(row).__name__, row.id, verb, before, after, found)


def record_of(
    change: Change,
    actor: Actor,
    kind: str,
    id: UUID,
    verb: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    belongs: Route = NOWHERE,
) -> None:
    """`record` for a row that is known by its kind, its id and what it belongs to."""
    body = {"v": EVENT_SHAPE, "before": _fitting(before), "after": _fitting(after)}
    change.events.append(Event(f"{noun_of(KINDS[kind])}.{verb}", f"{kind}:{id}", actor.signature, body, *belongs))


def shown(table: type[Row]) -> list[str]:
    """The columns that images hold: neither secrets nor what follows from other rows."""
    columns = inspect(table).columns
    return [column.name for column in columns if not column.info.keys() & {"secret", "derived"}]


def image(row: Row) -> dict[str, Any]:
    """What an event tells of a whole row."""
    return {name: getattr(row, name) for name in shown(type(row))}


def _fitting(image: Mapping[str, Any] | None) -> Any:
    """The image in JSON's types; one over 32 KiB as its digest and the names of its columns."""
    if image is None:
        return None
    encoded = orjson.dumps(image, default=_plain, option=orjson.OPT_SORT_KEYS)
    if len(encoded) > MAX_IMAGE_BYTES:
        return {"sha256": hashlib.sha256(encoded).hexdigest(), "columns": sorted(image)}
    return orjson.loads(encoded)


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
