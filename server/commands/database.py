"""`registry migrate` and `registry db`: prepare the database."""

import asyncio
from collections.abc import Sequence

from db import migrate as migrations, restoring, roles
from db.errors import sqlstate
from server.errors import NotConfigured
from server.settings import Settings

_NO_SUCH_ROLE = "42704"


def migrate(settings: Settings) -> str:
    """Bring the schema to the newest revision, and return it."""
    return asyncio.run(migrations.upgrade(settings.migration_database, settings.roles))


def bootstrap(settings: Settings, logins: Sequence[str]) -> Sequence[str]:
    """Make roles and schemas, and return the statements that did. Raises: NotConfigured when a login is missing."""
    try:
        return asyncio.run(roles.bootstrap(settings.migration_database, settings.roles, tuple(logins)))
    except Exception as error:
        if sqlstate(error) != _NO_SUCH_ROLE:
            raise
        raise NotConfigured(
            f"Not every login of --login is there: {', '.join(logins)}. Make it by CREATE ROLE … LOGIN first."
        ) from error


def renew_epochs(settings: Settings) -> int:
    """Renew the epochs of all event feeds, and return how many there are."""
    return asyncio.run(restoring.renew_epochs(settings.migration_database, settings.roles))


def draft(settings: Settings, message: str) -> None:
    """Write a migration for what the tables in the code have and the database lacks."""
    asyncio.run(migrations.draft(settings.migration_database, settings.roles, message))
