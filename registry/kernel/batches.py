"""Many changes of one kind at once: one transaction, one idempotency key, each item by its own rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any, Final
from uuid import UUID

from db.session import Change
from registry.kernel.access import Actor
from registry.kernel.errors import Failure, InvalidValue
from registry.kernel.transactions import Rule, claim, hash_of, keep

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


class BatchRefused(Exception):
    """Ends the transaction of a batch of which nothing is kept: `outcomes` says why."""

    def __init__(self, outcomes: Outcomes) -> None:
        self.outcomes = outcomes


async def run_each_once(
    change: Change, actor: Actor, name: str, rule: Rule, values: Mapping[str, Any], key: str | None = None
) -> Outcomes:
    """Run `rule(change, actor, **item)` for the 1 to 100 `items` of the values, in their order, in this transaction.

    In the `mode` ALL_OR_NOTHING one refused item undoes all; all items are tried, so that every failure is told. With
    ITEM_BY_ITEM the others are kept. A failure names its item: its path begins with `items` and the place.

    Under a key the batch happens once. Sent again, items that were done keep their outcome and those that were refused
    are tried again, as a single change that was refused would be.

    Raises: InvalidValue for the number of items or the key, IdempotencyKeyReused, BatchRefused, and what the rule
    raises that is no Failure; nothing is kept then.
    """
    items: Sequence[Mapping[str, Any]] = values["items"]
    if not 1 <= len(items) <= MAX_ITEMS:
        raise InvalidValue(f"Send 1 to {MAX_ITEMS} items at once, not {len(items)}.", ("items",))
    known = None if key is None else await claim(change, actor, key, hash_of(name, values))
    done = [None] * len(items) if known is None or known.outcome_ids is None else known.outcome_ids
    outcomes = await _each(change, partial(rule, change, actor), items, done, replayed=known is not None)
    if outcomes.failures and values["mode"] is BatchMode.ALL_OR_NOTHING:
        raise BatchRefused(Outcomes([None] * len(items), outcomes.failures))
    if key is not None:
        await keep(change, actor, key, outcome_ids=list(outcomes.ids))
    return outcomes


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
