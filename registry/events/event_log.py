"""Reading the event feed: what an event says, where a reader stands, which events it wants, and pages of them."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

import orjson
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    CompoundSelect,
    DateTime,
    Executable,
    LargeBinary,
    MetaData,
    Row as ResultRow,
    Select,
    Table,
    Text,
    Uuid,
    any_,
    bindparam,
    func,
    literal,
    or_,
    select,
    text,
    true,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlmodel import col

from db.session import Reader as Rows
from db.tables import Model
from registry.kernel.errors import BadInput, CursorExpired, CursorReset

_CURSOR_VERSION = b"\x01"
_LAST_SEQ = 2**63 - 1

Reader: TypeAlias = Rows | AsyncConnection | AsyncSession
"""Whatever reads: of the application role it sees its organization's feed, of the worker role every one."""

# Not among the tables of `db.tables`: nothing but `ev.append` writes them.
_metadata = MetaData(schema="ev")
STREAM: Final = Table(
    "stream",
    _metadata,
    Column("org_id", Uuid),
    Column("epoch", Uuid),
    Column("head_seq", BigInteger),
    Column("floor_seq", BigInteger),
)
EVENT: Final = Table(
    "event",
    _metadata,
    Column("org_id", Uuid),
    Column("seq", BigInteger),
    Column("at", DateTime(timezone=True)),
    Column("kind", Text),
    Column("subject", Text),
    Column("actor", Text),
    Column("body", Text),
    Column("model_id", Uuid),
    Column("project_id", Uuid),
    Column("hash", LargeBinary),
)


@dataclass(frozen=True)
class Cursor:
    """A place in the feed of one organization: behind the event `seq`, in the numbering `epoch`.

    Opaque to clients: base64 of a version, the epoch and the number.
    """

    epoch: UUID
    seq: int

    def __str__(self) -> str:
        return urlsafe_b64encode(_CURSOR_VERSION + self.epoch.bytes + self.seq.to_bytes(8, "big")).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """The place a cursor names. Raises: BadInput when this server cannot have given it out."""
        try:
            raw = urlsafe_b64decode(text + "==") if len(text) == _CURSOR_CHARACTERS else b""
        except ValueError:
            raw = b""
        if raw[:1] == _CURSOR_VERSION:
            cursor = cls(UUID(bytes=raw[1:17]), int.from_bytes(raw[17:], "big"))
            # What decodes to the same bytes and is written otherwise was not written here.
            if cursor.seq <= _LAST_SEQ and str(cursor) == text:
                return cursor
        raise BadInput("This is no cursor of the event feed. Send a cursor as you got it, unchanged.")


_CURSOR_CHARACTERS = len(str(Cursor(UUID(int=0), 0)))


@dataclass(frozen=True)
class Stream:
    """How far the feed of an organization reaches: events `floor_seq + 1` to `head_seq` are there, none is missing."""

    org_id: UUID
    epoch: UUID
    head_seq: int
    floor_seq: int

    @property
    def head(self) -> Cursor:
        """The place behind the newest event."""
        return Cursor(self.epoch, self.head_seq)

    def after(self, cursor: Cursor) -> int:
        """The number behind which a reader with this cursor goes on.

        Raises: CursorReset for one of other numbers, CursorExpired where events behind it are gone.
        """
        if cursor.epoch != self.epoch or cursor.seq > self.head_seq:
            raise CursorReset(str(self.head))
        if cursor.seq < self.floor_seq:
            raise CursorExpired(str(self.head))
        return cursor.seq


@dataclass(frozen=True)
class StoredEvent:
    """One event as it is stored. `text` is its body as it was hashed."""

    org_id: UUID
    seq: int
    at: datetime
    kind: str
    subject: str
    actor: str
    text: str
    model_id: UUID | None
    project_id: UUID | None
    hash: bytes
    epoch: UUID

    @property
    def body(self) -> Mapping[str, Any]:
        """What happened: `v` is the version of its shape, `before` and `after` the columns that changed.

        Read anew each time: events stay in the rings of the feed, which count their text alone.
        """
        found: Mapping[str, Any] = orjson.loads(self.text)
        return found

    @property
    def cursor(self) -> Cursor:
        """The place behind this event."""
        return Cursor(self.epoch, self.seq)


@dataclass(frozen=True)
class Filter:
    """Which events a reader wants: those that all of its parts allow; an empty part allows every event.

    `kinds` are whole ones, as `event_kinds.whole` gives them; `subject` is `Kind:uuid`, as events name it.
    """

    kinds: frozenset[str] = frozenset()
    model_ids: frozenset[UUID] = frozenset()
    project_id: UUID | None = None
    subject: str | None = None

    def matches(self, event: StoredEvent, projects: Mapping[UUID, UUID]) -> bool:
        """Whether an event is wanted. `projects` are those of models, as `projects_of` finds them."""
        if self.kinds and event.kind not in self.kinds:
            return False
        if self.model_ids and event.model_id not in self.model_ids:
            return False
        if self.subject is not None and event.subject != self.subject:
            return False
        if self.project_id is None or event.project_id == self.project_id:
            return True
        return event.model_id is not None and projects.get(event.model_id) == self.project_id

    def conditions(self, org_id: UUID) -> list[ColumnElement[bool]]:
        """The same for the columns of EVENT. By project only for readers who may see models."""
        wanted: list[ColumnElement[bool]] = []
        if self.kinds:
            # Equality alone may use an index in front of row-level security, and one statement serves any number.
            wanted.append(EVENT.c.kind == any_(literal(sorted(self.kinds), ARRAY(Text))))
        if self.model_ids:
            wanted.append(EVENT.c.model_id.in_(sorted(self.model_ids)))
        if self.subject is not None:
            wanted.append(EVENT.c.subject == self.subject)
        if self.project_id is not None:
            models = _models_of(org_id, self.project_id)
            # As an array, which is read once and looked up in the index: a joined list would have all events read.
            of_models = EVENT.c.model_id == any_(func.array(models.scalar_subquery()))
            wanted.append(or_(EVENT.c.project_id == self.project_id, of_models))
        return wanted


EVERY_EVENT: Final = Filter()
NEAR: Final = 5_000
"""How many numbers are looked through for the events of a project before its models are asked one by one."""

# Everything up to `low` is older than the moment, everything from `high` on is not.
_FIRST_AT = text("""
    with recursive halving as (
        select cast(:low as bigint) as low, cast(:high as bigint) as high
        union all
        select case when e.at < :moment then e.seq else h.low end, case when e.at < :moment then h.high else e.seq end
          from halving h join ev.event e on e.org_id = :org_id and e.seq = (h.low + h.high) / 2
         where h.high - h.low > 1
    )
    select min(high) from halving
""").bindparams(bindparam("org_id", type_=Uuid), bindparam("moment", type_=DateTime(timezone=True)))


async def stream_of(reader: Reader, org_id: UUID) -> Stream:
    """How far the feed of an organization reaches now. Raises: LookupError for an organization that has none."""
    found = await _rows(reader, select(STREAM).where(STREAM.c.org_id == org_id))
    if not found:
        raise LookupError("This organization has no event stream.")
    return Stream(*found[0])


async def page(
    reader: Reader,
    org_id: UUID,
    after_seq: int,
    filter: Filter = EVERY_EVENT,
    *,
    limit: int,
    before_seq: int | None = None,
    backwards: bool = False,
    visible: Sequence[ColumnElement[bool]] = (),
) -> list[StoredEvent]:
    """The first `limit` events that are wanted behind `after_seq`, in the order of their numbers.

    `before_seq` is the first that is not looked at any more. `backwards` gives the last ones instead, newest first.
    `visible` are conditions on EVENT that hold for what may be seen.
    """
    if filter.project_id is None or before_seq is None or before_seq - after_seq <= NEAR:
        where = _between(org_id, after_seq, before_seq, [*filter.conditions(org_id), *visible])
        return await _read(reader, where, limit, backwards=backwards)
    # What a project has lies close together or hardly anywhere. The first is soon found, the second by its indexes.
    edge = before_seq - NEAR if backwards else after_seq + NEAR
    near = (edge - 1, before_seq) if backwards else (after_seq, edge)
    far = (after_seq, edge) if backwards else (edge - 1, before_seq)
    where = _between(org_id, *near, [*filter.conditions(org_id), *visible])
    found = await _read(reader, where, limit, backwards=backwards)
    if left := limit - len(found):
        numbers = _numbers(org_id, *far, filter, left, visible, backwards=backwards)
        where = [EVENT.c.org_id == org_id, EVENT.c.seq.in_(numbers)]
        found += await _read(reader, where, left, backwards=backwards)
    return found


def _between(
    org_id: UUID, after_seq: int, before_seq: int | None, conditions: Sequence[ColumnElement[bool]]
) -> list[ColumnElement[bool]]:
    where = [EVENT.c.org_id == org_id, EVENT.c.seq > after_seq, *conditions]
    return where if before_seq is None else [*where, EVENT.c.seq < before_seq]


async def _read(
    reader: Reader, where: Sequence[ColumnElement[bool]], limit: int, *, backwards: bool
) -> list[StoredEvent]:
    statement = (
        select(*EVENT.c, STREAM.c.epoch)
        .join(STREAM, STREAM.c.org_id == EVENT.c.org_id)
        .where(*where)
        .order_by(EVENT.c.seq.desc() if backwards else EVENT.c.seq)
        .limit(limit)
    )
    return [StoredEvent(*row) for row in await _rows(reader, statement)]


def _numbers(
    org_id: UUID,
    after_seq: int,
    before_seq: int,
    filter: Filter,
    limit: int,
    visible: Sequence[ColumnElement[bool]],
    *,
    backwards: bool,
) -> CompoundSelect[*tuple[Any, ...]]:
    """The numbers of the events of a project, at least the first `limit`: those of each of its models and its own."""
    conditions = [*replace(filter, project_id=None).conditions(org_id), *visible]

    def first(whose: ColumnElement[bool]) -> Select[int]:
        where = _between(org_id, after_seq, before_seq, [*conditions, whose])
        return select(EVENT.c.seq).where(*where).order_by(EVENT.c.seq.desc() if backwards else EVENT.c.seq).limit(limit)

    models = _models_of(org_id, filter.project_id).subquery("model")
    of_models = first(EVENT.c.model_id == models.c.id).lateral("of_model")
    of_itself = first(EVENT.c.project_id == filter.project_id).subquery("of_itself")
    return union_all(select(of_itself.c.seq), select(of_models.c.seq).select_from(models.join(of_models, true())))


def _models_of(org_id: UUID, project_id: UUID | None) -> Select[UUID]:
    return select(col(Model.id)).where(col(Model.org_id) == org_id, col(Model.project_id) == project_id)


async def count(
    reader: Reader,
    org_id: UUID,
    after_seq: int,
    before_seq: int,
    filter: Filter,
    visible: Sequence[ColumnElement[bool]] = (),
) -> int:
    """How many events between two numbers, both left out, are wanted and, by `visible`, may be seen."""
    if filter == EVERY_EVENT and not visible:
        return max(0, before_seq - after_seq - 1)
    statement = select(func.count()).where(
        EVENT.c.org_id == org_id,
        EVENT.c.seq > after_seq,
        EVENT.c.seq < before_seq,
        *filter.conditions(org_id),
        *visible,
    )
    (found,) = await _rows(reader, statement)
    return int(found[0])


async def first_at(reader: Reader, stream: Stream, moment: datetime) -> int:
    """The number of the first event at or after a moment; the next one to come where all are older.

    Found by halving, as times do not fall while numbers grow, unless the clock of the database was set back.
    """
    bound = {"org_id": stream.org_id, "low": stream.floor_seq, "high": stream.head_seq + 1, "moment": moment}
    (found,) = await _rows(reader, _FIRST_AT.bindparams(**bound))
    return int(found[0])


async def projects_of(reader: Reader, org_id: UUID, model_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """The projects of models. A model stays in its project, so that the answer may be kept."""
    models = select(col(Model.id), col(Model.project_id))
    found = await _rows(reader, models.where(col(Model.org_id) == org_id, col(Model.id).in_(sorted(model_ids))))
    return {row[0]: row[1] for row in found}


async def _rows(reader: Reader, statement: Executable) -> Sequence[ResultRow[*tuple[Any, ...]]]:
    if isinstance(reader, AsyncConnection | AsyncSession):
        return (await reader.execute(statement)).all()
    return await reader.rows(statement)
