"""The rules that delete and restore, one pair for each kind of thing. `registry.deletion.deletion` does the work.

Deleting raises Forbidden, NotFound, InUse, and Conflict for a thing in no state to be deleted. Restoring raises
Forbidden, NotFound, InvalidValue, NameTaken, and Conflict where something that the thing depends on is deleted.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Final

from typing_extensions import Doc

from db.base import Deletable
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
from registry.deletion.deletion import delete, restore
from registry.kernel import inputs
from registry.kernel.access import Actor

DeletionRule = Callable[..., Awaitable[Deletable]]

WHICH: Final = Doc("Which one.")
NewName = Annotated[str | None, Doc("A new name, where another has taken its own; its own if absent.")]
NewPath = Annotated[str | None, Doc("A new path, where another has taken its own; its own if absent.")]


async def delete_team(change: Change, actor: Actor, *, team_id: Annotated[inputs.TeamId, WHICH]) -> Team:
    """Delete a team."""
    return await delete(change, actor, Team, team_id)


async def restore_team(
    change: Change, actor: Actor, *, team_id: Annotated[inputs.TeamId, WHICH], name: NewName = None
) -> Team:
    """Restore a team, under another name if one is given."""
    return await restore(change, actor, Team, team_id, name)


async def delete_project(change: Change, actor: Actor, *, project_id: Annotated[inputs.ProjectId, WHICH]) -> Project:
    """Delete a project."""
    return await delete(change, actor, Project, project_id)


async def restore_project(
    change: Change, actor: Actor, *, project_id: Annotated[inputs.ProjectId, WHICH], name: NewName = None
) -> Project:
    """Restore a project, under another name if one is given."""
    return await restore(change, actor, Project, project_id, name)


async def delete_model(change: Change, actor: Actor, *, model_id: Annotated[inputs.ModelId, WHICH]) -> Model:
    """Delete a model."""
    return await delete(change, actor, Model, model_id)


async def restore_model(
    change: Change, actor: Actor, *, model_id: Annotated[inputs.ModelId, WHICH], name: NewName = None
) -> Model:
    """Restore a model, under another name if one is given."""
    return await restore(change, actor, Model, model_id, name)


async def delete_experiment(
    change: Change, actor: Actor, *, experiment_id: Annotated[inputs.ExperimentId, WHICH]
) -> Experiment:
    """Delete an experiment."""
    return await delete(change, actor, Experiment, experiment_id)


async def restore_experiment(
    change: Change, actor: Actor, *, experiment_id: Annotated[inputs.ExperimentId, WHICH], name: NewName = None
) -> Experiment:
    """Restore an experiment, under another name if one is given."""
    return await restore(change, actor, Experiment, experiment_id, name)


async def delete_run(change: Change, actor: Actor, *, run_id: Annotated[inputs.RunId, WHICH]) -> Run:
    """Delete a run."""
    return await delete(change, actor, Run, run_id)


async def restore_run(change: Change, actor: Actor, *, run_id: Annotated[inputs.RunId, WHICH]) -> Run:
    """Restore a run."""
    return await restore(change, actor, Run, run_id)


async def delete_dataset(change: Change, actor: Actor, *, dataset_id: Annotated[inputs.DatasetId, WHICH]) -> Dataset:
    """Delete a dataset."""
    return await delete(change, actor, Dataset, dataset_id)


async def restore_dataset(
    change: Change, actor: Actor, *, dataset_id: Annotated[inputs.DatasetId, WHICH], name: NewName = None
) -> Dataset:
    """Restore a dataset, under another name if one is given."""
    return await restore(change, actor, Dataset, dataset_id, name)


async def delete_dataset_version(
    change: Change, actor: Actor, *, dataset_version_id: Annotated[inputs.DatasetVersionId, WHICH]
) -> DatasetVersion:
    """Delete a dataset version."""
    return await delete(change, actor, DatasetVersion, dataset_version_id)


async def restore_dataset_version(
    change: Change, actor: Actor, *, dataset_version_id: Annotated[inputs.DatasetVersionId, WHICH]
) -> DatasetVersion:
    """Restore a dataset version."""
    return await restore(change, actor, DatasetVersion, dataset_version_id)


async def delete_version(
    change: Change, actor: Actor, *, version_id: Annotated[inputs.VersionId, WHICH]
) -> ModelVersion:
    """Delete a version."""
    return await delete(change, actor, ModelVersion, version_id)


async def restore_version(
    change: Change, actor: Actor, *, version_id: Annotated[inputs.VersionId, WHICH]
) -> ModelVersion:
    """Restore a version."""
    return await restore(change, actor, ModelVersion, version_id)


async def delete_artifact(
    change: Change, actor: Actor, *, artifact_id: Annotated[inputs.ArtifactId, WHICH]
) -> Artifact:
    """Delete an artifact."""
    return await delete(change, actor, Artifact, artifact_id)


async def restore_artifact(
    change: Change, actor: Actor, *, artifact_id: Annotated[inputs.ArtifactId, WHICH], path: NewPath = None
) -> Artifact:
    """Restore an artifact, under another path if one is given."""
    return await restore(change, actor, Artifact, artifact_id, path)


async def delete_environment(
    change: Change, actor: Actor, *, environment_id: Annotated[inputs.EnvironmentId, WHICH]
) -> Environment:
    """Delete an environment."""
    return await delete(change, actor, Environment, environment_id)


async def restore_environment(
    change: Change, actor: Actor, *, environment_id: Annotated[inputs.EnvironmentId, WHICH], name: NewName = None
) -> Environment:
    """Restore an environment, under another name if one is given."""
    return await restore(change, actor, Environment, environment_id, name)


async def delete_deployment(
    change: Change, actor: Actor, *, deployment_id: Annotated[inputs.DeploymentId, WHICH]
) -> Deployment:
    """Delete a deployment."""
    return await delete(change, actor, Deployment, deployment_id)


async def restore_deployment(
    change: Change, actor: Actor, *, deployment_id: Annotated[inputs.DeploymentId, WHICH], name: NewName = None
) -> Deployment:
    """Restore a deployment, under another name if one is given."""
    return await restore(change, actor, Deployment, deployment_id, name)


async def delete_webhook(change: Change, actor: Actor, *, webhook_id: Annotated[inputs.WebhookId, WHICH]) -> Webhook:
    """Delete a webhook."""
    return await delete(change, actor, Webhook, webhook_id)


async def restore_webhook(
    change: Change, actor: Actor, *, webhook_id: Annotated[inputs.WebhookId, WHICH], name: NewName = None
) -> Webhook:
    """Restore a webhook, under another name if one is given."""
    return await restore(change, actor, Webhook, webhook_id, name)


DELETING: Final[Mapping[type[Deletable], DeletionRule]] = {
    Team: delete_team,
    Project: delete_project,
    Model: delete_model,
    Experiment: delete_experiment,
    Run: delete_run,
    Dataset: delete_dataset,
    DatasetVersion: delete_dataset_version,
    ModelVersion: delete_version,
    Artifact: delete_artifact,
    Environment: delete_environment,
    Deployment: delete_deployment,
    Webhook: delete_webhook,
}
RESTORING: Final[Mapping[type[Deletable], DeletionRule]] = {
    Team: restore_team,
    Project: restore_project,
    Model: restore_model,
    Experiment: restore_experiment,
    Run: restore_run,
    Dataset: restore_dataset,
    DatasetVersion: restore_dataset_version,
    ModelVersion: restore_version,
    Artifact: restore_artifact,
    Environment: restore_environment,
    Deployment: restore_deployment,
    Webhook: restore_webhook,
}
