"""Revisions: a caller's expected revision against the real one, and how policies and rules are retired and numbered.

Policies and rules are never deleted: they are marked as removed, and their history stays readable.
"""

from typing import TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlmodel import col

from db.base import utc_now
from db.session import Change
from db.tables import AutomationRule, PromotionPolicy
from registry.kernel.access import Action, Actor, require
from registry.kernel.errors import InvalidValue, StaleRevision
from registry.kernel.rows import alter

Standing = TypeVar("Standing", AutomationRule, PromotionPolicy)


def check_revision(
    what: str, revision: int, expected: int | None, version_id: UUID | None = None, *, required: bool = False
) -> None:
    """Refuse a change by a caller who knows another revision than the current one.

    Args:
        what: the thing, as people call it: `slot PRODUCTION`, `deployment`.
        expected: what the caller sent; None checks nothing, unless it is `required`.
        version_id: the version that a slot or an alias holds now, which the failure shows.

    Raises: StaleRevision, InvalidValue where a required one is missing.
    """
    if expected is None and required:
        told = f"Give `expectedRevision`: the revision of the {what} that you have seen."
        raise InvalidValue(told, ("expectedRevision",))
    if expected is not None and expected != revision:
        raise stale(what, revision, version_id)


def stale(what: str, revision: int, version_id: UUID | None = None) -> StaleRevision:
    """The failure of a caller who knows an older revision than the current one; a missing thing is at 0."""
    return StaleRevision(f"The {what} is at revision {revision} now. Look again.", revision, version_id)


async def retire(change: Change, actor: Actor, row: Standing, what: str, expected_revision: int | None) -> bool:
    """Mark a locked policy or rule as removed. Returns: False if it was removed already.

    Raises: Forbidden, StaleRevision.
    """
    require(actor, Action.ADMINISTER, row)
    if row.removed_at is not None:
        return False
    check_revision(what, row.revision, expected_revision)
    await alter(change, actor, row, {"removed_at": utc_now(), "revision": row.revision + 1}, verb="removed")
    return True


async def next_revision(change: Change, table: type[Standing], same: ColumnElement[bool]) -> int:
    """The first revision of a new policy or rule: it continues after those of removed ones that were for the `same`."""
    last = select(func.max(col(table.revision))).where(col(table.org_id) == change.org_id, same)
    return ((await change.execute(last)).scalar_one() or 0) + 1
