"""What is derived of a row: its title, digest and status, counts of what is below it, of its runs by status."""

from collections.abc import Mapping
from typing import Any

import strawberry
from aiodataloader import DataLoader

from db import tables
from db.base import Row
from db.codes import RunStatus
from registry.catalog.version_status import VersionStatus
from resolvers.catalog.version_status import Statuses
from resolvers.context import Info
from resolvers.graph.statistics import ModelsOfTeams, SuccessRates, Tally
from resolvers.graph.titles import Titles
from resolvers.loading.loaders import Loaders
from resolvers.pages.relations import Children
from resolvers.promotion.plans import Digests
from schema.building.edges import Edge


@strawberry.type(description="How many runs have a status.")
class RunStatusCount:
    """One status."""

    value: RunStatus = strawberry.field(name="status", description="The status.")
    count: int = strawberry.field(description="How many runs.")


def count_of(table: type[Row], parent: str, *, description: str) -> Any:
    """How many rows of `table` are below a row; deleted ones do not count."""

    def load(loaders: Loaders, _: Mapping[str, Any]) -> DataLoader[Any, Any]:
        return loaders.count(Children(table, parent))

    return _field(load, int, table, parent, description)


def _derived(shape: Any, graphql_type: Any, table: type[Row], parent: str, description: str) -> Any:
    def load(loaders: Loaders, _: Mapping[str, Any]) -> DataLoader[Any, Any]:
        return loaders.of(shape)

    return _field(load, graphql_type, table, parent, description)


def _field(load: Any, graphql_type: Any, table: type[Row], parent: str, description: str) -> Any:
    async def resolve(root: Any, info: Info) -> Any:
        return await load(info.context.loaders, {}).load(root.id)

    return strawberry.field(
        resolve,
        graphql_type=graphql_type,
        description=description,
        metadata={"edge": Edge(table, "id", parent, load)},
    )


def run_counts(parent: str) -> Any:
    """The runs below a row by status."""
    shape = Tally(tables.Run, parent, "status")
    return _derived(shape, list[RunStatusCount], tables.Run, parent, "Its runs by status, most first.")


def success_rate(parent: str) -> Any:
    """The share of runs below a row that finished."""
    return _derived(
        SuccessRates(Tally(tables.Run, parent, "status")),
        float | None,
        tables.Run,
        parent,
        "The share of its runs that FINISHED among all that ended, 0 to 1; null where none has ended.",
    )


def title(table: type[Row], description: str) -> Any:
    """What a thing of the lineage is called."""
    return _derived(Titles(table), str, table, "id", description)


VERSION_DIGEST: Any = _derived(
    Digests(),
    str,
    tables.Artifact,
    "version_id",
    "SHA-256, in hexadecimal, over its files, signature and runtime. What is decided of it holds while this stays.",
)
VERSION_STATUS: Any = _derived(
    Statuses(),
    VersionStatus,
    tables.Artifact,
    "version_id",
    "Whether its files are all there and right.",
)
TEAM_MODEL_COUNT: Any = _derived(
    ModelsOfTeams(), int, tables.Project, "team_id", "How many models it has in all its projects."
)
