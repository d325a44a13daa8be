"""Environments, and the deployments of versions in them."""

from datetime import datetime
from typing import Any

import strawberry
from strawberry import Parent

from db import tables
from db.codes import DesiredState, Health, ObservedState, SpecialValue
from registry.kernel.access import Action
from registry.kernel.errors import Conflict, InvalidValue, NameTaken, NotFound, StaleRevision
from registry.serving import deployments, environments, reports
from resolvers.pages.paging import BY_NAME, Order
from resolvers.tracking.latest_metrics import Points
from schema.building.batches import batch
from schema.building.deletion import delete, restore
from schema.building.derived import title
from schema.building.edges import all_of, many, one, read
from schema.building.events import events_of
from schema.building.lookups import by, by_own_name
from schema.building.mutations import change
from schema.building.node import RowNode, type_of
from schema.types.graph.lineage import LineageNode
from schema.types.interfaces import Authored, Deletable, Taggable
from schema.types.tracking.latest_metrics import latest, metric_count
from schema.types.tracking.metric_history import history_of_time
from schema.types.tracking.values import DELETED_AT, tags

_METRICS = Points(tables.DeploymentMetric, "deployment_id", ("name",), "measured_at")


@strawberry.type(description="Where deployments run, such as `production-eu`.")
class Environment(Taggable, Deletable, Authored):
    """See `db.tables.Environment`."""

    table = tables.Environment

    name: str = strawberry.field(description="Unique in the organization.")
    description: str | None = strawberry.field(description="What runs there, in Markdown.")
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(description="When name, description or tags last changed.")
    deleted_at: datetime | None = strawberry.field(description=DELETED_AT)
    tags = tags()

    created_by = one(tables.Principal, "created_by", required=True, description="Who made it.")
    deployments = many(tables.Deployment, "environment_id", description="What runs there or is to, newest first.")
    events = events_of(tables.Environment)


def _in_sync(root: Parent[Any]) -> bool:
    if root.observed_state != root.desired_state:
        return False
    return bool(root.desired_state == DesiredState.STOPPED or root.observed_version_id == root.version_id)


@strawberry.type(description="One version of a model in one environment: what is wanted of it, and what was last seen.")
class Deployment(LineageNode, Taggable, Deletable, Authored):
    """See `db.tables.Deployment`."""

    table = tables.Deployment

    title = title(tables.Deployment, "Its name and environment, such as `churn-api @ production-eu`.")
    name: str = strawberry.field(description="Unique in its environment.")
    desired_state: DesiredState = strawberry.field(description="What people want it to do.")
    traffic_percent: float = strawberry.field(
        description="Its share of the traffic of its model in its environment, 0 to 100 with two decimals."
        " The shares of all that are to be RUNNING are never more than 100."
    )
    endpoint: str | None = strawberry.field(description="Where it answers: text that this server never opens.")
    revision: int = strawberry.field(
        description="1 at first; each change of what is wanted adds 1. Send it as `expectedRevision`."
    )
    observed_state: ObservedState = strawberry.field(description="What it was last seen to do.")
    observed_at: datetime | None = strawberry.field(description="When it was last seen; null for never.")
    health: Health = strawberry.field(description="How well it was last seen to work.")
    health_message: str | None = strawberry.field(description="More about its health, from the last report.")
    in_sync = strawberry.field(
        _in_sync,
        description="Whether it was last seen to do what is wanted: the state and, unless STOPPED, the version.",
    )
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(
        description="When what is wanted, its tags, or what is seen of it last became other than before."
    )
    deleted_at: datetime | None = strawberry.field(description=DELETED_AT)
    tags = tags()

    model = one(tables.Model, "model_id", required=True, description="The model whose traffic it shares.")
    environment = one(tables.Environment, "environment_id", required=True, description="Where it runs.")
    version = one(tables.ModelVersion, "version_id", required=True, description="The version it is to run.")
    observed_version = one(
        tables.ModelVersion, "observed_version_id", description="The version it was last seen to run."
    )
    created_by = one(tables.Principal, "created_by", required=True, description="Who made it.")
    changes = many(
        tables.DeploymentChange, "deployment_id", order=Order("revision"),
        description="What was wanted of it, latest revision first.",
    )  # fmt: skip
    reports = many(tables.DeploymentReport, "deployment_id", description="What agents reported, latest first.")
    metrics = latest(
        type_of(tables.DeploymentMetric),
        _METRICS,
        description="The latest value of each metric measured in production, by name.",
    )
    metric_count = metric_count(_METRICS)
    metric_history = history_of_time(_METRICS)
    metric_points = many(
        tables.DeploymentMetric, "deployment_id", order=Order("measured_at"),
        description="All values measured in production, latest first: every metric, unless `where` names some.",
    )  # fmt: skip
    events = events_of(tables.Deployment)


@strawberry.type(description="What a deployment was to do from one revision on, and why.")
class DeploymentChange(Authored):
    """See `db.tables.DeploymentChange`."""

    table = tables.DeploymentChange

    revision: int = strawberry.field(description="1 is what it was made with.")
    desired_state: DesiredState = strawberry.field(description="What it was to do.")
    traffic_percent: float = strawberry.field(description="Its share of the traffic.")
    endpoint: str | None = strawberry.field(description="Where it answered: text that this server never opens.")
    reason: str | None = strawberry.field(description="Why, in the words of whoever wanted it.")
    created_at: datetime = strawberry.field(description="From when on it was wanted.")

    deployment = one(tables.Deployment, "deployment_id", required=True, description="The deployment.")
    version = one(tables.ModelVersion, "version_id", required=True, description="The version it was to run.")
    created_by = one(tables.Principal, "created_by", required=True, description="Who wanted it.")
    events = events_of(tables.DeploymentChange)


@strawberry.type(description="What an agent saw of a deployment at one moment.")
class DeploymentReport(Authored):
    """See `db.tables.DeploymentReport`."""

    table = tables.DeploymentReport

    observed_state: ObservedState = strawberry.field(description="What the deployment did.")
    observed_at: datetime = strawberry.field(description="When it was seen.")
    health: Health = strawberry.field(description="How well it did it.")
    health_message: str | None = strawberry.field(description="More about its health.")
    created_at: datetime = strawberry.field(description="When the report came.")

    deployment = one(tables.Deployment, "deployment_id", required=True, description="The deployment.")
    observed_version = one(
        tables.ModelVersion, "observed_version_id", description="The version it ran; null where not told."
    )
    created_by = one(tables.Principal, "created_by", required=True, description="The agent.")


@strawberry.type(description="A value measured in production.")
class DeploymentMetric(RowNode):
    """See `db.tables.DeploymentMetric`."""

    table = tables.DeploymentMetric

    name: str = strawberry.field(description="What was measured.")
    value: float | None = strawberry.field(description="The value; null where `special` says what it was instead.")
    special: SpecialValue | None = strawberry.field(description="What was measured instead of a finite number.")
    measured_at: datetime = strawberry.field(description="When it was measured.")

    deployment = one(tables.Deployment, "deployment_id", required=True, description="Where it was measured.")


@strawberry.type
class DeploymentQuery:
    """The reads of environments and deployments."""

    environment = read(by_own_name(tables.Environment), Environment | None, description="One by id or by name.")
    environments = all_of(tables.Environment, order=BY_NAME, description="All environments, by name.")
    deployment = read(
        by(tables.Deployment, "environment"), Deployment | None, description="One by id, or by environment and name."
    )
    deployments = all_of(tables.Deployment, description="All deployments, newest first.")


@strawberry.type
class DeploymentMutation:
    """The changes of environments and deployments."""

    create_environment = change(
        environments.create, tables.Environment, action=Action.ORGANIZE,
        errors=[InvalidValue, NameTaken], description="Makes an environment, without deployments.",
    )  # fmt: skip
    update_environment = change(
        environments.update, tables.Environment, action=Action.ORGANIZE,
        errors=[NotFound, InvalidValue, NameTaken], description="Changes what people say about an environment.",
    )  # fmt: skip
    create_deployment = change(
        deployments.create, tables.Deployment,
        errors=[NotFound, InvalidValue, NameTaken, Conflict],
        description="Says which version is to run in an environment, and with which share of its model's traffic.",
    )  # fmt: skip
    update_deployment = change(
        deployments.update, tables.Deployment,
        errors=[NotFound, InvalidValue, Conflict, StaleRevision],
        description="Changes what is wanted of a deployment: its version, state, share of the traffic, endpoint, tags.",
    )  # fmt: skip
    shift_traffic = change(
        deployments.shift_traffic, tables.Environment,
        errors=[NotFound, InvalidValue, Conflict],
        description="Gives several deployments of a model new shares of its traffic in one step: all of them or none.",
    )  # fmt: skip
    report_deployment = change(
        reports.take, tables.Deployment,
        errors=[NotFound, InvalidValue, Conflict],
        description="Takes what an agent saw and measured of a deployment.",
    )  # fmt: skip
    delete_environment = delete(
        tables.Environment,
        description="Deletes an environment without deployments. Its name is free from then on.",
    )  # fmt: skip
    restore_environment = restore(tables.Environment)
    delete_deployment = delete(
        tables.Deployment,
        description="Deletes a deployment that is to be STOPPED. Its name is free from then on.",
    )  # fmt: skip
    restore_deployment = restore(tables.Deployment)
    report_deployments = batch(report_deployment, description="Takes what agents saw and measured of deployments.")
