"""Importing while others write: a line waits for whoever changes what it is about, and is then taken or refused."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlmodel import col

from db.base import utc_now
from db.codes import Stage
from db.tables import Alias, Artifact, Model, ModelVersion, Project, RunMetric
from registry.kernel.rows import find
from registry.promotion import aliases
from registry.tracking import runs
from registry.transfer import planning
from resolvers import ids
from tests.registry.transfer.test_importing import BASE, MODEL, POINT, bring, changed, count, encoded, line, refusal
from tests.tenant import Tenant, uuid_of

OTHER = changed(MODEL, key="n", name="n")


async def test_a_new_name_that_something_else_has_is_refused_by_line_and_field(tenant: Tenant) -> None:
    await bring(tenant, encoded(*BASE, MODEL, OTHER))
    refused = await refusal(tenant, encoded(*BASE, changed(MODEL, name="n")))
    assert (refused.line, refused.code, refused.path) == (3, "CONFLICT", ("name",))
    report = await bring(tenant, encoded(changed(MODEL, name="n"), changed(OTHER, description="New.")), keep_going=True)
    assert [one.line for one in report.refused] == [1]
    assert report.counts["Model"]["updated"] == 1


async def test_a_name_that_others_take_at_every_attempt_is_refused_by_line_and_field(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bring(tenant, encoded(*BASE, OTHER))

    async def too_early(*_: Any) -> dict[tuple[Any, ...], Any]:
        return {}

    monkeypatch.setattr(planning, "_same", too_early)
    refused = await refusal(tenant, encoded(MODEL, changed(OTHER, key="k")))
    assert (refused.line, refused.kind, refused.code, refused.path) == (2, "Model", "CONFLICT", ("name",))
    assert await count(tenant, Model) == 1


async def test_a_name_that_somebody_else_takes_at_the_same_moment_is_known_at_the_next_look(tenant: Tenant) -> None:
    await bring(tenant, encoded(*BASE))
    async with tenant.database.change(tenant.org_id) as change:
        statement = select(Project).where(col(Project.org_id) == tenant.org_id, col(Project.name) == "churn")
        project = (await change.execute(statement)).scalar_one()
        owner = tenant.actor.principal_id
        values: dict[str, Any] = {"framework": "sklearn", "created_by": owner, "owner_id": owner}
        change.add(Model(org_id=tenant.org_id, project_id=project.id, name="m", **values))
        await change.flush()
        importing = asyncio.create_task(bring(tenant, encoded(MODEL)))
        await _waits(change, importing)
    assert +(await importing).counts["Model"] == {"unchanged": 1}


@pytest.mark.parametrize("named", [lambda row_id: str(row_id), lambda _: "p"], ids=["by id", "by key"])
async def test_nothing_is_written_below_a_parent_that_is_being_deleted(
    tenant: Tenant, named: Callable[[Any], str]
) -> None:
    await bring(tenant, encoded(*BASE))
    async with tenant.database.change(tenant.org_id) as change:
        statement = select(Project).where(col(Project.org_id) == tenant.org_id, col(Project.name) == "churn")
        project = (await change.execute(statement.with_for_update())).scalar_one()
        importing = asyncio.create_task(refusal(tenant, encoded(changed(MODEL, project=named(project.id)))))
        await _waits(change, importing)
        project.deleted_at = utc_now()
    refused = await importing
    assert (refused.code, refused.path) == ("NOT_FOUND", ("project",))
    assert await count(tenant, Model) == 0


async def test_no_point_slips_in_while_a_run_is_being_ended(tenant: Tenant) -> None:
    run = uuid_of(await tenant.run())
    async with tenant.database.change(tenant.org_id) as change:
        await runs.finish(change, tenant.actor, run_id=run)
        importing = asyncio.create_task(refusal(tenant, encoded(changed(POINT, run=str(run)))))
        await _waits(change, importing)
    refused = await importing
    assert (refused.code, refused.path) == ("CONFLICT", ("run",))
    assert await count(tenant, RunMetric) == 0


async def test_no_file_slips_in_while_a_version_goes_into_service(tenant: Tenant) -> None:
    key = uuid_of(await tenant.version())
    file = line("Artifact", version=str(key), path="m", artifactKind="MODEL", uri="s3://elsewhere/m")
    async with tenant.database.change(tenant.org_id) as change:
        version = await find(change, ModelVersion, key, "version", lock=True)
        version.stage = Stage.PRODUCTION
        await change.flush()
        importing = asyncio.create_task(refusal(tenant, encoded(file)))
        await _waits(change, importing)
    assert (await importing).code == "CONFLICT"
    assert await count(tenant, Artifact) == 0


async def test_an_alias_is_moved_by_a_file_after_whoever_moves_it_now(tenant: Tenant) -> None:
    model = await tenant.model()
    first, second, third = [uuid_of(await tenant.version(model)) for _ in range(3)]
    alias = await tenant.client.make("setAlias", "alias", version=ids.encode("ModelVersion", first), name="champion")
    async with tenant.database.change(tenant.org_id) as change:
        await aliases.point(change, tenant.actor, version_id=second, name="champion")
        importing = asyncio.create_task(bring(tenant, encoded(line("Alias", version=str(third), name="champion"))))
        await _waits(change, importing)
    assert +(await importing).counts["Alias"] == {"updated": 1}
    async with tenant.database.change(tenant.org_id) as change:
        moved = await find(change, Alias, uuid_of(alias), "alias")
    assert (moved.version_id, moved.revision) == (third, 3)


async def _waits(change: Any, importing: "asyncio.Task[Any]") -> None:
    """Return when another transaction waits for this one."""
    blocked = text("select exists (select from pg_locks l where pg_backend_pid() = any(pg_blocking_pids(l.pid)))")
    while not (await change.execute(blocked)).scalar_one():
        assert not importing.done()
        await asyncio.sleep(0.02)
