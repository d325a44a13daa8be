"""The services that all tests share: started once by the first process, found by the others in the environment.

`TEST_DATABASE_URL` points the suite at a server that is there already; its login needs CREATEDB and CREATEROLE.
"""

import asyncio
import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from db import migrate
from db.roles import Roles, bootstrap
from db.url import asyncpg_dsn
from server.embedded.postgres import start_postgres
from server.embedded.s3 import start_s3
from tests.patience import in_time

ROLES = Roles("registry_test")
BUCKETS = ("models", "artifacts")
TEMPLATE = "registry_template"

_SERVER = "REGISTRY_TEST_SERVER"
_S3 = "REGISTRY_TEST_S3"


def start(stack: ExitStack) -> None:
    """Start Postgres and S3 for as long as the stack lives and make the migrated template database."""
    folder = Path(tempfile.mkdtemp(prefix="registry tests "))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    # As root the database runs as another user, who has to pass through here.
    folder.chmod(0o711)
    url = os.environ.get("TEST_DATABASE_URL")
    if not url:
        url = stack.enter_context(start_postgres(folder / "data", fsync=False)).dsn
    s3 = stack.enter_context(start_s3(folder / "data", buckets=BUCKETS))
    os.environ[_SERVER] = url
    os.environ[_S3] = "\n".join((s3.endpoint, s3.access_key, s3.secret_key))
    asyncio.run(_make_template(url))


def server_url() -> str:
    """The address of a login that may create databases and roles."""
    return os.environ[_SERVER]


def store_settings() -> dict[str, str]:
    """What reaches the shared S3 server, as settings."""
    endpoint, access_key, secret_key = os.environ[_S3].split("\n")
    return {"minio_endpoint": endpoint, "minio_access_key": access_key, "minio_secret_key": secret_key}


def database_url(name: str) -> str:
    """The address of another database of the same server."""
    return urlunsplit(urlsplit(server_url())._replace(path=f"/{name}"))


async def create_database(name: str, template: str | None = TEMPLATE) -> str:
    """A new database, as a copy of the template unless told otherwise; its address."""
    connection = await asyncpg.connect(asyncpg_dsn(server_url()))
    try:
        await dropped(connection, name)
        await connection.execute(f"create database {name}" + (f" template {template}" if template else ""))
    finally:
        await connection.close()
    return database_url(name)


async def drop_database(name: str) -> None:
    """Remove a database, whoever is still connected to it."""
    connection = await asyncpg.connect(asyncpg_dsn(server_url()))
    try:
        await dropped(connection, name)
    finally:
        await connection.close()


async def dropped(connection: asyncpg.Connection, name: str) -> None:
    """The same over a connection. A login that is no superuser may not end an autovacuum there, and waits for it."""
    async with in_time():
        while True:
            try:
                await connection.execute(f"drop database if exists {name} with (force)")
                return
            except asyncpg.InsufficientPrivilegeError:
                await asyncio.sleep(0.5)


async def _make_template(url: str) -> None:
    template = await create_database(TEMPLATE, None)
    await bootstrap(template, ROLES)
    await migrate.upgrade(template, ROLES)
