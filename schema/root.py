"""Query, Mutation and Subscription: what the areas of the graph bring, joined, and the reads that belong to no area."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from types import ModuleType
from typing import Annotated, Any, Final

import strawberry

from db.base import Row, utc_now
from registry.graph.lineage import KINDS
from registry.kernel.access import Action, require
from registry.kernel.errors import BadInput
from resolvers.context import Info
from resolvers.loading import nodes
from resolvers.pages.paging import MAX_PAGE
from schema.building.edges import read
from schema.building.node import NODES, Node, RowNode
from schema.types.catalog import alias, artifact, dataset, model, runtime, signature, version
from schema.types.events import event, webhook
from schema.types.events.event import Bookmark, Event
from schema.types.graph import search, statistics
from schema.types.graph.lineage import LineageNode
from schema.types.promotion import automation_rule, policy, promotion_event, request, slot
from schema.types.promotion.promotion_event import PromotionEvent
from schema.types.serving import deployment
from schema.types.tenants import organization
from schema.types.tracking import comparison, experiment, price, run

AREAS: Final = (
    organization, model, version, alias, run, experiment, dataset, artifact, signature, runtime, slot, request, policy,
    automation_rule, deployment, comparison, price, statistics, search, event, promotion_event, webhook,
)  # fmt: skip
"""The areas of the graph, in the order in which a person looks for their fields. Only this module imports them all."""
NODE_TYPES: Final[tuple[type[RowNode], ...]] = tuple(node for _, node in sorted(NODES.items()))
MESSAGE_TYPES: Final[tuple[type, ...]] = (Event, PromotionEvent, Bookmark)
NODE_TABLES: Final[dict[str, type[Row]]] = {node.__name__: node.table for node in NODE_TYPES}

GlobalId = Annotated[strawberry.ID, strawberry.argument(description="A global id, as this server gave it out.")]


async def _node(info: Info, id: GlobalId) -> Any:
    return await nodes.by_id(info.context, NODE_TABLES, id)


async def _nodes(
    info: Info,
    ids: Annotated[list[strawberry.ID], strawberry.argument(description=f"At most {MAX_PAGE} global ids.")],
) -> list[Any]:
    return await nodes.by_ids(info.context, NODE_TABLES, ids)


async def _lineage_node(info: Info, id: GlobalId) -> Any:
    return await nodes.by_id(info.context, KINDS, id)


async def _server_version(info: Info) -> str:
    return info.context.services.version


@strawberry.type
class NodeQuery:
    """The reads of anything by its id."""

    node = read(_node, Node | None, description="Anything by its global id; null where there is none for you.")
    nodes = read(_nodes, list[Node | None], description="Many things by global id, in that order.", rows=MAX_PAGE)


@strawberry.type
class ServerQuery:
    """What few people look for: typed access to the lineage for code generators, and the version of the server."""

    lineage_node = read(
        _lineage_node, LineageNode | None,
        description="A thing of the lineage by its id, typed as such for clients generated from the schema.",
    )  # fmt: skip
    server_version = read(_server_version, str, description="The version of this server.")


@strawberry.type(description="A sign of life.")
class Heartbeat:
    """One beat."""

    at: datetime = strawberry.field(description="When it was sent.")
    server_version: str = strawberry.field(description="The version of the server that sent it.")


async def _heartbeat(
    info: Info,
    every_seconds: Annotated[int, strawberry.argument(description="Seconds between two beats, 1 to 60.")] = 10,
) -> AsyncIterator[Heartbeat]:
    """Beats until the client goes. Raises: Forbidden, BadInput."""
    require(info.context.actor, Action.READ)
    if not 1 <= every_seconds <= 60:
        raise BadInput("`everySeconds` is 1 to 60.")
    while True:
        yield Heartbeat(at=utc_now(), server_version=info.context.services.version)
        await asyncio.sleep(every_seconds)


@strawberry.type
class HeartbeatSubscription:
    """The stream of the server itself."""

    heartbeat: AsyncIterator[Heartbeat] = strawberry.subscription(
        resolver=_heartbeat,
        description="One beat at once and then one each `everySeconds` seconds: shows that a live connection works.",
        metadata={"access": Action.READ},
    )


def joined(
    name: str, areas: Iterable[ModuleType], *, first: Sequence[type] = (), last: Sequence[type] = (), description: str
) -> Any:
    """Join all classes of the areas whose names end in `name`, such as `ModelQuery`, into the root type `name`.

    Their fields stand in the order of the areas, those of the classes `first` and `last` before and after them.
    """
    found = [
        part
        for area in areas
        for called, part in vars(area).items()
        if called.endswith(name) and part.__module__ == area.__name__
    ]
    parts = dict.fromkeys([*first, *found, *last])
    made = type(name, tuple(parts), {"__doc__": description})
    return strawberry.type(made, description=description)


Query: Any = joined(
    "Query", AREAS, first=[NodeQuery, organization.ViewerQuery, search.SearchQuery], last=[ServerQuery],
    description="Everything that can be read. A whole query sees one moment of the registry.",
)  # fmt: skip
Mutation: Any = joined(
    "Mutation", AREAS,
    description="Everything that can be changed. Each change is one transaction and makes its events.",
)  # fmt: skip
Subscription: Any = joined("Subscription", AREAS, last=[HeartbeatSubscription], description="Real-time event streams.")
