"""What the things of a lineage are called in one line, wherever they are shown beside others."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Select, Uuid, and_, any_, bindparam, func, select
from sqlmodel import col

from db.base import Row
from db.tables import Dataset, DatasetVersion, Deployment, Environment, Model, ModelVersion, Run
from resolvers.loading.shapes import Reading, own

_SHOWN_DIGEST = len("sha256:") + 12

# The title, and what stands in it beside the thing itself: of which table, by which column of the thing.
_TITLES: Final[Mapping[type[Row], tuple[Any, tuple[type[Row], str] | None]]] = {
    DatasetVersion: (
        func.concat_ws(" ", col(Dataset.name), func.left(col(DatasetVersion.digest), _SHOWN_DIGEST)),
        (Dataset, "dataset_id"),
    ),
    Run: (col(Run.name), None),
    ModelVersion: (func.concat_ws(" ", col(Model.name), col(ModelVersion.label)), (Model, "model_id")),
    Deployment: (
        func.concat_ws(" @ ", col(Deployment.name), col(Environment.name)),
        (Environment, "environment_id"),
    ),
}


@dataclass(frozen=True)
class Titles:
    """The title of each row of a table, by its id."""

    table: type[Row]

    async def read(self, reading: Reading, keys: list[UUID]) -> list[str]:
        """One statement for all."""
        found = {row[0]: row[1] for row in await reading.rows(_titles(self.table), {"keys": keys})}
        return [found[key] for key in keys]


@cache
def _titles(table: type[Row]) -> Select[*tuple[Any, ...]]:
    title, beside = _TITLES[table]
    named = select(col(table.id), title).where(own(table), col(table.id) == any_(bindparam("keys", type_=ARRAY(Uuid))))
    if beside is None:
        return named
    other, key = beside
    return named.join(other, and_(own(other), col(other.id) == getattr(table, key)))
