"""Versions of models."""

from datetime import datetime

import strawberry

from db import tables
from db.codes import Stage
from registry import versions
from registry.errors import Conflict, InvalidValue, NameTaken, NotFound
from schema.batches import batch
from schema.deletion import delete, restore
from schema.edges import latest, many, one
from schema.history import history
from schema.lineage import LineageNode
from schema.mutations import change
from schema.refs import (
    AliasRef,
    ArtifactRef,
    DeploymentRef,
    ModelRef,
    PrincipalRef,
    RunRef,
    RuntimeRef,
    SignatureRef,
    VersionRef,
)
from schema.since import SignatureChange, since
from schema.values import DELETED_AT, Metric, parameters, tags


@strawberry.type(description="What a model was at one time: immutable bytes, where they came from, how good they are.")
class Version(LineageNode):
    """See `db.tables.Version`."""

    table = tables.Version

    number: int = strawberry.field(description="Given by the server: 1, 2, 3 … in its model, without gaps.")
    label: str = strawberry.field(description="Given by people, such as `1.4.0`; unique in its model.")
    description: str | None = strawberry.field(description="What is new in it, in Markdown.")
    stage: Stage = strawberry.field(description="Where it stands in its life. Only promotion changes it.")
    tags = tags()
    parameters = parameters()

    model = one(ModelRef, tables.Model, "model_id", required=True, description="The model it is a version of.")
    run = one(RunRef, tables.Run, "run_id", description="The run that produced it.")
    base_version = one(VersionRef, tables.Version, "base_version_id", description="The version it was made from.")
    signature = one(SignatureRef, tables.Signature, "signature_id", description="What it takes and gives.")
    signature_change = since(
        tables.Version,
        SignatureChange,
        description="What its signature changes for those who used the version before it, the last one with a signature"
        " and a lower number, or the version given as `since`; null where either has none.",
    )
    runtime = one(RuntimeRef, tables.Runtime, "runtime_id", description="What it was made with.")
    created_by = one(PrincipalRef, tables.Principal, "created_by", description="Who registered it.")
    metrics = latest(
        Metric, tables.VersionMetric, "version_id", limit=100,
        description="The latest value of each metric, by phase and name; the first 100.",
    )  # fmt: skip
    metric_history = history(tables.VersionMetric, "version_id")
    derived_versions = many(
        VersionRef, tables.Version, "base_version_id", description="Versions made from it, newest first."
    )
    aliases = many(AliasRef, tables.Alias, "version_id", description="Aliases that point at it, newest first.")
    deployments = many(
        DeploymentRef, tables.Deployment, "version_id", description="Deployments that are to run it, newest first."
    )
    artifacts = many(ArtifactRef, tables.Artifact, "version_id", description="Its files, newest first.")
    created_at: datetime = strawberry.field(description="When it was registered.")
    deleted_at: datetime | None = strawberry.field(description=DELETED_AT)


@strawberry.type
class VersionMutation:
    """The changes of versions."""

    create_version = change(
        versions.create, "createVersion", Version, tables.Version,
        errors=[NotFound, InvalidValue, NameTaken],
        description="Registers a version of a model, with the next number and its edges in the lineage.",
    )  # fmt: skip
    update_version = change(
        versions.update, "updateVersion", Version, tables.Version,
        errors=[NotFound, InvalidValue, Conflict],
        description="Changes what people say about a version, and adds its signature or runtime where it has none.",
    )  # fmt: skip
    log_version_metrics = change(
        versions.log_metrics, "logVersionMetrics", Version, tables.Version,
        errors=[NotFound, InvalidValue], description="Adds metric points to a version.",
    )  # fmt: skip
    delete_version = delete(
        Version, tables.Version,
        description="Deletes a version that is not in service, that no alias names and that none is made from. Its"
        " number and label are not given again.",
    )  # fmt: skip
    restore_version = restore(Version, tables.Version)
    create_versions = batch(create_version, "createVersions", description="Registers versions.")
    update_versions = batch(update_version, "updateVersions", description="Changes what people say about versions.")
    delete_versions = batch(delete_version, "deleteVersions", description="Deletes versions.")
    restore_versions = batch(restore_version, "restoreVersions", description="Brings back versions.")
