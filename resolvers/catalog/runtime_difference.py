"""Runtimes beside each other."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from db.base import Row
from db.tables import ModelVersion, Run, Runtime
from registry.facts.runtimes import FactChange, apart, facts_of
from registry.kernel.errors import BadInput
from resolvers import ids
from resolvers.context import Operation

_HAVE_ONE: Final[dict[str, type[Row]]] = {"Run": Run, "ModelVersion": ModelVersion}


@dataclass(frozen=True)
class RuntimeDifference:
    """Two runtimes, and what they do not share."""

    before: Any
    after: Any
    packages: Sequence[FactChange]
    facts: Sequence[FactChange]


async def difference(operation: Operation, before: str, after: str) -> RuntimeDifference | None:
    """How two runtimes differ, each given by its id or by that of a run or a version; None where either has none.

    Raises: BadInput for ids of anything else.
    """
    keys = await asyncio.gather(_key(operation, before, "from"), _key(operation, after, "to"))
    loader = operation.loaders.row(Runtime)
    first, second = await asyncio.gather(*[_found(loader, key) for key in keys])
    if first is None or second is None:
        return None
    packages = sorted(apart(first.packages, second.packages), key=lambda change: change.name)
    return RuntimeDifference(first, second, packages, apart(facts_of(first), facts_of(second)))


async def _key(operation: Operation, gid: str, argument: str) -> UUID | None:
    """The id of the runtime that a global id leads to."""
    found = ids.decode(gid)
    if found.kind == "Runtime":
        return found.id
    table = _HAVE_ONE.get(found.kind)
    if table is None:
        raise BadInput(f"`{argument}` takes the id of a Runtime, a Run or a ModelVersion, not of a {found.kind}.")
    row = await operation.loaders.row(table).load(found.id)
    return None if row is None else row.runtime_id


async def _found(loader: Any, key: UUID | None) -> Any:
    return None if key is None else await loader.load(key)
