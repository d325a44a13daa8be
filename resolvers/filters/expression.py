"""Conditions: filters put together with AND, OR and NOT.

A condition either holds or it does not: what is asked of a value that a row lacks does not hold, and its negation does.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, false, or_, true

from db.base import Deletable, columns
from resolvers.filters.fields import Filter
from resolvers.pages.relations import Children

Holds = ColumnElement[bool]


class Condition(ABC):
    """What a list is asked for, put together from filters."""

    @abstractmethod
    def holds(self, row: FromClause) -> Holds:
        """Whether a row is like that: true, or something else."""


@dataclass(frozen=True)
class Single(Condition):
    """One filter."""

    filter: Filter
    value: Any

    def holds(self, row: FromClause) -> Holds:
        """What the filter says."""
        return self.filter.holds(row, self.value)


@dataclass(frozen=True)
class All(Condition):
    """Every part holds; so it is where there are none."""

    parts: Sequence[Condition]

    def holds(self, row: FromClause) -> Holds:
        """AND."""
        return and_(true(), *[part.holds(row) for part in self.parts])


@dataclass(frozen=True)
class Either(Condition):
    """At least one part holds; so nothing does where there are none."""

    parts: Sequence[Condition]

    def holds(self, row: FromClause) -> Holds:
        """OR."""
        return or_(false(), *[part.holds(row) for part in self.parts])


@dataclass(frozen=True)
class Not(Condition):
    """The part does not hold, also where it asks for what a row lacks."""

    part: Condition

    def holds(self, row: FromClause) -> Holds:
        """NOT, of two values: unknown counts as false."""
        return self.part.holds(row).is_not(true())


class DeletedFilter(StrEnum):
    """What of a list is shown with regard to deletion."""

    EXCLUDE = "EXCLUDE"
    ONLY = "ONLY"
    INCLUDE = "INCLUDE"


@dataclass(frozen=True)
class Where:
    """What of a list is wanted. A key: two are equal when they say the same."""

    condition: Condition = field(default=All(()), compare=False)
    deleted: DeletedFilter = DeletedFilter.EXCLUDE
    # Not the values themselves: to Python 1 and true are equal.
    says: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "says", repr(self.condition))

    def holds(self, children: Children) -> Holds:
        """Whether a row of a list is wanted."""
        held = self.condition.holds(columns(children.table)[0].table)
        if self.deleted is DeletedFilter.INCLUDE or not issubclass(children.table, Deletable):
            return held
        gone = children.gone()
        return and_(gone if self.deleted is DeletedFilter.ONLY else ~gone, held)


EVERYTHING = Where()
