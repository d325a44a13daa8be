"""Migrations: bring the schema to the newest revision, or draft the next one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

import db.tables  # noqa: F401  # fills the metadata
from db.base import metadata
from db.comparison import COMPARISON
from db.revision import head, refuse_development
from db.roles import Roles
from db.url import asyncpg_dsn

# Any constant will do: all migrating processes of one database must agree on it.
_LOCK = 7_265_473_001


async def upgrade(url: str, roles: Roles) -> str:
    """Apply what is missing, one process at a time, and return the revision reached.

    Raises: MadeInDevelopment, before anything is touched.
    """
    await _run(url, roles, lambda config: command.upgrade(config, "head"))
    return head()


async def downgrade(url: str, roles: Roles, revision: str) -> None:
    """Go back to `revision` (`base` removes everything, data included)."""
    await _run(url, roles, lambda config: command.downgrade(config, revision))


async def draft(url: str, roles: Roles, message: str) -> None:
    """Write the migration file for what the tables have and the database lacks; read it before you keep it."""
    await _run(url, roles, lambda config: command.revision(config, message, autogenerate=True))


async def drift(url: str, roles: Roles) -> list[Any]:
    """What the tables in the code and in the database disagree about; empty when they are the same."""
    found: list[Any] = []

    def compare(connection: Connection) -> None:
        context = MigrationContext.configure(connection, opts=COMPARISON)
        found.extend(compare_metadata(context, metadata))

    await _connected(url, roles, compare)
    return found


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", "%%(year)d_%%(month).2d_%%(day).2d_%%(slug)s")
    return config


async def _run(url: str, roles: Roles, act: Callable[[Config], object]) -> None:
    def run(connection: Connection) -> None:
        if connection.execute(text("select to_regclass('registry.alembic_version')")).scalar() is not None:
            refuse_development(connection.execute(text("select version_num from registry.alembic_version")).scalar())
        config = _config()
        config.attributes.update(connection=connection, roles=roles)
        act(config)

    await _connected(url, roles, run)


async def _connected(url: str, roles: Roles, act: Callable[[Connection], None]) -> None:
    async def creator() -> asyncpg.Connection:
        return await asyncpg.connect(asyncpg_dsn(url), timeout=10)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=creator, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("select pg_advisory_lock(:key)"), {"key": _LOCK})
            await connection.execute(text(f"set role {roles.owner}"))
            await connection.execute(text("set lock_timeout = '5s'"))
            await connection.commit()
            await connection.run_sync(act)
            await connection.commit()
    finally:
        await engine.dispose()
