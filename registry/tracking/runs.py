"""Runs: executions that train or evaluate, with what they read and what they measured."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import orjson
from sqlalchemy import select
from sqlmodel import col
from typing_extensions import Doc

from db.base import utc_now
from db.codes import DatasetRole, JobKind, LineageKind, RunStatus
from db.session import Change
from db.tables import DatasetVersion, Experiment, LineageEdge, Project, Run
from registry.facts import runtimes
from registry.graph import lineage
from registry.jobs.schedule import due, make_due
from registry.jobs.version_news import run_changed
from registry.kernel import inputs
from registry.kernel.access import Action, Actor, require
from registry.kernel.errors import Conflict, InvalidValue
from registry.kernel.inputs import KEEP, Keep
from registry.kernel.rows import add, alter, find, find_all
from registry.tracking import metrics as metric_points, resources

MAX_PARAMETERS_BYTES = 512 * 1024
"""Of all parameters of a run as JSON, so that a line of an export holds them."""
MAX_INPUTS = 100
MIN_HEARTBEAT_S = 10
MAX_HEARTBEAT_S = 7 * 24 * 3600
_NOT_ENDINGS = (RunStatus.RUNNING, RunStatus.LOST)

Uses = Sequence[tuple[DatasetVersion, DatasetRole]]


async def create(
    change: Change,
    actor: Actor,
    *,
    project_id: Annotated[inputs.ProjectId, Doc("Where it lives.")],
    name: Annotated[str, Doc(f"Need not be unique; 1 to {inputs.MAX_NAME} characters.")],
    experiment_id: Annotated[inputs.ExperimentId | None, Doc("The experiment it is part of.")] = None,
    parent_run_id: Annotated[
        inputs.RunId | None, Doc("The run that began it, such as a search over settings of which it is a trial.")
    ] = None,
    parameters: Annotated[Sequence[inputs.Parameter], Doc("What is known of its settings at the start.")] = (),
    tags: Annotated[Sequence[inputs.Tag], Doc(f"At most {inputs.MAX_TAGS}.")] = (),
    heartbeat_timeout_seconds: Annotated[
        int | None, Doc("After how many seconds without a sign of life it counts as LOST; never if absent.")
    ] = None,
    datasets: Annotated[
        Sequence[inputs.DatasetUse],
        Doc(f"What it reads, at most {MAX_INPUTS}; each becomes an edge of the lineage. See also `logRunDatasets`."),
    ] = (),
    runtime: Annotated[runtimes.Runtime | None, Doc("What it is made with, as far as it is known.")] = None,
    description: Annotated[str | None, Doc("What it tries, in Markdown.")] = None,
    external_url: Annotated[str | None, Doc("A web page about it, such as that of a CI job. Never opened.")] = None,
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
    if experiment_id is not None:
        _in_project(await find(change, Experiment, experiment_id, "experiment"), project, "experiment")
    if parent_run_id is not None:
        _in_project(await find(change, Run, parent_run_id, "parentRun"), project, "parentRun")
    if heartbeat_timeout_seconds is not None and not MIN_HEARTBEAT_S <= heartbeat_timeout_seconds <= MAX_HEARTBEAT_S:
        raise InvalidValue(
            f"A time-out is {MIN_HEARTBEAT_S} to {MAX_HEARTBEAT_S} seconds.", ("heartbeatTimeoutSeconds",)
        )
    run = Run(
        org_id=change.org_id,
        project_id=project.id,
        experiment_id=experiment_id,
        parent_run_id=parent_run_id,
        name=inputs.name(name),
        description=inputs.text(description, ("description",)),
        external_url=inputs.web_address(external_url, ("externalUrl",)),
        parameters=inputs.parameters(parameters),
        tags=inputs.tags(tags),
        heartbeat_timeout_seconds=heartbeat_timeout_seconds,
        runtime_id=None if runtime is None else (await runtimes.keep(change, actor, runtime)).id,
        created_by=actor.principal_id,
    )
    await add(change, actor, run)
    await watch(change, run)
    await _use(change, actor, run, await _found(change, datasets))
    return run


async def update(
    change: Change,
    actor: Actor,
    *,
    run_id: Annotated[inputs.RunId, Doc("Which one.")],
    name: Annotated[str | Keep, Doc("A new name.")] = KEEP,
    description: Annotated[str | Keep | None, Doc("A new description; null removes it.")] = KEEP,
    external_url: Annotated[str | Keep | None, Doc("Another web page about it; null removes it.")] = KEEP,
    tags: Annotated[Sequence[inputs.Tag] | Keep, Doc("All tags it is to have; others are removed.")] = KEEP,
) -> Run:
    """Change what people say about a run, also when it has ended. What is not given stays.

    Raises: Forbidden, NotFound, InvalidValue.
    """
    run = await find(change, Run, run_id, "run", lock=True)
    require(actor, Action.WRITE, run)
    values = inputs.description_of(name, description, tags)
    if external_url is not KEEP:
        values["external_url"] = inputs.web_address(external_url, ("externalUrl",))
    return await alter(change, actor, run, values)


async def beat(change: Change, actor: Actor, *, run_id: Annotated[inputs.RunId, Doc("Which run.")]) -> Run:
    """A sign of life of a run. Whatever is logged to a run is one too.

    Raises: Forbidden, NotFound, Conflict when the run has ended.
    """
    return await _running(change, actor, run_id)


async def watch(change: Change, run: Run) -> None:
    """Have a worker look after the run when its time-out is over, also if one was to do so already."""
    if run.heartbeat_timeout_seconds is not None:
        when = run.heartbeat_at + timedelta(seconds=run.heartbeat_timeout_seconds)
        own = (col(Run.org_id) == change.org_id, col(Run.id) == run.id)
        await make_due(change, due(JobKind.WATCH_RUN, Run, when).where(*own))


async def look_after(change: Change, actor: Actor, run_id: UUID) -> None:
    """Mark a run as LOST that gave no sign of life for its time-out; else look again when that could be."""
    run = await find(change, Run, run_id, "run", lock=True, deleted=True)
    if run.status != RunStatus.RUNNING or run.heartbeat_timeout_seconds is None:
        return
    if utc_now() - run.heartbeat_at < timedelta(seconds=run.heartbeat_timeout_seconds):
        await watch(change, run)
        return
    await alter(change, actor, run, {"status": RunStatus.LOST, "ended_at": run.heartbeat_at}, verb="lost")


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
        if name in run.parameters and not inputs.same(run.parameters[name], value):
            raise Conflict(f"The parameter {name!r} is already set to another value and stays.", ("parameters",))
    merged = values | run.parameters
    if len(merged) > inputs.MAX_PARAMETERS:
        raise InvalidValue(f"A run has at most {inputs.MAX_PARAMETERS} parameters.", ("parameters",))
    if len(orjson.dumps(merged)) > MAX_PARAMETERS_BYTES:
        said = (
            f"The parameters of a run have at most {MAX_PARAMETERS_BYTES} bytes together. Keep long texts as artifacts."
        )
        raise InvalidValue(said, ("parameters",))
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


async def log_datasets(
    change: Change,
    actor: Actor,
    *,
    run_id: Annotated[inputs.RunId, Doc("Which run.")],
    datasets: Annotated[
        Sequence[inputs.DatasetUse],
        Doc(f"What it reads. A use that is known already stays one. A run has at most {MAX_INPUTS} uses in all."),
    ],
) -> Run:
    """Add uses of dataset versions to a run that is still going on; each becomes an edge of the lineage.

    Raises: Forbidden, NotFound, InvalidValue, Conflict when the run has ended.
    """
    run = await _running(change, actor, run_id)
    if len(datasets) > MAX_INPUTS:
        raise InvalidValue(f"{len(datasets)} datasets are more than {MAX_INPUTS}.", ("datasets",))
    uses = await _found(change, datasets)
    known = await _known_uses(change, run)
    new = {(version.id, role): (version, role) for version, role in uses if (version.id, role) not in known}
    if len(known) + len(new) > MAX_INPUTS:
        raise InvalidValue(f"A run has at most {MAX_INPUTS} uses of data; this one has {len(known)}.", ("datasets",))
    if new:
        await _use(change, actor, run, list(new.values()))
        await run_changed(change, run.id)
    return run


async def set_runtime(
    change: Change,
    actor: Actor,
    *,
    run_id: Annotated[inputs.RunId, Doc("Which run.")],
    runtime: Annotated[runtimes.Runtime, Doc("All that is known of it; it takes the place of what was said before.")],
) -> Run:
    """Say what a run that is still going on is made with.

    Raises: Forbidden, NotFound, InvalidValue, Conflict when the run has ended.
    """
    run = await _running(change, actor, run_id)
    kept = await runtimes.keep(change, actor, runtime)
    return await alter(change, actor, run, {"runtime_id": kept.id})


async def log_resource_samples(
    change: Change,
    actor: Actor,
    *,
    run_id: Annotated[inputs.RunId, Doc("Which run.")],
    samples: Annotated[Sequence[resources.ResourceSample], Doc(f"At most {resources.MAX_SAMPLES}.")],
) -> Run:
    """Add resource samples to a run that is still going on.

    Raises: Forbidden, NotFound, InvalidValue, Conflict when the run has ended.
    """
    run = await _running(change, actor, run_id)
    await resources.store(change, run, samples)
    return run


async def finish(
    change: Change,
    actor: Actor,
    *,
    run_id: Annotated[inputs.RunId, Doc("Which run.")],
    status: Annotated[RunStatus, Doc("How it ended.")] = RunStatus.FINISHED,
    ended_at: Annotated[datetime | None, Doc("When it ended; now if absent.")] = None,
) -> Run:
    """End a run. From then on it takes no more parameters, metrics, uses of data, samples and no other runtime.

    Raises: Forbidden, NotFound, InvalidValue, Conflict when it has ended with another status.
    """
    run = await find(change, Run, run_id, "run", lock=True)
    require(actor, Action.WRITE, run)
    if status in _NOT_ENDINGS:
        raise InvalidValue("A run ends as FINISHED, FAILED or CANCELED.", ("status",))
    if run.status == status:
        return run
    if run.status not in _NOT_ENDINGS:
        raise Conflict(f"This run has ended already, as {run.status}.", ("run",))
    ended = inputs.moment(ended_at or utc_now(), ("endedAt",))
    if ended_at is not None and ended_at < run.started_at:
        raise InvalidValue("A run cannot end before it began.", ("endedAt",))
    # Another server, whose clock is a little ahead, may have begun the run.
    values = {"status": status, "ended_at": max(ended, run.started_at)}
    return await alter(change, actor, run, values, verb="ended")


async def _found(change: Change, datasets: Sequence[inputs.DatasetUse]) -> Uses:
    """The dataset versions that are named, each with its role. Raises: NotFound."""
    ids = [one.dataset_version_id for one in datasets]
    versions = await find_all(change, DatasetVersion, ids, "datasets.{}.datasetVersion")
    return [(version, one.role) for version, one in zip(versions, datasets, strict=True)]


async def _use(change: Change, actor: Actor, run: Run, uses: Uses) -> None:
    links = [(version, run, role) for version, role in uses]
    await lineage.link(change, actor, LineageKind.USED, links)


async def _known_uses(change: Change, run: Run) -> set[tuple[UUID, DatasetRole | None]]:
    """The ids of the dataset versions that a run used, each with its role."""
    statement = select(col(LineageEdge.upstream_id), col(LineageEdge.role)).where(
        col(LineageEdge.org_id) == change.org_id,
        col(LineageEdge.kind) == LineageKind.USED,
        col(LineageEdge.downstream_id) == run.id,
        col(LineageEdge.valid_to).is_(None),
    )
    return {(version_id, role) for version_id, role in await change.execute(statement)}


async def _running(change: Change, actor: Actor, run_id: inputs.RunId) -> Run:
    """The run, locked, with this moment as its last sign of life. One that was lost is found again."""
    run = await find(change, Run, run_id, "run", lock=True)
    require(actor, Action.WRITE, run)
    if run.status not in _NOT_ENDINGS:
        raise Conflict(f"This run has ended, as {run.status}; it takes nothing more.", ("run",))
    if run.status == RunStatus.LOST:
        await go_on(change, actor, run)
    run.heartbeat_at = utc_now()
    return run


async def go_on(change: Change, actor: Actor, run: Run) -> None:
    """Have a run, locked, that was lost go on: this moment is its last sign of life, and it is looked after again."""
    run.heartbeat_at = utc_now()
    await alter(change, actor, run, {"status": RunStatus.RUNNING, "ended_at": None}, verb="found")
    await watch(change, run)


def _in_project(thing: Experiment | Run, project: Project, path: str) -> None:
    if thing.project_id != project.id:
        raise InvalidValue("This is of another project. A run stays within one.", (path,))
