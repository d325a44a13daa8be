"""`registry import`: a file into an organization, in chunks that are in whole or not at all.

A line that was imported before and has not changed is left alone, so that the same file can always be imported again:
after a cut, a kill, or for nothing. Lines may stand in any order: one that names what is not known yet is held back.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import BinaryIO

import stamina
from sqlalchemy import ColumnElement, delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from db.base import utc_now
from db.errors import RETRYABLE, sqlstate
from db.session import Change, Database
from db.tables import ImportProgress
from registry.kernel import inputs
from registry.kernel.access import Action, Actor, require
from registry.kernel.errors import Conflict, InvalidValue
from registry.transfer.kinds import KINDS
from registry.transfer.limits import CHUNK, MAX_CHUNK
from registry.transfer.planning import Known, look_up, plan, refused, unknown
from registry.transfer.pricing import fit_prices
from registry.transfer.reading import Line, LineClashed, LineRefused, Record, lines, record
from registry.transfer.writing import carry_out, compared

MAX_HELD = 200_000
"""How many lines may wait for others that stand further down."""
MAX_REFUSED = 10_000
_ATTEMPTS = 5
# In tables that the planner takes for empty it reads everything for each row, and keeps to that plan: it is told anew
# after so many chunks, each time about four times as many as before.
_GROWN = frozenset({1, 4, 16, 64, 256})
_REFRESH = text("select registry.refresh_statistics()")
_ORDER = {kind.title: place for place, kind in enumerate(KINDS)}


@dataclass
class Report:
    """How many lines there were, how many of them were in already, and what became of the others."""

    lines: int = 0
    skipped: int = 0
    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    refused: list[LineRefused] = field(default_factory=list)


@dataclass(frozen=True)
class _Place:
    """How far into a file: so many bytes and lines, with this digest."""

    size_bytes: int = 0
    line_count: int = 0
    digest: bytes = b""


@dataclass
class Importing:
    """One import. `told` hears how far it has come after each chunk.

    `keep_going` puts lines aside that are refused for themselves instead of ending with the first of them.
    """

    database: Database
    actor: Actor
    frameworks: Sequence[str]
    source: str = "default"
    dry_run: bool = False
    chunk: int = CHUNK
    keep_going: bool = False
    told: Callable[[Report], None] = lambda _: None
    report: Report = field(default_factory=Report)
    _held: list[Record] = field(default_factory=list)
    _seen: dict[int, tuple[bytes, int]] = field(default_factory=dict)
    _chunks: int = 0
    _imagined: Known = field(default_factory=Known)

    async def run(self, stream: BinaryIO) -> Report:
        """Import a whole file.

        Raises: Forbidden, InvalidValue, and LineRefused for a line that cannot be taken in: chunks before it are in.
        """
        require(self.actor, Action.ORGANIZE)
        self.source = inputs.name(self.source, ("source",))
        if not 1 <= self.chunk <= MAX_CHUNK:
            raise InvalidValue(f"A chunk has 1 to {MAX_CHUNK} lines.", ("chunk",))
        digest, rest = await self._skipped(stream)
        while part := list(islice(rest, self.chunk)):
            for line in part:
                digest.update(line.raw)
            records = [one for one in map(self._read, part) if one is not None]
            self.report.lines = part[-1].number
            await self._take(records, _Place(part[-1].end, part[-1].number, digest.digest()))
        await self._release()
        if not self.dry_run:
            async with self.database.change(self.actor.org_id) as change:
                await change.execute(delete(ImportProgress).where(*self._own(change)))
        return self.report

    async def _skipped(self, stream: BinaryIO) -> tuple["hashlib._Hash", Iterator[Line]]:
        """What is left of a file of which the beginning is in already, and the digest of that beginning."""
        digest, rest = hashlib.sha256(), lines(stream)
        if self.dry_run or not stream.seekable():
            return digest, rest
        async with self.database.change(self.actor.org_id) as change:
            statement = select(ImportProgress).where(*self._own(change))
            known = (await change.execute(statement)).scalar_one_or_none()
        if known is None:
            return digest, rest
        for line in islice(rest, known.line_count):
            digest.update(line.raw)
            self.report.lines = self.report.skipped = line.number
        if digest.digest() != known.digest:
            # Another file, or a note of another time: everything is looked at, which only takes longer.
            stream.seek(0)
            digest, rest = hashlib.sha256(), lines(stream)
            self.report.skipped = 0
        return digest, rest

    def _read(self, line: Line) -> Record | None:
        """The record of a line, unless it is empty or stands further up as it is. Raises: LineRefused."""
        try:
            found = record(line, self.frameworks)
            if found is None or found.key is None:
                return found
            place = hash((found.kind.title, found.key))
            digest, first = self._seen.setdefault(place, (found.digest, found.line))
            if digest != found.digest:
                told = f"The key {found.key!r} stands in line {first} too, with something else. A key is of one thing."
                raise refused(found, Conflict(told, ("key",)))
        except LineRefused as refusal:
            self._put_aside(refusal)
            return None
        if first != found.line:
            self.report.counts[found.kind.title]["unchanged"] += 1
            return None
        return found

    def _put_aside(self, refusal: LineRefused) -> None:
        if not self.keep_going or len(self.report.refused) >= MAX_REFUSED:
            raise refusal
        self.report.refused.append(refusal)
        self.report.counts[refusal.kind or "?"]["refused"] += 1

    async def _take(self, records: Sequence[Record], place: _Place | None = None) -> int:
        """Import a chunk, without the lines that are refused, and hold back what waits. Returns: how many waited."""
        left = list(records)
        while True:
            try:
                held = await self._committed(left, place)
                break
            except LineRefused as refusal:
                self._put_aside(refusal)
                self._imagined.forget(left)
                left = [one for one in left if one.line != refusal.line]
        self._held += held
        self.told(self.report)
        self._chunks += 1
        if self._chunks in _GROWN and not self.dry_run:
            async with self.database.change(self.actor.org_id) as change:
                await change.execute(_REFRESH)
        if len(self._held) > MAX_HELD:
            await self._pass()
            if len(self._held) > MAX_HELD:
                told = f"More than {MAX_HELD} lines name things that have not come yet. Put those things first."
                raise refused(self._held[0], InvalidValue(told))
        return len(held)

    async def _committed(self, records: Sequence[Record], place: _Place | None) -> list[Record]:
        """Import a chunk in one transaction. Returns: what has to wait. Raises: LineRefused."""
        async for attempt in stamina.retry_context(
            # A name that somebody else takes at the same moment is known at the next look.
            on=lambda error: isinstance(error, IntegrityError | LineClashed) or sqlstate(error) in RETRYABLE,
            attempts=_ATTEMPTS,
            wait_initial=0.05,
            wait_max=1.0,
        ):
            with attempt:
                async with self.database.change(self.actor.org_id) as change:
                    known = self._imagined if self.dry_run else Known()
                    await look_up(change, self.source, records, known)
                    made = await plan(change, records, known)
                    await fit_prices(change, self.source, made, known)
                    if self.dry_run:
                        counts = await compared(change, self.actor, made, known)
                    else:
                        counts = await carry_out(change, self.actor, self.source, made, known)
                        if place is not None and not (self._held or made.held or self.report.refused):
                            await self._note(change, place)
                for kind, counted in counts.items():
                    self.report.counts[kind].update(counted)
                return made.held
        raise AssertionError("stamina either returns or raises")

    async def _release(self) -> None:
        """Import what was held back, as far as it can be. Raises: LineRefused for what waits in vain."""
        while self._held:
            before = len(self._held)
            await self._pass()
            if len(self._held) == before:
                break
        held, self._held = self._held, []
        for one in sorted(held, key=lambda one: one.line):
            self._put_aside(await self._in_vain(one))

    async def _pass(self) -> None:
        """Try all that is held once more; things before those that name them, so that one pass nearly always does."""
        held, self._held = sorted(self._held, key=lambda one: (_ORDER[one.kind.title], one.line)), []
        for start in range(0, len(held), self.chunk):
            await self._take(held[start : start + self.chunk])

    async def _in_vain(self, record: Record) -> LineRefused:
        async with self.database.change(self.actor.org_id) as change:
            known = self._imagined if self.dry_run else Known()
            await look_up(change, self.source, [record], known)
        return unknown(record, known)

    async def _note(self, change: Change, place: _Place) -> None:
        """Keep how far this import is, in the transaction of the chunk that brought it there."""
        values = {**asdict(place), "updated_at": utc_now()}
        statement = insert(ImportProgress).values(org_id=change.org_id, source=self.source, **values)
        await change.execute(statement.on_conflict_do_update(index_elements=["org_id", "source"], set_=values))

    def _own(self, change: Change) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return col(ImportProgress.org_id) == change.org_id, col(ImportProgress.source) == self.source
