"""What runs cost: each run, its machine and the prices that were valid when it began, by one statement for all runs."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Select, Uuid, any_, bindparam, func, or_, select

from db.base import columns, utc_now
from db.tables import Price, Run, Runtime
from registry.costs import Cost, cost_of
from resolvers.records import record_of
from resolvers.shapes import Reading, column_of, own


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


@cache
def _priced() -> Select[*tuple[Any, ...]]:
    """Each run with each price for its hardware or for any; of several from other times the newest last."""
    run, began, hardware = column_of(Run, "id"), column_of(Run, "started_at"), column_of(Runtime, "hardware")
    on, valid_from, valid_to = (column_of(Price, name) for name in ("hardware", "valid_from", "valid_to"))
    named = or_(on.is_(None), *[on == func.jsonb_extract_path_text(hardware, name) for name in ("cpu", "gpu")])
    valid = (valid_from <= began) & or_(valid_to.is_(None), valid_to > began)
    joined = run.table.outerjoin(
        column_of(Runtime, "id").table, own(Runtime) & (column_of(Runtime, "id") == column_of(Run, "runtime_id"))
    ).outerjoin(column_of(Price, "id").table, own(Price) & named & valid)
    return (
        select(run, began, column_of(Run, "ended_at"), hardware, *columns(Price))
        .select_from(joined)
        .where(own(Run), run == any_(bindparam("keys", type_=ARRAY(Uuid))))
        .order_by(run, valid_from)
    )
