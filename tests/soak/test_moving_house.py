"""A whole organization moves: through a kill, in any order, and without a trace at the neighbor's."""

import io
import subprocess
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from sqlalchemy import func, select, text
from sqlmodel import col

from db.session import Database
from db.tables import ImportKey, ImportProgress, Organization, Run
from registry.transfer.exporting import export
from registry.transfer.importing import Importing, Report
from registry.transfer.reading import LineRefused
from tests import services
from tests.patience import eventually
from tests.registry.transfer.test_importing import SMALL
from tests.server.processes import command, environment, registry
from tests.stages import Line as Served
from tests.tenant import Tenant, found_tenant, uuid_of

FRAMEWORKS = ("sklearn",)
CHUNK = 20
KILLED = -9
ARRIVED = ("createdAt", "startedAt")
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
            {"kind": "ModelVersion", "key": f"v{n}", "model": "m", "label": f"1.{n}", "run": f"r{n}"}
            | ({"baseVersion": f"v{n - 1}"} if n else {}),
        ]
    return lines


def encoded(lines: list[dict[str, Any]]) -> bytes:
    return b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)


async def bring(tenant: Tenant, content: bytes, chunk: int = CHUNK) -> Report:
    return await Importing(tenant.database, tenant.actor, FRAMEWORKS, chunk=chunk).run(io.BytesIO(content))


async def exported(tenant: Tenant) -> list[bytes]:
    stream = io.BytesIO()
    await export(tenant.database, tenant.actor, stream)
    return stream.getvalue().splitlines(keepends=True)


async def graph(tenant: Tenant, arrived: Collection[str] = ARRIVED) -> list[bytes]:
    """All that an organization has but for times of arrival, by the keys of its source, in an order of its own."""
    async with tenant.database.change(tenant.org_id) as change:
        rows = (await change.execute(select(ImportKey).where(col(ImportKey.org_id) == tenant.org_id))).scalars()
        keys = {str(row.row_id): row.key for row in rows}
    return sorted(_sorted(raw, keys, arrived) for raw in await exported(tenant))


def _sorted(raw: bytes, keys: Mapping[str, str], arrived: Collection[str]) -> bytes:
    told = [(name, value) for name, value in _told(raw) if name not in arrived]
    line = {name: keys.get(value, value) if isinstance(value, str) else value for name, value in told}
    return orjson.dumps(line, option=orjson.OPT_SORT_KEYS)


def _told(raw: bytes) -> list[tuple[str, Any]]:
    """A line, without what it says of what the tests have made themselves in each organization."""
    line = orjson.loads(raw)
    if line["kind"] in ("Team", "Project") and line["name"] in ("team", "project"):
        return [("kind", "mine")]
    return list(line.items())


async def events(tenant: Tenant) -> int:
    snapshot = tenant.database.new_snapshot(tenant.org_id)
    (row,) = await snapshot.rows(text("select head_seq from ev.stream where org_id = :org"), {"org": tenant.org_id})
    await snapshot.close()
    found: int = row.head_seq
    return found


@pytest.fixture
async def moved(tenant: Tenant) -> list[bytes]:
    """The lines of the export of an organization with a thing of each kind, and a chain of versions."""
    first = {"key": "c0", "baseVersion": "v2"}
    chain = [first, *[{"key": f"c{n}", "baseVersion": f"c{n - 1}"} for n in range(1, 5)]]
    lines = [{"kind": "ModelVersion", "model": "m", "label": one["key"], **one} for one in chain]
    await bring(tenant, encoded([*SMALL, *lines]))
    return await exported(tenant)


@settings(
    max_examples=12,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.data())
async def test_lines_in_any_order_twice_and_cut_anywhere_give_the_same_organization(
    database: Database, http: httpx2.AsyncClient, tenant: Tenant, moved: list[bytes], data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(moved), max_size=8), "lines that stand there twice")
    lines = data.draw(st.permutations([*moved, *again]), "order")
    chunk = data.draw(st.sampled_from([1, 2, 3, 7, 1000]), "chunk")
    content = b"".join(lines)
    cuts = data.draw(st.lists(st.integers(0, len(content)), max_size=2), "places of cuts")
    other = await found_tenant(database, http)
    for cut in sorted(cuts):
        # In the middle of a line, or before what others name.
        with suppress(LineRefused):
            await bring(other, content[:cut], chunk=chunk)
    await bring(other, content, chunk=chunk)
    assert await graph(other, ()) == sorted(_sorted(line, {}, ()) for line in moved)
    before = await events(other)
    await bring(other, content, chunk=chunk)
    assert await events(other) == before


@dataclass(frozen=True)
class InService:
    """The lines of the export of an organization at work, and lines that say more than anybody may say of it now."""

    lines: list[bytes]
    refused: dict[bytes, str]


@pytest.fixture
async def in_service(tenant: Tenant) -> InService:
    """A run that has ended, versions that are and were in PRODUCTION, and an alias whose gates have closed since."""
    client, point = tenant.client, {"name": "accuracy", "phase": "TEST", "value": 0.9}
    run = await tenant.run(heartbeatTimeoutSeconds=60)
    await client.make("logRunMetrics", "run", run=run, metrics=[point])
    await client.make("finishRun", "run", run=run)
    served = await Served.of(tenant, 3)
    first, second, unfit = served.versions
    await client.make("createExternalArtifact", "artifact", version=unfit, path="m", kind="MODEL", uri="s3://there/m")
    await served.to_production(first, second)
    for accuracy in ("0.5", "0.95"):
        gate = {"metricThreshold": {"metric": "accuracy", "phase": "TEST", "minimum": float(accuracy)}}
        known = {"expectedRevision": 1} if accuracy == "0.95" else {}
        await client.make("setPromotionPolicy", "promotionPolicy", alias="champion", gates=[gate], **known)
        if not known:
            await client.make("logVersionMetrics", "version", version=second, metrics=[point])
            await client.make("setAlias", "alias", version=second, name="champion")
    key, first_key, unfit_key = (str(uuid_of(one)) for one in (run, first, unfit))
    more: list[tuple[dict[str, Any], str]] = [
        ({"kind": "RunMetric", "run": key, **point, "value": 1, "measuredAt": T}, "CONFLICT"),
        ({"kind": "RunMetric", "run": key, **point, "step": 1, "measuredAt": T}, "CONFLICT"),
        ({"kind": "ResourceSample", "run": key, "sampledAt": T, "cpuPercent": 1}, "CONFLICT"),
        (
            {"kind": "Artifact", "version": first_key, "path": "m", "artifactKind": "MODEL", "uri": "s3://x/m"},
            "CONFLICT",
        ),
        ({"kind": "Alias", "version": unfit_key, "name": "champion"}, "GATE_FAILED"),
    ]
    return InService(await exported(tenant), {encoded([one]): code for one, code in more})


@settings(
    max_examples=6,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.data())
async def test_what_is_in_service_stays_as_it_is_however_often_and_by_whatever_name_it_comes_in(
    tenant: Tenant, in_service: InService, data: st.DataObject
) -> None:
    more = data.draw(st.lists(st.sampled_from(sorted(in_service.refused)), unique=True), "lines that say more")
    lines = data.draw(st.permutations([*in_service.lines, *more]), "order")
    chunk = data.draw(st.sampled_from([3, 1000]), "chunk")
    before = await events(tenant)
    for source in ("first", "first", "second"):
        importing = Importing(tenant.database, tenant.actor, FRAMEWORKS, source, chunk=chunk, keep_going=True)
        report = await importing.run(io.BytesIO(b"".join(lines)))
        told = {lines[one.line - 1]: one.code for one in report.refused}
        assert told == {one: in_service.refused[one] for one in more}
        assert sum(counts["unchanged"] for counts in report.counts.values()) == len(in_service.lines)
    assert (await events(tenant), await exported(tenant)) == (before, in_service.lines)


async def test_the_neighbor_notices_nothing(tenant: Tenant, neighbor: Tenant) -> None:
    before = await events(neighbor), await graph(neighbor)
    await bring(tenant, encoded(house()))
    assert (await events(neighbor), await graph(neighbor)) == before


async def test_an_import_that_is_killed_goes_on_where_it_was(
    tenant: Tenant, neighbor: Tenant, database_url: str, tmp_path: Path
) -> None:
    content = encoded(house())
    name = await _name(tenant)
    where = {"DATABASE_URL": database_url, "DATABASE_ROLE_PREFIX": services.ROLES.prefix}
    words = ("import", "-", "--organization", name, "--chunk", str(CHUNK))
    process = subprocess.Popen(command(*words), env=environment(where), stdin=subprocess.PIPE)
    assert process.stdin is not None
    # Two chunks and a piece of a line: the rest never comes.
    process.stdin.write(b"".join(content.splitlines(keepends=True)[: 2 * CHUNK]) + b'{"kind": "Mod')
    process.stdin.flush()

    async def has_two_chunks() -> bool:
        return await _progress(tenant) >= 2 * CHUNK

    await eventually(has_two_chunks)
    process.kill()
    assert process.wait() == KILLED
    process.stdin.close()
    file = tmp_path / "house.jsonl"
    file.write_bytes(content)
    ran = registry("import", str(file), *words[2:], **where)
    assert (ran.status, ran.err) == (0, "")
    assert f"The first {2 * CHUNK} lines were in already." in ran.out
    await bring(neighbor, content)
    assert await graph(tenant) == await graph(neighbor)
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
        return (await change.execute(select(col(Organization.name)))).scalar_one()


async def _progress(tenant: Tenant) -> int:
    async with tenant.database.change(tenant.org_id) as change:
        found = await change.execute(
            select(col(ImportProgress.line_count)).where(col(ImportProgress.org_id) == tenant.org_id)
        )
        return found.scalar_one_or_none() or 0


async def _count(tenant: Tenant) -> int:
    async with tenant.database.change(tenant.org_id) as change:
        return (await change.execute(select(func.count()).where(col(Run.org_id) == tenant.org_id))).scalar_one()
