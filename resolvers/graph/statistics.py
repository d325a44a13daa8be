"""Counts by what rows have in common: of the whole organization or below each parent, each by one statement."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, Select, Uuid, any_, bindparam, func, select

from db.base import Row
from db.codes import ArtifactKind, ArtifactState, RunStatus
from db.tables import Artifact, Blob, Model, Project
from resolvers.loading.shapes import Reading, column_of, live, own
from resolvers.pages import statements

MAX_GROUPS = 100
ENDED = frozenset(RunStatus) - {RunStatus.RUNNING}


@dataclass(frozen=True)
class Count:
    """How many rows have a value."""

    value: Any
    count: int


@dataclass(frozen=True)
class ArtifactCount:
    """How many artifacts of a kind are in a state, and their bytes."""

    kind: ArtifactKind
    state: ArtifactState
    count: int
    size_bytes: int


class Storage(NamedTuple):
    """Verified bytes: once for each file that shares them, and as they are stored."""

    logical_bytes: int
    stored_bytes: int
    blob_count: int


@dataclass(frozen=True)
class Tally:
    """How many rows of `table` below each parent have each value of the column `by`, most first; at most MAX_GROUPS."""

    table: type[Row]
    parent: str
    by: str

    async def read(self, reading: Reading, keys: list[UUID]) -> list[list[Count]]:
        """The counts below each key."""
        found: dict[UUID, list[Count]] = defaultdict(list)
        for key, value, count in await reading.rows(_tally(self.table, self.parent, self.by), {"keys": keys}):
            found[key].append(Count(value, count))
        return [found[key] for key in keys]


@dataclass(frozen=True)
class SuccessRates:
    """The share of runs that finished among those that ended, below each parent; None where none has ended."""

    runs: Tally

    async def read(self, reading: Reading, keys: list[UUID]) -> list[float | None]:
        """The share below each key."""
        return [success_rate(counts) for counts in await self.runs.read(reading, keys)]


@dataclass(frozen=True)
class ModelsOfTeams:
    """How many models each team has in all its projects."""

    async def read(self, reading: Reading, keys: list[UUID]) -> list[int]:
        """The count of each team."""
        found = {row[0]: row[1] for row in await reading.rows(_models_of_teams(), {"keys": keys})}
        return [found.get(key, 0) for key in keys]


async def models_by_team(reading: Reading) -> list[Count]:
    """The teams with the most models."""
    return [Count(team, count) for team, count in await reading.rows(_largest_teams(), {})]


async def artifacts(reading: Reading) -> list[ArtifactCount]:
    """How many artifacts of each kind are in each state; the size of those elsewhere is known where it was said."""
    return [ArtifactCount(*row) for row in await reading.rows(_artifacts(), {})]


async def storage(reading: Reading) -> Storage:
    """What is stored."""
    (row,) = await reading.rows(_storage(), {})
    return Storage._make(row)


def success_rate(counts: list[Count]) -> float | None:
    """The share of runs that finished among those that ended; None where none has."""
    ended = sum(one.count for one in counts if one.value in ENDED)
    return sum(one.count for one in counts if one.value == RunStatus.FINISHED) / ended if ended else None


@cache
def _tally(table: type[Row], parent: str, by: str) -> Select[*tuple[Any, ...]]:
    keys, value = statements.parents(), column_of(table, by)
    groups = (
        select(keys.c.key, value, func.count().label("count"))
        .where(live(table), column_of(table, parent) == keys.c.key)
        .group_by(value)
        .order_by(func.count().desc(), value)
        .limit(MAX_GROUPS)
    )
    return statements.for_each(keys, groups.lateral("child"))


def _models() -> Any:
    team, of = column_of(Project, "team_id"), column_of(Project, "id") == column_of(Model, "project_id")
    joined = column_of(Model, "id").table.join(team.table, of)
    return select(team, func.count()).select_from(joined).where(live(Model), own(Project)).group_by(team)


@cache
def _models_of_teams() -> Any:
    return _models().where(column_of(Project, "team_id") == any_(bindparam("keys", type_=ARRAY(Uuid))))


@cache
def _largest_teams() -> Any:
    return _models().order_by(func.count().desc(), column_of(Project, "team_id")).limit(MAX_GROUPS)


@cache
def _artifacts() -> Any:
    kind, state, size = (column_of(Artifact, name) for name in ("kind", "state", "size_bytes"))
    bytes_ = func.coalesce(func.sum(size), 0)
    return select(kind, state, func.count(), bytes_).where(live(Artifact)).group_by(kind, state).order_by(kind, state)


@cache
def _storage() -> Any:
    is_stored = column_of(Artifact, "state") == ArtifactState.AVAILABLE
    logical = select(func.coalesce(func.sum(column_of(Artifact, "size_bytes")), 0)).where(live(Artifact), is_stored)
    stored = func.coalesce(func.sum(column_of(Blob, "size_bytes")), 0)
    return select(logical.scalar_subquery(), stored, func.count()).where(own(Blob))
