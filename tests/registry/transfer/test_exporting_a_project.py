"""Exporting one project: all of it and nothing else, as a file that another organization can take."""

import io
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import col

from db.tables import Project
from registry.kernel.errors import InvalidValue
from registry.transfer import exporting
from registry.transfer.exporting import Exported, export
from registry.transfer.kinds import KINDS
from registry.transfer.scoping import find_project
from tests.registry.transfer.test_importing import NOW, SMALL, bring, encoded, line, shape, total
from tests.tenant import Tenant

OTHER = [
    line("Team", "ot", name="others"),
    line("Project", "op", team="ot", name="foundation"),
    line("Environment", "oe", name="staging"),
    line("Runtime", "ort", pythonVersion="3.11.1"),
    line("Signature", "os", inputs=[{"name": "text", "type": "STRING"}]),
    line("DatasetSchema", "ods", columns=[{"name": "text", "type": "STRING"}]),
    line("Dataset", "od", project="op", name="books"),
    line("DatasetVersion", "odv", dataset="od", digest="sha256:" + "c" * 64, schema="ods"),
    line("DatasetProfile", datasetVersion="odv", rowCount=1),
    line("Experiment", "ox", project="op", name="depth"),
    line("Run", "or", project="op", experiment="ox", name="foreign", runtime="ort"),
    line("DatasetUse", run="or", datasetVersion="odv", role="TRAINING"),
    line("DatasetUse", run="or", datasetVersion="dv", role="VALIDATION"),
    line("Model", "om", project="op", name="base", framework="sklearn"),
    line("ModelVersion", "ov", model="om", label="1", run="or", signature="os", runtime="ort", baseVersion="v1"),
    line("Alias", version="ov", name="@champion"),
    line("Artifact", version="ov", path="a", artifactKind="MODEL", uri="s3://elsewhere/a"),
    line("Artifact", run="or", path="b", artifactKind="OTHER", uri="s3://elsewhere/b"),
    line("Deployment", "odep", environment="oe", version="ov", name="base"),
    line("RunMetric", run="or", phase="TRAINING", name="loss", value=0.5, measuredAt=NOW),
    line("ResourceSample", run="or", sampledAt=NOW, cpuPercent=1),
    line("VersionMetric", version="ov", phase="TEST", name="auc", value=0.9, measuredAt=NOW),
]
LEADING_OUT = [
    line("ModelVersion", "v3", model="m", label="2.0", run="or", baseVersion="ov"),
    line("ModelVersion", "v4", model="m", label="2.1", run="or", baseVersion="v3"),
    line("DatasetUse", run="r1", datasetVersion="odv", role="TEST"),
]


async def exported(tenant: Tenant, project: str) -> tuple[bytes, Exported]:
    stream = io.BytesIO()
    project_id = await find_project(tenant.database, tenant.org_id, project)
    done = await export(tenant.database, tenant.actor, stream, project_id=project_id)
    return stream.getvalue(), done


async def test_a_project_imported_elsewhere_gives_the_same_file_again(tenant: Tenant, neighbor: Tenant) -> None:
    await bring(tenant, encoded(*SMALL, *OTHER))
    content, done = await exported(tenant, "churn")
    travels = Counter(one["kind"] for one in SMALL)
    del travels["Price"]
    assert done.counts == travels
    assert +done.left_out == {}
    assert total(await bring(neighbor, content), "created") == travels.total()
    again, _ = await exported(neighbor, "churn")
    assert shape(again) == shape(content)


async def test_every_kind_but_prices_is_in_the_other_project_and_none_of_it_in_the_file(tenant: Tenant) -> None:
    assert {kind.title for kind in KINDS} - {one["kind"] for one in OTHER} == {"Price"}
    await bring(tenant, encoded(*SMALL))
    before = shape((await exported(tenant, "churn"))[0])
    await bring(tenant, encoded(*OTHER))
    assert shape((await exported(tenant, "churn"))[0]) == before


async def test_a_file_is_the_same_however_short_the_pages_are(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    more = [
        *(line("Run", f"more{nth}", project="op" if nth % 2 else "p", name=f"more {nth}") for nth in range(6)),
        *(line("RunMetric", run=f"more{nth}", phase="TEST", name=name, step=step, value=step, measuredAt=NOW)
          for nth in range(6) for name in ("loss", "auc") for step in range(3)),
    ]  # fmt: skip
    await bring(tenant, encoded(*SMALL, *OTHER, *more))
    whole, done = await exported(tenant, "churn")
    assert done.counts["RunMetric"] == 2 + 3 * 2 * 3
    monkeypatch.setattr(exporting, "PAGE", 2)
    assert (await exported(tenant, "churn"))[0] == whole


async def test_what_leads_to_another_project_is_left_out_and_counted(tenant: Tenant, neighbor: Tenant) -> None:
    await bring(tenant, encoded(*SMALL, *OTHER, *LEADING_OUT))
    content, done = await exported(tenant, "churn")
    assert +done.left_out == {"ModelVersion.run": 2, "ModelVersion.baseVersion": 1, "DatasetUse.datasetVersion": 1}
    assert done.counts["DatasetUse"] == 1
    versions = {one["label"]: one for one in shape(content) if one["kind"] == "ModelVersion"}
    assert "baseVersion" not in versions["2.0"]
    assert versions["2.1"]["baseVersion"] == versions["2.0"]["key"]
    assert total(await bring(neighbor, content), "refused") == 0
    assert shape((await exported(neighbor, "churn"))[0]) == shape(content)


async def test_what_is_deleted_is_neither_there_nor_counted_as_leading_out(tenant: Tenant) -> None:
    await bring(tenant, encoded(*SMALL, *OTHER))
    model = await tenant.model(name="mine")
    base = await tenant.version(model)
    derived = await tenant.version(await tenant.model(name="yours"), baseVersion=base)
    for mutation, given in (("deleteVersion", {"version": derived}), ("deleteVersion", {"version": base})):
        assert (await tenant.client.change(mutation, "replayed", **given))["errors"] == []
    content, done = await exported(tenant, "project")
    assert +done.left_out == {}
    assert done.counts == {"Team": 1, "Project": 1, "Model": 2}
    assert len(content.splitlines()) == 4


async def test_a_project_is_found_by_its_name_or_id_and_by_the_id_alone_where_teams_share_a_name(
    tenant: Tenant, neighbor: Tenant
) -> None:
    await bring(tenant, encoded(*SMALL, line("Team", "u", name="ops"), line("Project", "q", team="u", name="churn")))
    with pytest.raises(InvalidValue, match=r"Give the id of one: .+ of ops, .+ of research") as several:
        await exported(tenant, "churn")
    assert several.value.path == ("project",)
    async with tenant.database.change(tenant.org_id) as change:
        statement = select(col(Project.id)).where(col(Project.org_id) == tenant.org_id, col(Project.name) == "churn")
        ids = [str(row_id) for row_id in (await change.execute(statement)).scalars()]
    sizes = sorted([len((await exported(tenant, one))[0].splitlines()) for one in ids])
    assert sizes == [2, len(SMALL) - 2]
    for nowhere in ("nothing", "' or 1=1", ids[0]):
        with pytest.raises(InvalidValue, match="There is no project") as missing:
            await exported(neighbor, nowhere)
        assert missing.value.path == ("project",)


async def test_a_project_with_nothing_in_it_is_itself_and_its_team(tenant: Tenant) -> None:
    content, _ = await exported(tenant, "project")
    lines: list[dict[str, Any]] = shape(content)
    assert [(one["kind"], one["name"]) for one in lines] == [("Team", "team"), ("Project", "project")]
