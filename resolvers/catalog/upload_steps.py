"""Steps of changes that call the object store, outside of every transaction."""

from uuid import UUID

from registry.files import uploads
from registry.kernel.batches import Outcomes
from registry.kernel.transactions import Outcome
from resolvers.context import Operation


async def start_upload(operation: Operation, announced: Outcome) -> None:
    """Open the multipart upload of an artifact that was announced."""
    services = operation.services
    await uploads.start(services.database, services.store, operation.actor, [announced.id])


async def start_uploads(operation: Operation, announced: Outcomes) -> None:
    """Open the multipart uploads of artifacts that were announced together."""
    services = operation.services
    ids = [id_ for id_ in announced.ids if id_ is not None]
    await uploads.start(services.database, services.store, operation.actor, ids)


async def join_parts(operation: Operation, artifact_id: UUID) -> None:
    """Let the store join the parts of an upload."""
    services = operation.services
    await uploads.join_parts(services.database, services.store, operation.actor, artifact_id)
