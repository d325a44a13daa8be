"""Versions of models."""

from datetime import datetime

import strawberry

from db import tables
from db.codes import Stage
from registry.catalog import versions
from registry.kernel.errors import Conflict, InvalidValue, NameTaken, NotFound
from resolvers.pages.paging import Order
from resolvers.tracking.latest_metrics import Points
from schema.building.batches import batch
from schema.building.deletion import delete, delete_many, restore, restore_many
from schema.building.derived import VERSION_DIGEST, VERSION_STATUS, title
from schema.building.edges import all_of, many, one, read
from schema.building.events import events_of
from schema.building.lookups import version
from schema.building.mutations import change
from schema.types.catalog.compatibility import SignatureChange, since
from schema.types.graph.lineage import LineageNode
from schema.types.interfaces import Authored, Deletable, Measured, Taggable
from schema.types.promotion.plan import PLAN_OF_VERSION
from schema.types.promotion.stage_slot import slot_of_version
from schema.types.tracking.latest_metrics import latest, metric_count
from schema.types.tracking.metric_history import history
from schema.types.tracking.values import DELETED_AT, Metric, parameters, tags

_METRICS = Points(tables.VersionMetric, "version_id")


@strawberry.type(description="What a model was at one time: immutable bytes, where they came from, how good they are.")
class ModelVersion(LineageNode, Taggable, Deletable, Authored, Measured):
    """See `db.tables.ModelVersion`."""

    table = tables.ModelVersion

    title = title(tables.ModelVersion, "Its model and label, such as `churn 1.4.0`.")
    number: int = strawberry.field(description="Given by the server: 1, 2, 3 … in its model, without gaps.")
    label: str = strawberry.field(description="Given by people, such as `1.4.0`; unique in its model.")
    description: str | None = strawberry.field(description="What is new in it, in Markdown.")
    stage: Stage = strawberry.field(description="Where it stands in its life. Only promotion changes it.")
    tags = tags()
    parameters = parameters()

    model = one(tables.Model, "model_id", required=True, description="The model it is a version of.")
    run = one(tables.Run, "run_id", description="The run that produced it.")
    base_version = one(tables.ModelVersion, "base_version_id", description="The version it was made from.")
    signature = one(tables.Signature, "signature_id", description="What it takes and gives.")
    signature_change = since(
        tables.ModelVersion,
        SignatureChange,
        description="What its signature changes for those who used the version before it, the last one with a signature"
        " and a lower number, or the version given as `since`; null where either has none.",
    )
    runtime = one(tables.Runtime, "runtime_id", description="What it was made with.")
    created_by = one(tables.Principal, "created_by", required=True, description="Who registered it.")
    metrics = latest(Metric, _METRICS, description="The latest value of each metric, by phase and name.")
    metric_count = metric_count(_METRICS)
    metric_history = history(_METRICS)
    derived_versions = many(tables.ModelVersion, "base_version_id", description="Versions made from it, newest first.")
    slot = slot_of_version(description="The slot that holds it; null for none.")
    transitions = many(
        tables.Transition, "version_id", order=Order("number"),
        description="How it went from stage to stage, latest first.",
    )  # fmt: skip
    slot_history = many(
        tables.SlotRevision, "version_id", order=Order("valid_from"),
        description="When it was in which slot, latest first.",
    )  # fmt: skip
    promotion_plan = PLAN_OF_VERSION
    promotion_requests = many(
        tables.PromotionRequest, "version_id", description="Requests for it to be promoted, newest first."
    )
    checks = many(tables.VersionCheck, "version_id", description="Reports of checks, latest first.")
    status = VERSION_STATUS
    digest = VERSION_DIGEST
    aliases = many(tables.Alias, "version_id", description="Aliases that point at it, newest first.")
    alias_history = many(
        tables.AliasRevision, "version_id", order=Order("valid_from"),
        description="When which alias pointed at it, latest first.",
    )  # fmt: skip
    deployments = many(tables.Deployment, "version_id", description="Deployments that are to run it, newest first.")
    observed_deployments = many(
        tables.Deployment, "observed_version_id",
        description="Deployments of which this is the version last seen, newest first. With"
        " `where: {observedState: RUNNING}`: where it runs now.",
    )  # fmt: skip
    artifacts = many(tables.Artifact, "version_id", description="Its files, newest first.")
    created_at: datetime = strawberry.field(description="When it was registered.")
    deleted_at: datetime | None = strawberry.field(description=DELETED_AT)
    events = events_of(tables.ModelVersion)


@strawberry.type
class VersionQuery:
    """The reads of versions."""

    version = read(
        version, ModelVersion | None, description="A version by id, or by its model with a label, a number or an alias."
    )
    versions = all_of(tables.ModelVersion, description="All versions of all models, newest first.")


@strawberry.type
class VersionMutation:
    """The changes of versions."""

    create_version = change(
        versions.create, tables.ModelVersion,
        errors=[NotFound, InvalidValue, NameTaken],
        description="Registers a version of a model, with the next number and its edges in the lineage.",
    )  # fmt: skip
    update_version = change(
        versions.update, tables.ModelVersion,
        errors=[NotFound, InvalidValue, Conflict],
        description="Changes what people say about a version, and adds its signature or runtime where it has none.",
    )  # fmt: skip
    log_version_metrics = change(
        versions.log_metrics, tables.ModelVersion,
        errors=[NotFound, InvalidValue], description="Adds metric points to a version.",
    )  # fmt: skip
    delete_version = delete(
        tables.ModelVersion,
        description="Deletes a version that is not in service, that no alias names and that none is made from. Its"
        " number and label are not given again.",
    )  # fmt: skip
    restore_version = restore(tables.ModelVersion)
    create_versions = batch(create_version, ordered_by=("model_id",), description="Registers versions.")
    update_versions = batch(update_version, description="Changes what people say about versions.")
    log_versions_metrics = batch(log_version_metrics, description="Adds metric points to versions.")
    delete_versions = delete_many(delete_version, description="Deletes versions, together with those made from them.")
    restore_versions = restore_many(
        restore_version, description="Restores versions, together with those made from them."
    )
