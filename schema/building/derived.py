"""What is derived of a row: its title, digest and status, counts of what is below it, of its runs by status."""

from typing import Any

import strawberry

from db import tables
from db.base import Row, Tenant
from db.codes import RunStatus
from registry.catalog.version_status import ModelVersionStatus
from resolvers.catalog.version_status import Statuses
from resolvers.graph.statistics import ModelsOfTeams, SuccessRates, Tally
from resolvers.graph.titles import Titles
from resolvers.loading.shapes import Shape
from resolvers.pages.relations import Children
from resolvers.promotion.plans import Digests
from schema.building.edges import Edge, edge_field


@strawberry.type(description="How many runs have a status.")
class RunStatusCount:
    """One status."""

    value: RunStatus = strawberry.field(name="status", description="The status.")
    count: int = strawberry.field(description="How many runs.")


def count_of(table: type[Row], parent: str, *, description: str) -> Any:
    """How many rows of `table` are below a row; deleted ones do not count."""
    edge = Edge(table, "id", parent, lambda loaders, _: loaders.count(Children(table, parent)))
    return edge_field(edge, int, description=description)


def derived(
    shape: Shape, graphql_type: Any, table: type[Tenant], parent: str, *, description: str, rows: int | None = None
) -> Any:
    """What `shape` finds for a row, from the rows of `table` whose `parent` it is."""
    edge = Edge(table, "id", parent, lambda loaders, _: loaders.of(shape))
    return edge_field(edge, graphql_type, description=description, rows=rows)


def run_counts(parent: str) -> Any:
    """The runs below a row by status."""
    shape = Tally(tables.Run, parent, "status")
    return derived(shape, list[RunStatusCount], tables.Run, parent, description="Its runs by status, most first.")


def success_rate(parent: str) -> Any:
    """The share of runs below a row that finished."""
    return derived(
        SuccessRates(Tally(tables.Run, parent, "status")),
        float | None,
        tables.Run,
        parent,
        description="The share of its runs that FINISHED among all that ended, 0 to 1; null where none has ended.",
    )


def title(table: type[Row], description: str) -> Any:
    """What a thing of the lineage is called."""
    return derived(Titles(table), str, table, "id", description=description)


VERSION_DIGEST: Any = derived(
    Digests(),
    str,
    tables.Artifact,
    "version_id",
    description="SHA-256, in hexadecimal, over its files, signature and runtime. What is decided of it holds while"
    " this stays.",
)
VERSION_STATUS: Any = derived(
    Statuses(),
    ModelVersionStatus,
    tables.Artifact,
    "version_id",
    description="Whether its files are all there and right.",
)
TEAM_MODEL_COUNT: Any = derived(
    ModelsOfTeams(), int, tables.Project, "team_id", description="How many models it has in all its projects."
)
