"""Runtimes: what runs and versions were made with, and how two of them differ."""

from datetime import datetime
from typing import Annotated, Any, NamedTuple

import strawberry
from strawberry import Parent

from db import tables
from registry.facts.runtimes import MAX_PACKAGES
from registry.facts.signature_diff import ChangeKind
from registry.kernel.inputs import BigInt
from resolvers.catalog import runtime_difference as runtimes
from resolvers.context import Info
from schema.building.edges import all_of, many, read
from schema.building.events import events_of
from schema.building.node import RowNode
from schema.execution.query_cost import rows_inside

_USUAL_DIFFERENCES = 20
"""What the packages that differ count in the cost of an operation."""


@strawberry.type(description="A package that was installed.")
class RuntimePackage:
    """See `registry.facts.runtimes.RuntimePackage`."""

    name: str = strawberry.field(description="As Python's packaging normalizes it.")
    version: str = strawberry.field(description="Which version.")


@strawberry.type(description="A machine; null for what nobody said.")
class Hardware:
    """See `registry.facts.runtimes.Hardware`."""

    cpu: str | None = strawberry.field(description="The processor's model.")
    cpu_count: int | None = strawberry.field(description="How many logical processors.")
    memory_bytes: BigInt | None = strawberry.field(description="How much memory, in bytes.")
    gpu: str | None = strawberry.field(description="The graphics processor's model.")
    gpu_count: int | None = strawberry.field(description="How many graphics processors.")


class _Package(NamedTuple):
    """A package of a row."""

    name: str
    version: str


def _packages(root: Parent[Any]) -> list[_Package]:
    return [_Package(name, root.packages[name]) for name in sorted(root.packages)]


def _hardware(root: Parent[Any]) -> Any:
    return None if root.hardware is None else Hardware(**root.hardware)


@strawberry.type(description="What runs and versions were made with: one for all that were made with the same.")
class Runtime(RowNode):
    """See `db.tables.Runtime`."""

    table = tables.Runtime

    digest: str = strawberry.field(description="What identifies its content.")
    python_version: str | None = strawberry.field(description="Such as `3.12.4`.")
    image: str | None = strawberry.field(description="The container image: text that this server never opens.")
    repository: str | None = strawberry.field(description="Where the code is: text that this server never opens.")
    commit: str | None = strawberry.field(description="The commit of the code.")
    created_at: datetime = strawberry.field(description="When it was first given.")
    packages = strawberry.field(
        _packages,
        graphql_type=list[RuntimePackage],
        description=f"By name; at most {MAX_PACKAGES:,}.",
        metadata={"rows": rows_inside(MAX_PACKAGES)},
    )
    hardware = strawberry.field(_hardware, graphql_type=Hardware | None, description="The machine.")

    runs = many(tables.Run, "runtime_id", description="Runs made with it, newest first.")
    versions = many(tables.ModelVersion, "runtime_id", description="Versions made with it, newest first.")
    events = events_of(tables.Runtime)


@strawberry.type(description="A package or another fact that two runtimes do not share.")
class FactChange:
    """See `registry.facts.runtimes.FactChange`."""

    name: str = strawberry.field(description="The package, or the fact as the graph calls it, such as `cpuCount`.")
    kind: ChangeKind = strawberry.field(description="What became of it.")
    before: str | None = strawberry.field(description="The earlier version or value, as text; null where missing.")
    after: str | None = strawberry.field(description="The later version or value, as text; null where missing.")


@strawberry.type(description="How two runtimes differ.")
class RuntimeDifference:
    """See `resolvers.catalog.runtime_difference.RuntimeDifference`."""

    before: Runtime = strawberry.field(description="The runtime that was given as `from`, or of what was.")
    after: Runtime = strawberry.field(description="The runtime that was given as `to`, or of what was.")
    packages: list[FactChange] = strawberry.field(
        description="Packages that were added, removed or changed, by name.", metadata={"rows": _USUAL_DIFFERENCES}
    )
    facts: list[FactChange] = strawberry.field(
        description="What else differs: Python, image, code, machine.", metadata={"rows": _USUAL_DIFFERENCES}
    )


async def _difference(
    info: Info,
    from_: Annotated[
        strawberry.ID,
        strawberry.argument(name="from", description="The id of a runtime, or of a run or version with one."),
    ],
    to: Annotated[strawberry.ID, strawberry.argument(description="The id of another one.")],
) -> Any:
    return await runtimes.difference(info.context, from_, to)


@strawberry.type
class RuntimeQuery:
    """The reads of runtimes."""

    runtimes = all_of(tables.Runtime, description="What anything was made with, newest first.")
    runtime_difference = read(
        _difference,
        RuntimeDifference | None,
        description="How what two things were made with differs; null where either has no runtime, or none for you.",
    )
