"""What a list can be ordered by that is no column: the value of a metric, the value of a parameter."""

import hashlib
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Float, FromClause, case, cast, extract, func, true

from db.base import Json, Tenant
from db.codes import Phase
from resolvers.filters.fields import latest_value, normal

MAX_TEXT = 200
"""By how many of their first characters texts of parameters are ordered: a cursor holds them."""


@dataclass(frozen=True)
class SortKey(ABC):
    """A computed key of an order; null in rows that have none."""

    @property
    def identity(self) -> str:
        """A short text that no other key has."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]

    @abstractmethod
    def joined(self, row: FromClause) -> tuple[FromClause, ColumnElement[Any]]:
        """The rows with what the key needs beside them, and the key."""

    @abstractmethod
    def typed(self, value: Any) -> Any:
        """A value out of a cursor. Raises: ValueError for what the key cannot be."""


@dataclass(frozen=True)
class MetricKey(SortKey):
    """The latest value of a metric in a phase of a row of `table`; null where it is not finite."""

    table: type[Tenant]
    phase: Phase
    name: str

    def joined(self, row: FromClause) -> tuple[FromClause, ColumnElement[Any]]:
        """Joined sideways, so that it is looked up once for each row."""
        last = latest_value(self.table, row, self.phase, self.name).lateral("last")
        return row.outerjoin(last, true()), last.c.value

    def typed(self, value: Any) -> Any:
        """A finite number or None."""
        return _number(value)


@dataclass(frozen=True)
class DurationKey(SortKey):
    """The seconds between two moments of a row; null where the later one has not come."""

    start: str
    end: str

    def joined(self, row: FromClause) -> tuple[FromClause, ColumnElement[Any]]:
        """A double: cursors hold it to the last digit."""
        return row, cast(extract("epoch", row.c[self.end] - row.c[self.start]), Float())

    def typed(self, value: Any) -> Any:
        """A finite number or None."""
        return _number(value)


@dataclass(frozen=True)
class ParameterKey(SortKey):
    """The value of a parameter: texts, then numbers, then false and true."""

    name: str

    def joined(self, row: FromClause) -> tuple[FromClause, ColumnElement[Any]]:
        """JSON values of all types have one order."""
        value = row.c.parameters[normal(self.name).strip()]
        text = row.c.parameters[normal(self.name).strip()].astext
        beginning = func.to_jsonb(func.left(text, MAX_TEXT), type_=Json())
        return row, case((func.jsonb_typeof(value) == "string", beginning), else_=value)

    def typed(self, value: Any) -> Any:
        """A short text, a finite number, a boolean or None."""
        if isinstance(value, str) and len(value) <= MAX_TEXT and "\0" not in value:
            return value
        if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
            return value
        raise ValueError(value)


def _number(value: Any) -> float | None:
    """A finite number or None. Raises: ValueError."""
    if value is None or (type(value) in (int, float) and math.isfinite(value)):
        return value if value is None else float(value)
    raise ValueError(value)
