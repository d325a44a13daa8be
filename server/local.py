"""The embedded default: services without a configured address are started, or found where another process runs them."""

import asyncio
import contextlib
import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
from pydantic import SecretStr

from db import migrate
from db.roles import bootstrap
from db.url import asyncpg_dsn
from server.embedded.errors import DataFolderInUse, EmbeddedError
from server.embedded.folder import write_private
from server.embedded.postgres import EmbeddedPostgres, start_postgres
from server.embedded.s3 import EmbeddedS3, start_s3
from server.settings import Settings

DATABASE = "registry"
_NOTE = "running.json"


class DataFolderUnusable(EmbeddedError):
    """The data folder cannot be made, read or written."""

    code = "DATA_FOLDER_UNUSABLE"


@dataclass
class Local:
    """Settings with every address filled in, and the services that this process runs for them, by name."""

    settings: Settings
    running: dict[str, EmbeddedPostgres | EmbeddedS3] = field(default_factory=dict)

    @property
    def owns_database(self) -> bool:
        """Whether this process runs the database."""
        return "Postgres" in self.running

    def dead(self) -> str | None:
        """The name of a service of ours that has ended, if one has."""
        return next((name for name, service in self.running.items() if not service.alive()), None)


@contextlib.contextmanager
def local_services(
    settings: Settings, *, with_database: bool = True, with_store: bool = True, may_borrow: bool = True
) -> Iterator[Local]:
    """Start what the settings give no address for, for as long as the block lasts; the data stays.

    Where another process runs it over the same data folder, its addresses are used: they are noted in the folder, for
    its owner only. They are good for as long as that process lasts, so whoever means to stay sets `may_borrow` to
    False. The database is bootstrapped and migrated by whoever starts it. `with_database` and `with_store` say which
    of the two is needed.

    Raises: EmbeddedError, when the services can be neither started nor found, or the data folder cannot be used.
    """
    local = Local(settings)
    note = settings.data_dir / _NOTE
    notes = note if may_borrow else None
    database, store = with_database and settings.database_url is None, with_store and settings.minio_endpoint is None
    with ExitStack() as stack:
        if database:
            _start_or_find(local, notes, "Postgres", lambda: _postgres(stack, local))
        if store:
            _start_or_find(local, notes, "S3", lambda: _s3(stack, local))
        if local.running:
            _write_note(note, local)
        yield local


def _start_or_find(local: Local, note: Path | None, name: str, start: Callable[[], dict[str, str]]) -> None:
    try:
        found = start()
    except DataFolderInUse:
        found = _read_note(note).get(name, {}) if note else {}
        if not found:
            raise
    except OSError as error:
        # Only what concerns files has a name; a service that does not answer has none.
        if error.filename is None:
            raise
        raise DataFolderUnusable(
            f"DATA_DIR is {local.settings.data_dir}, and that folder cannot be used:"
            f" {error.filename}: {error.strerror}. Choose a folder that this user may write to."
        ) from error
    values = {key: SecretStr(value) if key != "minio_endpoint" else value for key, value in found.items()}
    local.settings = local.settings.model_copy(update=values)


def _postgres(stack: ExitStack, local: Local) -> dict[str, str]:
    """Run Postgres with a database and a login that is no superuser, migrated; a key for its secrets lies beside it."""
    postgres = stack.enter_context(start_postgres(local.settings.data_dir))
    local.running["Postgres"] = postgres
    found = asyncio.run(_prepare(postgres.dsn, local.settings))
    return found if local.settings.secret_key else {**found, "secret_key": _kept_key(local.settings.data_dir)}


def _kept_key(data_dir: Path) -> str:
    """The random SECRET_KEY that the data folder keeps for its owner only, made at the first call."""
    kept = data_dir / "secret_key"
    if not kept.exists():
        fresh = kept.with_name(f"{kept.name}.new")
        fresh.unlink(missing_ok=True)
        write_private(fresh, secrets.token_urlsafe(32))
        fresh.replace(kept)
    return kept.read_text()


async def _prepare(superuser_dsn: str, settings: Settings) -> dict[str, str]:
    login, password = f"{settings.roles.prefix}_login", secrets.token_urlsafe(24)
    connection = await asyncpg.connect(asyncpg_dsn(superuser_dsn))
    try:
        if not await connection.fetchval("select true from pg_roles where rolname = $1", login):
            await connection.execute(f"create role {login} login")
        # A new password at each start: no other process can know the old one and still be wanted.
        await connection.execute(f"alter role {login} password '{password}'")
        if not await connection.fetchval("select true from pg_database where datname = $1", DATABASE):
            await connection.execute(f"create database {DATABASE}")
    finally:
        await connection.close()
    parts = urlsplit(superuser_dsn)
    owner = urlunsplit(parts._replace(path=f"/{DATABASE}"))
    await bootstrap(owner, settings.roles, also=(login,))
    await migrate.upgrade(owner, settings.roles)
    host = parts.netloc.rpartition("@")[2]
    served = urlunsplit(parts._replace(netloc=f"{login}:{quote(password)}@{host}", path=f"/{DATABASE}"))
    return {"database_url": served, "migration_database_url": owner}


def _s3(stack: ExitStack, local: Local) -> dict[str, str]:
    s3 = stack.enter_context(start_s3(local.settings.data_dir, buckets=local.settings.buckets))
    local.running["S3"] = s3
    return {
        "minio_endpoint": s3.endpoint,
        "minio_access_key": s3.access_key,
        "minio_secret_key": s3.secret_key,
    }


def _write_note(note: Path, local: Local) -> None:
    settings = local.settings
    found: dict[str, dict[str, str]] = {}
    if "Postgres" in local.running:
        found["Postgres"] = {
            "database_url": settings.database,
            "migration_database_url": settings.migration_database,
        }
    if "S3" in local.running:
        found["S3"] = {
            "minio_endpoint": settings.store.endpoint,
            "minio_access_key": settings.minio_access_key.get_secret_value(),
            "minio_secret_key": settings.minio_secret_key.get_secret_value(),
        }
    fresh = note.with_name(f"{_NOTE}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    write_private(fresh, json.dumps(found))
    fresh.replace(note)


def _read_note(note: Path) -> dict[str, dict[str, str]]:
    try:
        found: dict[str, dict[str, str]] = json.loads(note.read_text())
    except (OSError, ValueError):
        return {}
    return found
