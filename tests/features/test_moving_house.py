"""A whole organisation moves: through a kill, in any order, and without a trace at the neighbour's."""

import asyncio
import io
import random
import subprocess
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import func, select, text
from sqlmodel import col

from db.tables import ImportKey, ImportProgress, Organisation, Run
from registry.transfer.exporting import export
from registry.transfer.importing import Importing, Report
from tests import services
from tests.server.processes import PATIENCE_S, command, environment, registry
from tests.tenant import Tenant

FRAMEWORKS = ("sklearn",)
CHUNK = 20
KILLED = -9
T = "2026-03-03T12:00:00Z"


def house() -> list[dict[str, Any]]:
    """A search over settings with its trials, their points and uses, and the versions that came of them."""
    lines: list[dict[str, Any]] = [
        {"kind": "Team", "key": "t", "name": "movers"},
        {"kind": "Project", "key": "p", "team": "t", "name": "house"},
        {"kind": "Dataset", "key": "d", "project": "p", "name": "boxes"},
        {"kind": "DatasetVersion", "key": "dv", "dataset": "d", "digest": "sha256:" + "b" * 64},
        {"kind": "Model", "key": "m", "project": "p", "name": "van", "framework": "sklearn"},
        {"kind": "Run", "key": "r", "project": "p", "name": "search"},
    ]
    for n in range(30):
        ended = {"status": "FINISHED", "startedAt": T, "endedAt": T}
        lines += [
            {"kind": "Run", "key": f"r{n}", "project": "p", "name": "trial", "parentRun": "r", **ended},
            {"kind": "DatasetUse", "run": f"r{n}", "datasetVersion": "dv", "role": "TRAINING"},
            {"kind": "RunMetric", "run": f"r{n}", "phase": "TEST", "name": "auc", "value": n, "measuredAt": T},
            {"kind": "Version", "key": f"v{n}", "model": "m", "label": f"1.{n}", "run": f"r{n}"}
            | ({"baseVersion": f"v{n - 1}"} if n else {}),
        ]
    return lines


def encoded(lines: list[dict[str, Any]]) -> bytes:
    return b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)


async def bring(tenant: Tenant, content: bytes) -> Report:
    return await Importing(tenant.database, tenant.actor, FRAMEWORKS, chunk=CHUNK).run(io.BytesIO(content))


async def graph(tenant: Tenant) -> list[bytes]:
    """All that an organisation has, by the keys of its source, in an order of its own."""
    stream = io.BytesIO()
    await export(tenant.database, tenant.actor, stream)
    async with tenant.database.change(tenant.org_id) as change:
        rows = (await change.execute(select(ImportKey).where(col(ImportKey.org_id) == tenant.org_id))).scalars()
        keys = {str(row.row_id): row.key for row in rows}
    found = []
    for raw in stream.getvalue().splitlines():
        line = {name: keys.get(value, value) if isinstance(value, str) else value for name, value in _told(raw)}
        found.append(orjson.dumps(line, option=orjson.OPT_SORT_KEYS))
    return sorted(found)


def _told(raw: bytes) -> list[tuple[str, Any]]:
    """A line without what is other in each organisation: times of arrival, and what the tests have made themselves."""
    line = orjson.loads(raw)
    if line["kind"] in ("Team", "Project") and line["name"] in ("team", "project"):
        return [("kind", "mine")]
    return [(name, value) for name, value in line.items() if name not in ("createdAt", "startedAt")]


async def events(tenant: Tenant) -> int:
    snapshot = tenant.database.new_snapshot(tenant.org_id)
    (row,) = await snapshot.rows(text("select head_seq from ev.stream where org_id = :org"), {"org": tenant.org_id})
    await snapshot.close()
    found: int = row.head_seq
    return found


@pytest.mark.parametrize("seed", range(5))
async def test_the_order_of_the_lines_makes_no_difference(tenant: Tenant, neighbour: Tenant, seed: int) -> None:
    lines = house()
    await bring(tenant, encoded(lines))
    random.Random(seed).shuffle(lines)
    report = await bring(neighbour, encoded(lines))
    assert sum(counts["created"] for counts in report.counts.values()) == len(lines)
    assert await graph(neighbour) == await graph(tenant)


async def test_the_neighbour_notices_nothing(tenant: Tenant, neighbour: Tenant) -> None:
    before = await events(neighbour), await graph(neighbour)
    await bring(tenant, encoded(house()))
    assert (await events(neighbour), await graph(neighbour)) == before


async def test_an_import_that_is_killed_goes_on_where_it_was(
    tenant: Tenant, neighbour: Tenant, database_url: str, tmp_path: Path
) -> None:
    content = encoded(house())
    name = await _name(tenant)
    settings = {"DATABASE_URL": database_url, "DATABASE_ROLE_PREFIX": services.ROLES.prefix}
    words = ("import", "-", "--organisation", name, "--chunk", str(CHUNK))
    process = subprocess.Popen(command(*words), env=environment(settings), stdin=subprocess.PIPE)
    assert process.stdin is not None
    # Two chunks and a piece of a line: the rest never comes.
    process.stdin.write(b"".join(content.splitlines(keepends=True)[: 2 * CHUNK]) + b'{"kind": "Mod')
    process.stdin.flush()
    deadline = time.monotonic() + PATIENCE_S
    while await _progress(tenant) < 2 * CHUNK:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    process.kill()
    assert process.wait() == KILLED
    process.stdin.close()
    file = tmp_path / "house.jsonl"
    file.write_bytes(content)
    ran = registry("import", str(file), *words[2:], **settings)
    assert (ran.status, ran.err) == (0, "")
    assert f"The first {2 * CHUNK} lines were in already." in ran.out
    await bring(neighbour, content)
    assert await graph(tenant) == await graph(neighbour)
    assert await _progress(tenant) == 0


async def test_a_file_that_is_cut_comes_in_as_far_as_its_whole_chunks_and_then_whole(tenant: Tenant) -> None:
    content = encoded(house())
    with pytest.raises(Exception, match="The file ends in the middle of this line"):
        await bring(tenant, content[: len(content) // 2])
    runs = await _count(tenant)
    assert 0 < runs < 31
    await bring(tenant, content)
    assert await _count(tenant) == 31
    before = await events(tenant)
    report = await bring(tenant, content)
    assert sum(counts["unchanged"] for counts in report.counts.values()) == len(house())
    assert await events(tenant) == before


async def _name(tenant: Tenant) -> str:
    async with tenant.database.change(tenant.org_id) as change:
        return (await change.execute(select(col(Organisation.name)))).scalar_one()


async def _progress(tenant: Tenant) -> int:
    async with tenant.database.change(tenant.org_id) as change:
        found = await change.execute(
            select(col(ImportProgress.line_count)).where(col(ImportProgress.org_id) == tenant.org_id)
        )
        return found.scalar_one_or_none() or 0


async def _count(tenant: Tenant) -> int:
    async with tenant.database.change(tenant.org_id) as change:
        return (await change.execute(select(func.count()).where(col(Run.org_id) == tenant.org_id))).scalar_one()
