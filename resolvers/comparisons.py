"""Runs or versions side by side: one row for each setting, metric, tag or fact, with the value of each thing."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from db.base import Row
from db.tables import Run, RunMetric, Runtime, Version, VersionMetric
from registry.errors import BadInput, NotFound
from registry.inputs import same
from registry.runtimes import FACTS, facts_of
from resolvers.context import Operation
from resolvers.ids import decode_as
from resolvers.predecessors import ChangesSince, Since

MAX_THINGS = 20
MAX_METRICS = 1_000

T = TypeVar("T")


@dataclass(frozen=True)
class Compared(Generic[T]):
    """One row: what each thing has under a name, in the order of the things; None where it has nothing."""

    name: str
    values: Sequence[T | None]
    differs: bool


@dataclass(frozen=True)
class ComparedMetric(Compared[T]):
    """One row: the latest point of a metric of each thing."""

    phase: Any


@dataclass(frozen=True)
class Comparison:
    """Things of one table beside each other, in the order in which they were asked for."""

    table: type[Row]
    things: Sequence[Any]
    only_different: bool

    def texts(self, of: Callable[[Any], Mapping[str, Any]]) -> list[Compared[Any]]:
        """A row for each name that any thing has, by name."""
        return self.rows([of(thing) for thing in self.things])

    def rows(self, columns: Sequence[Mapping[str, Any]], names: Iterable[str] | None = None) -> list[Compared[Any]]:
        """A row for each name in any column, in the order of `names` or else by name."""
        ordered = sorted(set().union(*columns)) if names is None else names
        found = [_compared(name, [column.get(name) for column in columns]) for name in ordered]
        return [row for row in found if row.differs or not self.only_different]

    async def metrics(self, operation: Operation) -> list[ComparedMetric[Any]]:
        """A row for each metric of any thing, by phase and name. The same value at another step is equal."""
        points, owner = (RunMetric, "run_id") if self.table is Run else (VersionMetric, "version_id")
        found = await operation.loaders.latest(points, owner, MAX_METRICS).load_many([one.id for one in self.things])
        columns = [{(point.phase, point.name): point for point in latest} for latest in found]
        rows = []
        for phase, name in sorted(set().union(*columns)):
            values = [column.get((phase, name)) for column in columns]
            measured = [None if value is None else (value.value, value.special) for value in values]
            rows.append(ComparedMetric(name, values, _differ(measured), phase))
        return [row for row in rows if row.differs or not self.only_different]

    async def facts(self, operation: Operation) -> list[Compared[str]]:
        """A row for each fact of the runtimes besides the packages, in the order of a runtime's fields."""
        columns = [{} if one is None else facts_of(one) for one in await self._runtimes(operation)]
        return self.rows(columns, [name for name in FACTS if any(name in column for column in columns)])

    async def packages(self, operation: Operation) -> list[Compared[str]]:
        """A row for each package, by name."""
        return self.rows([{} if one is None else one.packages for one in await self._runtimes(operation)])

    async def signatures(self, operation: Operation) -> list[Since | None]:
        """What the signature of each version changes for those who use the first."""
        loader = operation.loaders.of(ChangesSince(Version, self.things[0].id))
        found: list[Since | None] = list(await loader.load_many([one.id for one in self.things]))
        return found

    def durations(self) -> list[float | None]:
        """Seconds from begin to end of each run, None while it goes on."""
        return [
            None if one.ended_at is None else (one.ended_at - one.started_at).total_seconds() for one in self.things
        ]

    async def _runtimes(self, operation: Operation) -> list[Any]:
        keys = [one.runtime_id for one in self.things]
        wanted = [key for key in dict.fromkeys(keys) if key is not None]
        found = dict(zip(wanted, await operation.loaders.row(Runtime).load_many(wanted), strict=True))
        return [found.get(key) for key in keys]


async def compare(
    operation: Operation, table: type[Row], argument: str, gids: Sequence[str], *, only_different: bool
) -> Comparison:
    """The things with these ids beside each other.

    Raises: BadInput for none, too many, ill-formed ids or the same twice; NotFound, naming the place of the id.
    """
    if not 1 <= len(gids) <= MAX_THINGS:
        raise BadInput(f"`{argument}` takes 1 to {MAX_THINGS} ids.")
    keys = [decode_as(table.__name__, gid, f"{argument}.{place}") for place, gid in enumerate(gids)]
    if len(set(keys)) < len(keys):
        raise BadInput(f"`{argument}` holds the same id twice. Give each once.")
    loader = operation.loaders.row(table)
    things = await asyncio.gather(*[loader.load(key) for key in keys])
    for place, thing in enumerate(things):
        if thing is None:
            raise NotFound(table.__name__, (argument, str(place)))
    return Comparison(table, things, only_different)


def _compared(name: str, values: Sequence[Any]) -> Compared[Any]:
    return Compared(name, values, _differ(values))


def _differ(values: Sequence[Any]) -> bool:
    return any(not same(values[0], value) for value in values)
