"""Experiments."""

from datetime import datetime

import strawberry

from db import tables
from registry.kernel.errors import InvalidValue, NameTaken, NotFound
from registry.tracking import experiments
from schema.building.deletion import delete, restore
from schema.building.derived import run_counts, success_rate
from schema.building.edges import all_of, many, one, read
from schema.building.events import events_of
from schema.building.lookups import by
from schema.building.mutations import change
from schema.types.interfaces import Authored, Deletable, ProjectResource, Taggable
from schema.types.tracking.ranking import RUNS, RunRanking, ranking
from schema.types.tracking.resource import total_cost
from schema.types.tracking.values import DELETED_AT, tags


@strawberry.type(description="Runs that belong together because they answer one question.")
class Experiment(Taggable, Deletable, Authored, ProjectResource):
    """See `db.tables.Experiment`."""

    table = tables.Experiment

    name: str = strawberry.field(description="Unique in its project.")
    description: str | None = strawberry.field(description="The question it is to answer, in Markdown.")
    created_at: datetime = strawberry.field(description="When it was registered.")
    deleted_at: datetime | None = strawberry.field(description=DELETED_AT)
    updated_at: datetime = strawberry.field(description="When name, description or tags last changed.")
    tags = tags()

    project = one(tables.Project, "project_id", required=True, description="Where it lives.")
    created_by = one(tables.Principal, "created_by", required=True, description="Who registered it.")
    runs = many(tables.Run, "experiment_id", description="Its runs, newest first.")
    run_counts = run_counts("experiment_id")
    success_rate = success_rate("experiment_id")
    cost = total_cost("experiment_id", description="What its runs cost together.")
    best_runs = ranking(RunRanking, RUNS, description="Its runs by a metric, best first.")
    events = events_of(tables.Experiment)


@strawberry.type
class ExperimentQuery:
    """The reads of experiments."""

    experiment = read(by(tables.Experiment), Experiment | None, description="One by id, or by project and name.")
    experiments = all_of(tables.Experiment, description="All experiments, newest first.")


@strawberry.type
class ExperimentMutation:
    """The changes of experiments."""

    create_experiment = change(
        experiments.create, tables.Experiment,
        errors=[NotFound, InvalidValue, NameTaken], description="Registers an experiment, without runs.",
    )  # fmt: skip
    update_experiment = change(
        experiments.update, tables.Experiment,
        errors=[NotFound, InvalidValue, NameTaken], description="Changes what people say about an experiment.",
    )  # fmt: skip
    delete_experiment = delete(
        tables.Experiment,
        description="Deletes an experiment without runs. Its name is free from then on.",
    )  # fmt: skip
    restore_experiment = restore(tables.Experiment)
