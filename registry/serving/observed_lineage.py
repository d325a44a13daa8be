"""What deployments were seen to run, in the lineage: an edge from a version for as long as agents say so."""

from datetime import datetime
from uuid import UUID

from db.codes import LineageKind, ObservedState
from db.session import Change
from db.tables import Deployment, ModelVersion
from registry.graph import lineage
from registry.kernel.access import Actor
from registry.kernel.rows import find


def version_seen(deployment: Deployment) -> UUID | None:
    """The version that a deployment was last seen to run; None where it was seen to run none, or is deleted."""
    runs = deployment.observed_state == ObservedState.RUNNING and deployment.deleted_at is None
    return deployment.observed_version_id if runs else None


async def trace(change: Change, actor: Actor, deployment: Deployment, since: datetime | None = None) -> None:
    """Make the lineage say what the deployment, which must be locked, runs since a moment: now if absent."""
    seen = version_seen(deployment)
    # What people have deleted may still be running.
    versions = [] if seen is None else [await find(change, ModelVersion, seen, "version", deleted=True)]
    await lineage.relink(change, actor, LineageKind.OBSERVED, versions, deployment, since=since)
