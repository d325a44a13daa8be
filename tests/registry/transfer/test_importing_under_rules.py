"""Importing gets around no rule: for runs that have ended or were lost, versions in service, protected aliases."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlmodel import col

from db.base import utc_now
from db.codes import JobKind, RequestState, Role, RunStatus
from db.session import Database
from db.tables import Alias, Artifact, Job, PromotionRequest, Run, RunMetric
from registry.tenants import organizations
from registry.tracking import runs
from tests.registry.told import events_about
from tests.registry.transfer.test_importing import (
    BASE,
    NOW,
    POINT,
    PRICE,
    RUN,
    bring,
    changed,
    count,
    encoded,
    head,
    line,
    refusal,
)
from tests.stages import Line
from tests.tenant import Tenant, uuid_of

SAMPLE: dict[str, Any] = {"sampledAt": NOW, "cpuPercent": 50}
FILE = {"path": "extra.bin", "artifactKind": "MODEL", "uri": "s3://elsewhere/extra.bin"}
EARLIER = "2026-01-01T00:00:00Z"


async def ended_run(tenant: Tenant) -> tuple[str, dict[str, Any]]:
    """The key of a run that somebody has ended here, and a line that is about it."""
    run = await tenant.run(name="ours")
    await tenant.client.make("finishRun", "run", run=run)
    key = str(uuid_of(run))
    return key, line("Run", key, project=str(uuid_of(tenant.project)), name="ours")


@pytest.mark.parametrize("chunk", [1, 1000])
async def test_a_key_for_a_run_that_was_here_does_not_open_it_again(tenant: Tenant, chunk: int) -> None:
    key, run = await ended_run(tenant)
    for point in (changed(POINT, run=key), line("ResourceSample", run=key, **SAMPLE)):
        for content in (encoded(run, point), encoded(changed(run, tags={"seen": "twice"}), point), encoded(point)):
            refused = await refusal(tenant, content, chunk=chunk)
            assert (refused.code, refused.path) == ("CONFLICT", ("run",))
            assert (await refusal(tenant, content, chunk=chunk, dry_run=True)).code == "CONFLICT"
    assert await count(tenant, RunMetric) == 0


async def test_a_run_takes_points_from_its_source_by_its_key_and_by_its_id(tenant: Tenant) -> None:
    await bring(tenant, encoded(*BASE, RUN))
    async with tenant.database.change(tenant.org_id) as change:
        run_id = (await change.execute(select(col(Run.id)).where(col(Run.org_id) == tenant.org_id))).scalar_one()
    both = [changed(POINT, step=step, run=key) for step, key in enumerate(("r", str(run_id)))]
    assert (await bring(tenant, encoded(*both))).counts["RunMetric"]["created"] == 2


async def test_a_price_that_was_here_is_of_nobody_who_has_a_key_for_it(tenant: Tenant) -> None:
    price = {"resource": "RUN_HOUR", "amount": "0.5", "currency": "EUR", "validFrom": NOW}
    await tenant.client.make("setPrice", "price", **price)
    await bring(tenant, encoded(PRICE))
    refused = await refusal(tenant, encoded(changed(PRICE, key="q", validFrom=EARLIER, validTo="2026-06-01T00:00:00Z")))
    assert (refused.code, refused.path) == ("CONFLICT", ("validFrom",))


async def test_a_version_in_service_gets_no_files_from_elsewhere(tenant: Tenant) -> None:
    served = await Line.of(tenant, 3)
    await served.to_production(served.versions[0], served.versions[1])
    frozen, open_one = [str(uuid_of(one)) for one in (served.versions[0], served.versions[2])]
    before = await head(tenant)
    for key in (str(uuid_of(served.versions[1])), frozen):
        for dry_run in (False, True):
            refused = await refusal(tenant, encoded(line("Artifact", version=key, **FILE)), dry_run=dry_run)
            assert (refused.code, refused.path, refused.kind) == ("CONFLICT", ("version",), "Artifact")
    assert await head(tenant) == before
    lines = [line("Artifact", version=key, **FILE) for key in (frozen, open_one)]
    report = await bring(tenant, encoded(*lines), keep_going=True)
    assert +report.counts["Artifact"] == {"refused": 1, "created": 1}
    async with tenant.database.change(tenant.org_id) as change:
        found = (
            await change.execute(select(col(Artifact.version_id)).where(col(Artifact.org_id) == tenant.org_id))
        ).all()
    assert [str(row.version_id) for row in found] == [open_one]


async def protect(tenant: Tenant, *gates: Any) -> None:
    await tenant.client.make("setPromotionPolicy", "promotionPolicy", alias="champion", gates=list(gates))


def threshold(least: float) -> dict[str, Any]:
    return {"metricThreshold": {"metric": "accuracy", "phase": "TEST", "minimum": least}}


def alias_of(version: str, **given: Any) -> dict[str, Any]:
    return line("Alias", "a", version=str(uuid_of(version)), name="champion", **given)


async def alias_here(tenant: Tenant) -> tuple[str, int]:
    async with tenant.database.change(tenant.org_id) as change:
        alias = (await change.execute(select(Alias).where(col(Alias.org_id) == tenant.org_id))).scalar_one()
    return str(alias.version_id), alias.revision


async def test_a_protected_alias_is_set_and_moved_by_a_file_only_through_open_gates(tenant: Tenant) -> None:
    await protect(tenant, threshold(0.9))
    first, second = (await Line.of(tenant, 2)).versions
    point: dict[str, Any] = {"phase": "TEST", "name": "accuracy", "value": 0.95, "measuredAt": NOW}
    for version in (first, second):
        for dry_run in (True, False):
            refused = await refusal(tenant, encoded(alias_of(version)), dry_run=dry_run)
            assert (refused.code, refused.path, refused.kind) == ("GATE_FAILED", ("version",), "Alias")
        # What is measured in the same file counts, wherever it stands.
        measured = line("VersionMetric", version=str(uuid_of(version)), **point)
        content = encoded(alias_of(version), measured)
        dry = await bring(tenant, encoded(measured), dry_run=True)
        assert dry.counts["VersionMetric"]["created"] == 1
        assert (await bring(tenant, content)).counts["Alias"].total() == 1
    assert await alias_here(tenant) == (str(uuid_of(second)), 2)
    before = await head(tenant)
    assert +(await bring(tenant, encoded(alias_of(second)))).counts["Alias"] == {"unchanged": 1}
    assert await head(tenant) == before


async def test_whoever_may_not_promote_moves_no_protected_alias_by_a_file(tenant: Tenant) -> None:
    first, second = (await Line.of(tenant, 2)).versions
    await tenant.client.make("setAlias", "alias", version=first, name="champion")
    await protect(tenant)
    maintainer = replace(tenant, client=await tenant.member(Role.MAINTAINER))
    free = line("Alias", version=str(uuid_of(second)), name="challenger")
    report = await bring(maintainer, encoded(alias_of(second), free), keep_going=True)
    assert [(one.line, one.code) for one in report.refused] == [(1, "FORBIDDEN")]
    assert report.counts["Alias"]["created"] == 1
    assert (await refusal(maintainer, encoded(alias_of(second)), dry_run=True)).code == "FORBIDDEN"


@pytest.mark.parametrize("name", ["@@champion", "@ @champion", "@Production"])
async def test_a_file_brings_no_alias_that_passes_for_a_protected_one_or_for_a_stage(tenant: Tenant, name: str) -> None:
    await protect(tenant, threshold(0.9))
    (version,) = (await Line.of(tenant, 1)).versions
    for dry_run in (True, False):
        refused = await refusal(tenant, encoded(changed(alias_of(version), name=name)), dry_run=dry_run)
        assert (refused.code, refused.path, refused.kind) == ("INVALID_VALUE", ("name",), "Alias")
    assert await count(tenant, Alias) == 0


async def due_kinds(tenant: Tenant) -> set[str]:
    """The kinds of the jobs of requests and rules that are due, which are put off."""
    async with tenant.database.change(tenant.org_id) as change:
        own = col(Job.org_id) == tenant.org_id, col(Job.kind).in_([JobKind.SETTLE_REQUEST, JobKind.FIRE_RULE])
        found = await change.execute(select(col(Job.kind)).where(*own, col(Job.run_after) <= utc_now()))
        kinds = set(found.scalars())
        await change.execute(update(Job).where(*own).values(run_after=utc_now() + timedelta(hours=1)))
    return {str(kind) for kind in kinds}


async def test_what_waits_for_news_of_a_version_hears_of_what_a_file_brings(tenant: Tenant) -> None:
    model = await tenant.model()
    run = await tenant.run()
    version = await tenant.version(model, run=run)
    await tenant.client.make("requestPromotion", "promotionRequest", version=version, to="STAGING")
    trigger = {"gatesOpen": {"to": "STAGING"}}
    await tenant.client.make(
        "setAutomationRule", "automationRule", model=model, name="up", trigger=trigger, isEnabled=True
    )
    await due_kinds(tenant)
    key = str(uuid_of(version))
    data = await tenant.dataset_version()
    both, rules = {"SETTLE_REQUEST", "FIRE_RULE"}, {"FIRE_RULE"}
    lines: list[tuple[dict[str, Any], set[str]]] = [
        (line("VersionMetric", version=key, phase="TEST", name="a", value=1, measuredAt=NOW), both),
        (line("Artifact", version=key, **FILE), both),
        (line("DatasetUse", run=str(uuid_of(run)), datasetVersion=str(uuid_of(data)), role="TEST"), both),
        (line("ModelVersion", "new", model=str(uuid_of(model)), label="new"), rules),
        (line("Model", "other", project=str(uuid_of(tenant.project)), name="other", framework="sklearn"), set()),
    ]
    for one, concerned in lines:
        await bring(tenant, encoded(one), dry_run=True)
        assert await due_kinds(tenant) == set()
        await bring(tenant, encoded(one))
        assert await due_kinds(tenant) == concerned, one["kind"]


async def test_a_version_from_a_file_has_the_runtime_of_its_run_unless_it_has_its_own(tenant: Tenant) -> None:
    runtimes = [line("Runtime", key, pythonVersion=version) for key, version in (("old", "3.11"), ("new", "3.12"))]
    model = line("Model", "m", project="p", name="m", framework="sklearn")
    versions = [
        line("ModelVersion", "1", model="m", label="1", run="r"),
        line("ModelVersion", "2", model="m", label="2", run="r", runtime="new"),
        line("ModelVersion", "3", model="m", label="3"),
    ]
    content = encoded(*BASE, *runtimes, changed(RUN, runtime="old"), model, *versions)
    await bring(tenant, content)
    query = "{ versions(orderBy: {field: NUMBER, direction: ASC}) { nodes { label runtime { pythonVersion } } } }"
    found = [one["runtime"] for one in (await tenant.client(query))["versions"]["nodes"]]
    assert found == [{"pythonVersion": "3.11"}, {"pythonVersion": "3.12"}, None]
    assert +(await bring(tenant, content)).counts["ModelVersion"] == {"unchanged": 3}


async def test_shares_of_traffic_from_a_file_fit_to_the_hundredth_and_the_one_too_many_is_named(tenant: Tenant) -> None:
    model, place = await tenant.model(), await tenant.environment()
    version = await tenant.version(model)
    await tenant.deployment(environment=place, version=version, trafficPercent=33.33)
    given = {"environment": str(uuid_of(place)), "version": str(uuid_of(version))}
    lines = [
        line("Deployment", name="a", trafficPercent=33.33, **given),
        line("Deployment", name="b", trafficPercent=100, desiredState="STOPPED", **given),
        line("Deployment", name="c", trafficPercent=33.34, **given),
    ]
    refused = await refusal(tenant, encoded(*lines, line("Deployment", name="d", trafficPercent=0.01, **given)))
    assert (refused.line, refused.code, refused.path) == (4, "CONFLICT", ("trafficPercent",))
    assert "0.00 percent of this model's traffic in this environment are free; 0.01 are too many." in str(refused)
    assert (await bring(tenant, encoded(*lines))).counts["Deployment"]["created"] == 3


async def test_a_dry_run_moves_no_alias(tenant: Tenant) -> None:
    first, second = (await Line.of(tenant, 2)).versions
    await tenant.client.make("setAlias", "alias", version=first, name="champion")
    new = line("Alias", version=str(uuid_of(second)), name="challenger")
    before = await head(tenant)
    report = await bring(tenant, encoded(alias_of(second), new), dry_run=True)
    assert +report.counts["Alias"] == {"updated": 1, "created": 1}
    assert (await head(tenant), await alias_here(tenant)) == (before, (str(uuid_of(first)), 1))


async def test_an_alias_that_a_file_moves_outdates_requests_and_tells_its_move(
    tenant: Tenant, database: Database
) -> None:
    first, second, third = (await Line.of(tenant, 3)).versions
    await bring(tenant, encoded(alias_of(first, createdAt=NOW)))
    # What nothing protects needs no request.
    await tenant.client.make("setPromotionPolicy", "promotionPolicy", alias="champion", gates=[])
    request = await tenant.client.make("requestPromotion", "promotionRequest", version=second, alias="champion")
    await bring(tenant, encoded(alias_of(third, createdAt=NOW)))
    async with tenant.database.change(tenant.org_id) as change:
        asked = await change.get(PromotionRequest, (tenant.org_id, uuid_of(request)))
        alias = (await change.execute(select(Alias).where(col(Alias.org_id) == tenant.org_id))).scalar_one()
    assert asked is not None
    assert (asked.state, alias.revision) == (RequestState.STALE, 2)
    told = await events_about(database, tenant.org_id, alias.id)
    assert [one.kind for one in told] == ["alias.created", "alias.moved"]
    assert told[0].body["after"]["created_at"] == alias.created_at.isoformat() == "2026-03-03T12:00:00+00:00"


async def run_here(tenant: Tenant) -> Run:
    async with tenant.database.change(tenant.org_id) as change:
        return (await change.execute(select(Run).where(col(Run.org_id) == tenant.org_id))).scalar_one()


@pytest.mark.parametrize("lost_by", ["worker", "file"])
async def test_a_lost_run_that_a_file_says_goes_on_is_looked_after_again(
    tenant: Tenant, database: Database, lost_by: str
) -> None:
    goes_on = changed(RUN, status="RUNNING", startedAt=EARLIER, heartbeatTimeoutSeconds=60)
    lost = changed(goes_on, status="LOST", endedAt=NOW)
    await bring(tenant, encoded(*BASE, goes_on))
    run = await run_here(tenant)
    if lost_by == "file":
        await bring(tenant, encoded(lost))
    else:
        await bring(tenant, encoded(changed(goes_on, tags={"a": "b"})))
        async with tenant.database.change(tenant.org_id) as change:
            await change.execute(update(Run).where(col(Run.id) == run.id).values(heartbeat_at=run.started_at))
            await change.execute(Job.__table__.delete().where(col(Job.subject_id) == run.id))  # type: ignore[attr-defined]
            await runs.look_after(change, organizations.system(tenant.org_id), run.id)
    assert (await run_here(tenant)).status == RunStatus.LOST
    began = utc_now()
    await bring(tenant, encoded(goes_on))
    found = await run_here(tenant)
    assert (found.status, found.ended_at, found.heartbeat_at >= began) == (RunStatus.RUNNING, None, True)
    async with tenant.database.change(tenant.org_id) as change:
        job = (await change.execute(select(Job).where(col(Job.subject_id) == run.id))).scalar_one()
    assert (job.kind, (job.run_after - found.heartbeat_at).total_seconds()) == (JobKind.WATCH_RUN, 60)
    kinds = [one.kind for one in await events_about(database, tenant.org_id, run.id)]
    assert kinds[-2:] == ["run.lost", "run.found"]
    await bring(tenant, encoded(changed(goes_on, status="FINISHED", endedAt=NOW)))
    assert (await events_about(database, tenant.org_id, run.id))[-1].kind == "run.ended"


@pytest.mark.parametrize("chunk", [1, 1000])
async def test_a_run_that_has_ended_takes_no_data(tenant: Tenant, chunk: int) -> None:
    ended = await tenant.run()
    await tenant.client.make("finishRun", "run", run=ended)
    data = await tenant.dataset_version()
    use = line("DatasetUse", run=str(uuid_of(ended)), datasetVersion=str(uuid_of(data)), role="TRAINING")
    for dry_run in (True, False):
        refused = await refusal(tenant, encoded(use), chunk=chunk, dry_run=dry_run)
        assert (refused.code, refused.path) == ("CONFLICT", ("run",))
    had = await tenant.run(datasets=[{"datasetVersion": data, "role": "TRAINING"}])
    await tenant.client.make("finishRun", "run", run=had)
    report = await bring(tenant, encoded(changed(use, run=str(uuid_of(had)))), chunk=chunk)
    assert +report.counts["DatasetUse"] == {"unchanged": 1}
