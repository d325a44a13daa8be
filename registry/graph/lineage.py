"""Lineage: typed edges from what was used to what came of it, and walks along them.

    DatasetVersion ──USED──▶ Run ──PRODUCED──▶ ModelVersion ──DERIVED──▶ ModelVersion ──DEPLOYED, OBSERVED──▶ Deployment

An edge is written in the transaction that makes it true and ends by `valid_to`, never by deletion.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Integer, Select, Uuid, and_, any_, bindparam, or_, select
from sqlmodel import col

from db.base import Row, columns, utc_now
from db.codes import DatasetRole, LineageKind
from db.session import Change, Reader
from db.tables import DatasetVersion, Deployment, LineageEdge, ModelVersion, Run
from registry.kernel.access import Actor
from registry.kernel.rows import alter, flush, image, record

MAX_DEPTH = 20
MAX_EDGES = 5_000
"""How many edges the walks of one operation go along, all together."""
DEADLINE_S = 2.0


KINDS: Final[Mapping[str, type[Row]]] = {
    table.__name__: table for table in (DatasetVersion, Run, ModelVersion, Deployment)
}
"""What takes part in the lineage, by the name of its kind."""


class Direction(StrEnum):
    """Which way to walk."""

    UPSTREAM = "UPSTREAM"
    DOWNSTREAM = "DOWNSTREAM"


@dataclass(frozen=True)
class Step:
    """A node reached by a walk, `depth` edges away from where it began."""

    kind: str
    id: UUID
    depth: int


@dataclass
class Walk:
    """What a walk found: nodes nearest first, the edges between them, and whether a limit cut it short."""

    steps: list[Step] = field(default_factory=list)
    edges: list[Any] = field(default_factory=list)
    truncated: bool = False


def edge_columns(
    kind: LineageKind,
    upstream: tuple[str, UUID],
    downstream: tuple[str, UUID],
    role: DatasetRole | None,
    since: datetime,
) -> dict[str, Any]:
    """The columns of an edge between two things, each given by kind and id."""
    return {
        "kind": kind,
        "role": role,
        "upstream_kind": upstream[0],
        "upstream_id": upstream[1],
        "downstream_kind": downstream[0],
        "downstream_id": downstream[1],
        "valid_from": since,
    }


async def link(
    change: Change,
    actor: Actor,
    kind: LineageKind,
    links: Sequence[tuple[Row, Row, DatasetRole | None]],
    *,
    valid_from: datetime | None = None,
) -> None:
    """Write that the second of each came from the first. All must be of the organization of the change."""
    since = valid_from or utc_now()
    edges = [
        LineageEdge(org_id=change.org_id, **edge_columns(kind, _place_of(upstream), _place_of(downstream), role, since))
        for upstream, downstream, role in links
    ]
    change.add_all(edges)
    await flush(change)
    for edge in edges:
        record(change, actor, edge, "created", None, image(edge))


def _place_of(row: Row) -> tuple[str, UUID]:
    return type(row).__name__, row.id


async def relink(
    change: Change,
    actor: Actor,
    kind: LineageKind,
    upstreams: Sequence[Row],
    downstream: Row,
    *,
    since: datetime | None = None,
) -> None:
    """Make these the only things that a row comes from in this way: edges from others end as those to these begin.

    That is so since a moment, now if absent, or since the last of the edges began where that was later.

    The row must be locked, so that nobody else does the same at once.
    """
    statement = select(LineageEdge).where(
        col(LineageEdge.org_id) == change.org_id,
        col(LineageEdge.kind) == kind,
        col(LineageEdge.downstream_id) == downstream.id,
        col(LineageEdge.valid_to).is_(None),
    )
    known = (await change.execute(statement)).scalars().all()
    # Another server, whose clock is a little ahead, may have begun an edge.
    moment = max([since or utc_now(), *[edge.valid_from for edge in known]])
    missing = {upstream.id: upstream for upstream in upstreams}
    for edge in known:
        if missing.pop(edge.upstream_id, None) is None:
            await alter(change, actor, edge, {"valid_to": moment}, verb="ended")
    links = [(upstream, downstream, None) for upstream in missing.values()]
    await link(change, actor, kind, links, valid_from=moment)


async def walk(
    reader: Reader,
    org_id: UUID,
    starts: Sequence[UUID],
    direction: Direction,
    *,
    depth: int,
    as_of: datetime | None = None,
    max_edges: int = MAX_EDGES,
    visible: Sequence[ColumnElement[bool]] = (),
) -> Mapping[UUID, Walk]:
    """Follow edges from many starts at once, level by level: one statement a level, however many starts there are.

    Each start gets its own walk, which reaches a node once, by the shortest way, and so ends on cycles too. The walks
    stop at `depth` levels (at most MAX_DEPTH), after `max_edges` edges, counted for every walk that goes along them, or
    after DEADLINE_S seconds; a walk that had more to see is marked as truncated, which takes one statement more where
    the depth ends it. `as_of` takes the edges that were valid at that time, `visible` those that
    these conditions allow.
    """
    walks = {start: Walk() for start in starts}
    seen = {start: {start} for start in walks}
    # Node by node, which walks have just arrived there.
    frontier: dict[UUID, set[UUID]] = {start: {start} for start in walks}
    budget, ends = max_edges, time.monotonic() + DEADLINE_S
    last = min(depth, MAX_DEPTH)
    for level in range(1, last + 2):
        if not frontier:
            break
        if budget <= 0 or time.monotonic() > ends:
            _cut(walks, frontier)
            break
        most = budget + 1
        edges = await reader.rows(
            _level(direction, as_of, visible), {"org_id": org_id, "nodes": list(frontier), "most": most}
        )
        if len(edges) == most:
            # Whose edges were left out, nobody knows.
            _cut(walks, frontier)
        reached: dict[UUID, set[UUID]] = {}
        for edge in edges:
            kind, near, far = _ends(edge, direction)
            for start in frontier[near]:
                if level > last:
                    # One look beyond the depth, only to know whether there is something.
                    walks[start].truncated |= far not in seen[start]
                    continue
                budget -= 1
                if budget < 0:
                    walks[start].truncated = True
                    continue
                walks[start].edges.append(edge)
                if far not in seen[start]:
                    seen[start].add(far)
                    walks[start].steps.append(Step(kind, far, level))
                    reached.setdefault(far, set()).add(start)
        frontier = reached
    return walks


def _cut(walks: Mapping[UUID, Walk], frontier: Mapping[UUID, set[UUID]]) -> None:
    """Mark the walks that still had somewhere to go."""
    for start in set().union(*frontier.values()):
        walks[start].truncated = True


def _ends(edge: Any, direction: Direction) -> tuple[str, UUID, UUID]:
    """Of an edge: the kind of its far end, its near end and its far end, seen in the direction of the walk."""
    if direction is Direction.UPSTREAM:
        return edge.upstream_kind, edge.downstream_id, edge.upstream_id
    return edge.downstream_kind, edge.upstream_id, edge.downstream_id


def _level(
    direction: Direction, as_of: datetime | None, visible: Sequence[ColumnElement[bool]]
) -> Select[*tuple[Any, ...]]:
    """All edges that lead on from `:nodes`, at most `:most`, oldest first."""
    near = LineageEdge.downstream_id if direction is Direction.UPSTREAM else LineageEdge.upstream_id
    valid = (
        col(LineageEdge.valid_to).is_(None)
        if as_of is None
        else and_(
            col(LineageEdge.valid_from) <= as_of,
            or_(col(LineageEdge.valid_to).is_(None), col(LineageEdge.valid_to) > as_of),
        )
    )
    return (
        select(*columns(LineageEdge))
        .where(
            col(LineageEdge.org_id) == bindparam("org_id"),
            col(near) == any_(bindparam("nodes", type_=ARRAY(Uuid))),
            valid,
            *visible,
        )
        .order_by(col(LineageEdge.id))
        .limit(bindparam("most", type_=Integer))
    )
