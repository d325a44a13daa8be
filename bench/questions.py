"""Questions to a large organization: the history of a million points, and a search."""

from collections.abc import AsyncIterator
from functools import partial
from uuid import UUID

import asyncpg

from bench.bare import connect, enter
from bench.ground import Ground, answered, statements_of, superuser
from bench.plan import Plan
from bench.report import Line
from bench.rounds import race
from db.base import SCHEMA, utc_now
from registry.tracking import runs
from resolvers import ids

HISTORY = """query History($run: ID!) { node(id: $run) { ... on Run {
  metricHistory(name: "loss", phase: TRAINING, points: 500) {
    pointCount buckets { firstStep lastStep minimum maximum last } } } } }"""
POINTS = "select step, value from registry.run_metric where org_id = $1 and run_id = $2 order by step"
SEARCH = """query Search($text: String!) { search(text: $text, first: 20) {
  totalCount edges { rank highlights { field } node { __typename } } } }"""
SCAN = "select id, name from registry.run where org_id = $1 and name ilike '%' || $2 || '%' order by id desc limit 20"
_COLUMNS = ("org_id", "run_id", "phase", "name", "step", "value", "measured_at")
_CHUNK = 50_000


async def measure(ground: Ground, plan: Plan) -> list[Line]:
    """Two lines: a history beside fetching all of its points, a search for a name beside ILIKE over the names."""
    run = await _long_run(ground, plan.history)
    history = partial(answered, ground, HISTORY, {"run": ids.encode("Run", run)})
    search = partial(answered, ground, SEARCH, {"text": "run-00001"})
    counted = [await statements_of(ground, turn) for turn in (history, search)]
    async with connect(ground.settings) as bare:
        times_ms = await race(
            {
                "history": history,
                "points": partial(_fetch, ground, bare, POINTS, run),
                "search": search,
                "scan": partial(_fetch, ground, bare, SCAN, "run-00001"),
            },
            plan.rounds,
        )
    return [
        Line(f"history, {plan.history:,} points to 500", "asyncpg, all its points", times_ms["history"],
             times_ms["points"], counted[0], 1),
        Line("search for the name of a run", "asyncpg, ILIKE over the runs", times_ms["search"], times_ms["scan"],
             counted[1], 1),
    ]  # fmt: skip


async def _long_run(ground: Ground, points: int) -> UUID:
    """A run with one long metric."""
    async with ground.services.database.change(ground.actor.org_id) as change:
        run = await runs.create(change, ground.actor, project_id=ground.project_id, name="long")
    async with superuser(ground) as connection:
        await connection.copy_to_table(
            "run_metric", schema_name=SCHEMA, columns=_COLUMNS, source=_series(ground.actor.org_id, run.id, points)
        )
        await connection.execute("vacuum analyze registry.run_metric")
    return run.id


async def _series(org_id: UUID, run_id: UUID, points: int) -> AsyncIterator[bytes]:
    head, tail = f"{org_id}\t{run_id}\tTRAINING\tloss\t", f"\t{utc_now().isoformat()}\n"
    for first in range(0, points, _CHUNK):
        last = min(first + _CHUNK, points)
        yield "".join(f"{head}{step}\t{1 / (step + 1)}{tail}" for step in range(first, last)).encode()


async def _fetch(ground: Ground, connection: asyncpg.Connection, statement: str, value: object) -> int:
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await enter(connection, ground.settings.roles, ground.actor)
        # A million rows take their time on a busy machine, and a baseline that is cut off measures nothing.
        await connection.execute("set local statement_timeout = '60s'")
        return len(await connection.fetch(statement, ground.actor.org_id, value))
