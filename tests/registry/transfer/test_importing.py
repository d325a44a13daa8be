"""Importing: what a line may say, what is refused, and that nothing happens twice."""

import io
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import orjson
import pytest
from sqlalchemy import func, select, text
from sqlmodel import col

from db.codes import ArtifactState, Role
from db.session import Database
from db.tables import Artifact, Model, Run
from registry.kernel.errors import Forbidden
from registry.transfer.exporting import export
from registry.transfer.importing import Importing, Report
from registry.transfer.reading import LineRefused
from tests.tenant import Tenant, found_tenant, uuid_of

FRAMEWORKS = ("sklearn", "pytorch")
NOW = "2026-03-03T12:00:00Z"


def line(kind: str, key: str | None = None, **values: Any) -> dict[str, Any]:
    return {"kind": kind, **({"key": key} if key else {}), **values}


SMALL = [
    line("Team", "t", name="research"),
    line("Project", "p", team="t", name="churn", description="Who leaves?"),
    line("Environment", "e", name="production-eu", tags={"region": "eu"}),
    line("Price", "pr", resource="CPU_CORE_HOUR", hardware="EPYC", amount="0.123456789", currency="EUR",
         validFrom="2026-01-01T00:00:00Z", validTo=NOW),
    line("Price", "pr2", resource="CPU_CORE_HOUR", hardware="EPYC", amount=1, currency="EUR", validFrom=NOW),
    line("Runtime", "rt", pythonVersion="3.12.4", packages={"scikit-learn": "1.5.0"}, hardware={"cpuCount": 8}),
    line("Signature", "s", inputs=[{"name": "age", "type": "INT64"}], outputs=[{"name": "p", "type": "FLOAT64"}]),
    line("DatasetSchema", "ds", columns=[{"name": "age", "type": "INT64", "nullable": False}]),
    line("Dataset", "d", project="p", name="customers"),
    line("DatasetVersion", "dv", dataset="d", digest="sha256:" + "a" * 64, rowCount=2**63 - 1, schema="ds"),
    line("DatasetProfile", datasetVersion="dv", rowCount=3, columns=[{"name": "age", "mean": 40.5, "nullCount": 1}]),
    line("Experiment", "x", project="p", name="depth"),
    line("Run", "r", project="p", experiment="x", name="search", status="FINISHED", startedAt=NOW, endedAt=NOW,
         description="Wide.", externalUrl="https://ci.example.com/1",
         parameters={"depth": 3, "warm": True}, runtime="rt"),
    line("Run", "r1", project="p", experiment="x", parentRun="r", name="trial", status="FAILED", startedAt=NOW,
         endedAt=NOW),
    line("DatasetUse", run="r", datasetVersion="dv", role="TRAINING"),
    line("Model", "m", project="p", name="churn", framework="SKLEARN", task="CLASSIFICATION", tags={"a": "b"}),
    line("ModelVersion", "v1", model="m", label="1.0", run="r", signature="s", runtime="rt"),
    line("ModelVersion", "v2", model="m", label="1.1", baseVersion="v1"),
    line("Alias", version="v2", name="@champion"),
    line("Artifact", version="v1", path="model.pkl", artifactKind="MODEL", uri="s3://elsewhere/model.pkl",
         sha256="A" * 64, sizeBytes=12),
    line("Deployment", "dep", environment="e", version="v1", name="churn", trafficPercent=100),
    line("RunMetric", run="r", phase="TRAINING", name="loss", step=2**63 - 1, value=0.5, measuredAt=NOW),
    line("RunMetric", run="r", phase="TRAINING", name="loss", step=1, special="NAN", measuredAt=NOW),
    line("ResourceSample", run="r", sampledAt=NOW, cpuPercent=150, memoryBytes=2**40),
    line("VersionMetric", version="v1", phase="TEST", name="auc", value=0.9, measuredAt=NOW),
]  # fmt: skip


def encoded(*lines: Mapping[str, Any]) -> bytes:
    return b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in lines)


async def bring(tenant: Tenant, content: bytes, **options: Any) -> Report:
    return await Importing(tenant.database, tenant.actor, FRAMEWORKS, **options).run(io.BytesIO(content))


async def refusal(tenant: Tenant, content: bytes, **options: Any) -> LineRefused:
    with pytest.raises(LineRefused) as refused:
        await bring(tenant, content, **options)
    return refused.value


def total(report: Report, what: str) -> int:
    return sum(counts[what] for counts in report.counts.values())


async def exported(tenant: Tenant) -> bytes:
    stream = io.BytesIO()
    await export(tenant.database, tenant.actor, stream)
    return stream.getvalue()


def shape(content: bytes) -> list[dict[str, Any]]:
    """The lines of an export with numbers for ids, in the order in which they come, and without the times of scopes."""
    numbers: dict[str, str] = {}
    found = []
    for raw in content.splitlines():
        given = {
            name: numbers.setdefault(value, f"#{len(numbers)}") if isinstance(value, str) and is_uuid(value) else value
            for name, value in orjson.loads(raw).items()
        }
        if given["kind"] in ("Team", "Project"):
            given.pop("createdAt")
        found.append(given)
    return found


def is_uuid(value: str) -> bool:
    return len(value) == 36 and value.count("-") == 4


async def head(tenant: Tenant) -> int:
    """How many events the organization has."""
    snapshot = tenant.database.new_snapshot(tenant.org_id)
    (row,) = await snapshot.rows(text("select head_seq from ev.stream where org_id = :org"), {"org": tenant.org_id})
    await snapshot.close()
    found: int = row.head_seq
    return found


async def count(tenant: Tenant, table: Any) -> int:
    async with tenant.database.change(tenant.org_id) as change:
        found = await change.execute(select(func.count()).where(table.org_id == tenant.org_id))
        return int(found.scalar_one())


@pytest.mark.parametrize("chunk", [1, 3, 1000])
async def test_every_kind_comes_in_and_the_same_file_again_changes_nothing(tenant: Tenant, chunk: int) -> None:
    report = await bring(tenant, encoded(*SMALL), chunk=chunk)
    assert (total(report, "created"), total(report, "unchanged")) == (len(SMALL), 0)
    before = await head(tenant)
    again = await bring(tenant, encoded(*SMALL), chunk=chunk)
    assert (total(again, "created"), total(again, "updated"), total(again, "unchanged")) == (0, 0, len(SMALL))
    assert await head(tenant) == before


async def test_an_export_imported_elsewhere_gives_the_same_export_up_to_ids(tenant: Tenant, neighbor: Tenant) -> None:
    await bring(tenant, encoded(*SMALL))
    first = await exported(tenant)
    await bring(neighbor, first)
    assert shape(await exported(neighbor)) == shape(first)


BASE = SMALL[:2]
MODEL = line("Model", "m", project="p", name="m", framework="sklearn")
RUN = line("Run", "r", project="p", name="r")
POINT = line("RunMetric", run="r", phase="TEST", name="a", value=1, measuredAt=NOW)

PRICE = line("Price", "pr", resource="RUN_HOUR", amount="0.5", currency="EUR", validFrom=NOW)


def changed(given: dict[str, Any], **values: Any) -> dict[str, Any]:
    return given | values


BAD = [
    (line("Robot", "x"), "kind", "INVALID_VALUE"),
    (changed(MODEL, color="red"), "Model, color", "INVALID_VALUE"),
    (changed(MODEL, framework="abacus"), "Model, framework", "INVALID_VALUE"),
    (changed(MODEL, name="a\0b"), "Model, name", "INVALID_VALUE"),
    (changed(MODEL, name=3), "Model, name", "INVALID_VALUE"),
    (changed(MODEL, tags=["a"]), "Model, tags", "INVALID_VALUE"),
    (changed(MODEL, tags={str(n): "" for n in range(10_000)}), "Model, tags", "INVALID_VALUE"),
    (changed(MODEL, project="elsewhere"), "Model, project", "NOT_FOUND"),
    (line("Run", project="p", name="no key"), "Run, key", "INVALID_VALUE"),
    (changed(RUN, parentRun="r"), "Run, parentRun", "CONFLICT"),
    (changed(RUN, parameters={"a": [1]}), "Run, parameters.0.value", "INVALID_VALUE"),
    (changed(RUN, parameters={"a": "x" * 1_000_000}), "Run, parameters.0.value", "INVALID_VALUE"),
    (changed(RUN, status="FINISHED"), "Run, endedAt", "INVALID_VALUE"),
    (changed(RUN, startedAt="1066-10-14T00:00:00Z"), "Run, startedAt", "INVALID_VALUE"),
    (changed(RUN, startedAt="9999-12-31T23:59:59Z"), "Run, startedAt", "INVALID_VALUE"),
    (changed(RUN, startedAt="2026-03-03T12:00:00"), "Run, startedAt", "INVALID_VALUE"),
    (changed(POINT, run="nobody"), "RunMetric, run", "NOT_FOUND"),
    (changed(POINT, step=2**63), "RunMetric, step", "INVALID_VALUE"),
    (changed(POINT, step=2.5), "RunMetric, step", "INVALID_VALUE"),
    (changed(POINT, special="NAN"), "RunMetric, value", "INVALID_VALUE"),
    (line("ResourceSample", run="nobody", sampledAt=NOW, cpuPercent=-1), "ResourceSample, cpuPercent",
     "INVALID_VALUE"),
    (line("ResourceSample", run="nobody", sampledAt=NOW), "ResourceSample", "INVALID_VALUE"),
    (line("Artifact", path="../x", artifactKind="MODEL", uri="s3://x/y", run="r"), "Artifact, path",
     "INVALID_VALUE"),
    (line("Artifact", path="x", artifactKind="MODEL", uri="s3://x/y"), "Artifact, run", "INVALID_VALUE"),
    (changed(PRICE, amount="-1"), "Price, amount", "INVALID_VALUE"),
    (changed(PRICE, amount=0.5), "Price, amount", "INVALID_VALUE"),
    (changed(PRICE, amount="NaN"), "Price, amount", "INVALID_VALUE"),
    (changed(PRICE, amount="1e5"), "Price, amount", "INVALID_VALUE"),
    (changed(PRICE, amount=True), "Price, amount", "INVALID_VALUE"),
    (changed(PRICE, amount="0.0000000001"), "Price, amount", "INVALID_VALUE"),
    (changed(PRICE, amount=10**9 + 1), "Price, amount", "INVALID_VALUE"),
    (changed(PRICE, currency="eur"), "Price, currency", "INVALID_VALUE"),
    (changed(PRICE, currency=978), "Price, currency", "INVALID_VALUE"),
    (changed(PRICE, resource="COFFEE_HOUR"), "Price, resource", "INVALID_VALUE"),
    (changed(PRICE, hardware=" "), "Price, hardware", "INVALID_VALUE"),
    (changed(PRICE, validFrom=None), "Price, validFrom", "INVALID_VALUE"),
    (changed(PRICE, validFrom="2026-03-03"), "Price, validFrom", "INVALID_VALUE"),
    (changed(PRICE, validTo="9999-12-31T23:59:59Z"), "Price, validTo", "INVALID_VALUE"),
    (changed(PRICE, validTo=PRICE["validFrom"]), "Price, validTo", "INVALID_VALUE"),
]  # fmt: skip
"""Lines that are refused, the kind and field that are named, and the code."""


def numbered(bad: dict[str, Any], number: int) -> dict[str, Any]:
    """The line with a key that no other line of a file has."""
    own = {name: f"{value}{number}" for name, value in bad.items() if value == bad.get("key")}
    return changed(bad, **own)


@pytest.fixture(scope="module")
async def put_aside(database: Database, http: httpx2.AsyncClient) -> Report:
    """The report on one file with all bad lines, each of which is put aside."""
    lines = [numbered(bad, number) for number, (bad, *_) in enumerate(BAD)]
    return await bring(await found_tenant(database, http), encoded(*BASE, *lines), keep_going=True)


@pytest.mark.parametrize(("place", "where", "code"), [(place, *told) for place, (_, *told) in enumerate(BAD)])
def test_a_bad_line_is_refused_by_number_kind_and_field(put_aside: Report, place: int, where: str, code: str) -> None:
    number = len(BASE) + 1 + place
    (refused,) = [one for one in put_aside.refused if one.line == number]
    assert (str(refused).split(":")[0], refused.code) == (f"line {number}, {where}", code)


def test_of_bad_lines_nothing_is_written(put_aside: Report) -> None:
    assert len(put_aside.refused) == len(BAD)
    assert total(put_aside, "created") == len(BASE)


@pytest.mark.parametrize("place", [0, 1, 9, 12, 24])
async def test_nothing_of_the_chunk_of_a_bad_line_stays(tenant: Tenant, place: int) -> None:
    bad, where, code = BAD[place]
    before = await head(tenant)
    refused = await refusal(tenant, encoded(*BASE, bad))
    assert (str(refused).split(":")[0], refused.code) == (f"line 3, {where}", code)
    assert await head(tenant) == before


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"kind": "Team", "na', "line 1: The file ends in the middle of this line."),
        (b'{"kind": "Team"\n', "line 1: This is no JSON in UTF-8"),
        (b'{"kind": "Team", "name": "\xff"}\n', "line 1: This is no JSON in UTF-8"),
        (b'{"kind": "Team", "name": "\\ud800"}\n', "line 1: This is no JSON in UTF-8"),
        (b'{"kind": "Team", "name": NaN}\n', "line 1: This is no JSON in UTF-8"),
        (b"[]\n", "line 1: A line is a JSON object."),
        (b"\n" + b" " * 1024 * 1024 + b"\n", "line 2: A line has at most 1048576 bytes."),
    ],
)
async def test_what_is_no_line_is_told_with_its_number(tenant: Tenant, content: bytes, told: str) -> None:
    assert str(await refusal(tenant, content)).startswith(told)


async def test_a_byte_order_mark_and_empty_lines_are_passed_over(tenant: Tenant) -> None:
    report = await bring(tenant, b"\xef\xbb\xbf" + encoded(BASE[0]) + b"\n  \r\n" + encoded(BASE[1]).strip())
    assert total(report, "created") == 2


async def test_a_key_that_stands_twice_is_of_one_thing(tenant: Tenant) -> None:
    report = await bring(tenant, encoded(*BASE, RUN, RUN))
    assert +report.counts["Run"] == {"created": 1, "unchanged": 1}
    refused = await refusal(tenant, encoded(*BASE, RUN, changed(RUN, name="other")), source="second")
    assert (refused.line, refused.code, refused.path) == (4, "CONFLICT", ("key",))


async def test_circles_of_runs_are_refused_however_the_lines_are_cut_into_chunks(tenant: Tenant) -> None:
    first, second = changed(RUN, parentRun="s"), changed(RUN, key="s", parentRun="r")
    assert (await refusal(tenant, encoded(*BASE, first, second))).code == "CONFLICT"
    assert (await refusal(tenant, encoded(*BASE, first, second), chunk=1)).code == "NOT_FOUND"
    assert await count(tenant, Run) == 0


async def test_the_ids_of_another_organization_mean_nothing(tenant: Tenant, neighbor: Tenant) -> None:
    theirs = str(uuid_of(await neighbor.model()))
    refused = await refusal(tenant, encoded(line("ModelVersion", model=theirs, label="1")))
    assert (refused.code, refused.path) == ("NOT_FOUND", ("model",))
    own = str(uuid_of(await tenant.model()))
    assert total(await bring(tenant, encoded(line("ModelVersion", model=own, label="1"))), "created") == 1


async def test_a_line_that_is_changed_updates_what_may_change_and_nothing_else(tenant: Tenant) -> None:
    await bring(tenant, encoded(*BASE, MODEL))
    report = await bring(tenant, encoded(changed(MODEL, description="New.", name="renamed")))
    assert +report.counts["Model"] == {"updated": 1}
    refused = await refusal(tenant, encoded(changed(MODEL, framework="pytorch")))
    assert (refused.code, refused.path) == ("CONFLICT", ("framework",))


async def test_a_run_that_has_ended_takes_points_from_its_own_source_only(tenant: Tenant) -> None:
    ended = changed(RUN, status="FINISHED", startedAt=NOW, endedAt=NOW)
    await bring(tenant, encoded(*BASE, ended, POINT))
    assert (await bring(tenant, encoded(changed(POINT, step=1)))).counts["RunMetric"]["created"] == 1
    async with tenant.database.change(tenant.org_id) as change:
        run = (await change.execute(select(Run).where(col(Run.org_id) == tenant.org_id))).scalar_one()
    foreign = changed(POINT, run=str(run.id))
    assert (await bring(tenant, encoded(foreign), source="other")).counts["RunMetric"]["unchanged"] == 1
    assert (await refusal(tenant, encoded(changed(foreign, value=2)), source="other")).code == "CONFLICT"


async def test_an_export_imported_where_it_came_from_changes_nothing(tenant: Tenant) -> None:
    await bring(tenant, encoded(*SMALL))
    content, before = await exported(tenant), await head(tenant)
    report = await bring(tenant, content, source="again")
    assert (total(report, "created"), total(report, "updated")) == (0, 0)
    assert await head(tenant) == before


async def test_lines_that_are_refused_can_be_put_aside(tenant: Tenant) -> None:
    report = await bring(tenant, encoded(*BASE, changed(MODEL, name=""), MODEL | {"key": "n"}), keep_going=True)
    assert [one.line for one in report.refused] == [3]
    assert await count(tenant, Model) == 1


class BreaksOff(io.BytesIO):
    """A file whose reader is killed behind so many lines."""

    def __init__(self, content: bytes, lines: int) -> None:
        super().__init__(content)
        self._left = lines

    def readline(self, size: int | None = -1, /) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise OSError("killed")
        return super().readline(size)


async def test_what_was_put_aside_before_an_import_broke_off_is_told_when_it_goes_on(tenant: Tenant) -> None:
    bad = changed(MODEL, name="")
    content = encoded(*BASE, bad, changed(MODEL, key="n", name="n"), RUN)
    importing = Importing(tenant.database, tenant.actor, FRAMEWORKS, chunk=1, keep_going=True)
    with pytest.raises(OSError, match="killed"):
        await importing.run(BreaksOff(content, 4))
    assert [one.line for one in (await bring(tenant, content, chunk=1, keep_going=True)).refused] == [3]
    assert await count(tenant, Model) == 1


@pytest.mark.parametrize(("minutes", "created"), [(4, 1), (6, 0)])
async def test_a_point_of_a_clock_that_is_ahead_is_taken_or_refused_as_by_the_api(
    tenant: Tenant, minutes: int, created: int
) -> None:
    ahead = (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()
    sample = line("ResourceSample", run="r", sampledAt=ahead, cpuPercent=50)
    content = encoded(*BASE, RUN, changed(POINT, measuredAt=ahead), sample)
    report = await bring(tenant, content, keep_going=True)
    assert [report.counts[kind]["created"] for kind in ("RunMetric", "ResourceSample")] == [created, created]
    assert [one.line for one in report.refused] == ([] if created else [len(BASE) + 2, len(BASE) + 3])


async def test_a_later_export_brings_that_the_last_tag_is_gone(tenant: Tenant, neighbor: Tenant) -> None:
    model = await tenant.model(name="m", tags=[{"key": "retired", "value": "yes"}])
    await bring(neighbor, await exported(tenant))
    await tenant.client.make("updateModel", "model", model=model, tags=[])
    await bring(neighbor, await exported(tenant))
    query = "{ models { nodes { name tags { key } } } }"
    assert (await neighbor.client(query))["models"]["nodes"] == [{"name": "m", "tags": []}]


async def test_who_may_only_write_imports_nothing(tenant: Tenant) -> None:
    writer = await tenant.member(Role.WRITER)
    with pytest.raises(Forbidden):
        await Importing(tenant.database, writer.actor, FRAMEWORKS).run(io.BytesIO(encoded(*BASE)))


async def test_nothing_becomes_available_without_bytes_that_were_verified_here(tenant: Tenant) -> None:
    await bring(tenant, encoded(*SMALL))
    async with tenant.database.change(tenant.org_id) as change:
        found = (await change.execute(select(Artifact).where(col(Artifact.org_id) == tenant.org_id))).scalar_one()
    assert (found.state, found.verified_at, found.sha256) == (ArtifactState.EXTERNAL, None, "a" * 64)
