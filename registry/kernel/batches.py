"""Many changes of one kind at once: one transaction, one idempotency key, each item by its own rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any, Final
from uuid import UUID

from db.session import Change, Database
from registry.kernel.access import Actor
from registry.kernel.errors import Failure, InvalidValue
from registry.kernel.transactions import Rule, claim, hash_of, keep, transact

MAX_ITEMS: Final = 100


class BatchMode(StrEnum):
    """What becomes of the other items where one is refused."""

    ALL_OR_NOTHING = "ALL_OR_NOTHING"
    ITEM_BY_ITEM = "ITEM_BY_ITEM"


@dataclass(frozen=True)
class Outcomes:
    """What came of each item, by its place: the id of its row or None, and why where it was refused."""

    ids: Sequence[UUID | None]
    failures: Mapping[int, Failure] = field(default_factory=dict)
    replayed: bool = False


class _Refused(Exception):
    """Ends the transaction of a batch of which nothing is to be kept."""

    def __init__(self, outcomes: Outcomes) -> None:
        self.outcomes = outcomes


async def run(
    database: Database,
    actor: Actor,
    name: str,
    rule: Rule,
    items: Sequence[Mapping[str, Any]],
    mode: BatchMode,
    key: str | None = None,
    supplied: Mapping[str, Any] | None = None,
) -> Outcomes:
    """Run `rule(change, actor, **item, **supplied)` for 1 to 100 items, in their order, in one transaction.

    With ALL_OR_NOTHING one refused item undoes all; all items are tried, so that every failure is told. With
    ITEM_BY_ITEM the others are kept. A failure names its item: its path begins with `items` and the place.

    Under a key the batch happens once. Sent again, items that were done keep their outcome and those that were refused
    are tried again, as a single change that was refused would be.

    Raises: InvalidValue for the number of items or the key, IdempotencyKeyReused, and what the rule raises that is no
    Failure; nothing is kept then.
    """
    if not 1 <= len(items) <= MAX_ITEMS:
        raise InvalidValue(f"Send 1 to {MAX_ITEMS} items at once, not {len(items)}.", ("items",))
    request_hash = hash_of(name, {"items": items, "mode": mode})

    async def make(change: Change) -> Outcomes:
        known = None if key is None else await claim(change, actor, key, request_hash)
        done = [None] * len(items) if known is None or known.outcome_ids is None else known.outcome_ids
        bound = partial(rule, change, actor, **(supplied or {}))
        outcomes = await _each(change, bound, items, done, replayed=known is not None)
        if outcomes.failures and mode is BatchMode.ALL_OR_NOTHING:
            raise _Refused(Outcomes([None] * len(items), outcomes.failures))
        if key is not None:
            await keep(change, actor, key, outcome_ids=list(outcomes.ids))
        return outcomes

    try:
        return await transact(database, actor, make)
    except _Refused as refused:
        return refused.outcomes


async def _each(
    change: Change, bound: Rule, items: Sequence[Mapping[str, Any]], done: Sequence[UUID | None], *, replayed: bool
) -> Outcomes:
    """Run the rule for each item without an outcome, each behind a savepoint: one that is refused leaves nothing."""
    ids, failures = list(done), {}
    for place, item in enumerate(items):
        if ids[place] is not None:
            continue
        told = len(change.events)
        try:
            async with change.begin_nested():
                ids[place] = (await bound(**item)).id
        except Failure as failure:
            del change.events[told:]
            failure.path = ("items", str(place), *failure.path)
            failures[place] = failure
    return Outcomes(ids, failures, replayed)
