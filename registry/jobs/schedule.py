"""Schedules jobs from inside a rule: they are inserted, or become due, when the transaction commits."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, literal, select, union_all
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from db.base import Row, utc_now
from db.codes import JobKind
from db.session import Change
from db.tables import Job


def due(kind: JobKind, table: type[Row], when: datetime | None = None) -> Select[*tuple[Any, ...]]:
    """Select one job of a kind per row of a table; the caller adds the conditions. Due now unless a time is given."""
    now = utc_now()
    return select(
        col(table.org_id).label("org_id"), func.gen_random_uuid().label("id"), literal(now).label("created_at"),
        literal(kind.value).label("kind"), col(table.id).label("subject_id"), literal(when or now).label("run_after"),
        literal(0).label("attempts"),
    )  # fmt: skip


async def make_due(change: Change, *jobs: Select[*tuple[Any, ...]]) -> None:
    """Insert the jobs, or move existing ones to the new due time."""
    # In one order, so that two changes that schedule the same jobs cannot deadlock.
    chosen = union_all(*jobs).order_by("subject_id")
    columns = ["org_id", "id", "created_at", "kind", "subject_id", "run_after", "attempts"]
    statement = insert(Job).from_select(columns, chosen)
    # Not an update alone: a worker may be replacing the job at this moment, and its new job must become due, too.
    await change.execute(
        statement.on_conflict_do_update(
            index_elements=["org_id", "kind", "subject_id"], set_={"run_after": statement.excluded.run_after}
        )
    )
