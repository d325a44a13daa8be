"""Query, Mutation and Subscription: what the areas of the graph bring, joined, and the reads that belong to no area."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
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
from schema.building.node import Node, RowNode
from schema.types.catalog.alias import Alias, AliasMutation, AliasQuery, AliasRevision
from schema.types.catalog.artifact import Artifact, ArtifactMutation, ArtifactQuery, Upload
from schema.types.catalog.dataset import (
    Dataset,
    DatasetMutation,
    DatasetProfile,
    DatasetQuery,
    DatasetSchema,
    DatasetVersion,
)
from schema.types.catalog.model import Model, ModelMutation, ModelQuery
from schema.types.catalog.runtime import Runtime, RuntimeQuery
from schema.types.catalog.signature import Signature
from schema.types.catalog.version import Version, VersionMutation, VersionQuery
from schema.types.events.event import Bookmark, Event, EventQuery, EventSubscription
from schema.types.events.webhook import Webhook, WebhookDelivery, WebhookMutation, WebhookQuery
from schema.types.graph.lineage import LineageNode
from schema.types.graph.search import SearchQuery
from schema.types.graph.statistics import StatisticsQuery
from schema.types.promotion.automation_rule import AutomationFiring, AutomationMutation, AutomationQuery, AutomationRule
from schema.types.promotion.champion import ChampionQuery
from schema.types.promotion.policy import PolicyMutation, PolicyQuery, PromotionPolicy, PromotionPolicyRevision
from schema.types.promotion.promotion_event import PromotionEvent, PromotionEventSubscription
from schema.types.promotion.request import (
    PromotionRequest,
    PromotionReview,
    RequestMutation,
    RequestQuery,
    VersionCheck,
)
from schema.types.promotion.slot import PromotionMutation, PromotionQuery, Slot, SlotRevision, Transition
from schema.types.serving.deployment import (
    Deployment,
    DeploymentChange,
    DeploymentMetric,
    DeploymentMutation,
    DeploymentQuery,
    DeploymentReport,
    Environment,
)
from schema.types.tenants.organization import (
    Organisation,
    OrganisationMutation,
    OrganisationQuery,
    Principal,
    Project,
    Team,
)
from schema.types.tracking.comparison import ComparisonQuery
from schema.types.tracking.experiment import Experiment, ExperimentMutation, ExperimentQuery
from schema.types.tracking.price import Price, PriceMutation, PriceQuery
from schema.types.tracking.run import Run, RunMutation, RunQuery

NODE_TYPES: Final[tuple[type[RowNode], ...]] = (
    Alias, AliasRevision, Artifact, AutomationFiring, AutomationRule, Dataset, DatasetProfile, DatasetSchema,
    DatasetVersion, Deployment, DeploymentChange, DeploymentMetric, DeploymentReport, Environment, Experiment, Model,
    Organisation, Price, Principal, Project, PromotionPolicy, PromotionPolicyRevision, PromotionRequest,
    PromotionReview, Run, Runtime, Signature, Slot, SlotRevision, Team, Transition, Upload, Version, VersionCheck,
    Webhook, WebhookDelivery,
)  # fmt: skip
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
    """The reads of anything, and of the server itself."""

    node = read(_node, Node | None, description="Anything by its global id; null where there is none for you.")
    nodes = read(_nodes, list[Node | None], description="Many things by global id, in that order.", rows=MAX_PAGE)
    lineage_node = read(
        _lineage_node, LineageNode | None,
        description="A thing of the lineage by its id, typed as such for clients generated from the schema.",
    )  # fmt: skip
    server_version = read(_server_version, str, description="The version of this server.")


# The fields of the last base come first in the graph.
@strawberry.type(description="Everything that can be read. A whole query sees one moment of the registry.")
class Query(
    WebhookQuery, SearchQuery, ChampionQuery, AutomationQuery, RequestQuery, PolicyQuery, PromotionQuery,
    AliasQuery, DeploymentQuery, ArtifactQuery, ComparisonQuery, RuntimeQuery, RunQuery, ExperimentQuery, DatasetQuery,
    VersionQuery, ModelQuery, PriceQuery, StatisticsQuery, EventQuery, OrganisationQuery, NodeQuery,
):  # fmt: skip
    """The reads."""


@strawberry.type(description="Everything that can be changed. Each change is one transaction and makes its events.")
class Mutation(
    WebhookMutation, PriceMutation, AutomationMutation, RequestMutation, PolicyMutation, PromotionMutation,
    DeploymentMutation, ArtifactMutation, AliasMutation, VersionMutation, RunMutation, ExperimentMutation,
    DatasetMutation, ModelMutation, OrganisationMutation,
):  # fmt: skip
    """The changes."""


@strawberry.type(description="A sign of life.")
class Heartbeat:
    """One beat."""

    at: datetime = strawberry.field(description="When it was sent.")
    server_version: str = strawberry.field(description="The version of the server that sent it.")


async def _heartbeat(
    info: Info,
    every_s: Annotated[int, strawberry.argument(description="Seconds between two beats, 1 to 60.")] = 10,
) -> AsyncIterator[Heartbeat]:
    """Beats until the client goes. Raises: Forbidden, BadInput."""
    require(info.context.actor, Action.READ)
    if not 1 <= every_s <= 60:
        raise BadInput("`everyS` is 1 to 60.")
    while True:
        yield Heartbeat(at=utc_now(), server_version=info.context.services.version)
        await asyncio.sleep(every_s)


@strawberry.type(description="Everything that is told live.")
class Subscription(PromotionEventSubscription, EventSubscription):
    """The streams."""

    heartbeat: AsyncIterator[Heartbeat] = strawberry.subscription(
        resolver=_heartbeat,
        description="One beat at once and then one each `everyS` seconds: shows that a live connection works.",
        metadata={"access": Action.READ},
    )
