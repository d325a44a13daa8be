"""What a command runs on: the settings of its environment, a database that is new enough, an organization in it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar
from uuid import UUID

from pydantic import ValidationError

from db.revision import require_current
from db.session import Database
from registry.kernel.errors import InvalidValue
from registry.tenants import organizations
from server.consoles import err
from server.settings import Settings

Made = TypeVar("Made")


def read_settings() -> Settings:
    """The settings from the environment. Exits with 2 and a sentence for each variable that makes no sense."""
    try:
        return Settings()
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False, include_context=False):
            name = str(fault["loc"][0]).upper() if fault["loc"] else "settings"
            err.print(f"{name}: {fault['msg']}", markup=False)
        sys.exit(2)


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Database]:
    """One connection to a database that is new enough. Raises: SchemaBehind."""
    database = Database.connect(settings.database, settings.roles, pool_size=1)
    try:
        await require_current(database)
        yield database
    finally:
        await database.close()


def in_organization(settings: Settings, name: str, act: Callable[[Database, UUID], Awaitable[Made]]) -> Made:
    """What `act` makes of an organization that exists. Raises: InvalidValue when there is none of this name."""

    async def run() -> Made:
        async with connected(settings) as database:
            org_id = await organizations.id_by_name(database, name.strip())
            if org_id is None:
                raise InvalidValue(f"There is no organization {name!r}.", ("organization",))
            return await act(database, org_id)

    return asyncio.run(run())
