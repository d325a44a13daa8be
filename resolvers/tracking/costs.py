"""What runs cost: each run, its machine and the prices that were valid when it began, by one statement for all."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, Uuid, any_, bindparam, func, or_, select, union

from db.base import Time, columns, utc_now
from db.tables import Price, Run, Runtime
from registry.tracking.costs import Cost, CostSum, RunGroup, cost_of, sum_of
from resolvers.loading.records import record_of
from resolvers.loading.shapes import Reading, column_of, live, own
from resolvers.pages.statements import parents


@dataclass(frozen=True)
class Costs:
    """What each run cost; what it cost so far while it goes on."""

    async def read(self, reading: Reading, keys: list[UUID]) -> list[Cost]:
        """The cost of each run."""
        now, runs, prices = utc_now(), {}, defaultdict(list)
        for key, began, ended, hardware, *price in await reading.rows(_priced(), {"keys": keys}):
            runs[key] = (((ended or now) - began).total_seconds(), hardware)
            if price[0] is not None:
                prices[key].append(record_of(Price)._make(price))
        return [cost_of(*runs.get(key, (0.0, None)), prices[key]) for key in keys]


@dataclass(frozen=True)
class CostSums:
    """What all runs that belong to each key cost together: those whose `parent` it is, or a run and all below it."""

    parent: str | None = None

    async def read(self, reading: Reading, keys: list[UUID]) -> list[CostSum]:
        """The sums for each key."""
        groups: dict[UUID, dict[int, RunGroup]] = defaultdict(dict)
        bounds = {"keys": keys, "now": utc_now()}
        for key, hardware, _, took_s, run_count, nth, *price in await reading.rows(_summed(self.parent), bounds):
            group = groups[key].setdefault(nth, RunGroup(hardware, took_s, run_count, []))
            if price[0] is not None:
                group.prices.append(record_of(Price)._make(price))
        return [sum_of(groups[key].values()) for key in keys]


@cache
def _priced() -> Select[*tuple[Any, ...]]:
    """Each run with each price for its hardware or for any; of several from one time the one set last."""
    run, began, hardware = column_of(Run, "id"), column_of(Run, "started_at"), column_of(Runtime, "hardware")
    joined = _on_machines().outerjoin(column_of(Price, "id").table, _held(began, hardware))
    return (
        select(run, began, column_of(Run, "ended_at"), hardware, *columns(Price))
        .select_from(joined)
        .where(own(Run), run == any_(bindparam("keys", type_=ARRAY(Uuid))))
        .order_by(run, *_set_last())
    )


@cache
def _summed(parent: str | None) -> Select[*tuple[Any, ...]]:
    """Groups of the runs that belong to each of `:keys`, each with each price as `_priced` has it.

    Which prices are valid changes only at the moments from which or until which one is: runs that began between two of
    them are alike and priced together, so that there are few groups however many runs.
    """
    run, source = column_of(Run, "id"), _on_machines()
    if parent is None:
        below = _below()
        key, source, belongs = below.c.key, source.join(below, below.c.id == run), own(Run)
    else:
        key = column_of(Run, parent)
        belongs = live(Run) & (key == any_(bindparam("keys", type_=ARRAY(Uuid))))
    began, ended = column_of(Run, "started_at"), column_of(Run, "ended_at")
    took_s = func.extract("epoch", func.coalesce(ended, bindparam("now", type_=Time())) - began)
    machine = column_of(Runtime, "hardware")
    alike = (key, machine, func.width_bucket(began, _price_changes()))
    grouped = (
        select(
            key.label("key"),
            machine,
            func.min(began).label("began"),
            func.sum(func.greatest(took_s, 0)).label("took_s"),
            func.count().label("run_count"),
            func.row_number().over().label("nth"),
        )
        .select_from(source)
        .where(belongs)
        .group_by(*alike)
        .subquery("grouped")
    )
    joined = grouped.outerjoin(column_of(Price, "id").table, _held(grouped.c.began, grouped.c.hardware))
    return select(*grouped.c, *columns(Price)).select_from(joined).order_by(grouped.c.nth, *_set_last())


def _below() -> Any:
    """Each of `:keys` with itself and every live run below it."""
    keys, child = parents(), columns(Run)[0].table.alias("child")
    below = select(keys.c.key, keys.c.key.label("id")).select_from(keys).cte("below", recursive=True)
    own_child = (child.c.org_id == bindparam("org_id")) & child.c.deleted_at.is_(None)
    return below.union(select(below.c.key, child.c.id).where(own_child, child.c.parent_run_id == below.c.id))


def _price_changes() -> Any:
    """The moments from which or until which a price is valid, in order."""
    start, end = column_of(Price, "valid_from"), column_of(Price, "valid_to")
    at = union(select(start.label("at")).where(own(Price)), select(end).where(own(Price), end.is_not(None))).subquery()
    return func.array(select(at.c.at).order_by(at.c.at).scalar_subquery())


def _on_machines() -> Any:
    runtime = column_of(Runtime, "id")
    return column_of(Run, "id").table.outerjoin(runtime.table, own(Runtime) & (runtime == column_of(Run, "runtime_id")))


def _held(began: ColumnElement[Any], hardware: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a price is for this hardware or for any, and was valid at this moment."""
    on, valid_from, valid_to = (column_of(Price, name) for name in ("hardware", "valid_from", "valid_to"))
    named = or_(on.is_(None), *[on == func.jsonb_extract_path_text(hardware, name) for name in ("cpu", "gpu")])
    return own(Price) & named & (valid_from <= began) & or_(valid_to.is_(None), valid_to > began)


def _set_last() -> tuple[ColumnElement[Any], ...]:
    """The order in which of several prices from one time the one set last comes last."""
    return column_of(Price, "valid_from"), column_of(Price, "created_at")
