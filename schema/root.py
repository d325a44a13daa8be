"""Query, Mutation and Subscription: every door into the graph, and the schema itself."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Final

import strawberry

from db import tables
from db.base import Row, utc_now
from registry import aliases, artifacts, datasets, experiments, models, organisations, runs, uploads, versions
from registry.access import Action, require
from registry.errors import BadInput, Conflict, InvalidValue, NameTaken, NotFound, TooLarge, UploadIncomplete
from registry.lineage import KINDS
from resolvers import nodes, operations
from resolvers.context import Info
from resolvers.ids import decode_as
from resolvers.paging import BY_NAME, MAX_PAGE
from schema.alias import Alias
from schema.artifact import Artifact, Upload
from schema.dataset import Dataset, DatasetVersion
from schema.edges import all_of, read
from schema.experiment import Experiment
from schema.lineage import LineageNode
from schema.model import Model
from schema.mutations import change
from schema.node import Node, RowNode
from schema.organisation import Organisation, Principal, Project, Team
from schema.run import Run
from schema.version import Version

NODE_TYPES: Final[tuple[type[RowNode], ...]] = (
    Alias, Artifact, Dataset, DatasetVersion, Experiment, Model, Organisation, Principal, Project, Run, Team, Upload,
    Version,
)  # fmt: skip
NODE_TABLES: Final[dict[str, type[Row]]] = {node.__name__: node.table for node in NODE_TYPES}

GlobalId = Annotated[strawberry.ID, strawberry.argument(description="A global id, as this server gave it out.")]


@strawberry.input(description="A name in a project.")
class NameInProject:
    """How people name models."""

    project: strawberry.ID = strawberry.field(description="The project's id.")
    name: str = strawberry.field(description="The exact name.")


@strawberry.input(description="Which model or dataset: by exactly one of these.", one_of=True)
class IdOrName:
    """The ways to name a thing of a project."""

    id: strawberry.Maybe[strawberry.ID] = strawberry.field(description="Its id.", default=None)
    name: strawberry.Maybe[NameInProject] = strawberry.field(description="Its project and name.", default=None)


async def _node(info: Info, id: GlobalId) -> Any:
    return await nodes.by_id(info.context, NODE_TABLES, id)


async def _nodes(
    info: Info,
    ids: Annotated[list[strawberry.ID], strawberry.argument(description=f"At most {MAX_PAGE} global ids.")],
) -> list[Any]:
    return await nodes.by_ids(info.context, NODE_TABLES, ids)


async def _lineage_node(info: Info, id: GlobalId) -> Any:
    return await nodes.by_id(info.context, KINDS, id)


async def _viewer(info: Info) -> Any:
    return await info.context.loaders.row(tables.Principal).load(info.context.actor.principal_id)


async def _organisation(info: Info) -> Any:
    return await info.context.loaders.row(tables.Organisation).load(info.context.actor.org_id)


By = Annotated[IdOrName, strawberry.argument(description="Which one.")]


def _by(table: type[Row]) -> Any:
    """The resolver of a root field for one thing of a project, by id or by name."""
    kind = table.__name__

    async def resolve(info: Info, by: By) -> Any:
        if by.id is not None:
            return await info.context.loaders.row(table).load(decode_as(kind, by.id.value, "id"))
        if by.name is None:
            raise BadInput(f"Say which {kind.lower()}: by its id, or by its project and name.")
        name = by.name.value
        return await nodes.by_name(info.context, table, decode_as("Project", name.project, "project"), name.name)

    return resolve


async def _frameworks(info: Info) -> list[str]:
    return list(info.context.services.frameworks)


async def _server_version(info: Info) -> str:
    return info.context.services.version


@strawberry.type(description="Everything that can be read. A whole query sees one moment of the registry.")
class Query:
    """The reads."""

    node = read(_node, Node | None, description="Anything by its global id; null where there is none for you.")
    nodes = read(_nodes, list[Node | None], description="Many things by global id, in that order.", rows=MAX_PAGE)
    lineage_node = read(
        _lineage_node, LineageNode | None,
        description="A thing of the lineage by its id, typed as such for clients generated from the schema.",
    )  # fmt: skip
    viewer = read(_viewer, Principal | None, description="Who is asking.")
    organisation = read(_organisation, Organisation | None, description="The organisation that is asked.")
    teams = all_of(Team, tables.Team, order=BY_NAME, description="All teams, by name.")
    projects = all_of(Project, tables.Project, description="All projects, newest first.")
    model = read(_by(tables.Model), Model | None, description="A model by id, or by project and name.")
    models = all_of(Model, tables.Model, description="All models, newest first.")
    experiments = all_of(Experiment, tables.Experiment, description="All experiments, newest first.")
    runs = all_of(Run, tables.Run, description="All runs, newest first.")
    dataset = read(_by(tables.Dataset), Dataset | None, description="A dataset by id, or by project and name.")
    datasets = all_of(Dataset, tables.Dataset, description="All datasets, newest first.")
    supported_frameworks = read(_frameworks, list[str], description="What models may be made with on this server.")
    server_version = read(_server_version, str, description="The version of this server.")


@strawberry.type(description="Everything that can be changed. Each change is one transaction and makes its events.")
class Mutation:
    """The changes."""

    create_team = change(
        organisations.create_team, "createTeam", Team, tables.Team, action=Action.ORGANISE,
        errors=[InvalidValue, NameTaken], description="Makes a team.",
    )  # fmt: skip
    create_project = change(
        organisations.create_project, "createProject", Project, tables.Project, action=Action.ORGANISE,
        errors=[NotFound, InvalidValue, NameTaken], description="Makes a project of a team.",
    )  # fmt: skip
    create_model = change(
        models.create, "createModel", Model, tables.Model,
        errors=[NotFound, InvalidValue, NameTaken], description="Registers a model, without versions.",
        supply=lambda services: {"supported_frameworks": services.frameworks},
    )  # fmt: skip
    update_model = change(
        models.update, "updateModel", Model, tables.Model,
        errors=[NotFound, InvalidValue, NameTaken], description="Changes what people say about a model.",
    )  # fmt: skip
    create_dataset = change(
        datasets.create, "createDataset", Dataset, tables.Dataset,
        errors=[NotFound, InvalidValue, NameTaken], description="Registers a dataset, without versions.",
    )  # fmt: skip
    create_dataset_version = change(
        datasets.create_version, "createDatasetVersion", DatasetVersion, tables.DatasetVersion,
        errors=[NotFound, InvalidValue],
        description="Registers the data behind a digest, or finds the version that has the digest already.",
    )  # fmt: skip
    create_experiment = change(
        experiments.create, "createExperiment", Experiment, tables.Experiment,
        errors=[NotFound, InvalidValue, NameTaken], description="Registers an experiment, without runs.",
    )  # fmt: skip
    update_experiment = change(
        experiments.update, "updateExperiment", Experiment, tables.Experiment,
        errors=[NotFound, InvalidValue, NameTaken], description="Changes what people say about an experiment.",
    )  # fmt: skip
    create_run = change(
        runs.create, "createRun", Run, tables.Run,
        errors=[NotFound, InvalidValue], description="Begins a run.",
    )  # fmt: skip
    log_parameters = change(
        runs.log_parameters, "logParameters", Run, tables.Run,
        errors=[NotFound, InvalidValue, Conflict], description="Adds parameters to a run that is going on.",
    )  # fmt: skip
    log_metrics = change(
        runs.log_metrics, "logMetrics", Run, tables.Run,
        errors=[NotFound, InvalidValue, Conflict], description="Adds metric points to a run that is going on.",
    )  # fmt: skip
    heartbeat_run = change(
        runs.beat, "heartbeatRun", Run, tables.Run,
        errors=[NotFound, InvalidValue, Conflict], description="A sign of life of a run. Logging to it is one too.",
    )  # fmt: skip
    finish_run = change(
        runs.finish, "finishRun", Run, tables.Run,
        errors=[NotFound, InvalidValue, Conflict], description="Ends a run. It takes nothing more from then on.",
    )  # fmt: skip
    create_version = change(
        versions.create, "createVersion", Version, tables.Version,
        errors=[NotFound, InvalidValue, NameTaken],
        description="Registers a version of a model, with the next number and its edges in the lineage.",
    )  # fmt: skip
    log_version_metrics = change(
        versions.log_metrics, "logVersionMetrics", Version, tables.Version,
        errors=[NotFound, InvalidValue], description="Adds metric points to a version.",
    )  # fmt: skip
    set_alias = change(
        aliases.point, "setAlias", Alias, tables.Alias,
        errors=[NotFound, InvalidValue, Conflict], description="Points an alias of a model at one of its versions.",
    )  # fmt: skip
    remove_alias = change(
        aliases.remove, "removeAlias", Model, tables.Model,
        errors=[NotFound, InvalidValue], description="Takes an alias from a model.",
    )  # fmt: skip
    create_upload = change(
        artifacts.begin_upload, "createUpload", Artifact, tables.Artifact,
        errors=[NotFound, InvalidValue, NameTaken, Conflict, TooLarge],
        description="Announces a file, or goes on with an upload when the same file is announced again. Send its parts"
        " to `artifact.upload.parts`, unless its bytes are there already: within the organisation, who may write and"
        " knows the SHA-256 of a file can obtain its bytes.",
        supply=lambda services: {"shelves": services.shelves},
        after=operations.start_upload,
    )  # fmt: skip
    complete_upload = change(
        uploads.complete, "completeUpload", Artifact, tables.Artifact,
        errors=[NotFound, InvalidValue, Conflict, UploadIncomplete],
        description="Joins the parts and has the bytes verified. The artifact is AVAILABLE once a worker has done so.",
        before=("artifact_id", operations.join_parts),
    )  # fmt: skip
    abort_upload = change(
        uploads.abort, "abortUpload", Artifact, tables.Artifact,
        errors=[NotFound, InvalidValue, Conflict], description="Gives up an upload and frees its path.",
    )  # fmt: skip
    create_external_artifact = change(
        artifacts.add_external, "createExternalArtifact", Artifact, tables.Artifact,
        errors=[NotFound, InvalidValue, NameTaken],
        description="Notes a file whose bytes stay elsewhere, unverified. Its URI is never opened.",
    )  # fmt: skip


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
class Subscription:
    """The streams."""

    heartbeat: AsyncIterator[Heartbeat] = strawberry.subscription(
        resolver=_heartbeat,
        description="One beat at once and then one each `everyS` seconds: shows that a live connection works.",
        metadata={"access": Action.READ},
    )
