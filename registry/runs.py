"""Runs: executions that train or evaluate, with what they read and what they measured."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from typing_extensions import Doc

from db.base import utc_now
from db.codes import LineageKind, RunStatus
from db.session import Change
from db.tables import DatasetVersion, Project, Run
from registry import inputs, lineage, metrics as metric_points
from registry.access import Action, Actor, require
from registry.changes import add, alter, find, find_all
from registry.errors import Conflict, InvalidValue

MAX_INPUTS = 100


async def create(
    change: Change,
    actor: Actor,
    *,
    project_id: Annotated[inputs.ProjectId, Doc("Where it lives.")],
    name: Annotated[str, Doc(f"Need not be unique; 1 to {inputs.MAX_NAME} characters.")],
    parameters: Annotated[Sequence[inputs.Parameter], Doc("What is known of its settings at the start.")] = (),
    datasets: Annotated[Sequence[inputs.DatasetUse], Doc("What it reads; each becomes an edge of the lineage.")] = (),
) -> Run:
    """A new run, in status RUNNING.

    Raises: Forbidden, NotFound, InvalidValue.
    """
    project = await find(change, Project, project_id, "project")
    require(actor, Action.WRITE, project)
    if len(datasets) > MAX_INPUTS:
        raise InvalidValue(f"{len(datasets)} datasets are more than {MAX_INPUTS}.", ("datasets",))
    if len({(one.dataset_version_id, one.role) for one in datasets}) < len(datasets):
        raise InvalidValue("A dataset version stands here twice in the same role.", ("datasets",))
    run = Run(
        org_id=change.org_id,
        project_id=project.id,
        name=inputs.name(name),
        parameters=inputs.parameters(parameters),
        created_by=actor.principal_id,
    )
    await add(change, actor, run)
    ids = [one.dataset_version_id for one in datasets]
    versions = await find_all(change, DatasetVersion, ids, "datasets.{}.datasetVersion")
    links = [(version, run, one.role) for version, one in zip(versions, datasets, strict=True)]
    await lineage.link(change, actor, LineageKind.USED, links)
    return run


async def log_parameters(
    change: Change,
    actor: Actor,
    *,
    run_id: Annotated[inputs.RunId, Doc("Which run.")],
    parameters: Annotated[Sequence[inputs.Parameter], Doc("New ones. One that is set already keeps its value.")],
) -> Run:
    """Add parameters to a run that is still going on. A parameter is never changed once it is set.

    Raises: Forbidden, NotFound, InvalidValue, Conflict when the run has ended or a value differs.
    """
    run = await _running(change, actor, run_id)
    values = inputs.parameters(parameters)
    for name, value in values.items():
        if name in run.parameters and not _same(run.parameters[name], value):
            raise Conflict(f"The parameter {name!r} is already set to another value and stays.", ("parameters",))
    merged = values | run.parameters
    if len(merged) > inputs.MAX_PARAMETERS:
        raise InvalidValue(f"A run has at most {inputs.MAX_PARAMETERS} parameters.", ("parameters",))
    return await alter(change, actor, run, {"parameters": merged})


async def log_metrics(
    change: Change,
    actor: Actor,
    *,
    run_id: Annotated[inputs.RunId, Doc("Which run.")],
    metrics: Annotated[Sequence[inputs.Metric], Doc(f"At most {inputs.MAX_METRICS} points.")],
) -> Run:
    """Add metric points to a run that is still going on.

    Raises: Forbidden, NotFound, InvalidValue, Conflict when the run has ended.
    """
    run = await _running(change, actor, run_id)
    await metric_points.log(change, actor, run, metrics)
    return run


async def finish(
    change: Change,
    actor: Actor,
    *,
    run_id: Annotated[inputs.RunId, Doc("Which run.")],
    status: Annotated[RunStatus, Doc("How it ended.")] = RunStatus.FINISHED,
    ended_at: Annotated[datetime | None, Doc("When it ended; now if absent.")] = None,
) -> Run:
    """End a run. From then on it takes no more parameters and metrics.

    Raises: Forbidden, NotFound, InvalidValue, Conflict when it has ended with another status.
    """
    run = await find(change, Run, run_id, "run", lock=True)
    require(actor, Action.WRITE, run)
    if status is RunStatus.RUNNING:
        raise InvalidValue("A run ends as FINISHED, FAILED or CANCELLED.", ("status",))
    if run.status == status:
        return run
    if run.status != RunStatus.RUNNING:
        raise Conflict(f"This run has ended already, as {run.status}.", ("run",))
    # Another server, whose clock is a little ahead, may have begun the run.
    moment = ended_at or max(utc_now(), run.started_at)
    if moment.tzinfo is None or not run.started_at <= moment <= max(utc_now(), run.started_at):
        raise InvalidValue("A run ends after it began and not in the future.", ("endedAt",))
    return await alter(change, actor, run, {"status": status, "ended_at": moment}, verb="ended")


def _same(first: object, second: object) -> bool:
    """Whether two parameter values are equal; true is not 1, though Python says so."""
    return first == second and isinstance(first, bool) == isinstance(second, bool)


async def _running(change: Change, actor: Actor, run_id: inputs.RunId) -> Run:
    run = await find(change, Run, run_id, "run", lock=True)
    require(actor, Action.WRITE, run)
    if run.status != RunStatus.RUNNING:
        raise Conflict(f"This run has ended, as {run.status}; it takes nothing more.", ("run",))
    return run
