"""What changed since an earlier version: the edge that the kinds of versions share, and what it leads to."""

from collections.abc import Mapping
from typing import Any

import strawberry
from aiodataloader import DataLoader

from db import tables
from db.base import Row
from registry.facts.signature_diff import ChangeKind, SignatureCompatibility
from resolvers.catalog.compatibility import LINES, ChangesSince
from resolvers.ids import decode_as
from resolvers.loading.loaders import Loaders
from schema.building.arguments import optional
from schema.building.edges import Edge, edge_field, one

_USUAL_CHANGES = 10
"""What the changes of one version count in the cost of an operation: few have more, and a signature bounds them."""

_SINCE = optional("since", strawberry.ID, "The id of the version to compare with; the one before it, if absent.")


@strawberry.type(description="A part of a signature or of a schema that differs.")
class PartChange:
    """See `registry.facts.signature_diff.PartChange`."""

    path: list[str] = strawberry.field(description="Where it stands: list, name and what of it, outermost first.")
    kind: ChangeKind = strawberry.field(description="What became of it.")
    before: str | None = strawberry.field(description="How it was, as text; null where it was not there.")
    after: str | None = strawberry.field(description="How it is, as text; null where it is gone.")
    breaking: bool = strawberry.field(
        description="Whether something that worked before may fail: also for those who send or read by position."
    )
    sentence: str = strawberry.field(description="The same in words.")


def _change(table: type[Row], name: str) -> Any:
    """The graph type `name` for what changed since an earlier row of the same table."""
    made = type(
        name,
        (),
        {
            "__annotations__": {"verdict": SignatureCompatibility, "changes": list[PartChange]},
            "__doc__": f"What changed since an earlier {table.__name__}.",
            "verdict": strawberry.field(description="What the changes mean together."),
            "changes": strawberry.field(
                description="Each part that differs, breaking ones first.", metadata={"rows": _USUAL_CHANGES}
            ),
            "since": one(table, "since_id", description="The earlier one."),
        },
    )
    return strawberry.type(made, description="What changed since an earlier version.")


SignatureChange = _change(tables.ModelVersion, "SignatureChange")
DatasetSchemaChange = _change(tables.DatasetVersion, "DatasetSchemaChange")


def since(table: type[Row], shown: Any, *, description: str) -> Any:
    """What changed since an earlier row of the same table, as the graph type `shown`: two statements for any number."""

    def load(loaders: Loaders, arguments: Mapping[str, Any]) -> DataLoader[Any, Any]:
        given = arguments.get("since")
        return loaders.of(ChangesSince(table, decode_as(table.__name__, given, "since") if given else None))

    edge = Edge(LINES[table].content, "id", "id", load)
    return edge_field(edge, shown | None, description=description, takes=[_SINCE])
