"""What the event feed of an organization tells, read as a worker reads it."""

from typing import Any, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import text

from db.session import Database


class Told(NamedTuple):
    """One event."""

    kind: str
    actor: str
    body: dict[str, Any]


async def events_about(database: Database, org_id: UUID, row_id: UUID) -> list[Told]:
    """The events about one row, oldest first."""
    async with database.as_worker() as connection:
        found = await connection.execute(
            text("select * from ev.event where org_id = :org_id and subject like :subject order by seq"),
            {"org_id": org_id, "subject": f"%:{row_id}"},
        )
        return [Told(row.kind, row.actor, orjson.loads(row.body)) for row in found]
