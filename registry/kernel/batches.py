"""Many changes of one kind at once: one transaction, one idempotency key, each item by its own rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from functools import partial
from typing import Any, Final
from uuid import UUID

from db.base import Row
from db.session import Change
from registry.kernel.access import Actor
from registry.kernel.errors import Conflict, Failure, InUse, InvalidValue
from registry.kernel.rows import lock_all
from registry.kernel.transactions import Rule, claim, hash_of, keep

MAX_ITEMS: Final = 100


class BatchMode(StrEnum):
    """What becomes of the other items where one is refused."""

    ALL_OR_NOTHING = "ALL_OR_NOTHING"
    ITEM_BY_ITEM = "ITEM_BY_ITEM"


class Dependence(Enum):
    """Whether the rows that the items name may depend on one another, and which of them is then done first."""

    NONE = auto()
    DEPENDENTS_FIRST = auto()
    DEPENDENTS_LAST = auto()


@dataclass(frozen=True)
class Order:
    """In which order the items of a batch are done, whatever order they were sent in.

    It is that of their values of `names`, so that batches which meet in several rows lock them in the same order and
    never wait for each other in a circle. Items that agree in these values keep the order in which they were sent.

    Where items may depend on one another, all their rows are locked first, and what is refused on account of other
    items is tried again after them. `names` then holds the id of an item's row in `table`.
    """

    table: type[Row]
    names: Sequence[str]
    dependence: Dependence = Dependence.NONE

    def places(self, items: Sequence[Mapping[str, Any]]) -> list[int]:
        """The places of the items in the order in which rows are locked."""
        keys = [[str(item.get(name) or "") for name in self.names] for item in items]
        return sorted(range(len(items)), key=keys.__getitem__)


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
    change: Change,
    actor: Actor,
    name: str,
    rule: Rule,
    values: Mapping[str, Any],
    key: str | None = None,
    *,
    order: Order,
) -> Outcomes:
    """Run `rule(change, actor, **item)` for the 1 to 100 `items` of the values, in this transaction and in `order`.

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
    outcomes = await _each(change, partial(rule, change, actor), items, done, order, replayed=known is not None)
    if outcomes.failures and values["mode"] is BatchMode.ALL_OR_NOTHING:
        raise BatchRefused(Outcomes([None] * len(items), outcomes.failures))
    if key is not None:
        await keep(change, actor, key, outcome_ids=list(outcomes.ids))
    return outcomes


async def _each(
    change: Change,
    bound: Rule,
    items: Sequence[Mapping[str, Any]],
    done: Sequence[UUID | None],
    order: Order,
    *,
    replayed: bool,
) -> Outcomes:
    """Run the rule for each item without an outcome, each behind a savepoint: one that is refused leaves nothing."""
    ids = list(done)
    failures: dict[int, Failure] = {}
    waiting = [place for place in order.places(items) if ids[place] is None]
    if order.dependence is not Dependence.NONE:
        (name,) = order.names
        # Behind no savepoint, so that an item that is refused keeps its lock until it is tried again.
        await lock_all(change, order.table, [items[place][name] for place in waiting])
    if order.dependence is Dependence.DEPENDENTS_FIRST:
        # Ids grow with time, so most dependents have the greater ones.
        waiting.reverse()
    while waiting:
        refused = []
        for place in waiting:
            failure = await _one(change, bound, items[place], ids, place)
            if failure is None:
                failures.pop(place, None)
            else:
                failure.path = ("items", str(place), *failure.path)
                failures[place] = failure
                refused.append(place)
        if order.dependence is Dependence.NONE or len(refused) == len(waiting):
            break
        # In the opposite direction: a chain of dependents that stood the wrong way around is then done at once.
        waiting = [place for place in reversed(refused) if isinstance(failures[place], InUse | Conflict)]
    return Outcomes(ids, failures, replayed)


async def _one(
    change: Change, bound: Rule, item: Mapping[str, Any], ids: list[UUID | None], place: int
) -> Failure | None:
    """Run the rule for an item behind a savepoint and note the id of its row; return why it was refused."""
    told = len(change.events)
    try:
        async with change.begin_nested():
            ids[place] = (await bound(**item)).id
    except Failure as failure:
        del change.events[told:]
        return failure
    return None
