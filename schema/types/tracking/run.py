"""Runs."""

from datetime import datetime

import strawberry

from db import tables
from db.codes import RunStatus
from registry.kernel.errors import Conflict, InvalidValue, NotFound
from registry.tracking import runs
from resolvers.tracking.latest_metrics import Points
from schema.building.batches import batch
from schema.building.deletion import delete, delete_many, restore, restore_many
from schema.building.derived import title
from schema.building.edges import AS_GIVEN, all_of, many, one, read, used
from schema.building.events import events_of
from schema.building.lookups import by_id
from schema.building.mutations import change
from schema.types.graph.lineage import LineageNode
from schema.types.interfaces import Authored, Deletable, Measured, ProjectResource, Taggable
from schema.types.tracking.latest_metrics import latest, metric_count
from schema.types.tracking.metric_history import history
from schema.types.tracking.ranking import TRIALS, RunRanking, ranking
from schema.types.tracking.resource import COST, DURATION, RESOURCE_HISTORY, RESOURCES, total_cost
from schema.types.tracking.values import DELETED_AT, Metric, parameters, tags

_METRICS = Points(tables.RunMetric, "run_id")


@strawberry.type(description="One execution that trained or evaluated something.")
class Run(LineageNode, Taggable, Deletable, Authored, ProjectResource, Measured):
    """See `db.tables.Run`."""

    table = tables.Run

    title = title(tables.Run, "Its name.")
    name: str = strawberry.field(description="Need not be unique.")
    description: str | None = strawberry.field(description="What it tries, in Markdown.")
    external_url: str | None = strawberry.field(
        description="A web page about it, such as that of a CI job: text that this server never opens."
    )
    status: RunStatus = strawberry.field(description="How far it has come.")
    started_at: datetime = strawberry.field(description="When it began.")
    ended_at: datetime | None = strawberry.field(description="When it ended; null while it goes on.")
    heartbeat_at: datetime = strawberry.field(description="Its last sign of life.")
    heartbeat_timeout_seconds: int | None = strawberry.field(
        description="After how many seconds without a sign of life it counts as LOST; null for never."
    )
    duration_seconds = DURATION
    tags = tags()
    parameters = parameters()

    project = one(tables.Project, "project_id", required=True, description="Where it lives.")
    experiment = one(tables.Experiment, "experiment_id", description="The experiment it is part of.")
    parent_run = one(tables.Run, "parent_run_id", description="The run that began it.")
    child_runs = many(tables.Run, "parent_run_id", description="Runs it began, such as trials, newest first.")
    best_trials = ranking(RunRanking, TRIALS, description="The runs it began by a metric, best first.")
    runtime = one(tables.Runtime, "runtime_id", description="What it is made with.")
    created_by = one(tables.Principal, "created_by", required=True, description="Who started it.")
    metrics = latest(Metric, _METRICS, description="The latest value of each metric, by phase and name.")
    metric_count = metric_count(_METRICS)
    resources = RESOURCES
    resource_history = RESOURCE_HISTORY
    cost = COST
    total_cost = total_cost(
        None, description="What it and the runs that it began, and those that these began, cost together."
    )
    metric_history = history(_METRICS)
    datasets = used(
        tables.DatasetVersion, "downstream_id", order=AS_GIVEN,
        description="The dataset versions it used, in the order in which they were given, each once for every role.",
    )  # fmt: skip
    versions = many(tables.ModelVersion, "run_id", description="Versions it produced, newest first.")
    artifacts = many(tables.Artifact, "run_id", description="Its files, newest first.")
    created_at: datetime = strawberry.field(description="When it was registered.")
    deleted_at: datetime | None = strawberry.field(description=DELETED_AT)
    events = events_of(tables.Run)


@strawberry.type
class RunQuery:
    """The reads of runs."""

    run = read(by_id(tables.Run), Run | None, description="A run by id.")
    runs = all_of(tables.Run, description="All runs, newest first.")


@strawberry.type
class RunMutation:
    """The changes of runs."""

    create_run = change(
        runs.create, tables.Run,
        errors=[NotFound, InvalidValue], description="Begins a run.",
    )  # fmt: skip
    update_run = change(
        runs.update, tables.Run,
        errors=[NotFound, InvalidValue], description="Changes what people say about a run, also when it has ended.",
    )  # fmt: skip
    log_run_parameters = change(
        runs.log_parameters, tables.Run,
        errors=[NotFound, InvalidValue, Conflict], description="Adds parameters to a run that is going on.",
    )  # fmt: skip
    log_run_metrics = change(
        runs.log_metrics, tables.Run,
        errors=[NotFound, InvalidValue, Conflict], description="Adds metric points to a run that is going on.",
    )  # fmt: skip
    log_run_datasets = change(
        runs.log_datasets, tables.Run,
        errors=[NotFound, InvalidValue, Conflict],
        description="Adds uses of dataset versions to a run that is going on, where they were not known at its start.",
    )  # fmt: skip
    set_run_runtime = change(
        runs.set_runtime, tables.Run,
        errors=[NotFound, InvalidValue, Conflict], description="Says what a run that is going on is made with.",
    )  # fmt: skip
    log_run_resource_samples = change(
        runs.log_resource_samples, tables.Run,
        errors=[NotFound, InvalidValue, Conflict],
        description="Adds resource samples to a run that is going on. One of the same moment is replaced.",
    )  # fmt: skip
    heartbeat_run = change(
        runs.beat, tables.Run,
        errors=[NotFound, InvalidValue, Conflict], description="A sign of life of a run. Logging to it is one too.",
    )  # fmt: skip
    finish_run = change(
        runs.finish, tables.Run,
        errors=[NotFound, InvalidValue, Conflict],
        description="Ends a run. From then on it takes no more parameters, metrics, uses of data and resource samples,"
        " and no other runtime. Files may still come, and its name and tags may change.",
    )  # fmt: skip
    delete_run = delete(
        tables.Run,
        description="Deletes a run that has ended, produced no version and has no child runs.",
    )  # fmt: skip
    restore_run = restore(tables.Run)
    create_runs = batch(create_run, description="Begins runs.")
    update_runs = batch(update_run, description="Changes what people say about runs.")
    finish_runs = batch(finish_run, description="Ends runs.")
    log_runs_metrics = batch(log_run_metrics, description="Adds metric points to runs.")
    log_runs_parameters = batch(log_run_parameters, description="Adds parameters to runs.")
    delete_runs = delete_many(delete_run, description="Deletes runs, together with their child runs.")
    restore_runs = restore_many(restore_run, description="Restores runs, together with their child runs.")
