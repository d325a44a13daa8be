"""Lineage: what takes part in it, and walks along it."""

from datetime import datetime
from typing import Annotated, Any

import strawberry
from strawberry import UNSET, lazy

from db.codes import DatasetRole, LineageKind
from registry.graph.lineage import MAX_DEPTH, MAX_EDGES, Direction
from resolvers.context import Info
from resolvers.graph import lineage_walks
from schema.building.node import RowNode
from schema.types.tracking.values import DELETED_AT

_USUAL_STEPS = 50
"""What a walk counts in the cost of an operation. One that finds more is bounded by its own caps."""

Depth = Annotated[int, strawberry.argument(description=f"How many edges away at most, 1 to {MAX_DEPTH}.")]
AsOf = Annotated[
    datetime | None, strawberry.argument(description="Follow the edges that were valid then; now if absent.")
]
WalkRef = Annotated["LineageWalk", lazy("schema.types.graph.lineage")]


def _walk(direction: Direction, description: str) -> Any:
    async def resolve(
        root: Any, info: Info, depth: Depth = lineage_walks.DEFAULT_DEPTH, as_of: AsOf = UNSET
    ) -> lineage_walks.LineageWalk:
        return await lineage_walks.walk(root, info.context, direction, depth, as_of or None)

    return strawberry.field(resolve, graphql_type=WalkRef, description=description)


@strawberry.interface(description="A thing that takes part in the lineage.")
class LineageNode(RowNode):
    """Dataset versions, runs, versions and deployments."""

    title: str = strawberry.field(description="What it is called, in one line: for labels in a drawing.")
    created_at: datetime = strawberry.field(description="When it was registered.")
    deleted_at: datetime | None = strawberry.field(description=DELETED_AT)
    upstream = _walk(Direction.UPSTREAM, "What it came from, nearest first.")
    downstream = _walk(Direction.DOWNSTREAM, "What came of it, nearest first.")


@strawberry.type(description="A thing that a walk reached.")
class LineageStep:
    """One step."""

    depth: int = strawberry.field(description="How many edges away, by the shortest way.")
    node: LineageNode = strawberry.field(description="The thing.")


@strawberry.type(description="An edge of the lineage that a walk went along.")
class LineageLink:
    """One edge."""

    kind: LineageKind = strawberry.field(description="Why `downstream` is downstream of `upstream`.")
    role: DatasetRole | None = strawberry.field(description="What a run did with a dataset version.")
    upstream: strawberry.ID = strawberry.field(description="The id of what was used.")
    downstream: strawberry.ID = strawberry.field(description="The id of what came of it.")


@strawberry.type(description="What a walk along the lineage found.")
class LineageWalk:
    """One walk."""

    steps: list[LineageStep] = strawberry.field(
        description="The things, nearest first, each once.", metadata={"rows": _USUAL_STEPS}
    )
    links: list[LineageLink] = strawberry.field(description="The edges between them.", metadata={"rows": _USUAL_STEPS})
    truncated: bool = strawberry.field(
        description=f"Whether there was more: beyond `depth`, {MAX_EDGES} edges in the whole query, or 2 seconds."
    )
