"""Reading a file: bytes into lines, and lines into records that are checked as far as that needs no graph."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import orjson

from db.tables import Model
from registry.catalog.models import known_framework
from registry.kernel.errors import Failure, Forbidden, InvalidValue
from registry.transfer import fields
from registry.transfer.declaring import Field, Kind, Values
from registry.transfer.kinds import BY_NAME

MAX_LINE_BYTES = 1024 * 1024
_BOM: Final = b"\xef\xbb\xbf"
_COMMON: Final = {"kind", "key", "createdAt"}
_BY_KIND: Final = {kind.title: {one.name: one for one in kind.fields} for kind in BY_NAME.values()}


class LineRefused(Failure):
    """A line of a file that cannot be taken in. `code` is that of its reason."""

    def __init__(self, line: int, kind: str | None, reason: Failure | Forbidden) -> None:
        path = reason.path if isinstance(reason, Failure) else ()
        where = ", ".join(part for part in (f"line {line}", kind, ".".join(path)) if part)
        super().__init__(f"{where}: {reason.message} ({reason.code})", path)
        self.line, self.kind, self.reason = line, kind, reason
        self.code = reason.code


class LineClashed(LineRefused):
    """A line of which the name belongs to something else, as the database says. Another look may know that thing."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line with its number, from 1, and the offset of its end."""

    number: int
    end: int
    raw: bytes


@dataclass(slots=True)
class Record:
    """What a line says: columns with their values, and the keys of the things that its other fields name."""

    line: int
    kind: Kind
    key: str | None
    values: Values
    names: list[tuple[Field, str]]
    digest: bytes


def lines(stream: BinaryIO) -> Iterator[Line]:
    """The lines of a stream that hold something. Raises: LineRefused for one that is too long."""
    number = end = 0
    while raw := stream.readline(MAX_LINE_BYTES + 1):
        number, end = number + 1, end + len(raw)
        if len(raw) > MAX_LINE_BYTES:
            raise LineRefused(number, None, InvalidValue(f"A line has at most {MAX_LINE_BYTES} bytes."))
        yield Line(number, end, raw)


def record(line: Line, frameworks: Sequence[str]) -> Record | None:
    """The record in a line; None where it is empty. Raises: LineRefused."""
    raw = line.raw.removeprefix(_BOM) if line.number == 1 else line.raw
    if not raw.strip():
        return None
    given = _object(line, raw)
    kind = BY_NAME.get(str(given.get("kind")))
    if kind is None:
        raise LineRefused(line.number, None, InvalidValue(f"A kind is one of {', '.join(BY_NAME)}.", ("kind",)))
    try:
        return _checked(line, kind, given, frameworks)
    except Failure as failure:
        raise LineRefused(line.number, kind.title, failure) from None


def _object(line: Line, raw: bytes) -> dict[str, Any]:
    try:
        given = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        told = f"This is no JSON in UTF-8: {error.msg}, at character {error.colno}."
        if not raw.endswith(b"\n"):
            told = "The file ends in the middle of this line. What stands before it is not lost: import it again whole."
        raise LineRefused(line.number, None, InvalidValue(told)) from None
    if not isinstance(given, dict):
        raise LineRefused(line.number, None, InvalidValue("A line is a JSON object."))
    return given


def _checked(line: Line, kind: Kind, given: dict[str, Any], frameworks: Sequence[str]) -> Record:
    known = _BY_KIND[kind.title]
    values: Values = {}
    names: list[tuple[Field, str]] = []
    for name, value in given.items():
        field = known.get(name)
        if field is None:
            if name in _COMMON:
                continue
            raise InvalidValue(f"There is no {name!r} here; there are {', '.join(known)}.", (name,))
        if value is None:
            continue
        read = field.read(value, (name,))
        if field.refers:
            names.append((field, read))
        else:
            values[field.column] = read
    for field in kind.fields:
        if field.required and given.get(field.name) is None:
            raise InvalidValue(f"{field.name!r} is missing.", (field.name,))
    if kind.one_of and sum(given.get(name) is not None for name in kind.one_of) != 1:
        raise InvalidValue(f"Give exactly one of {', '.join(kind.one_of)}.", (kind.one_of[0],))
    if kind.table is Model:
        values["framework"] = known_framework(values["framework"], frameworks)
    values = kind.check(values)
    key = given.get("key")
    if kind.points:
        return Record(line.number, kind, None, values, names, b"")
    if key is not None:
        key = fields.name()(key, ("key",))
    elif not kind.natural:
        raise InvalidValue("'key' is missing: nothing else tells this from others of its kind.", ("key",))
    if given.get("createdAt") is not None:
        values["created_at"] = fields.moment(given["createdAt"], ("createdAt",))
    return Record(line.number, kind, key, values, names, _digest(given))


def _digest(given: dict[str, Any]) -> bytes:
    """What tells whether a line is as it was before: the order of its names makes no difference."""
    return hashlib.sha256(orjson.dumps(given, option=orjson.OPT_SORT_KEYS)).digest()[:16]
