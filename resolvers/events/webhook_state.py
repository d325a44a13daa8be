"""What is to be known of webhooks beyond their rows: where they go, and how far they are behind the feed."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, select
from sqlmodel import col

from db.tables import Webhook
from registry.events.event_log import STREAM
from registry.kernel.access import Action, require
from resolvers.context import Operation
from resolvers.loading.shapes import Reading, own


async def url(root: Any, operation: Operation) -> str:
    """Where a webhook posts to. The URL may hold a secret of its own. Raises: Forbidden."""
    require(operation.actor, Action.ADMINISTER, root)
    found: str = root.url
    return found


@dataclass(frozen=True)
class EventsBehind:
    """How many events each webhook has still to look at."""

    async def read(self, reading: Reading, keys: list[UUID]) -> list[int]:
        """The count of each webhook."""
        found = {row[0]: max(row[1], 0) for row in await reading.rows(_behind(), {"keys": keys})}
        return [found.get(key, 0) for key in keys]


def _behind() -> Select[Any]:
    of_webhooks = (own(Webhook), col(Webhook.id).in_(bindparam("keys", expanding=True)))
    behind = select(col(Webhook.id), STREAM.c.head_seq - col(Webhook.cursor_seq))
    return behind.join(STREAM, STREAM.c.org_id == col(Webhook.org_id)).where(*of_webhooks)
