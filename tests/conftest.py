"""What every test can have: shared services, a database per process, the application, an organization of its own."""

import asyncio
import socket
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import Any

import httpx2
import hypothesis
import pytest
import uvicorn
from sqlalchemy import event
from starlette.applications import Starlette

from db.session import Database
from server.app import create_app
from server.doors.graphql_ws import MAX_FRAME_BYTES
from server.settings import Settings
from storage.store import ObjectStore
from tests import services
from tests.tenant import Tenant, found_tenant

_services = ExitStack()

# Other tests run beside each one: how long an example takes says nothing.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")


def pytest_configure(config: pytest.Config) -> None:
    """Start the services in the process that starts the others."""
    if not hasattr(config, "workerinput") and not config.option.collectonly and not config.option.help:
        services.start(_services)


def pytest_unconfigure() -> None:
    """Stop what was started here."""
    _services.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how long each folder took, added up over the processes that tested side by side."""
    spent_s: defaultdict[str, float] = defaultdict(float)
    tests: dict[str, set[str]] = defaultdict(set)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                folder = report.nodeid.partition("::")[0].rpartition("/")[0]
                spent_s[folder] += report.duration
                tests[folder].add(report.nodeid)
    terminalreporter.section("seconds by folder")
    for folder, seconds in sorted(spent_s.items(), key=lambda item: -item[1]):
        terminalreporter.write_line(f"{seconds:7.1f}  {folder} ({len(tests[folder])} tests)")


@pytest.fixture(scope="session")
async def database_url(worker_id: str) -> AsyncIterator[str]:
    """A migrated database of this process."""
    name = f"registry_{worker_id}"
    yield await services.create_database(name)
    await services.drop_database(name)


@pytest.fixture(scope="session")
def settings(database_url: str) -> Settings:
    """The settings of the application under test; the environment of whoever runs the tests has no say."""
    return Settings.model_validate(
        {
            "database_url": database_url,
            "database_role_prefix": services.ROLES.prefix,
            "database_pool_size": 20,
            "max_model_size_mb": 64,
            "secret_key": "only for tests and long enough to count",
            "webhook_trusted_hosts": "127.0.0.1,localhost",
            **services.store_settings(),
        }
    )


@pytest.fixture(scope="session")
async def app(settings: Settings) -> AsyncIterator[Starlette]:
    """The running application."""
    application = create_app(settings)
    async with application.router.lifespan_context(application):
        yield application


@pytest.fixture(scope="session")
def database(app: Starlette) -> Database:
    """The application's database."""
    found: Database = app.state.services.database
    return found


@pytest.fixture(scope="session")
def store(app: Starlette) -> ObjectStore:
    """The application's object store."""
    found: ObjectStore = app.state.services.store
    return found


@pytest.fixture(scope="session")
async def http(app: Starlette) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the application, without a network between."""
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://registry.test") as client:
        yield client


@pytest.fixture(scope="session")
async def live(app: Starlette) -> AsyncIterator[str]:
    """The address of the application on a real socket of this machine."""
    config = uvicorn.Config(app, log_config=None, lifespan="off", ws="websockets-sansio", ws_max_size=MAX_FRAME_BYTES)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving


@pytest.fixture
async def tenant(database: Database, http: httpx2.AsyncClient) -> Tenant:
    """An organization that no other test knows."""
    return await found_tenant(database, http)


@pytest.fixture(scope="session")
async def shared_tenant(database: Database, http: httpx2.AsyncClient) -> Tenant:
    """An organization of all tests whose requests change nothing: they are refused."""
    return await found_tenant(database, http)


@pytest.fixture
async def neighbor(database: Database, http: httpx2.AsyncClient) -> Tenant:
    """Another organization."""
    return await found_tenant(database, http)


@pytest.fixture
def statements(database: Database) -> Iterator[list[str]]:
    """The statements that the application sends from here on.

    Without those that ask who a token is, in a transaction of their own: they come every few seconds, and so by chance.
    """
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, given: Any, *_: object) -> None:
        opens_for_a_token = "set_config('role'" in statement and tuple(given)[:2] == (database.roles.app, "")
        if not opens_for_a_token and "registry.authenticate(" not in statement:
            sent.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    yield sent
    event.remove(database.engine.sync_engine, "before_cursor_execute", note)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the server reaches a test from outside."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
