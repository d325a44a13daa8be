"""Batching: a handful of loader shapes that cover every edge of the graph, each one statement for all parents."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from types import MappingProxyType
from typing import Any, Final, TypeAlias
from uuid import UUID

from aiodataloader import DataLoader
from sqlalchemy import ARRAY, any_, bindparam, select

from db.base import Row, Tenant, columns
from db.tables import LineageEdge
from registry.graph import lineage
from registry.kernel.errors import TooExpensive
from resolvers.filters.expression import EVERYTHING, Where
from resolvers.loading.records import record_of
from resolvers.loading.shapes import Reading, Shape, column_of, own
from resolvers.loading.visibility import visible
from resolvers.pages import statements
from resolvers.pages.paging import Order, Page, PageArgs, Use, decode_cursor
from resolvers.pages.relations import Children
from resolvers.pages.statements import Statement

MAX_ROWS: Final = 20_000
"""How many rows one list may fetch for all its parents: more than a query's price allows, less than a lineage has."""

Batch: TypeAlias = Callable[[list[Any]], Coroutine[Any, Any, list[Any]]]


class Loaders:
    """The loaders of one operation, made on first use. They read one snapshot and die with it."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self._made: dict[Hashable, DataLoader[Any, Any]] = {}
        self._walkable = lineage.MAX_EDGES
        self._walking = asyncio.Lock()

    def row(self, table: type[Tenant], column: str = "id") -> DataLoader[Any, Any]:
        """The row whose `column`, unique in the organization, has the key; None where there is none."""

        async def batch(keys: list[Any]) -> list[Any]:
            found = {getattr(row, column): row for row in await self._records(table, _by_key(table, column), keys)}
            return [found.get(key) for key in keys]

        return self._loader(("row", table, column), batch)

    def page(
        self, children: Children, order: Order, args: PageArgs, where: Where = EVERYTHING
    ) -> DataLoader[UUID, Page[Any]]:
        """One window of the children of each key that are `where`."""
        table, parent = children.table, children.parent

        async def batch(keys: list[UUID]) -> list[Page[Any]]:
            if len(keys) * args.size > MAX_ROWS:
                raise TooExpensive(len(keys) * args.size, MAX_ROWS)
            cursor = None if args.cursor is None else decode_cursor(args.cursor, children, order)
            statement = statements.page(children, order, backward=args.backward, cursor=cursor, where=where)
            # One row more than the page holds, to know whether there is more.
            bound = {"keys": keys, "size": args.size + 1, **statements.cursor_binds(cursor)}
            found, uses, places = defaultdict(list), defaultdict(list), {}
            make, width, computed = record_of(table)._make, len(columns(table)), not isinstance(order.key, str)
            for row in await self.reading.rows(statement, bound):
                child = make(row[:width] if len(row) > width else row)
                *use, owner = row[-len(children.beside) :] if children.beside else (getattr(child, parent),)
                if use:
                    uses[owner].append(Use(*use))
                found[owner].append(child)
                if computed:
                    places[child.id] = row[width]
            count = self.count(children, where)
            cut = partial(_window, children, order, args, places)
            return [cut(found[key], uses[key], partial(count.load, key)) for key in keys]

        return self._loader(("page", children, order, args, where), batch)

    def bounded(self, table: type[Row], parent: str, order: Order, limit: int) -> DataLoader[UUID, list[Any]]:
        """The first `limit` children of each key, as a plain list."""

        async def batch(keys: list[UUID]) -> list[list[Any]]:
            statement = statements.page(Children(table, parent), order)
            return self._grouped(await self._records(table, statement, keys, {"size": limit}), parent, keys)

        return self._loader(("bounded", table, parent, order, limit), batch)

    def count(self, children: Children, where: Where = EVERYTHING) -> DataLoader[UUID, int]:
        """How many children each key has that are `where`."""

        async def batch(keys: list[UUID]) -> list[int]:
            rows = await self.reading.rows(statements.count(children, where), {"keys": keys})
            found = {row[0]: row[1] for row in rows}
            return [found.get(key, 0) for key in keys]

        return self._loader(("count", children, where), batch)

    def walk(self, direction: lineage.Direction, depth: int, as_of: datetime | None) -> DataLoader[UUID, lineage.Walk]:
        """The lineage of each key: one statement a level for all of them."""

        async def batch(keys: list[UUID]) -> list[lineage.Walk]:
            # One after the other, also in other directions: all walks of an operation share what may be walked.
            async with self._walking:
                walks = await lineage.walk(
                    self.reading, self.reading.org_id, keys, direction,
                    depth=depth, as_of=as_of or self.reading.at, max_edges=self._walkable, visible=visible(LineageEdge),
                )  # fmt: skip
                self._walkable -= sum(len(walk.edges) for walk in walks.values())
            return [walks[key] for key in keys]

        return self._loader(("walk", direction, depth, as_of), batch)

    def of(self, shape: Shape) -> DataLoader[Any, Any]:
        """What a shape reads for each key."""
        return self._loader(shape, partial(shape.read, self.reading))

    async def _records(
        self,
        table: type[Tenant],
        statement: Statement,
        keys: Sequence[Any],
        bounds: Mapping[str, Any] = MappingProxyType({}),
    ) -> list[Any]:
        make = record_of(table)._make
        return [make(row) for row in await self.reading.rows(statement, {"keys": keys, **bounds})]

    @staticmethod
    def _grouped(rows: Sequence[Any], parent: str, keys: Sequence[UUID]) -> list[list[Any]]:
        children = defaultdict(list)
        for row in rows:
            children[getattr(row, parent)].append(row)
        return [children[key] for key in keys]

    def _loader(
        self, key: Hashable, batch: Callable[[list[Any]], Coroutine[Any, Any, list[Any]]]
    ) -> DataLoader[Any, Any]:
        loader = self._made.get(key)
        if loader is None:
            loader = self._made[key] = DataLoader(batch)
        return loader


@cache
def _by_key(table: type[Tenant], column: str) -> Statement:
    key = column_of(table, column)
    return select(*columns(table)).where(own(table), key == any_(bindparam("keys", type_=ARRAY(key.type))))


def _window(
    children: Children,
    order: Order,
    args: PageArgs,
    places: Mapping[UUID, Any],
    rows: list[Any],
    uses: list[Use],
    count: Callable[[], Awaitable[int]],
) -> Page[Any]:
    more = len(rows) > args.size
    nodes, uses = rows[: args.size], uses[: args.size]
    if args.backward:
        nodes.reverse()
        uses.reverse()
        return Page(nodes, children, order, args.cursor is not None, more, count, places, uses)
    return Page(nodes, children, order, more, args.cursor is not None, count, places, uses)
