"""What one operation may touch: the services of the process, who is asking, one snapshot and its loaders."""

from typing import Any, TypeAlias

from strawberry import Info as StrawberryInfo

from registry.kernel.access import Actor
from registry.kernel.errors import Refusal
from resolvers.loading.loaders import Loaders
from resolvers.loading.shapes import Reading
from resolvers.services import Services


class Operation:
    """The context of one GraphQL operation: made when it begins, closed when it ends, never shared with another."""

    def __init__(self, services: Services, actor: Actor) -> None:
        self.services = services
        self.actor = actor
        self.given_up: Refusal | None = None
        """Why no further change of this operation is tried."""
        self._begin()

    def _begin(self) -> None:
        self.snapshot = self.services.database.new_snapshot(self.actor.org_id)
        self.loaders = Loaders(Reading(self.snapshot, self.actor))

    async def renew(self) -> None:
        """Give the connection back and forget what was read: whatever is read next is read anew."""
        await self.snapshot.close()
        self._begin()

    async def close(self) -> None:
        """Give the connection back for good: a resolver still under way reads nothing more. Safe to call twice."""
        await self.snapshot.close()


Info: TypeAlias = StrawberryInfo[Operation, Any]
