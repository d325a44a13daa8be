"""The statements behind lists: one page, or the number of rows, of the children of many parents at once."""

from collections.abc import Sequence
from functools import cache
from typing import Any, TypeAlias

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    Select,
    Uuid,
    and_,
    any_,
    bindparam,
    func,
    or_,
    select,
    true,
    tuple_,
)

from db.base import columns
from resolvers.filters.expression import EVERYTHING, Where
from resolvers.loading.shapes import column_of
from resolvers.pages.paging import Order
from resolvers.pages.relations import Children

Statement: TypeAlias = Select[*tuple[Any, ...]]


def parents() -> Any:
    """The keys that are bound as `:keys`, as the column `key` of rows to join with."""
    return func.unnest(bindparam("keys", type_=ARRAY(Uuid))).table_valued("key", name="parent").render_derived()


def for_each(keys: Any, children: Any) -> Statement:
    """The rows of a lateral for each key."""
    return select(*children.c).select_from(keys.join(children, true()))


def page(
    children: Children,
    order: Order,
    *,
    backward: bool = False,
    cursor: Sequence[Any] | None = None,
    where: Where = EVERYTHING,
) -> Statement:
    """For each of `:keys` its first `:size` children in order, behind the cursor that is bound by `cursor_binds`.

    Where the order has a computed key it stands behind the columns of the table, and behind that what is read beside.
    """
    lacks_key = cursor is not None and cursor[0] is None
    shape = (children, order, backward, cursor is not None, lacks_key)
    # What clients wrote is not kept.
    plain = where == EVERYTHING and isinstance(order.key, str)
    return _kept(*shape) if plain else _page(*shape, where)


def cursor_binds(cursor: Sequence[Any] | None) -> dict[str, Any]:
    """What binds the place of a cursor."""
    if cursor is None:
        return {}
    *place, row_id = cursor
    return {"cursor_id": row_id} if place in ([], [None]) else {"cursor_id": row_id, "cursor_key": place[0]}


def count(children: Children, where: Where = EVERYTHING) -> Statement:
    """For each of `:keys` that has any the number of its children."""
    return _kept_count(children) if where == EVERYTHING else _count(children, where)


def _page(
    children: Children,
    order: Order,
    backward: bool,  # the key of a cache
    from_cursor: bool,
    lacks_key: bool,
    where: Where = EVERYTHING,
) -> Statement:
    keys, table, place_id = parents(), children.table, children.place_id
    row: Any = columns(table)[0].table
    shown: list[Any] = columns(table)
    if isinstance(order.key, str):
        source, key = row, place_id if order.key == "id" else column_of(table, order.key)
        nullable = bool(row.c[order.key].nullable)
    else:
        source, key = order.key.joined(row)
        shown, nullable = [*shown, key.label("place")], True
    place = _Place(key, place_id, order.descending != backward, nullable, backward)
    # Columns of two tables may have one name.
    shown = [*shown, *[column.label(f"beside_{nth}") for nth, column in enumerate(children.beside)]]
    wanted = (children.holds(), children.owner == keys.c.key, where.holds(children))
    found = select(*shown).select_from(children.joined(source)).where(*wanted)
    if from_cursor:
        found = found.where(place.behind(lacks_key=lacks_key))
    ordered = found.order_by(*place.sorting()).limit(bindparam("size", type_=Integer))
    return for_each(keys, ordered.lateral("child"))


_kept = cache(_page)


def _count(children: Children, where: Where = EVERYTHING) -> Statement:
    key, source = children.owner, children.joined(columns(children.table)[0].table)
    counted = select(key, func.count()).select_from(source)
    wanted = (children.holds(), key == any_(bindparam("keys", type_=ARRAY(Uuid))), where.holds(children))
    return counted.where(*wanted).group_by(key)


_kept_count = cache(_count)


class _Place:
    """Where rows stand in the order of a page: by a key, whose nulls come last in the list, and then by id."""

    def __init__(
        self,
        key: ColumnElement[Any],
        row_id: ColumnElement[Any],
        descending: bool,  # given by name or place in one call
        nullable: bool,
        backward: bool,
    ) -> None:
        self.key, self.row_id = key, row_id
        self.descending, self.nullable, self.backward = descending, nullable, backward

    def sorting(self) -> list[ColumnElement[Any]]:
        """What the rows of the page are sorted by."""
        by_id = self._directed(self.row_id)
        if self.key is self.row_id:
            return [by_id]
        by_key: Any = self._directed(self.key)
        if not self.nullable:
            return [by_key, by_id]
        return [by_key.nulls_first() if self.backward else by_key.nulls_last(), by_id]

    def behind(self, *, lacks_key: bool) -> ColumnElement[bool]:
        """Whether a row is behind the cursor, in the direction of the page."""
        here_id = bindparam("cursor_id", type_=self.row_id.type)
        further = self._beyond(self.row_id, here_id)
        if self.key is self.row_id:
            return further
        here = bindparam("cursor_key", type_=self.key.type)
        if not self.nullable:
            return self._beyond(tuple_(self.key, self.row_id), tuple_(here, here_id))
        if lacks_key:
            alike = and_(self.key.is_(None), further)
            return or_(self.key.is_not(None), alike) if self.backward else alike
        behind = or_(self._beyond(self.key, here), and_(self.key == here, further))
        return behind if self.backward else or_(behind, self.key.is_(None))

    def _directed(self, value: ColumnElement[Any]) -> ColumnElement[Any]:
        return value.desc() if self.descending else value.asc()

    def _beyond(self, value: Any, here: Any) -> ColumnElement[bool]:
        beyond: ColumnElement[bool] = value < here if self.descending else value > here
        return beyond
