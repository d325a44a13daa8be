"""The command line as an operator uses it, against services that run elsewhere."""

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from db.session import Database
from db.url import asyncpg_dsn
from registry.kernel.errors import Unauthenticated
from registry.tenants.organizations import id_by_name
from registry.tenants.tokens import authenticate
from server.settings import Settings
from storage.errors import StoreUnavailable
from storage.store import ObjectStore
from tests import services
from tests.server import processes
from tests.server.commands import registry
from tests.server.processes import PATIENCE_S, command, environment

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def empty() -> AsyncIterator[str]:
    """The address of a database with nothing in it."""
    name = f"registry_cli_{uuid4().hex[:8]}"
    yield await services.create_database(name, template=None)
    await services.drop_database(name)


@pytest.fixture
async def stranger(empty: str) -> AsyncIterator[str]:
    """The same database for a login that may do nothing there."""
    name = f"stranger_{uuid4().hex[:8]}"
    connection = await asyncpg.connect(asyncpg_dsn(empty))
    await connection.execute(f"create role {name} login password 'strange'")
    parts = urlsplit(empty)
    host = parts.netloc.rpartition("@")[2]
    yield urlunsplit(parts._replace(netloc=f"{name}:strange@{host}"))
    await connection.execute(f"drop role {name}")
    await connection.close()


def given(url: str, **more: str) -> dict[str, str]:
    """The settings of a command over this database."""
    return {"DATABASE_URL": url, "DATABASE_ROLE_PREFIX": services.ROLES.prefix} | more


def test_the_schema_is_printed_as_it_is_checked_in() -> None:
    assert processes.registry("schema").out == (ROOT / "schema" / "schema.graphql").read_text()


def test_a_database_is_prepared_in_two_steps_and_again_without_harm(empty: str) -> None:
    first = registry("db", "bootstrap", **given(empty))
    assert first.status == 0, first.err
    assert "create schema" in first.out
    assert registry("db", "bootstrap", **given(empty)).out == "Everything is in place.\n"
    migrated = registry("migrate", **given(empty))
    assert migrated.out.startswith("The schema is at revision "), migrated.err
    assert registry("migrate", **given(empty)).out == migrated.out


def test_a_login_that_may_not_is_told_what_an_administrator_has_to_run(stranger: str) -> None:
    ran = registry("db", "bootstrap", **given(stranger))
    assert ran.status == 1
    assert ran.err.startswith("This login may not create roles.")
    statements = [line for line in ran.err.splitlines() if line.endswith(";")]
    assert "create schema registry;" in statements
    assert "Traceback" not in ran.err


def test_no_token_is_made_in_a_database_that_is_behind(empty: str) -> None:
    ran = registry("token", "create", **given(empty))
    assert ran.status == 1
    assert "`registry migrate`" in ran.err


async def test_a_new_token_is_good_and_the_only_thing_that_is_printed(database_url: str, database: Database) -> None:
    organization = f"org-{uuid4().hex[:8]}"
    words = ("--organization", organization, "--principal", "deployer", "--service-account", "--role", "WRITER")
    ran = processes.registry("token", "create", *words, **given(database_url))
    assert ran.status == 0, ran.err
    (token,) = ran.out.splitlines()
    assert (await authenticate(database, token)).kind.name == "SERVICE_ACCOUNT"


async def test_tokens_are_listed_and_revoked_by_their_last_characters(database_url: str, database: Database) -> None:
    where = ("--organization", f"org-{uuid4().hex[:8]}")
    kept, gone = [registry("token", "create", *where, **given(database_url)).out.strip() for _ in range(2)]
    listed = registry("token", "list", *where, **given(database_url))
    assert [token[-4:] in line for token, line in zip((kept, gone), listed.out.splitlines(), strict=True)] == [True] * 2
    assert kept not in listed.out
    for _ in range(2):
        ran = registry("token", "revoke", gone[-4:], *where, **given(database_url))
        assert ran.out.endswith(f"ends with {gone[-4:]} is revoked.\n"), ran.err
    with pytest.raises(Unauthenticated):
        await authenticate(database, gone)
    assert await authenticate(database, kept)
    assert "revoked" in registry("token", "list", *where, **given(database_url)).out.splitlines()[1]


def test_other_rights_than_a_principal_has_are_refused_in_a_sentence(database_url: str) -> None:
    where = ("--organization", f"org-{uuid4().hex[:8]}", "--principal", "ada")
    assert registry("token", "create", *where, "--role", "READER", **given(database_url)).status == 0
    ran = registry("token", "create", *where, "--role", "ADMIN", **given(database_url))
    assert (ran.status, ran.out, len(ran.err.splitlines())) == (1, "", 1)
    assert "'ada' is there already: a USER with the role READER" in ran.err
    assert registry("token", "create", *where, **given(database_url)).status == 0


async def test_no_organization_is_made_by_looking_for_its_tokens(database_url: str, database: Database) -> None:
    name = f"org-{uuid4().hex[:8]}"
    for words in (("list",), ("revoke", "abcd")):
        ran = registry("token", *words, "--organization", name, **given(database_url))
        assert (ran.status, ran.err) == (1, f"There is no organization '{name}'.\n")
    assert await id_by_name(database, name) is None


async def test_buckets_are_made_where_they_are_missing(settings: Settings) -> None:
    bucket = f"made-{uuid4().hex[:8]}"
    where = {name.upper(): value for name, value in services.store_settings().items()}
    async with ObjectStore(settings.store) as store:
        with pytest.raises(StoreUnavailable):
            await store.check(bucket)
        for _ in range(2):
            ran = registry("storage", "bootstrap", STORAGE_BUCKET_MODELS=bucket, **where)
            assert ran.out == f"The buckets are there: {bucket}, artifacts.\n", ran.err
        await store.check(bucket)


def test_every_setting_that_makes_no_sense_is_named() -> None:
    ran = processes.registry("serve", PORT="eighty", LOG_LEVEL="LOUD")
    assert ran.status == 2
    assert [line.split(":")[0] for line in ran.err.splitlines()] == ["PORT", "LOG_LEVEL"]


def test_a_secret_in_a_setting_that_makes_no_sense_is_not_repeated() -> None:
    ran = registry("migrate", DATABASE_URL="mysql://me:hunter2@localhost/db")
    assert ran.status == 2
    assert ran.err.startswith("DATABASE_URL: ")
    assert "hunter2" not in ran.err


def test_a_worker_needs_to_be_told_where_the_database_is(tmp_path: Path) -> None:
    ran = registry("worker", DATA_DIR=str(tmp_path / "data"))
    assert ran.status == 1
    assert ran.err.startswith("DATABASE_URL is not set")
    assert not (tmp_path / "data").exists()


def test_a_database_that_does_not_answer_is_told_in_one_sentence() -> None:
    ran = registry("migrate", DATABASE_URL="postgresql://me:hunter2@127.0.0.1:1/db")
    assert ran.status == 1
    assert len(ran.err.splitlines()) == 1
    assert "hunter2" not in ran.err


@pytest.mark.parametrize("words", [("migrate",), ("db", "bootstrap"), ("token", "create"), ("worker",), ("serve",)])
async def test_a_login_that_the_database_refuses_is_told_in_one_sentence(
    database_url: str, stranger: str, words: tuple[str, ...]
) -> None:
    connection = await asyncpg.connect(asyncpg_dsn(database_url))
    await connection.execute(f"alter role {urlsplit(stranger).username} nologin")
    await connection.close()
    where = {name.upper(): value for name, value in services.store_settings().items()}
    ran = registry(*words, **given(stranger, PORT="0", **where))
    assert (ran.status, ran.err.splitlines()[-1].split(".")[0]) == (1, "The database refuses this login")
    assert "Traceback" not in ran.err
    assert "strange:" not in ran.err


def test_a_database_that_is_not_there_is_told_in_one_sentence(empty: str) -> None:
    ran = registry("migrate", **given(empty.replace("/registry_cli_", "/registry_nowhere_")))
    assert (ran.status, ran.err.split(" on ")[0]) == (1, "There is no such database")
    assert len(ran.err.splitlines()) == 1


def test_a_login_that_is_not_there_is_told_in_one_sentence(empty: str) -> None:
    ran = registry("db", "bootstrap", "--login", "nobody_of_that_name", **given(empty))
    assert (ran.status, len(ran.err.splitlines())) == (1, 1)
    assert "nobody_of_that_name" in ran.err


@pytest.mark.parametrize("words", [("migrate",), ("storage", "bootstrap"), ("serve",)])
def test_a_data_folder_that_is_none_is_told_in_one_sentence(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "file").write_text("not a folder")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        ran = registry(*words, DATA_DIR=str(place), PORT="0")
        assert (ran.status, len(ran.err.splitlines())) == (1, 1), ran.err
        assert ran.err.startswith(f"DATA_DIR is {place}, and that folder cannot be used: ")


def test_a_worker_ends_in_order_when_it_is_told_to(database_url: str) -> None:
    where = {name.upper(): value for name, value in services.store_settings().items()}
    process = subprocess.Popen(
        command("worker"),
        env=environment(given(database_url, **where)),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert any("worker.started" in line for line in process.stderr)
    process.terminate()
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert "worker.stopped" in said
