"""The probes: what each says when all is well, when the database or the object store is away, and on the way out."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.event import listen
from starlette.applications import Starlette
from structlog.testing import capture_logs

from db.revision import SchemaBehind
from server.app import create_app
from server.errors import UnsafeRole
from server.services import VERSION, role_warnings
from server.settings import Settings
from server.telemetry import health
from tests.db.ground import Ground, execute, new_ground

DEAD_DATABASE = SecretStr("postgresql://u:hunter2@127.0.0.1:1/d")
DEAD_STORE = "http://127.0.0.1:1"
PROBES = ("/livez", "/readyz", "/health")

Serve = Callable[..., AbstractAsyncContextManager[tuple[httpx2.AsyncClient, Starlette]]]


@pytest.fixture
async def ground() -> AsyncIterator[Ground]:
    """Databases, roles and logins on demand, gone after the test."""
    async with new_ground() as made:
        yield made


@pytest.fixture
def serve(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """An application of the test's own over other settings, which has started although something may be away."""
    # However busy the machine is: the tests that are about time set their own.
    monkeypatch.setattr(health, "_PING_S", 30)

    @asynccontextmanager
    async def serving(**changed: Any) -> AsyncIterator[tuple[httpx2.AsyncClient, Starlette]]:
        app = create_app(settings.model_copy(update={"database_pool_size": 1, **changed}))
        transport = httpx2.ASGITransport(app=app)
        async with app.state.services.store, httpx2.AsyncClient(transport=transport, base_url="http://t") as client:
            yield client, app
        await app.state.services.database.close()
        await app.state.health.aside.close()

    return serving


async def answers(client: httpx2.AsyncClient) -> dict[str, tuple[int, dict[str, Any]]]:
    """Status and body of each probe."""
    found = {}
    for path in PROBES:
        response = await client.get(path)
        assert response.headers["content-type"] == "application/json"
        assert response.headers["cache-control"] == "no-store"
        found[path] = (response.status_code, response.json())
    return found


async def test_when_all_is_well_every_probe_says_so(serve: Serve) -> None:
    async with serve() as (client, app):
        app.state.wakeups.up = True
        assert await answers(client) == {
            "/livez": (200, {"status": "ok"}),
            "/readyz": (200, {"status": "ok", "database": "ok"}),
            "/health": (
                200,
                {
                    "status": "ok",
                    "version": VERSION,
                    "database": "ok",
                    "object_store": "ok",
                    "feed": "ok",
                    "warnings": [],
                },
            ),
        }


async def test_a_server_that_hears_no_others_is_ready_and_says_that_it_polls(serve: Serve) -> None:
    async with serve() as (client, _):
        found = await answers(client)
    assert (found["/readyz"][0], found["/health"][1]["status"], found["/health"][1]["feed"]) == (200, "ok", "polling")


async def test_without_a_database_the_process_lives_and_is_not_ready(serve: Serve) -> None:
    async with serve(database_url=DEAD_DATABASE) as (client, _):
        found = await answers(client)
    assert found["/livez"] == (200, {"status": "ok"})
    assert found["/readyz"] == (503, {"status": "unavailable", "database": "unavailable"})
    assert found["/health"][0] == 503
    assert (found["/health"][1]["status"], found["/health"][1]["object_store"]) == ("unavailable", "ok")


async def test_without_an_object_store_the_process_is_ready_and_degraded(serve: Serve) -> None:
    async with serve(minio_endpoint=DEAD_STORE) as (client, _):
        found = await answers(client)
    assert found["/readyz"] == (200, {"status": "ok", "database": "ok"})
    assert found["/health"][0] == 200
    assert (found["/health"][1]["status"], found["/health"][1]["object_store"]) == ("degraded", "unavailable")


async def test_a_bucket_that_is_missing_is_an_object_store_that_is_away(serve: Serve) -> None:
    async with serve(storage_bucket_models=f"missing-{uuid4().hex}") as (client, _):
        assert (await answers(client))["/health"][1]["object_store"] == "unavailable"


@pytest.mark.parametrize("wrong", ["password", "database"])
async def test_a_database_that_refuses_the_login_is_away_and_no_failure_of_the_probe(
    serve: Serve, ground: Ground, wrong: str
) -> None:
    login = await ground.login()
    url = login.to(await ground.database())
    changed = url.replace(f"/{ground.databases[0]}", "/nothing_there")
    if wrong == "password":
        await ground.admin.execute(f"alter role {login.name} nologin")
        changed = url
    async with serve(database_url=SecretStr(changed)) as (client, _):
        assert (await answers(client))["/readyz"] == (503, {"status": "unavailable", "database": "unavailable"})


async def test_no_server_starts_over_a_schema_that_is_behind(serve: Serve, ground: Ground) -> None:
    async with serve(database_url=SecretStr(await ground.database())) as (_, app):
        with pytest.raises(SchemaBehind):
            async with app.router.lifespan_context(app):
                pytest.fail("it started")


async def test_a_schema_that_is_ahead_is_served_with_a_warning(serve: Serve, ground: Ground) -> None:
    url, roles = await ground.copied()
    ahead = "update registry.alembic_version set version_num = '2999_01_01_next'"
    settings = {"database_url": SecretStr(url), "database_role_prefix": roles.prefix}
    with capture_logs() as entries:
        async with serve(**settings) as (client, app), app.router.lifespan_context(app):
            await execute(url, f"set role {roles.owner}", ahead)
            assert (await answers(client))["/readyz"] == (200, {"status": "ok", "database": "ok"})
        async with serve(**settings) as (client, app), app.router.lifespan_context(app):
            found = await answers(client)
    assert found["/readyz"] == (200, {"status": "ok", "database": "ok"})
    assert found["/health"][0] == 200
    said = [warning for warning in found["/health"][1]["warnings"] if "2999_01_01_next" in warning]
    assert len(said) == 1
    assert said[0] in [entry.get("reason") for entry in entries if entry["log_level"] == "warning"]


async def test_a_pool_that_is_in_use_is_no_reason_to_be_unready(serve: Serve) -> None:
    async with serve() as (client, app), app.state.services.database.as_nobody():
        assert app.state.services.database.engine.pool.checkedout() == app.state.services.database.engine.pool.size()
        assert (await answers(client))["/readyz"] == (200, {"status": "ok", "database": "ok"})


async def test_nothing_is_ready_that_is_about_to_end(serve: Serve) -> None:
    async with serve() as (client, app):
        app.state.door.shutdown.set()
        found = await answers(client)
    assert found["/livez"] == (200, {"status": "ok"})
    assert found["/readyz"] == (503, {"status": "draining"})


async def test_a_database_that_takes_its_time_is_away(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_PING_S", 0.05)
    async with serve() as (client, app), app.state.health.aside.as_nobody():
        assert (await answers(client))["/readyz"][0] == 503


async def test_probing_often_and_at_once_asks_the_database_once(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_REMEMBERED_S", 3600)
    async with serve() as (client, app):
        asked: list[str] = []
        listen(app.state.health.aside.engine.sync_engine, "before_cursor_execute", lambda *sent: asked.append(sent[2]))
        responses = await asyncio.gather(*(client.get("/health") for _ in range(20)))
        responses += [await client.get("/readyz") for _ in range(20)]
    assert {response.status_code for response in responses} == {200}
    assert asked.count("select 1") == 1


async def test_a_database_that_comes_back_is_noticed(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_REMEMBERED_S", 0)
    async with serve() as (client, app):
        async with app.state.health.aside.as_nobody():
            monkeypatch.setattr(health, "_PING_S", 0.05)
            assert (await answers(client))["/readyz"][0] == 503
        monkeypatch.setattr(health, "_PING_S", 30)
        assert (await answers(client))["/readyz"][0] == 200


async def test_no_probe_repeats_an_address_or_a_password(serve: Serve) -> None:
    async with serve(database_url=DEAD_DATABASE, minio_endpoint=DEAD_STORE) as (client, _):
        for path in PROBES:
            said = (await client.get(path)).text
            assert "hunter2" not in said
            assert "127.0.0.1" not in said


@pytest.mark.parametrize("path", PROBES)
async def test_probes_are_only_read(http: httpx2.AsyncClient, path: str) -> None:
    assert (await http.post(path)).status_code == 405
    assert (await http.head(path)).status_code == 200


async def test_a_superuser_login_is_warned_of(app: Starlette) -> None:
    database = app.state.services.database
    async with database.as_nobody() as connection:
        superuser = await connection.scalar(text("select rolsuper from pg_roles where rolname = session_user"))
    warnings = await role_warnings(database)
    assert bool(warnings) == superuser
    assert all("superuser" in warning for warning in warnings)


@pytest.mark.parametrize("unsafe", ["bypassrls", "superuser", "owns a table"])
async def test_a_role_that_sees_every_organization_is_refused(serve: Serve, ground: Ground, unsafe: str) -> None:
    if not await ground.admin.fetchval("select rolsuper from pg_roles where rolname = current_user"):
        pytest.skip("only a superuser can make such a role")
    url, roles = await ground.migrated()
    if unsafe == "owns a table":
        await execute(
            url,
            f"grant create on schema registry to {roles.app}",
            f"set role {roles.app}",
            "create table registry.own ()",
        )
    else:
        await ground.admin.execute(f"alter role {roles.app} {unsafe}")
    changed = {"database_url": SecretStr(url), "database_role_prefix": roles.prefix}
    async with serve(**changed) as (_, app):
        with pytest.raises(UnsafeRole, match=roles.app):
            async with app.router.lifespan_context(app):
                pytest.fail("it started")
