"""What rows belong to: their models and projects, found by following the `belongs_to` of their tables upwards."""

from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    FromClause,
    Select,
    Uuid,
    and_,
    any_,
    bindparam,
    func,
    literal,
    null,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession

import db.tables
from db.base import Tenant, columns
from db.tables import Model, Project

Owner: TypeAlias = tuple[str, UUID]
"""A row by its kind and its id."""

KINDS: Final[Mapping[str, type[Tenant]]] = {
    name: table for name in db.tables.__all__ if hasattr(table := getattr(db.tables, name), "__table__")
}
"""Every table by the name of its kind."""


class Route(NamedTuple):
    """The model and the project that a row belongs to; `owner` is the row that says so where its own columns do not."""

    model_id: UUID | None = None
    project_id: UUID | None = None
    owner: Owner | None = None


def parents(table: type[Tenant]) -> Mapping[str, type[Tenant] | None]:
    """The columns of `belongs_to` with the tables that they refer to; None where each row says which."""
    return _PARENTS[table.__name__]


def _referred(table: type[Tenant], column: str) -> type[Tenant] | None:
    (found,) = [one for one in columns(table) if one.name == column]
    named = {key.column.table.name for key in found.foreign_keys if key.column.name == "id"}
    return next((one for one in KINDS.values() if one.__tablename__ in named), None)


def route(table: type[Tenant], value: Callable[[str], Any]) -> Route:
    """What a row belongs to, given its columns by name. A model and a project also belong to themselves.

    Rows that were not read back do not know their project: what they belong to is asked for it.
    """
    if table is Project:
        return Route(project_id=value("id"))
    own_id = value("id") if table is Model else None
    for column, above in parents(table).items():
        if (found := value(column)) is None:
            continue
        if above is Project:
            return Route(own_id, found)
        project_id = value("project_id")
        if above is Model and project_id is not None:
            return Route(found, project_id)
        return Route(owner=(value(kind_beside(column)) if above is None else above.__name__, found))
    return Route()


async def belonging(
    session: AsyncSession, org_id: UUID, owners: Collection[Owner]
) -> Mapping[Owner, tuple[UUID | None, UUID | None]]:
    """The model and the project that rows belong to, in one statement."""
    kinds = tuple(sorted({kind for kind, _ in owners}))
    ids = {kind: [row_id for one, row_id in owners if one == kind] for kind in kinds}
    found = await session.execute(_belonging(kinds), {"org_id": org_id, **ids})
    return {(row.kind, row.id): (row.model_id, row.project_id) for row in found}


@cache
def _belonging(kinds: tuple[str, ...]) -> Any:
    """What rows of these kinds belong to: each kind takes its ids under its name."""
    return union_all(*[_of_kind(KINDS[kind]) for kind in kinds])


def _of_kind(table: type[Tenant]) -> Select[Any]:
    row = columns(table)[0].table.alias()
    models, source = ([row.c.id], row) if table is Model else _climb(table, row, row)
    model_id = func.coalesce(*models, null().cast(Uuid)).label("model_id")
    asked = row.c.id == any_(bindparam(table.__name__, type_=ARRAY(Uuid)))
    shown = select(literal(table.__name__).label("kind"), row.c.id, model_id, row.c.project_id)
    return shown.select_from(source).where(row.c.org_id == bindparam("org_id"), asked)


def _climb(table: type[Tenant], row: FromClause, source: FromClause) -> tuple[list[ColumnElement[Any]], FromClause]:
    """The columns that hold the model of a row, and the row joined with what is above it."""
    models: list[ColumnElement[Any]] = []
    for column, above in parents(table).items():
        if above is Model:
            models.append(row.c[column])
        elif above is not None and above is not Project and _leads_to_model(above):
            higher = columns(above)[0].table.alias()
            joined = source.outerjoin(higher, and_(higher.c.org_id == row.c.org_id, higher.c.id == row.c[column]))
            more, source = _climb(above, higher, joined)
            models += more
    return models, source


def _leads_to_model(table: type[Tenant]) -> bool:
    return any(above is Model or (above is not None and _leads_to_model(above)) for above in parents(table).values())


def kind_beside(column: str) -> str:
    """The column that says of which kind the row is that a column without a foreign key refers to."""
    return column.removesuffix("_id") + "_kind"


_PARENTS: Final = {kind: {name: _referred(table, name) for name in table.belongs_to} for kind, table in KINDS.items()}
