"""The other side of the comparison: asyncpg alone, with the same role, the same organization and the same snapshot."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from db.roles import Roles
from db.url import asyncpg_dsn
from registry.kernel.access import Actor
from server.settings import Settings

_BEGIN = (
    "select set_config('role', $1, true), set_config('app.org_id', $2, true),"
    " set_config('statement_timeout', '4s', true), set_config('lock_timeout', '2s', true),"
    " set_config('idle_in_transaction_session_timeout', '10s', true), set_config('jit', 'off', true)"
)


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection with the login of the server."""
    connection = await asyncpg.connect(asyncpg_dsn(settings.database))
    try:
        yield connection
    finally:
        await connection.close()


async def enter(connection: asyncpg.Connection, roles: Roles, actor: Actor) -> None:
    """Act for the organization until the end of the transaction, bound by row-level security as the server is."""
    await connection.execute(_BEGIN, roles.app, str(actor.org_id))


class Count:
    """Counts the statements of a connection of asyncpg's, without those that only begin or end a transaction."""

    def __init__(self) -> None:
        self.statements = 0

    def __call__(self, record: asyncpg.connection.LoggedQuery) -> None:
        """Note one."""
        if record.query.split(maxsplit=1)[0].upper().rstrip(";") not in ("BEGIN", "COMMIT", "ROLLBACK"):
            self.statements += 1
