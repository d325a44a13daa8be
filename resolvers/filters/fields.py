"""Filters: what the rows of a table can be asked for, each as a condition in SQL."""

import operator
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Float,
    FromClause,
    and_,
    bindparam,
    collate,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB

from db.base import Tenant
from db.codes import Phase
from registry.facts.runtimes import package_name
from registry.kernel import inputs
from registry.kernel.errors import BadInput, InvalidValue
from registry.kernel.inputs import HEAPED, Of, is_heaped
from registry.tracking.metric_source import latest_point
from resolvers.filters.operators import (
    MetricFilter,
    NumberFilter,
    PackageFilter,
    ParameterFilter,
    TagFilter,
    TextFilter,
    TimeFilter,
    WholeNumberFilter,
)

Holds = ColumnElement[bool]

_COMPARISONS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "equals": operator.eq,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
_BOUNDS: Final = ("gt", "gte", "lt", "lte")


@dataclass(frozen=True)
class Filter(ABC):
    """One thing that the rows of a table can be asked for."""

    @property
    @abstractmethod
    def takes(self) -> Any:
        """The type of what is asked, from which its shape in the graph is made."""

    @abstractmethod
    def holds(self, row: FromClause, asked: Any) -> Holds:
        """Whether a row is what is asked."""


@dataclass(frozen=True)
class OfColumn(Filter):
    """A filter on one column."""

    column: str


@dataclass(frozen=True)
class Text(OfColumn):
    """A column of text."""

    takes = TextFilter

    def holds(self, row: FromClause, asked: TextFilter) -> Holds:
        """See TextFilter."""
        return _text(row.c[self.column], asked)


@dataclass(frozen=True)
class AliasName(OfColumn):
    """A column with the name of an alias, which people write with or without `@`."""

    takes = TextFilter

    def holds(self, row: FromClause, asked: TextFilter) -> Holds:
        """See TextFilter."""
        bare = TextFilter(
            equals=None if asked.equals is None else bare_alias(asked.equals),
            in_=None if asked.in_ is None else [bare_alias(one) for one in asked.in_],
            contains=None if asked.contains is None else bare_alias(asked.contains),
            starts_with=None if asked.starts_with is None else bare_alias(asked.starts_with),
        )
        return _text(row.c[self.column], bare)


@dataclass(frozen=True)
class Time(OfColumn):
    """A column of moments."""

    takes = TimeFilter

    def holds(self, row: FromClause, asked: TimeFilter) -> Holds:
        """See TimeFilter."""
        return _compared(row.c[self.column], asked, DateTime(timezone=True))


@dataclass(frozen=True)
class WholeNumber(OfColumn):
    """A column of whole numbers."""

    takes = WholeNumberFilter

    def holds(self, row: FromClause, asked: WholeNumberFilter) -> Holds:
        """See WholeNumberFilter."""
        return _compared(row.c[self.column], asked, BigInteger())


@dataclass(frozen=True)
class Number(OfColumn):
    """A column of numbers."""

    takes = NumberFilter

    def holds(self, row: FromClause, asked: NumberFilter) -> Holds:
        """See NumberFilter."""
        return _compared(row.c[self.column], asked, Float())


@dataclass(frozen=True)
class Code(OfColumn):
    """A column of codes: any of those that are asked for."""

    codes: type[StrEnum]

    @property
    def takes(self) -> Any:
        """Members of the enum."""
        return Sequence[self.codes]  # type: ignore[name-defined]  # a type made at run time

    def holds(self, row: FromClause, asked: Sequence[StrEnum]) -> Holds:
        """Is it one of them."""
        return _one_of(row.c[self.column], asked)


@dataclass(frozen=True)
class Derived(Filter):
    """A code that is no column: `value` tells it of a row. Any of those that are asked for."""

    codes: type[StrEnum]
    value: Callable[[FromClause], ColumnElement[Any]]

    @property
    def takes(self) -> Any:
        """Members of the enum."""
        return Sequence[self.codes]  # type: ignore[name-defined]  # a type made at run time

    def holds(self, row: FromClause, asked: Sequence[StrEnum]) -> Holds:
        """Is it one of them."""
        return _one_of(self.value(row), [one.value for one in asked])


@dataclass(frozen=True)
class Id(OfColumn):
    """A column that refers to a thing of one kind: any of those that are asked for."""

    kind: str

    @property
    def takes(self) -> Any:
        """Global ids."""
        return Sequence[Annotated[UUID, Of(self.kind)]]

    def holds(self, row: FromClause, asked: Sequence[UUID]) -> Holds:
        """Is it one of them."""
        return _one_of(row.c[self.column], asked)


@dataclass(frozen=True)
class Present(OfColumn):
    """Whether a column has a value."""

    takes = bool

    def holds(self, row: FromClause, asked: bool) -> Holds:  # what a client asks
        """Has it."""
        column = row.c[self.column]
        return column.is_not(None) if asked else column.is_(None)


@dataclass(frozen=True)
class Flag(OfColumn):
    """A column that is true or false."""

    takes = bool

    def holds(self, row: FromClause, asked: bool) -> Holds:  # what a client asks
        """Is it so."""
        return row.c[self.column].is_(asked)


@dataclass(frozen=True)
class Fact(Filter):
    """Whether something is so that follows from several columns; where it is unknown it is not."""

    follows: Callable[[FromClause], Holds]

    takes = bool

    def holds(self, row: FromClause, asked: bool) -> Holds:  # what a client asks
        """Is it so."""
        return func.coalesce(self.follows(row), false()).is_(asked)


@dataclass(frozen=True)
class Valid(Filter):
    """Two columns with the moments from which on and until which a row is valid; null in the second for no end."""

    start: str
    end: str

    takes = datetime

    def holds(self, row: FromClause, asked: datetime) -> Holds:
        """Was it valid at this moment."""
        moment = literal(asked, DateTime(timezone=True))
        return and_(row.c[self.start] <= moment, or_(row.c[self.end].is_(None), row.c[self.end] > moment))


@dataclass(frozen=True)
class Tags(OfColumn):
    """The column of tags."""

    column: str = "tags"
    takes = Sequence[TagFilter]

    def holds(self, row: FromClause, asked: Sequence[TagFilter]) -> Holds:
        """All that is asked."""
        return and_(true(), *[_entry(row.c[self.column], normal(tag.key).strip(), tag) for tag in asked])


@dataclass(frozen=True)
class Packages(OfColumn):
    """The column of packages."""

    column: str = "packages"
    takes = Sequence[PackageFilter]

    def holds(self, row: FromClause, asked: Sequence[PackageFilter]) -> Holds:
        """All that is asked."""
        names = [package_name(normal(package.name).strip()) for package in asked]
        return and_(true(), *[_entry(row.c[self.column], *one) for one in zip(names, asked, strict=True)])


@dataclass(frozen=True)
class Parameters(OfColumn):
    """The column of parameters."""

    column: str = "parameters"
    takes = Sequence[ParameterFilter]

    def holds(self, row: FromClause, asked: Sequence[ParameterFilter]) -> Holds:
        """All that is asked."""
        return and_(true(), *[self._parameter(row.c[self.column], parameter) for parameter in asked])

    @staticmethod
    def _parameter(all_: ColumnElement[Any], asked: ParameterFilter) -> Holds:
        value = all_[normal(asked.name).strip()]
        parts: list[Holds] = [value.is_not(None)]
        if asked.equals is not None:
            parts.append(value == _json(asked.equals))
        if asked.not_equals is not None:
            parts.append(value != _json(asked.not_equals))
        if asked.in_ is not None:
            parts.append(_one_of(value, [_json(one) for one in asked.in_]))
        if any(getattr(asked, bound) is not None for bound in _BOUNDS):
            # JSON values of all types have one order, so that a comparison never fails.
            parts += [func.jsonb_typeof(value) == "number", _compared(value, asked, JSONB(), _BOUNDS)]
        if asked.contains is not None or asked.starts_with is not None:
            inside = TextFilter(contains=asked.contains, starts_with=asked.starts_with)
            parts += [func.jsonb_typeof(value) == "string", _text(all_[normal(asked.name).strip()].astext, inside)]
        return and_(*parts)


@dataclass(frozen=True)
class Metrics(Filter):
    """The metrics that count for a row of `table`: see `registry.tracking.metric_source`."""

    table: type[Tenant]
    takes = Sequence[MetricFilter]

    def holds(self, row: FromClause, asked: Sequence[MetricFilter]) -> Holds:
        """All that is asked."""
        return and_(true(), *[self._metric(row, metric) for metric in asked])

    def _metric(self, row: FromClause, asked: MetricFilter) -> Holds:
        last = latest_value(self.table, row, asked.phase, asked.name).subquery()
        return exists(select(literal(1)).select_from(last).where(_compared(last.c.value, asked, Float())))


def latest_value(table: type[Tenant], row: FromClause, phase: Phase, name: str) -> Any:
    """The `value` of the latest point of a metric of a row: no row, or one; null where it is not finite."""
    return latest_point(table, lambda column: row.c[column], bindparam("org_id"), phase, normal(name).strip())


def _entry(all_: ColumnElement[Any], key: str, asked: TagFilter | PackageFilter) -> Holds:
    value = all_[key].astext
    return and_(value.is_not(None), _text(value, asked))


def _text(value: ColumnElement[Any], asked: Any) -> Holds:
    parts: list[Holds] = []
    # The collation of names knows the letters of ASCII only.
    anyhow = collate(value, "default")
    if asked.equals is not None:
        parts.append(value == normal(asked.equals))
    if asked.in_ is not None:
        parts.append(_one_of(value, [normal(one) for one in asked.in_]))
    if asked.contains is not None:
        parts.append(anyhow.icontains(normal(asked.contains), autoescape=True))
    if asked.starts_with is not None:
        parts.append(anyhow.istartswith(normal(asked.starts_with), autoescape=True))
    return and_(true(), *parts)


def _compared(value: ColumnElement[Any], asked: Any, type_: Any, names: Sequence[str] = tuple(_COMPARISONS)) -> Holds:
    bounds = {name: getattr(asked, name, None) for name in names}
    return and_(
        true(),
        *[_COMPARISONS[name](value, literal(bound, type_)) for name, bound in bounds.items() if bound is not None],
    )


def _one_of(value: ColumnElement[Any], wanted: Sequence[Any]) -> Holds:
    return value.in_(wanted) if wanted else false()


def _json(value: Any) -> ColumnElement[Any]:
    return literal(normal(value) if isinstance(value, str) else value, JSONB)


def bare_alias(text: str) -> str:
    """The name of an alias as it is stored, with or without `@` in front. Raises: BadInput where none is like this."""
    try:
        return inputs.bare_alias(text)
    except InvalidValue as failure:
        raise BadInput(failure.message) from None


def normal(text: str) -> str:
    """A text in the normal form in which texts are stored. Raises: BadInput where none of them can be like this."""
    if is_heaped(text):
        raise BadInput(HEAPED)
    return unicodedata.normalize("NFC", text)
