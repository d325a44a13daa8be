"""The services of a process as the settings name them, and the checks of the database that it starts with."""

import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import text

from db.restoring import origin_warnings
from db.revision import require_current
from db.session import Database
from registry.events.feed import Feed
from registry.webhooks.vault import Vault
from resolvers.services import Services
from server.errors import UnsafeRole
from server.settings import Settings
from storage.store import ObjectStore

log = structlog.get_logger(__name__)


def _version() -> str:
    """Return the version of the distribution, which a server that runs from its folder without one reads there."""
    try:
        return version("model-registry-server")
    except PackageNotFoundError:
        project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
        return str(project["version"])


VERSION: Final = _version()


def create_services(settings: Settings) -> Services:
    """The services of a process; nothing is reached until they are used."""
    database = Database.connect(settings.database, settings.roles, pool_size=settings.database_pool_size)
    return Services(
        database=database,
        store=ObjectStore(settings.store),
        feed=Feed(database, Database.connect(settings.database, settings.roles, pool_size=1)),
        shelves=settings.shelves,
        frameworks=settings.supported_frameworks,
        version=VERSION,
        vault=Vault.of(settings.secret_key.get_secret_value() if settings.secret_key else None),
        trusted_hosts=settings.trusted_hosts,
    )


async def checked(database: Database) -> tuple[str, ...]:
    """Refuse a database that is not to be served from; the warnings about one that is, which are logged as well.

    Raises: SchemaBehind, UnsafeRole.
    """
    warnings = (
        *await require_current(database),
        *await role_warnings(database),
        *await origin_warnings(database),
    )
    for warning in warnings:
        log.warning("database.warning", reason=warning)
    return warnings


async def role_warnings(database: Database) -> tuple[str, ...]:
    """Refuse an effective role that row-level security does not bind; warn of a login that could switch to one.

    Raises: UnsafeRole.
    """
    async with database.as_nobody() as connection:
        role = (
            await connection.execute(
                text(
                    "select r.rolname, r.rolsuper or r.rolbypassrls as unbound,"
                    " exists (select from pg_class c where c.relowner = r.oid and c.relkind in ('r', 'p')) as owns,"
                    " (select s.rolsuper from pg_roles s where s.rolname = session_user) as superuser_login"
                    " from pg_roles r where r.rolname = current_user"
                )
            )
        ).one()
    if role.unbound or role.owns:
        raise UnsafeRole(
            f"The role {role.rolname} is a superuser, bypasses row-level security or owns tables."
            " Run `registry db bootstrap` and let the server act as the role it makes."
        )
    if role.superuser_login:
        return ("The database login is a superuser. The server acts as a restricted role, yet give it a lesser login.",)
    return ()
