"""What may be seen, and as of when: one function each, which every statement that reads for somebody asks.

Today everybody who may read sees all of the organization, as it is now. A role in a project will be a condition on
`project_id`, which every row below a project has, over what `Reading` binds. Rules ask neither: they judge by all rows.
"""

from typing import Any

from sqlalchemy import ColumnElement, FromClause

from db.base import Tenant


def visible(table: type[Tenant], row: FromClause | None = None) -> tuple[ColumnElement[bool], ...]:
    """The conditions on the rows of a table, or on an alias `row` of it, that somebody may see; none while all may."""
    return ()


def visible_events() -> tuple[ColumnElement[bool], ...]:
    """The conditions on the rows of `event_log.EVENT` that somebody may see; none while all may."""
    return ()


def is_over(moment: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether what ends at a moment, or never where that is null, is over at the time of reading, which is now."""
    return moment.is_not(None)
