"""How a kind is declared: which table it is about, which fields its lines have, by which columns a row is the same."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from db.base import Tenant
from registry.kernel import inputs
from registry.transfer import fields as read
from registry.transfer.fields import Path, Read

Values = dict[str, Any]


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Field:
    """A value in a line. `column` is where it is kept, `refers` the kind of thing that it names by its key.

    A line that is changed may change an `editable` one. `brings` are columns that follow from the thing named, `agrees`
    those in which both have to be the same. `write` makes what an export holds.
    """

    name: str
    read: Read = read.plain
    column: str = ""
    required: bool = False
    editable: bool = False
    refers: str | None = None
    brings: tuple[str, ...] = ()
    agrees: tuple[str, ...] = ()
    write: Callable[[Any], Any] = _same


@dataclass(frozen=True)
class Kind:
    """What a line is about. `natural` are the columns by which a row is the same thing; a kind without has only keys.

    `check` looks at the columns of a whole line and completes them. Points are data that a thing owns: they have no key
    and no event. A line has exactly one of the fields `one_of`. `order` is how an export sorts, before the id.
    """

    table: type[Tenant]
    fields: tuple[Field, ...]
    natural: tuple[str, ...] = ()
    name: str = ""
    check: Callable[[Values], Values] = _same
    points: bool = False
    one_of: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    only: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Its name in files."""
        return self.name or self.table.__name__

    @property
    def references(self) -> list[Field]:
        """Its fields that name other things."""
        return [one for one in self.fields if one.refers]


def text(name: str, column: str = "", *, required: bool = False, editable: bool = False, most: int = 0) -> Field:
    """A field of free text."""
    return Field(name, read.prose(most or inputs.MAX_TEXT), column or name, required=required, editable=editable)


def to(name: str, kind: str, column: str, *, required: bool = True, editable: bool = False, **more: Any) -> Field:
    """A field that names another thing."""
    return Field(name, _key, column, required=required, editable=editable, refers=kind, write=str, **more)


def _key(value: Any, path: Path) -> str:
    return str(read.name()(value, path))
