"""What each list can be filtered and ordered by: one declaration per table, from which the arguments are made."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import ColumnElement, FromClause, and_, or_

from db import tables
from db.base import Tenant
from db.codes import (
    ArtifactKind,
    ArtifactState,
    DeliveryState,
    DesiredState,
    DisabledReason,
    Health,
    ObservedState,
    PricedResource,
    PrincipalKind,
    RunStatus,
    Stage,
    TaskType,
    WebhookState,
)
from registry.catalog.version_status import ModelVersionStatus, status
from resolvers.filters.declaration import (
    BY_CREATION,
    BY_NAME,
    BY_UPDATE,
    CREATED,
    DESCRIPTION,
    MODELS_PROJECT,
    NAME,
    PARAMETERS,
    PROJECT,
    RUNTIME,
    TAGS,
    UPDATED,
    Findable,
    Said,
    data_used,
    metrics,
    of_model,
)
from resolvers.filters.fields import (
    AliasName,
    Code,
    Derived,
    Fact,
    Id,
    Number,
    Packages,
    Present,
    Text,
    Time,
    WholeNumber,
)
from resolvers.filters.findable_promotion import PROMOTIONS
from resolvers.filters.links import Some, Through
from resolvers.pages.sort_keys import DurationKey


def _in_sync(row: FromClause) -> ColumnElement[bool]:
    """As `Deployment.inSync` has it: the state and, unless STOPPED, the version are those that are wanted."""
    same_version = row.c.observed_version_id == row.c.version_id
    return and_(
        row.c.observed_state == row.c.desired_state,
        or_(row.c.desired_state == DesiredState.STOPPED, same_version),
    )


FINDABLE: Final[Mapping[type[Tenant], Findable]] = {
    tables.Team: Findable(
        filters={**NAME, "created_at": CREATED["created_at"]},
        orders={**BY_NAME, **BY_CREATION},
    ),
    tables.Project: Findable(
        filters={
            **NAME, **DESCRIPTION,
            "team": Said(Id("team_id", "Team"), "It belongs to any of these teams."),
            "created_at": CREATED["created_at"],
        },
        orders={**BY_NAME, **BY_CREATION},
    ),
    tables.Principal: Findable(
        filters={
            **NAME,
            "kind": Said(Code("kind", PrincipalKind), "It is of any of these kinds."),
            "created_at": CREATED["created_at"],
        },
        orders={**BY_NAME, **BY_CREATION},
    ),
    tables.Model: Findable(
        filters={
            **NAME, **DESCRIPTION,
            "framework": Said(Text("framework"), "What it is made with."),
            "task": Said(Code("task", TaskType), "It is for any of these tasks."),
            "owner": Said(Id("owner_id", "Principal"), "Any of these principals answers for it."),
            **PROJECT, **TAGS,
            "stage": Said(
                Through(tables.ModelVersion, "model_id", Code("stage", Stage)), "It has a version in any of them."
            ),
            "versions": Said(Some(tables.ModelVersion, "model_id"), "It has a version that is like this."),
            "deployments": Said(Some(tables.Deployment, "model_id"), "It has a deployment that is like this."),
            **CREATED, **UPDATED,
        },
        orders={**BY_NAME, "framework": "By framework.", **BY_CREATION, **BY_UPDATE},
    ),
    tables.Dataset: Findable(
        filters={
            **NAME, **DESCRIPTION, **PROJECT, **TAGS,
            "versions": Said(Some(tables.DatasetVersion, "dataset_id"), "It has a version that is like this."),
            **CREATED, **UPDATED,
        },
        orders={**BY_NAME, **BY_CREATION, **BY_UPDATE},
    ),
    tables.DatasetVersion: Findable(
        filters={
            "digest": Said(Text("digest"), "Its digest."),
            **DESCRIPTION,
            "source": Said(Text("source"), "Where the data came from."),
            "row_count": Said(WholeNumber("row_count"), "How many rows it has."),
            "dataset": Said(Id("dataset_id", "Dataset"), "It is a version of any of these datasets."),
            "project": Said(
                Through(tables.Dataset, "id", Id("project_id", "Project"), own_key="dataset_id"),
                "Its dataset lives in any of these projects.",
            ),
            "schema": Said(Id("schema_id", "DatasetSchema"), "It has any of these schemas."),
            "has_schema": Said(Present("schema_id"), "Whether its schema is known."),
            **TAGS, **CREATED,
        },
        orders={"row_count": "By the number of its rows.", **BY_CREATION},
    ),
    tables.Experiment: Findable(
        filters={
            **NAME, **DESCRIPTION, **PROJECT, **TAGS,
            "runs": Said(Some(tables.Run, "experiment_id"), "It has a run that is like this."),
            **CREATED, **UPDATED,
        },
        orders={**BY_NAME, **BY_CREATION, **BY_UPDATE},
    ),
    tables.Run: Findable(
        filters={
            **NAME, **DESCRIPTION,
            "status": Said(Code("status", RunStatus), "It has come as far as any of these."),
            **PROJECT,
            "experiment": Said(Id("experiment_id", "Experiment"), "It is part of any of these experiments."),
            "has_experiment": Said(Present("experiment_id"), "Whether it is part of an experiment."),
            "parent_run": Said(Id("parent_run_id", "Run"), "Any of these runs began it."),
            "has_parent_run": Said(Present("parent_run_id"), "Whether another run began it."),
            **data_used("id"), **RUNTIME,
            "artifacts": Said(Some(tables.Artifact, "run_id"), "It has a file that is like this."),
            **TAGS, **PARAMETERS, **metrics(tables.Run),
            "started_at": Said(Time("started_at"), "When it began."),
            "ended_at": Said(Time("ended_at"), "When it ended."),
            "heartbeat_at": Said(Time("heartbeat_at"), "When it last gave a sign of life."),
            **CREATED,
        },
        orders={
            **BY_NAME,
            "status": "By status, in the order of the alphabet.",
            "started_at": "By the time when it began.",
            "ended_at": "By the time when it ended.",
            **BY_CREATION,
        },
        computed={"duration_seconds": (DurationKey("started_at", "ended_at"), "By its duration; null until it ended.")},
        metrics=True,
        parameters=True,
    ),
    tables.ModelVersion: Findable(
        filters={
            "number": Said(WholeNumber("number"), "Its number."),
            "label": Said(Text("label"), "Its label."),
            **DESCRIPTION,
            "stage": Said(Code("stage", Stage), "It stands in any of these stages."),
            "status": Said(Derived(ModelVersionStatus, status), "Its files are in any of these ways."),
            "alias": Said(
                Through(tables.Alias, "version_id", AliasName("name")), "An alias of this name points at it."
            ),
            "model": Said(Id("model_id", "Model"), "It is a version of any of these models."),
            "framework": Said(of_model(Text("framework")), "What its model is made with."),
            **MODELS_PROJECT,
            "run": Said(Id("run_id", "Run"), "Any of these runs produced it."),
            "has_run": Said(Present("run_id"), "Whether a run produced it."),
            "base_version": Said(Id("base_version_id", "ModelVersion"), "It was made from any of these versions."),
            "has_base_version": Said(Present("base_version_id"), "Whether it was made from another version."),
            "deployments": Said(
                Some(tables.Deployment, "version_id"), "A deployment that is to run it is like this."
            ),
            "observed_deployments": Said(
                Some(tables.Deployment, "observed_version_id"), "A deployment that was last seen with it is like this."
            ),
            **data_used("run_id"), **RUNTIME,
            "signature": Said(Id("signature_id", "Signature"), "It has any of these signatures."),
            "has_signature": Said(Present("signature_id"), "Whether it says what it takes and gives."),
            "artifacts": Said(Some(tables.Artifact, "version_id"), "It has a file that is like this."),
            **TAGS, **PARAMETERS,
            **metrics(tables.ModelVersion, "Its metrics, and those of its run that it has none of itself"),
            **CREATED,
        },
        orders={
            "number": "By number.",
            "label": "By label, in the order of Unicode.",
            "stage": "By stage, in the order of the alphabet.",
            **BY_CREATION,
        },
        metrics=True,
        parameters=True,
    ),
    tables.Runtime: Findable(
        filters={
            "python_version": Said(Text("python_version"), "The version of Python."),
            "packages": Said(Packages(), "Its packages: each of these conditions holds."),
            "image": Said(Text("image"), "The container image."),
            "repository": Said(Text("repository"), "Where the code is."),
            "commit": Said(Text("commit"), "The commit of the code."),
            "created_at": Said(Time("created_at"), "When it was first given."),
        },
        orders={"created_at": "By the time when it was first given."},
    ),
    tables.Alias: Findable(
        filters={
            "name": Said(AliasName("name"), "Its name."),
            "version": Said(Id("version_id", "ModelVersion"), "It points at any of these versions."),
            **CREATED, **UPDATED,
        },
        orders={**BY_NAME, **BY_CREATION, **BY_UPDATE},
    ),
    tables.Artifact: Findable(
        filters={
            "path": Said(Text("path"), "Its path."),
            "kind": Said(Code("kind", ArtifactKind), "It is for any of these."),
            "state": Said(Code("state", ArtifactState), "It is in any of these states."),
            "content_type": Said(Text("content_type"), "Its media type."),
            "size_bytes": Said(WholeNumber("size_bytes"), "How many bytes it has."),
            "sha256": Said(Text("sha256"), "SHA-256 of its bytes, in hexadecimal."),
            "version": Said(Id("version_id", "ModelVersion"), "It is a file of any of these versions."),
            "run": Said(Id("run_id", "Run"), "It is a file of any of these runs."),
            "verified_at": Said(Time("verified_at"), "When its bytes were read back and hashed."),
            **CREATED,
        },
        orders={
            "path": "By path, in the order of Unicode.",
            "size_bytes": "By size.",
            "kind": "By what it is for, in the order of the alphabet.",
            **BY_CREATION,
        },
    ),
    tables.Environment: Findable(
        filters={**NAME, **DESCRIPTION, **TAGS, **CREATED, **UPDATED},
        orders={**BY_NAME, **BY_CREATION, **BY_UPDATE},
    ),
    tables.Deployment: Findable(
        filters={
            **NAME,
            "environment": Said(Id("environment_id", "Environment"), "It is in any of these environments."),
            "model": Said(Id("model_id", "Model"), "It runs any of these models."),
            "version": Said(Id("version_id", "ModelVersion"), "It is to run any of these versions."),
            "observed_version": Said(Id("observed_version_id", "ModelVersion"), "It was seen with any of these."),
            "desired_state": Said(Code("desired_state", DesiredState), "It is to be in any of these states."),
            "observed_state": Said(Code("observed_state", ObservedState), "It was seen in any of these states."),
            "health": Said(Code("health", Health), "Its health was any of these when it was last seen."),
            "observed_at": Said(Time("observed_at"), "When it was last seen."),
            "in_sync": Said(Fact(_in_sync), "Whether it was last seen to do what is wanted."),
            "traffic_percent": Said(Number("traffic_percent"), "Its share of the traffic."),
            "endpoint": Said(Text("endpoint"), "Where it answers."),
            **MODELS_PROJECT,
            **TAGS, **CREATED, **UPDATED,
        },
        orders={
            **BY_NAME,
            "traffic_percent": "By its share of the traffic.",
            "health": "By health, in the order of the alphabet.",
            "observed_at": "By the time when it was last seen.",
            **BY_CREATION, **BY_UPDATE,
        },
    ),
    tables.Price: Findable(
        filters={
            "resource": Said(Code("resource", PricedResource), "It is for any of these resources."),
            "hardware": Said(Text("hardware"), "The hardware it is for."),
            "currency": Said(Text("currency"), "Its currency."),
            "valid_from": Said(Time("valid_from"), "From when on it holds."),
            "valid_to": Said(Time("valid_to"), "Until when it held."),
            **CREATED,
        },
        orders={"valid_from": "By the time from which it holds.", **BY_CREATION},
    ),
    tables.DeploymentChange: Findable(
        filters={
            "version": Said(Id("version_id", "ModelVersion"), "It was to run any of these versions."),
            "desired_state": Said(Code("desired_state", DesiredState), "It was to be in any of these states."),
            "reason": Said(Text("reason"), "Why."),
            **CREATED,
        },
        orders={"revision": "By revision.", **BY_CREATION},
    ),
    tables.DeploymentReport: Findable(
        filters={
            "observed_state": Said(Code("observed_state", ObservedState), "It was seen in any of these states."),
            "observed_version": Said(Id("observed_version_id", "ModelVersion"), "It was seen with any of these."),
            "health": Said(Code("health", Health), "Its health was any of these."),
            "observed_at": Said(Time("observed_at"), "When it was seen."),
            **CREATED,
        },
        orders={"observed_at": "By the time when it was seen.", **BY_CREATION},
    ),
    tables.DeploymentMetric: Findable(
        filters={
            **NAME,
            "value": Said(Number("value"), "Its value, where that is a finite number."),
            "measured_at": Said(Time("measured_at"), "When it was measured."),
        },
        orders={
            "measured_at": "By the time when it was measured.",
            "value": "By value; one that is no finite number counts as if there were none.",
            **BY_NAME,
        },
    ),
    tables.Webhook: Findable(
        filters={
            **NAME,
            "host": Said(Text("host"), "The host of its URL."),
            "state": Said(Code("state", WebhookState), "It is in any of these states."),
            "disabled_reason": Said(Code("disabled_reason", DisabledReason), "It is disabled for any of these."),
            "disabled_at": Said(Time("disabled_at"), "Since when it is disabled."),
            "failing": Said(Present("failing_since"), "Whether its last delivery failed."),
            "failing_since": Said(Time("failing_since"), "Since when tries fail."),
            "last_success_at": Said(Time("last_success_at"), "When an event arrived last."),
            "secret_made_at": Said(Time("secret_made_at"), "When its signing secret was made."),
            "earlier_secret_until": Said(
                Time("earlier_secret_until"), "Until when deliveries are signed with the secret before as well."
            ),
            "only_project": Said(Id("only_project_id", "Project"), "It is told only of any of these projects."),
            "only_model": Said(Id("only_model_id", "Model"), "It is told only of any of these models."),
            **CREATED, **UPDATED,
        },
        orders={**BY_NAME, **BY_CREATION, **BY_UPDATE},
    ),
    tables.WebhookDelivery: Findable(
        filters={
            "webhook": Said(Id("webhook_id", "Webhook"), "It is of any of these webhooks."),
            "sequence": Said(WholeNumber("sequence"), "The number of its event."),
            "kind": Said(Text("kind"), "The kind of its event."),
            "state": Said(Code("state", DeliveryState), "It has come as far as any of these."),
            "status": Said(WholeNumber("status"), "The status of the last answer."),
            "redelivery": Said(Present("redelivery_of"), "Whether it repeats another."),
            "created_at": Said(Time("created_at"), "When it was first tried, or asked for."),
            "next_attempt_at": Said(Time("next_attempt_at"), "When it is tried again."),
            "delivered_at": Said(Time("delivered_at"), "When it arrived."),
        },
        orders={
            "sequence": "By the number of its event.",
            "created_at": "By the time when it was first tried, or asked for.",
        },
    ),
    **PROMOTIONS,
}  # fmt: skip
