"""Runs or versions side by side: one row for each setting, metric, tag or fact, with the value of each thing."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from aiodataloader import DataLoader

from db.base import Row
from db.tables import ModelVersion, Run, Runtime
from registry.facts.runtimes import FACTS, facts_of
from registry.kernel.errors import BadInput, NotFound
from registry.kernel.inputs import same
from registry.promotion.champion_scoring import Candidate, Criteria, Reference, difference, ordered, weigh
from registry.tracking.costs import Cost
from registry.tracking.metric_source import SOURCES
from resolvers.catalog.compatibility import ChangesSince, Since
from resolvers.context import Operation
from resolvers.ids import decode_as
from resolvers.tracking.costs import Costs
from resolvers.tracking.effective_metrics import LatestOf
from resolvers.tracking.latest_metrics import Latest, Points

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
class ComparedCosts:
    """What each thing cost, in the order of the things; None for one without a run."""

    values: Sequence[Cost | None]
    differs: bool


@dataclass(frozen=True)
class ComparedPlace:
    """A thing with its place, None where it has no finite value. `difference` is its value less that of the best."""

    place: int | None
    thing_id: UUID
    value: float | None
    difference: float | None
    reason: str


@dataclass(frozen=True)
class Comparison:
    """Things of one table beside each other, in the order in which they were asked for."""

    table: type[Row]
    things: Sequence[Any]
    only_different: bool
    rank_by: Criteria | None = None

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
        columns: list[dict[Any, Any]] = [{} for _ in self.things]
        for source in reversed(SOURCES[self.table]):
            latest = operation.loaders.of(Latest(Points(source.points, source.owner), MAX_METRICS))
            for column, found in zip(columns, await self._each(latest, source.key), strict=True):
                column.update({(point.phase, point.name): point for point in found or ()})
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
        loader = operation.loaders.of(ChangesSince(ModelVersion, self.things[0].id))
        found: list[Since | None] = list(await loader.load_many([one.id for one in self.things]))
        return found

    async def places(self, operation: Operation) -> list[ComparedPlace] | None:
        """The things best first, equal ones as they were asked for and at one place; None where nobody asked by what.

        In the words of `championCandidates`, compared with the best of them.
        """
        if self.rank_by is None:
            return None
        wanted, ids = self.rank_by, [one.id for one in self.things]
        points = await operation.loaders.of(LatestOf(self.table, tuple(wanted.measures))).load_many(ids)
        pairs = zip(self.things, points, strict=True)
        found = ordered([Candidate(thing, latest, -place) for place, (thing, latest) in enumerate(pairs)], wanted)
        values = [candidate.value(wanted.phase, wanted.metric) for candidate in found]
        best = Reference(found[0].thing.id, f"the best, {found[0].label}", "it is the best", values[0])
        for candidate in found:
            weigh(candidate, wanted, best)
        return [
            ComparedPlace(
                place=None if value is None else 1 + values.index(value),
                thing_id=candidate.thing.id,
                value=value,
                difference=difference(value, values[0]),
                reason=" ".join(candidate.lacks or candidate.merits),
            )
            for candidate, value in zip(found, values, strict=True)
        ]

    async def costs(self, operation: Operation) -> ComparedCosts | None:
        """What each run, or the run of each version, cost; None where only what differs is wanted and nothing does."""
        run = "id" if self.table is Run else "run_id"
        values = await self._each(operation.loaders.of(Costs()), run)
        sums = [None if cost is None else (cost.amount, cost.currency, cost.missing) for cost in values]
        found = ComparedCosts(values, any(one != sums[0] for one in sums))
        return found if found.differs or not self.only_different else None

    def durations(self) -> list[float | None]:
        """Seconds from begin to end of each run, None while it goes on."""
        return [
            None if one.ended_at is None else (one.ended_at - one.started_at).total_seconds() for one in self.things
        ]

    async def _runtimes(self, operation: Operation) -> list[Any]:
        return await self._each(operation.loaders.row(Runtime), "runtime_id")

    async def _each(self, loader: DataLoader[Any, Any], column: str) -> list[Any]:
        """What a loader has for the key that each thing has in a column; None where that is null."""
        keys = [getattr(one, column) for one in self.things]
        wanted = [key for key in dict.fromkeys(keys) if key is not None]
        found = dict(zip(wanted, await loader.load_many(wanted), strict=True))
        return [found.get(key) for key in keys]


async def compare(
    operation: Operation,
    table: type[Row],
    argument: str,
    gids: Sequence[str],
    *,
    only_different: bool,
    rank_by: Criteria | None = None,
) -> Comparison:
    """The things with these ids beside each other, to be ranked by the metric of these criteria.

    Raises: BadInput for none, too many, ill-formed ids or the same twice, and for a metric that cannot be meant;
    NotFound, naming the place of the id.
    """
    wanted = None if rank_by is None else rank_by.checked()
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
    return Comparison(table, things, only_different, wanted)


def _compared(name: str, values: Sequence[Any]) -> Compared[Any]:
    return Compared(name, values, _differ(values))


def _differ(values: Sequence[Any]) -> bool:
    return any(not same(values[0], value) for value in values)
