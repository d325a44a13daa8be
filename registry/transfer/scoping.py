"""What belongs to one project: things in it, and what they share with others, such as environments and runtimes.

A thing is in a project by its owner, which is in it in turn. What its other fields name may be in another project.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, and_, bindparam, false, func, or_, select
from sqlalchemy.orm import aliased
from sqlmodel import col

from db.base import Deletable
from db.session import Database
from db.tables import Project, Team
from registry.kernel import inputs
from registry.kernel.errors import InvalidValue
from registry.transfer.declaring import Field, Kind
from registry.transfer.kinds import BY_NAME, KINDS

_PROJECT: Final = Project.__name__


def _owners() -> Mapping[str, tuple[Field, ...]]:
    """The fields by which things of a kind are in a project: the first that names such a thing, or one of several."""
    found: dict[str, tuple[Field, ...]] = {_PROJECT: ()}
    for kind in KINDS:
        names = [one for one in kind.references if one.refers in found and one.refers != kind.title]
        if names:
            found[kind.title] = tuple(one for one in names if one.name in kind.one_of) or (names[0],)
    return found


_OWNERS: Final = _owners()


async def find_project(database: Database, org_id: UUID, given: str) -> UUID:
    """The project with this name or id. Raises: InvalidValue where there is none, or one in several teams."""
    named = col(Project.name) == inputs.name(given, ("project",))
    statement: Select[*tuple[Any, ...]] = (
        select(col(Project.id), col(Team.name).label("team"))
        .join(Team, and_(col(Team.org_id) == col(Project.org_id), col(Team.id) == col(Project.team_id)))
        .where(col(Project.org_id) == org_id, col(Project.deleted_at).is_(None))
        .order_by(col(Team.name))
    )
    with suppress(ValueError):
        named = or_(named, col(Project.id) == UUID(given))
    snapshot = database.new_snapshot(org_id)
    try:
        found = await snapshot.rows(statement.where(named))
    finally:
        await snapshot.close()
    if not found:
        raise InvalidValue(f"There is no project {given!r}.", ("project",))
    if len(found) > 1:
        which = ", ".join(f"{row.id} of {row.team}" for row in found)
        raise InvalidValue(f"Several projects are called {given!r}. Give the id of one: {which}.", ("project",))
    one: UUID = found[0].id
    return one


def may_lead_out(kind: Kind, field: Field) -> bool:
    """Whether a field of things in a project may name something in another one."""
    owners = _OWNERS.get(kind.title)
    return owners is not None and field.refers in _OWNERS and field not in owners


def live(kind: Kind, table: Any) -> list[Any]:
    """The conditions that rows are of a kind, in the organization `org`, and not deleted."""
    wanted = [table.org_id == bindparam("org")]
    if issubclass(kind.table, Deletable):
        wanted.append(table.deleted_at.is_(None))
    return wanted + [_one_of(getattr(table, name), values) for name, values in kind.only.items()]


def _one_of(column: Any, values: Sequence[Any]) -> Any:
    return or_(*[column.is_(None) if value is None else column == value for value in values])


def within(kind: Kind, table: Any) -> Any:
    """The condition that rows of a kind are in the `project`, or named by what is in it."""
    if kind.title == _PROJECT:
        return table.id == bindparam("project")
    if kind.title in _OWNERS:
        return or_(*[_owned(one, table) for one in _OWNERS[kind.title]])
    names = [(user, one) for user in KINDS if user.title in _OWNERS for one in user.references]
    return or_(false(), *[table.id.in_(_inside(user, one.column)) for user, one in names if one.refers == kind.title])


def _owned(field: Field, table: Any) -> Any:
    column = getattr(table, field.column)
    if field.refers == _PROJECT:
        return column == bindparam("project")
    return column.in_(_inside(BY_NAME[str(field.refers)], "id"))


def _inside(kind: Kind, column: str) -> Select[Any]:
    """A column of all rows of a kind that are in the project."""
    table: Any = aliased(kind.table)
    return select(getattr(table, column)).where(*live(kind, table), within(kind, table))


def leading_out() -> Mapping[str, Select[Any]]:
    """Statements that count what leads out of the project, by `Kind.field`."""
    fields = [(kind, one) for kind in KINDS for one in kind.references if may_lead_out(kind, one)]
    return {f"{kind.title}.{one.name}": _leading_out(kind, one) for kind, one in fields}


def _leading_out(kind: Kind, field: Field) -> Select[Any]:
    named = BY_NAME[str(field.refers)]
    table: Any = aliased(kind.table)
    other: Any = aliased(named.table)
    joined = and_(*live(named, other), other.id == getattr(table, field.column))
    statement = select(func.count()).select_from(table).join(other, joined)
    return statement.where(*live(kind, table), within(kind, table), ~within(named, other))
