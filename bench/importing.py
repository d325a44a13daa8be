"""Importing: a file of runs with their metric points, against COPY of the same rows without rules, events and keys."""

import io
from functools import partial
from itertools import count
from typing import Any

import asyncpg
import orjson

from bench.ground import Ground, superuser
from bench.plan import Plan
from bench.points import COLUMNS
from bench.report import Line
from bench.rounds import race
from bench.seed import copy, defaults
from db.base import SCHEMA, utc_now
from db.ids import uuid7
from db.tables import Run
from registry.kernel.access import Actor
from registry.tenants import organizations
from registry.transfer.importing import Importing

POINTS = 9
_T = "2026-03-03T12:00:00Z"

_files = count()


async def measure(ground: Ground, plan: Plan) -> list[Line]:
    """One line, in milliseconds a file: one run in ten lines, nine points each."""
    grants = organizations.system(ground.actor.org_id).grants
    actor = Actor(ground.actor.org_id, ground.actor.principal_id, ground.actor.kind, ground.actor.name, grants)
    async with superuser(ground) as connection:
        turns: dict[str, Any] = {
            "ours": partial(_import, ground, actor, plan.imported_runs),
            "bare": partial(_copy, ground, connection, plan.imported_runs),
        }
        times_ms = await race(turns, plan.rounds)
    lines = plan.imported_runs * (1 + POINTS)
    return [Line(f"import {lines} lines", "COPY of as many rows", times_ms["ours"], times_ms["bare"])]


async def _import(ground: Ground, actor: Actor, runs: int) -> None:
    project = str(ground.project_id)
    lines: list[dict[str, Any]] = []
    for number in range(runs):
        lines.append({"kind": "Run", "key": f"{number}", "project": project, "name": "imported"})
        lines += [
            {"kind": "RunMetric", "run": f"{number}", "phase": "TRAINING", "name": "loss", "step": step, "value": 0.5}
            | {"measuredAt": _T}
            for step in range(POINTS)
        ]
    content = b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)
    importing = Importing(ground.services.database, actor, (), source=f"bench {next(_files)}")
    await importing.run(io.BytesIO(content))


async def _copy(ground: Ground, connection: asyncpg.Connection, runs: int) -> None:
    now, org_id = utc_now(), ground.actor.org_id
    row = defaults(Run(org_id=org_id, created_by=ground.actor.principal_id, project_id=ground.project_id, name="bare"))
    rows = [{**row, "id": uuid7()} for _ in range(runs)]
    points = [(org_id, one["id"], "TRAINING", "loss", step, 0.5, now) for one in rows for step in range(POINTS)]
    async with connection.transaction():
        await copy(connection, Run, rows)
        await connection.copy_records_to_table("run_metric", schema_name=SCHEMA, columns=COLUMNS, records=points)
