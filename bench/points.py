"""Logging metrics: the mutation with one point and with a thousand, against COPY of as many rows."""

from collections.abc import Sequence
from functools import partial
from itertools import count
from typing import Any
from uuid import UUID

import asyncpg

from bench.ground import Ground, answered, statements_of, superuser
from bench.plan import Plan
from bench.report import Line
from bench.rounds import race
from bench.wire import Wire
from db.base import SCHEMA, utc_now
from registry.tracking import runs
from resolvers import ids

LOG = """mutation Log($input: LogRunMetricsInput!) {
  logRunMetrics(input: $input) { run { id } errors { __typename } }
}"""

COLUMNS = ("org_id", "run_id", "phase", "name", "step", "value", "measured_at")
BATCH = 1_000

_steps = count()


async def measure(ground: Ground, plan: Plan) -> list[Line]:
    """Two lines, in milliseconds a call: one point, and a thousand in one call."""
    run, other = await _run(ground), await _run(ground)
    async with ground.wire() as client, superuser(ground) as connection:
        turns: dict[str, Any] = {}
        for size in (1, BATCH):
            turns[f"ours {size}"] = partial(_over_http, client, run, size)
            turns[f"bare {size}"] = partial(_copy, ground, connection, other, size)
        counted = {size: await statements_of(ground, partial(_in_process, ground, run, size)) for size in (1, BATCH)}
        times_ms = await race(turns, plan.rounds)
    return [
        Line(f"log {size} metric points", "COPY of as many rows", times_ms[f"ours {size}"], times_ms[f"bare {size}"],
             counted[size], 1)
        for size in (1, BATCH)
    ]  # fmt: skip


async def _run(ground: Ground) -> UUID:
    async with ground.services.database.change(ground.actor.org_id) as change:
        return (await runs.create(change, ground.actor, project_id=ground.project_id, name="logging")).id


def _given(run: UUID, size: int) -> dict[str, Any]:
    points = [{"name": "loss", "phase": "TRAINING", "value": 0.5, "step": str(next(_steps))} for _ in range(size)]
    return {"run": ids.encode("Run", run), "metrics": points}


async def _over_http(client: Wire, run: UUID, size: int) -> None:
    await client.change(LOG, _given(run, size))


async def _in_process(ground: Ground, run: UUID, size: int) -> None:
    await answered(ground, LOG, {"input": _given(run, size)})


async def _copy(ground: Ground, connection: asyncpg.Connection, run: UUID, size: int) -> None:
    now = utc_now()
    records: Sequence[tuple[Any, ...]] = [
        (ground.actor.org_id, run, "TRAINING", "loss", next(_steps), 0.5, now) for _ in range(size)
    ]
    await connection.copy_records_to_table("run_metric", schema_name=SCHEMA, columns=COLUMNS, records=records)
