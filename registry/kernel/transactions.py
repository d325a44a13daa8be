"""Running one change: its transaction, its idempotency key, and another try where the database asks for one."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

import orjson
import stamina
from sqlalchemy import delete, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from db.base import Row
from db.errors import RETRYABLE, sqlstate
from db.session import Change, Database
from db.tables import Idempotency
from registry.kernel import inputs
from registry.kernel.access import Actor
from registry.kernel.errors import IdempotencyKeyReused

MAX_KEY = 255
FORGOTTEN_AT_ONCE = 5_000
_ATTEMPTS = 4

Rule = Callable[..., Awaitable[Row]]
T = TypeVar("T")


@dataclass(frozen=True)
class Outcome:
    """The row a change was about, and whether the change had been made before under the same key.

    `shown_once` is what only the first answer shows.
    """

    id: UUID
    replayed: bool
    shown_once: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Kept:
    """What was kept under a key: the id of a row, or of many, with None where nothing was done."""

    outcome_id: Any
    outcome_ids: Sequence[UUID | None] | None


async def run_in_transaction(database: Database, actor: Actor, make: Callable[[Change], Awaitable[T]]) -> T:
    """Make something in one transaction of the actor's organization.

    A deadlock or serialization failure starts the whole transaction again. Raises: what `make` and the database raise.
    """
    async for attempt in stamina.retry_context(
        on=lambda error: sqlstate(error) in RETRYABLE,
        attempts=_ATTEMPTS,
        wait_initial=0.02,
        wait_jitter=0.05,
        wait_max=0.5,
    ):
        with attempt:
            async with database.change(actor.org_id) as change:
                return await make(change)
    raise AssertionError("stamina either returns or raises")


async def run_once(
    change: Change, actor: Actor, name: str, rule: Rule, values: Mapping[str, Any], key: str | None = None
) -> Outcome:
    """Run `rule(change, actor, **values)`, the change `name`, in this transaction.

    Under a key the change happens once: whoever calls again, even at the same moment, gets the first outcome. A failed
    change leaves nothing, not even its key.

    Raises: IdempotencyKeyReused, and what the rule and the database raise.
    """
    known = None if key is None else await claim(change, actor, key, hash_of(name, values))
    if known is not None:
        return Outcome(known.outcome_id, replayed=True)
    row = await rule(change, actor, **values)
    if key is not None:
        await keep(change, actor, key, outcome_id=row.id)
    return Outcome(row.id, replayed=False, shown_once=change.shown_once)


async def forget(database: Database) -> int:
    """Remove keys of all organizations that are older than a week: row-level security shows a worker no others.

    Returns: how many it removed, at most `FORGOTTEN_AT_ONCE`; as many as that means there may be more.
    """
    key = (col(Idempotency.org_id), col(Idempotency.principal_id), col(Idempotency.key))
    oldest = select(*key).order_by(col(Idempotency.created_at)).limit(FORGOTTEN_AT_ONCE)
    async with database.as_worker() as connection:
        removed = await connection.execute(delete(Idempotency).where(tuple_(*key).in_(oldest)))
    return removed.rowcount


async def claim(change: Change, actor: Actor, key: str, request_hash: bytes) -> Kept | None:
    """Take the key, waiting for whoever holds it; what was kept under it, locked, when it was used before.

    Raises: InvalidValue for a key that cannot be kept, IdempotencyKeyReused.
    """
    key = _clean(key)
    taken = await change.execute(
        insert(Idempotency)
        .values(org_id=change.org_id, principal_id=actor.principal_id, key=key, request_hash=request_hash)
        .on_conflict_do_nothing()
        .returning(col(Idempotency.key))
    )
    if taken.one_or_none() is not None:
        return None
    columns = select(col(Idempotency.request_hash), col(Idempotency.outcome_id), col(Idempotency.outcome_ids))
    own = columns.where(*_own(change, actor, key)).with_for_update()
    first = (await change.execute(own)).one_or_none()
    if first is None:
        # It was old, and forgotten between the two statements.
        return await claim(change, actor, key, request_hash)
    if first.request_hash != request_hash:
        raise IdempotencyKeyReused
    return Kept(first.outcome_id, first.outcome_ids)


async def keep(change: Change, actor: Actor, key: str, **outcome: Any) -> None:
    """Keep the outcome of a change under its key."""
    await change.execute(update(Idempotency).where(*_own(change, actor, _clean(key))).values(**outcome))


def _clean(key: str) -> str:
    return inputs.name(key, ("idempotencyKey",), max_length=MAX_KEY)


def _own(change: Change, actor: Actor, key: str) -> tuple[Any, ...]:
    return (
        col(Idempotency.org_id) == change.org_id,
        col(Idempotency.principal_id) == actor.principal_id,
        col(Idempotency.key) == key,
    )


def hash_of(name: str, values: Mapping[str, Any]) -> bytes:
    """SHA-256 over the name of the change and all values that were given, whatever their order."""
    # A value that was not given must not look like text of the same spelling.
    given = {key: value for key, value in values.items() if value is not inputs.KEEP}
    canonical = orjson.dumps([name, given], option=orjson.OPT_SORT_KEYS, default=str)
    return hashlib.sha256(canonical).digest()
