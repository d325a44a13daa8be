"""Deleting what nothing depends on, and bringing it back: one rule for every kind of thing.

A deleted row keeps its id, its history and its edges in the lineage, is in no list, takes no change and frees its name.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from uuid import UUID

from db.base import Deletable, noun_of, unique_key, utc_now
from db.codes import DesiredState, RunStatus, Stage
from db.session import Change
from db.tables import (
    Artifact,
    Dataset,
    DatasetVersion,
    Deployment,
    Environment,
    Experiment,
    Model,
    ModelVersion,
    Project,
    Run,
    Team,
    Webhook,
)
from registry.catalog.immutability import check_changeable, was_in_production
from registry.catalog.stages import SLOTS
from registry.catalog.version_status import COMING
from registry.deletion.dependents import dependents_of, name_of, needed_by
from registry.files.artifacts import path_columns
from registry.kernel import inputs
from registry.kernel.access import Action, Actor, require
from registry.kernel.errors import Conflict, Failure, InUse, NameTaken
from registry.kernel.rows import alter, find, find_by
from registry.serving.observed_lineage import trace

Guard = Callable[[Change, Any, str], Awaitable[None]]
Consequence = Callable[[Change, Actor, Any], Awaitable[None]]
AnyDeletable = TypeVar("AnyDeletable", bound=Deletable)


async def _run_has_ended(_: Change, run: Run, path: str) -> None:
    if run.status == RunStatus.RUNNING:
        raise Conflict("This run goes on. Finish it first.", (path,))


async def _version_is_out_of_service(_: Change, version: ModelVersion, path: str) -> None:
    if version.stage in SLOTS:
        raise Conflict(f"This version is in stage {version.stage}. Take it out of service first.", (path,))


async def _of_version(change: Change, version: ModelVersion) -> Action:
    """What was in PRODUCTION may be what a rollback puts back: deleting it is for those who decide about PRODUCTION."""
    return Action.PROMOTE_TO_PRODUCTION if await was_in_production(change, version) else Action.WRITE


async def _artifact_is_at_rest(change: Change, artifact: Artifact, path: str) -> None:
    if artifact.state in COMING:
        raise Conflict("The bytes of this artifact are on their way. Abort its upload first, or wait.", (path,))
    if artifact.version_id is None:
        return
    # Locked, so that it stays in its stage.
    version = await find(change, ModelVersion, artifact.version_id, path, lock=True, deleted=True)
    if version.stage != Stage.DEVELOPMENT:
        raise Conflict(f"Its version is in stage {version.stage}; what is or was in service stays whole.", (path,))
    await check_changeable(change, version, path)


async def _deployment_is_stopped(_: Change, deployment: Deployment, path: str) -> None:
    if deployment.desired_state != DesiredState.STOPPED:
        raise Conflict("This deployment is to run. Set its desired state to STOPPED first.", (path,))


@dataclass(frozen=True)
class Deletion:
    """How rows of a table are deleted and restored.

    `action` is what the actor must be allowed, `deleting` what a certain row asks of those who delete it, `guard`
    refuses a row that is in no state to be deleted. `consequence` makes true what follows once the row is deleted, and
    once it is restored. `renamed` is the column with a name that others can take meanwhile, unique in `scope` by one of
    `keys`; a new name can be given on the way back.
    """

    table: type[Deletable]
    action: Action = Action.WRITE
    deleting: Callable[[Change, Any], Awaitable[Action]] | None = None
    guard: Guard | None = None
    consequence: Consequence | None = None
    renamed: str | None = None
    scope: str = ""
    keys: tuple[str, ...] = field(default=())

    @property
    def word(self) -> str:
        """What people call such a thing."""
        return noun_of(self.table).replace("_", " ")

    @property
    def path(self) -> str:
        """The input that names the row, as callers write it."""
        first, *others = noun_of(self.table).split("_")
        return first + "".join(other.title() for other in others)


def _named(table: type[Deletable], scope: str, *within: str) -> Deletion:
    """What others rely on by its name: deleted by those who organize."""
    return Deletion(table, Action.ORGANIZE, renamed="name", scope=scope, keys=(unique_key(table, *within, "name"),))


_PATH_KEYS = ("artifact_run_path_key", "artifact_version_path_key")
DELETIONS: Final[Mapping[type[Deletable], Deletion]] = {
    one.table: one
    for one in (
        _named(Team, "organization"),
        _named(Project, "team", "team_id"),
        _named(Model, "project", "project_id"),
        _named(Experiment, "project", "project_id"),
        _named(Dataset, "project", "project_id"),
        _named(Environment, "organization"),
        Deletion(
            Deployment,
            guard=_deployment_is_stopped,
            consequence=trace,
            renamed="name",
            scope="environment",
            keys=(unique_key(Deployment, "environment_id", "name"),),
        ),
        Deletion(Webhook, Action.ADMINISTER, renamed="name", scope="organization", keys=(unique_key(Webhook, "name"),)),
        Deletion(DatasetVersion),
        Deletion(Run, guard=_run_has_ended),
        Deletion(ModelVersion, guard=_version_is_out_of_service, deleting=_of_version),
        Deletion(Artifact, guard=_artifact_is_at_rest, renamed="path", scope="owner", keys=_PATH_KEYS),
    )
}


async def delete(change: Change, actor: Actor, table: type[AnyDeletable], id: UUID) -> AnyDeletable:
    """Delete a row that nothing live depends on. One that is deleted already stays so.

    Locks the row exclusively: waits for transactions that are adding dependents; later ones no longer find it.

    Raises: Forbidden, NotFound, Conflict, InUse.
    """
    how = DELETIONS[table]
    row = await find(change, table, id, how.path, alone=True, deleted=True)
    require(actor, how.action, row)
    if row.deleted_at is not None:
        return row
    if how.deleting is not None:
        require(actor, await how.deleting(change, row), row)
    if how.guard is not None:
        await how.guard(change, row, how.path)
    dependents, count = await dependents_of(change, row)
    if count:
        raise InUse(how.word, dependents, count, (how.path,))
    await alter(change, actor, row, {"deleted_at": utc_now()}, verb="deleted")
    if how.consequence is not None:
        await how.consequence(change, actor, row)
    return row


async def restore(
    change: Change, actor: Actor, table: type[AnyDeletable], id: UUID, new_name: str | None = None
) -> AnyDeletable:
    """Bring back a deleted row. One that is there stays as it is.

    Raises: Forbidden, NotFound, InvalidValue, NameTaken, Conflict where something it depends on is deleted.
    """
    how = DELETIONS[table]
    row = await find(change, table, id, how.path, alone=True, deleted=True)
    require(actor, how.action, row)
    values = _renaming(how, new_name)
    if row.deleted_at is None:
        return row
    for needed_table, needed_id in await needed_by(change, row):
        needed = await find(change, needed_table, needed_id, how.path, deleted=True)
        if needed.deleted_at is not None:
            word = DELETIONS[needed_table].word
            raise Conflict(
                f"The {word} {name_of(needed)!r} that this depends on is deleted. Restore it first.", (how.path,)
            )
    await _digest_is_free(change, row, how.path)
    if isinstance(row, Artifact) and row.version_id is not None:
        version = await find(change, ModelVersion, row.version_id, how.path, lock=True)
        await check_changeable(change, version, how.path)
    await alter(change, actor, row, {"deleted_at": None, **values}, verb="restored", taken=_taken(how, row, values))
    if how.consequence is not None:
        await how.consequence(change, actor, row)
    return row


def _renaming(how: Deletion, new_name: str | None) -> dict[str, Any]:
    """The columns with the new name of a row. Raises: InvalidValue."""
    if new_name is None:
        return {}
    if how.renamed == "path":
        return path_columns(new_name)
    return {"name": inputs.name(new_name)}


def _taken(how: Deletion, row: Deletable, values: Mapping[str, Any]) -> dict[str, Failure]:
    if how.renamed is None:
        return {}
    name = values.get(how.renamed) or name_of(row)
    return {key: NameTaken(how.word, name, how.scope, (how.renamed,)) for key in how.keys}


async def _digest_is_free(change: Change, row: Deletable, path: str) -> None:
    if not isinstance(row, DatasetVersion):
        return
    # Locked as by those who register data, so that the digest stays free.
    await find(change, Dataset, row.dataset_id, path, lock=True)
    if await find_by(change, DatasetVersion, dataset_id=row.dataset_id, digest=row.digest) is not None:
        raise Conflict("The same data was registered again since. Use that version.", (path,))
