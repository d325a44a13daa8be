"""Batching: a handful of loader shapes that cover every edge of the graph, each one statement for all parents."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from types import MappingProxyType
from typing import Any, TypeAlias
from uuid import UUID

from aiodataloader import DataLoader
from sqlalchemy import ARRAY, any_, bindparam, literal, select, true, tuple_

from db.base import Row, Tenant, columns
from db.session import Snapshot
from registry import lineage
from resolvers import lists
from resolvers.conditions import EVERYTHING, Where
from resolvers.lists import Statement
from resolvers.paging import Order, Page, PageArgs, decode_cursor
from resolvers.records import record_of
from resolvers.shapes import Reading, Shape, column_of, own

Batch: TypeAlias = Callable[[list[Any]], Coroutine[Any, Any, list[Any]]]


class Loaders:
    """The loaders of one operation, made on first use. They read one snapshot and die with it."""

    def __init__(self, snapshot: Snapshot, org_id: UUID) -> None:
        self._snapshot = snapshot
        self._org_id = org_id
        self._made: dict[Hashable, DataLoader[Any, Any]] = {}
        self.reading = Reading(snapshot, org_id)
        self._walkable = lineage.MAX_EDGES

    def row(self, table: type[Tenant], column: str = "id") -> DataLoader[Any, Any]:
        """The row whose `column`, unique in the organisation, has the key; None where there is none."""

        async def batch(keys: list[Any]) -> list[Any]:
            found = {getattr(row, column): row for row in await self._records(table, _by_key(table, column), keys)}
            return [found.get(key) for key in keys]

        return self._loader(("row", table, column), batch)

    def page(
        self, table: type[Row], parent: str, order: Order, args: PageArgs, where: Where = EVERYTHING
    ) -> DataLoader[UUID, Page[Any]]:
        """One window of the children of each key that are `where`, where `parent` is their column that holds it."""

        async def batch(keys: list[UUID]) -> list[Page[Any]]:
            cursor = None if args.cursor is None else decode_cursor(args.cursor, table, order)
            statement = lists.page(table, parent, order, backward=args.backward, cursor=cursor, where=where)
            # One row more than the page holds, to know whether there is more.
            bound = {"org_id": self._org_id, "keys": keys, "size": args.size + 1, **lists.cursor_binds(cursor)}
            children, places = defaultdict(list), {}
            make, width, computed = record_of(table)._make, len(columns(table)), not isinstance(order.key, str)
            for row in await self._snapshot.rows(statement, bound):
                child = make(row[:width] if computed else row)
                children[getattr(child, parent)].append(child)
                if computed:
                    places[child.id] = row[width]
            count = self.count(table, parent, where)
            return [_window(children[key], order, args, partial(count.load, key), places) for key in keys]

        return self._loader(("page", table, parent, order, args, where), batch)

    def bounded(self, table: type[Row], parent: str, order: Order, limit: int) -> DataLoader[UUID, list[Any]]:
        """The first `limit` children of each key, as a plain list."""

        async def batch(keys: list[UUID]) -> list[list[Any]]:
            statement = lists.page(table, parent, order)
            return self._grouped(await self._records(table, statement, keys, {"size": limit}), parent, keys)

        return self._loader(("bounded", table, parent, order, limit), batch)

    def latest(
        self,
        table: type[Tenant],
        parent: str,
        limit: int,
        series: tuple[str, ...] = ("phase", "name"),
        place: str = "step",
    ) -> DataLoader[UUID, list[Any]]:
        """The last point by `place` of each metric of each key, in the order of `series`, which tells metrics apart."""

        async def batch(keys: list[UUID]) -> list[list[Any]]:
            statement = _latest(table, parent, limit, series, place)
            return self._grouped(await self._records(table, statement, keys), parent, keys)

        return self._loader(("latest", table, parent, limit, series, place), batch)

    def count(self, table: type[Row], parent: str, where: Where = EVERYTHING) -> DataLoader[UUID, int]:
        """How many children each key has that are `where`."""

        async def batch(keys: list[UUID]) -> list[int]:
            bound = {"org_id": self._org_id, "keys": keys}
            rows = await self._snapshot.rows(lists.count(table, parent, where), bound)
            found = {row[0]: row[1] for row in rows}
            return [found.get(key, 0) for key in keys]

        return self._loader(("count", table, parent, where), batch)

    def walk(self, direction: lineage.Direction, depth: int, as_of: datetime | None) -> DataLoader[UUID, lineage.Walk]:
        """The lineage of each key: one statement a level for all of them."""

        async def batch(keys: list[UUID]) -> list[lineage.Walk]:
            walks = await lineage.walk(
                self._snapshot, self._org_id, keys, direction, depth=depth, as_of=as_of, max_edges=self._walkable
            )
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
        bound = {"org_id": self._org_id, "keys": keys, **bounds}
        return [make(row) for row in await self._snapshot.rows(statement, bound)]

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


@cache
def _latest(table: type[Tenant], parent: str, limit: int, series: tuple[str, ...], place: str) -> Statement:
    """For each of `:keys` the last point by `place` of each of its metrics, which the columns of `series` tell apart.

    The metrics are found by jumping from one to the next in the index: a run may have millions of points.
    """
    keys = lists.parents()
    owner, named = column_of(table, parent), [column_of(table, column) for column in series]
    in_order = select(*named).where(own(table)).order_by(*named).limit(1)

    first = in_order.where(owner == keys.c.key).lateral("first")
    metric = (
        select(keys.c.key, literal(1).label("nth"), *[first.c[column] for column in series])
        .select_from(keys.join(first, true()))
        .cte("metric", recursive=True)
    )
    following = tuple_(*named) > tuple_(*[metric.c[column] for column in series])
    next_ = in_order.where(owner == metric.c.key, following).lateral("next")
    metric = metric.union_all(
        select(metric.c.key, metric.c.nth + 1, *[next_.c[column] for column in series])
        .select_from(metric.join(next_, true()))
        .where(metric.c.nth < limit)
    )
    same = [column_of(table, column) == metric.c[column] for column in series]
    last = (
        select(*columns(table))
        .where(own(table), owner == metric.c.key, *same)
        .order_by(column_of(table, place).desc())
        .limit(1)
        .lateral("last")
    )
    return select(*last.c).select_from(metric.join(last, true())).order_by(metric.c.key, metric.c.nth)


def _window(
    rows: list[Any], order: Order, args: PageArgs, count: Callable[[], Awaitable[int]], places: Mapping[UUID, Any]
) -> Page[Any]:
    more = len(rows) > args.size
    nodes = rows[: args.size]
    if args.backward:
        nodes.reverse()
        return Page(nodes, order, args.cursor is not None, more, count, places)
    return Page(nodes, order, more, args.cursor is not None, count, places)
