"""Policies and rules are not deleted: they hold no more from some time on, and what they said stays to be read."""

from typing import Any, TypeVar

from sqlalchemy import func, select
from sqlmodel import col

from db.base import utc_now
from db.session import Change
from db.tables import AutomationRule, PromotionPolicy
from registry.kernel.access import Action, Actor, require
from registry.kernel.errors import StaleRevision
from registry.kernel.rows import alter

Standing = TypeVar("Standing", AutomationRule, PromotionPolicy)


def expect(what: str, revision: int, expected: int | None) -> None:
    """Refuse whoever knows something at another revision than it is at; None expects nothing. Raises: StaleRevision."""
    if expected is not None and expected != revision:
        raise StaleRevision(f"The {what} is at revision {revision} now. Look again.", revision, None)


async def retire(change: Change, actor: Actor, row: Standing, what: str, expected_revision: int | None) -> bool:
    """Let a policy or rule, locked, hold no more, as its last revision; whether it held until now.

    Raises: Forbidden, StaleRevision.
    """
    require(actor, Action.ADMINISTER, row)
    if row.removed_at is not None:
        return False
    expect(what, row.revision, expected_revision)
    await alter(change, actor, row, {"removed_at": utc_now(), "revision": row.revision + 1}, verb="removed")
    return True


async def next_revision(change: Change, table: type[Standing], **what: Any) -> int:
    """The first revision of a new policy or rule: behind those of removed ones for the same, which are known by it."""
    same = [col(getattr(table, name)).is_not_distinct_from(value) for name, value in what.items()]
    last = select(func.max(col(table.revision))).where(col(table.org_id) == change.org_id, *same)
    return ((await change.execute(last)).scalar_one() or 0) + 1
