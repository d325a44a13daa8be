"""What a chunk of records would change: which things are known, which are new, which have to wait for others.

Planning only reads, so that a dry run is a plan that is not carried out.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from db.base import Deletable
from db.ids import uuid7
from db.rows.artifacts import FAILED_STATES
from db.session import Change
from db.tables import Artifact, ImportKey, ModelVersion, Run
from registry.kernel.errors import Conflict, Failure, Forbidden, InvalidValue, NotFound
from registry.transfer.bulk import arrays, matching
from registry.transfer.declaring import Kind
from registry.transfer.kinds import BY_NAME, KINDS
from registry.transfer.reading import LineClashed, LineRefused, Record

Key = tuple[str, str]


def _needed() -> Mapping[str, set[str]]:
    """Which columns of a thing others need to know of it, by its kind."""
    needed: dict[str, set[str]] = defaultdict(set, {Run.__name__: {"status"}})
    for kind in KINDS:
        for one in kind.references:
            needed[str(one.refers)] |= {*one.brings, *one.agrees}
    return needed


_NEEDED: Final = _needed()
_RUN: Final = Run.__name__


@dataclass
class Known:
    """What is known of keys before a chunk: the rows they stand for, the digests of their lines, facts of those rows.

    `own` are the rows that came from this source. One that was here before is not, even if a key stands for it.
    In a dry run it outlives the chunk and also holds what would have been written.
    """

    ids: dict[Key, UUID] = field(default_factory=dict)
    digests: dict[Key, bytes] = field(default_factory=dict)
    facts: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    own: set[UUID] = field(default_factory=set)
    natural: dict[tuple[Any, ...], Record] = field(default_factory=dict)
    prices: dict[UUID, Record] = field(default_factory=dict)

    def forget(self, records: Sequence[Record]) -> None:
        """Take back what a plan that came to nothing has noted of these records."""
        for record in records:
            title = record.kind.title
            self.ids.pop((title, record.key or ""), None)
            self.ids.pop((title, _place_of(record)), None)
            self.natural.pop((title, *_natural(record)), None)
        gone = {record.line for record in records}
        self.prices = {row_id: one for row_id, one in self.prices.items() if one.line not in gone}


@dataclass
class Plan:
    """What to do for a chunk. `held` wait for things that may come later.

    `became` are the ids of new rows that a rule has made, by those that were meant for them.
    """

    new: dict[str, dict[UUID, Record]] = field(default_factory=lambda: defaultdict(dict))
    known: dict[str, list[tuple[UUID, Record]]] = field(default_factory=lambda: defaultdict(list))
    points: dict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))
    keys: list[tuple[Record, UUID]] = field(default_factory=list)
    became: dict[UUID, UUID] = field(default_factory=dict)
    unchanged: Counter[str] = field(default_factory=Counter)
    held: list[Record] = field(default_factory=list)


async def look_up(change: Change, source: str, records: Sequence[Record], known: Known) -> None:
    """Learn what is known of all keys that stand in these records."""
    wanted = {(record.kind.title, record.key) for record in records if record.key is not None}
    named = {(str(one.refers), key) for record in records for one, key in record.names}
    measured = {key for record in records if record.kind.points for one, key in record.names if one.refers == _RUN}
    seen = {key for key, row_id in known.ids.items() if key not in named or row_id in known.facts}
    missing = [{"kind": kind, "key": key} for kind, key in sorted((wanted | named) - seen)]
    if not missing:
        return
    statement = matching(change, ImportKey, ("kind", "key"), ("kind", "key", "row_id", "digest", "brought"))
    statement = statement.where(col(ImportKey.source) == source)
    for row in await change.execute(statement, arrays(missing, ("kind", "key"))):
        known.ids[row.kind, row.key], known.digests[row.kind, row.key] = row.row_id, row.digest
        if row.brought:
            known.own.add(row.row_id)
    by_kind: dict[tuple[str, bool], dict[Key, UUID]] = defaultdict(dict)
    for one in missing:
        key = (one["kind"], one["key"])
        row_id = known.ids.get(key) if key in named else None
        if key not in known.ids:
            row_id = _uuid(one["key"])
        if row_id is not None:
            # Nobody ends a run while it is measured.
            by_kind[one["kind"], one["kind"] == _RUN and one["key"] in measured][key] = row_id
    for (kind, alone), keys in by_kind.items():
        await _facts(change, BY_NAME[kind], keys, known, alone=alone)


async def _facts(change: Change, kind: Kind, keys: Mapping[Key, UUID], known: Known, *, alone: bool) -> None:
    """Learn facts of rows by their ids, and that a key is the id of a row. Rows that are deleted are not known.

    `alone` keeps others from changing them until the end of the transaction.
    """
    table: Any = kind.table
    statement = select(table.id, *[getattr(table, name) for name in sorted(_NEEDED[kind.title])])
    statement = statement.where(table.org_id == change.org_id, table.id.in_(set(keys.values())))
    if issubclass(table, Deletable):
        # Held as a reference would hold them: they are not deleted before this is written.
        statement = statement.where(table.deleted_at.is_(None)).order_by(table.id)
        statement = statement.with_for_update(read=not alone, key_share=True)
    found = {row.id: row._asdict() for row in await change.execute(statement)}
    known.facts |= found
    for key, row_id in keys.items():
        if row_id in found:
            known.ids.setdefault(key, row_id)


def _uuid(key: str) -> UUID | None:
    try:
        return UUID(key) if len(key) == 36 else None
    except ValueError:
        return None


async def plan(change: Change, records: Sequence[Record], known: Known) -> Plan:
    """Decide what each record means; kinds in the order in which they refer to each other.

    Raises: LineRefused.
    """
    made = Plan()
    by_kind: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_kind[record.kind.title].append(record)
    for kind in KINDS:
        if by_kind[kind.title]:
            await _plan_kind(change, kind, by_kind[kind.title], known, made)
    return made


async def _plan_kind(change: Change, kind: Kind, records: Iterable[Record], known: Known, made: Plan) -> None:
    ready: list[Record] = []
    for record in records:
        key = (kind.title, record.key or "")
        if record.key is not None and known.digests.get(key) == record.digest:
            made.unchanged[kind.title] += 1
        elif _resolve(record, known, [one for one in record.names if one[0].refers != kind.title]):
            ready.append(record)
        else:
            made.held.append(record)
    if kind.points:
        made.points[kind.title] = ready
        return
    found = await _same(change, kind, [one for one in ready if (kind.title, one.key) not in known.ids])
    for record in ready:
        _place(kind, record, found, known, made)
    if any(one.refers == kind.title for one in kind.references):
        _tie(kind, known, made)


def _resolve(record: Record, known: Known, names: Sequence[Any]) -> bool:
    """Put the ids of what a record names into its columns; False where one is not known yet. Raises: LineRefused."""
    for one, key in names:
        row_id = known.ids.get((str(one.refers), key))
        if row_id is None or row_id not in known.facts:
            return False
        record.values[one.column] = row_id
        for column in one.brings:
            record.values[column] = known.facts[row_id][column]
        for column in one.agrees:
            if known.facts[row_id][column] != record.values[column]:
                what = column.removesuffix("_id")
                raise refused(record, InvalidValue(f"This is of another {what}. A run stays within one.", (one.name,)))
    return True


async def _same(change: Change, kind: Kind, records: Sequence[Record]) -> dict[tuple[Any, ...], Any]:
    """The rows that are the same things as new records, by their natural keys."""
    found: dict[tuple[Any, ...], Any] = {}
    table: Any = kind.table
    by_columns: dict[tuple[str, ...], list[Record]] = defaultdict(list)
    for record in records if kind.natural else ():
        by_columns[tuple(name for name in kind.natural if record.values.get(name) is not None)].append(record)
    for names, members in by_columns.items():
        # A label is never used again, not even when its version is deleted.
        keeps_names = table is ModelVersion
        statement = matching(change, table, names, ("id", *kind.natural, *(["deleted_at"] if keeps_names else [])))
        if issubclass(table, Deletable) and not keeps_names:
            statement = statement.where(col(table.deleted_at).is_(None))
        if table is Artifact:
            statement = statement.where(col(Artifact.state).not_in(FAILED_STATES))
        for row in await change.execute(statement, arrays([one.values for one in members], names)):
            found[tuple(getattr(row, name) for name in kind.natural)] = row
    return found


def _place(kind: Kind, record: Record, found: Mapping[tuple[Any, ...], Any], known: Known, made: Plan) -> None:
    """Decide which row a record is about. Raises: LineRefused."""
    natural = _natural(record)
    row_id = known.ids.get((kind.title, record.key)) if record.key is not None else None
    row = found.get(natural) if kind.natural else None
    twin = known.natural.get((kind.title, *natural)) if kind.natural else None
    if row_id is None and row is not None:
        if getattr(row, "deleted_at", None) is not None:
            raise refused(record, Conflict("A deleted version has this label; it is never used again.", ("label",)))
        row_id = row.id
    if row_id is not None:
        made.known[kind.title].append((row_id, record))
    elif twin is not None:
        if _told(twin) != _told(record):
            raise refused(record, Conflict(f"Line {twin.line} says something else of the same thing."))
        row_id = known.ids[kind.title, _place_of(twin)]
        made.unchanged[kind.title] += 1
    else:
        row_id = uuid7()
        made.new[kind.title][row_id] = record
        known.own.add(row_id)
        known.ids[kind.title, _place_of(record)] = row_id
        if kind.natural:
            known.natural[kind.title, *natural] = record
    known.facts.setdefault(row_id, record.values)
    if record.key is not None:
        known.ids[kind.title, record.key] = row_id
        made.keys.append((record, row_id))


def _natural(record: Record) -> tuple[Any, ...]:
    return tuple(record.values.get(name) for name in record.kind.natural)


def _place_of(record: Record) -> str:
    """What stands for the key of a record, which need not have one."""
    return f"\0{record.line}"


def _told(record: Record) -> dict[str, Any]:
    return {name: value for name, value in record.values.items() if name != "created_at"}


def _tie(kind: Kind, known: Known, made: Plan) -> None:
    """Resolve what records name of their own kind; those that have to wait take what names them with them.

    Raises: LineRefused for a circle.
    """
    new = made.new[kind.title]
    everyone = [*new.items(), *made.known[kind.title]]
    waiting = True
    while waiting:
        own = [(row_id, one, [name for name in one.names if name[0].refers == kind.title]) for row_id, one in everyone]
        gone = [(row_id, one) for row_id, one, names in own if not _resolve(one, known, names)]
        waiting = bool(gone)
        for row_id, record in gone:
            made.held.append(record)
            if new.pop(row_id, None) is None:
                continue
            known.ids.pop((kind.title, str(record.key)), None)
            known.natural.pop((kind.title, *_natural(record)), None)
        lost = {row_id for row_id, _ in gone}
        everyone = [one for one in everyone if one[0] not in lost]
        made.known[kind.title] = [one for one in made.known[kind.title] if one[0] not in lost]
        made.keys = [one for one in made.keys if one[1] not in lost or one[0].kind is not kind]
    columns = [one.column for one in kind.references if one.refers == kind.title]
    for column in columns:
        _refuse_circles(new, column)


def _refuse_circles(new: Mapping[UUID, Record], column: str) -> None:
    """Old rows never name new ones, so a circle is among new ones. Raises: LineRefused."""
    safe: set[UUID] = set()
    for start in new:
        path: list[UUID] = []
        at: UUID | None = start
        while at is not None and at in new and at not in safe:
            if at in path:
                names = {one.column: one.name for one in new[at].kind.references}
                failure = Conflict("This leads back to the line itself, by way of others.", (names[column],))
                raise refused(new[at], failure)
            path.append(at)
            at = new[at].values.get(column)
        safe.update(path)


def refused(record: Record, failure: Failure | Forbidden) -> LineRefused:
    """The refusal of a record."""
    return LineRefused(record.line, record.kind.title, failure)


def clash(record: Record) -> LineClashed:
    """The refusal of a record whose name something else has, which only the database saw."""
    last = record.kind.natural[-1] if record.kind.natural else ""
    field = next((one.name for one in record.kind.fields if last.endswith(one.column)), "key")
    failure = Conflict("Something else here has this already. Take another, or try again later.", (field,))
    return LineClashed(record.line, record.kind.title, failure)


def unknown(record: Record, known: Known) -> LineRefused:
    """The refusal of a record that waited in vain: for what it names, or a price for the end of another one."""
    for one, key in record.names:
        row_id = known.ids.get((str(one.refers), key))
        if row_id is None or row_id not in known.facts:
            failure = NotFound(str(one.refers), (one.name,))
            failure.message = f"There is no {one.refers} with the key {key!r}, neither in this file nor here."
            return refused(record, failure)
    told = "Another price of this resource on this hardware is valid at that time. Let one begin where the other ends."
    return refused(record, Conflict(told, ("validFrom",)))
