"""Things by id or by name: the ways into the graph."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from db.base import Deletable, Row, columns
from registry.kernel.errors import BadInput
from resolvers import ids
from resolvers.context import Operation
from resolvers.filters.fields import normal
from resolvers.loading.records import record_of
from resolvers.loading.shapes import live
from resolvers.pages.paging import MAX_PAGE


async def by_id(operation: Operation, tables: Mapping[str, type[Row]], gid: str) -> Any:
    """The thing with a global id, if it is of one of these tables; None where there is none that the actor may see.

    Raises: BadInput when this server cannot have given out the id.
    """
    found = ids.decode(gid)
    table = tables.get(found.kind)
    return None if table is None else await operation.loaders.row(table).load(found.id)


async def by_ids(operation: Operation, tables: Mapping[str, type[Row]], gids: Sequence[str]) -> list[Any]:
    """Things in the order of their ids; one statement for each kind. Raises: BadInput."""
    if len(gids) > MAX_PAGE:
        raise BadInput(f"Ask for at most {MAX_PAGE} ids at once.")
    return await asyncio.gather(*[by_id(operation, tables, gid) for gid in gids])


async def by_name(operation: Operation, table: type[Deletable], name: str, **scope: UUID) -> Any:
    """The thing with this name in its scope, in whatever normal form it is written, or None.

    `scope` is the column that its name is unique under, such as `project_id`; without one, the organization is.
    """
    return await like(operation, table, **scope, name=normal(name).strip())


async def like(operation: Operation, table: type[Row], **values: Any) -> Any:
    """The thing that is not deleted and has these values, which no two have, or None."""
    named = {column.name: column for column in columns(table)}
    statement = select(*named.values()).where(
        live(table), *[named[column] == value for column, value in values.items()]
    )
    rows = await operation.loaders.reading.rows(statement, {})
    return record_of(table)._make(rows[0]) if rows else None
