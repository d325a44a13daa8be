"""Walks along the lineage, from a row to what it came from or what came of it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from registry.graph.lineage import KINDS, MAX_DEPTH, Direction
from registry.kernel.errors import BadInput
from resolvers import ids
from resolvers.context import Operation

DEFAULT_DEPTH = MAX_DEPTH


@dataclass(frozen=True)
class LineageStep:
    """A thing that a walk reached."""

    depth: int
    node: Any


@dataclass(frozen=True)
class LineageLink:
    """An edge that a walk went along."""

    kind: Any
    role: Any
    upstream: str
    downstream: str


@dataclass(frozen=True)
class LineageWalk:
    """All that a walk found."""

    steps: Sequence[LineageStep]
    links: Sequence[LineageLink]
    truncated: bool


async def walk(
    root: Any, operation: Operation, direction: Direction, depth: int, as_of: datetime | None
) -> LineageWalk:
    """The lineage of a row, nearest first: one statement a level and one for each kind of thing found.

    Raises: BadInput for a depth that is not allowed.
    """
    if not 1 <= depth <= MAX_DEPTH:
        raise BadInput(f"`depth` is 1 to {MAX_DEPTH}.")
    found = await operation.loaders.walk(direction, depth, as_of).load(root.id)
    steps: list[LineageStep] = []
    # A kind that a newer server knows and this one does not is passed over.
    known = [step for step in found.steps if step.kind in KINDS]
    nodes = await asyncio.gather(*[operation.loaders.row(KINDS[step.kind]).load(step.id) for step in known])
    for step, node in zip(known, nodes, strict=True):
        if node is not None:
            steps.append(LineageStep(step.depth, node))
    links = [
        LineageLink(
            edge.kind,
            edge.role,
            ids.encode(edge.upstream_kind, edge.upstream_id),
            ids.encode(edge.downstream_kind, edge.downstream_id),
        )
        for edge in found.edges
    ]
    return LineageWalk(steps, links, found.truncated or len(known) < len(found.steps))
