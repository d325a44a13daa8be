"""The statuses of versions, read from the snapshot of a query."""

from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, select

from db.base import columns
from db.tables import ModelVersion
from registry.catalog.version_status import ModelVersionStatus, status
from resolvers.loading.shapes import Reading, own


@dataclass(frozen=True)
class Statuses:
    """The status of each version, by its id."""

    async def read(self, reading: Reading, keys: list[UUID]) -> list[ModelVersionStatus]:
        """One statement for all."""
        found = {row[0]: ModelVersionStatus(row[1]) for row in await reading.rows(_statuses(), {"keys": keys})}
        return [found[key] for key in keys]


@cache
def _statuses() -> Any:
    version = columns(ModelVersion)[0].table
    wanted = version.c.id == any_(bindparam("keys", type_=ARRAY(Uuid)))
    return select(version.c.id, status(version)).where(own(ModelVersion), wanted)
