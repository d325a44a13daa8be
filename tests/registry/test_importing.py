"""Importing: what a line may say, what is refused, and that nothing happens twice."""

import io
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from sqlalchemy import func, select, text

from registry.transfer.exporting import export
from registry.transfer.importing import Importing, Report
from registry.transfer.reading import LineRefused
from tests.tenant import Tenant

FRAMEWORKS = ("sklearn", "pytorch")
NOW = "2026-03-03T12:00:00Z"


def line(kind: str, key: str | None = None, **values: Any) -> dict[str, Any]:
    return {"kind": kind, **({"key": key} if key else {}), **values}


SMALL = [
    line("Team", "t", name="research"),
    line("Project", "p", team="t", name="churn", description="Who leaves?"),
    line("Environment", "e", name="production-eu", tags={"region": "eu"}),
    line("Runtime", "rt", pythonVersion="3.12.4", packages={"scikit-learn": "1.5.0"}, hardware={"cpuCount": 8}),
    line("Signature", "s", inputs=[{"name": "age", "type": "INT64"}], outputs=[{"name": "p", "type": "FLOAT64"}]),
    line("DatasetSchema", "ds", columns=[{"name": "age", "type": "INT64", "nullable": False}]),
    line("Dataset", "d", project="p", name="customers"),
    line("DatasetVersion", "dv", dataset="d", digest="sha256:" + "a" * 64, rowCount=2**63 - 1, schema="ds"),
    line("DatasetProfile", datasetVersion="dv", rowCount=3, columns=[{"name": "age", "mean": 40.5, "nullCount": 1}]),
    line("Experiment", "x", project="p", name="depth"),
    line("Run", "r", project="p", experiment="x", name="search", status="FINISHED", startedAt=NOW, endedAt=NOW,
         parameters={"depth": 3, "warm": True}, runtime="rt"),
    line("Run", "r1", project="p", experiment="x", parentRun="r", name="trial", status="FAILED", startedAt=NOW,
         endedAt=NOW),
    line("DatasetUse", run="r", datasetVersion="dv", role="TRAINING"),
    line("Model", "m", project="p", name="churn", framework="SKLEARN", task="CLASSIFICATION", tags={"a": "b"}),
    line("Version", "v1", model="m", label="1.0", run="r", signature="s", runtime="rt"),
    line("Version", "v2", model="m", label="1.1", baseVersion="v1"),
    line("Alias", version="v2", name="@champion"),
    line("Artifact", version="v1", path="model.pkl", artifactKind="MODEL", uri="s3://elsewhere/model.pkl",
         sha256="A" * 64, sizeBytes=12),
    line("Deployment", "dep", environment="e", version="v1", name="churn", trafficPercent=100),
    line("RunMetric", run="r", phase="TRAINING", name="loss", step=2**63 - 1, value=0.5, measuredAt=NOW),
    line("RunMetric", run="r", phase="TRAINING", name="loss", step=1, special="NAN", measuredAt=NOW),
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
    """How many events the organisation has."""
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


async def test_an_export_imported_elsewhere_gives_the_same_export_up_to_ids(tenant: Tenant, neighbour: Tenant) -> None:
    await bring(tenant, encoded(*SMALL))
    first = await exported(tenant)
    await bring(neighbour, first)
    assert shape(await exported(neighbour)) == shape(first)
