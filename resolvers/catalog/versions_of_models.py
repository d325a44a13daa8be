"""One version of each of many models: the latest, or the one with a label, a number or an alias."""

from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Select, Uuid, and_, any_, bindparam, select

from db.base import columns
from db.tables import Alias, ModelVersion
from registry.kernel.errors import BadInput
from resolvers.filters.fields import bare_alias, normal
from resolvers.loading.records import record_of
from resolvers.loading.shapes import Reading, column_of, own
from resolvers.pages import statements
from resolvers.pages.paging import Order
from resolvers.pages.relations import Children

_OF_MODEL = Children(ModelVersion, "model_id")


@dataclass(frozen=True)
class LatestVersions:
    """The version with the highest number of each model, by the model's id; None for a model without versions."""

    async def read(self, reading: Reading, keys: list[UUID]) -> list[Any]:
        """Read the versions of all models in one statement."""
        rows = await reading.rows(statements.page(_OF_MODEL, Order("number")), {"keys": keys, "size": 1})
        return _by_model(rows, keys)


@dataclass(frozen=True)
class NamedVersions:
    """The version of each model whose `column` has this value, by the model's id; None where a model has none.

    `column` is `label`, `number` or `alias`.
    """

    column: str
    value: str | int

    async def read(self, reading: Reading, keys: list[UUID]) -> list[Any]:
        """Read the versions of all models in one statement."""
        return _by_model(await reading.rows(_named(self.column), {"keys": keys, "value": self.value}), keys)


def named(label: str | None = None, number: int | None = None, alias: str | None = None) -> NamedVersions:
    """Return the versions that are meant. Raises: BadInput unless exactly one of the three is given."""
    if [label, number, alias].count(None) != 2:
        raise BadInput("Give exactly one of `label`, `number` and `alias`.")
    if label is not None:
        return NamedVersions("label", normal(label).strip())
    if number is not None:
        return NamedVersions("number", number)
    return NamedVersions("alias", bare_alias(alias or ""))


@cache
def _named(column: str) -> Select[*tuple[Any, ...]]:
    versions = select(*columns(ModelVersion)).where(
        own(ModelVersion),
        ~_OF_MODEL.gone(),
        column_of(ModelVersion, "model_id") == any_(bindparam("keys", type_=ARRAY(Uuid))),
    )
    if column != "alias":
        of_version = column_of(ModelVersion, column)
        return versions.where(of_version == bindparam("value", type_=of_version.type))
    name = column_of(Alias, "name")
    points = and_(own(Alias), column_of(Alias, "version_id") == column_of(ModelVersion, "id"))
    aliases = columns(Alias)[0].table
    return versions.join(aliases, points).where(name == bindparam("value", type_=name.type))


def _by_model(rows: Any, keys: list[UUID]) -> list[Any]:
    found = {version.model_id: version for version in map(record_of(ModelVersion)._make, rows)}
    return [found.get(key) for key in keys]
