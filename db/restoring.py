"""After a restore: new epochs for the feeds, whose numbers are given out again, and how to see that it is due."""

from typing import Final

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from db.roles import Roles
from db.session import CONNECT_TIMEOUT_S, Database
from db.url import asyncpg_dsn

# The timeline grows with each promotion of a standby and each recovery to a moment; a database that was dumped and
# loaded has another system identifier. Some providers let nobody ask.
_PRESENT: Final = """
    select system_identifier,
           ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::integer as timeline
      from pg_control_system()
"""
_IS_ELSEWHERE: Final = text(f"select exists (select system_identifier, timeline from ev.origin except {_PRESENT})")
_RESTORED: Final = (
    "The database was restored, or another server took over, since its epochs were given out. Run"
    " `registry db restored`: until then cursors and deliveries of before can mean other events."
)


async def renew_epochs(url: str, roles: Roles) -> int:
    """Give every feed a new epoch, as the owner: cursors of before are CURSOR_RESET. Returns: how many feeds there are.

    In one transaction, and again without harm but for followers, who begin anew each time. Raises: asyncpg's errors.
    """
    connection = await asyncpg.connect(asyncpg_dsn(url), timeout=CONNECT_TIMEOUT_S)
    try:
        async with connection.transaction():
            await connection.execute(f"set local role {roles.owner}")
            # Whoever appends holds the row of its feed for moments.
            done = await connection.execute("update ev.stream set epoch = gen_random_uuid()")
            await _note_origin(connection)
        return int(done.rpartition(" ")[2])
    finally:
        await connection.close()


async def _note_origin(connection: asyncpg.Connection) -> None:
    """Remember on which server the epochs were given out, where that can be asked."""
    try:
        async with connection.transaction():
            await connection.execute("delete from ev.origin")
            await connection.execute(f"insert into ev.origin (system_identifier, timeline) {_PRESENT}")
    except asyncpg.InsufficientPrivilegeError:
        return


async def origin_warnings(database: Database) -> tuple[str, ...]:
    """What to warn of where the epochs were given out on another server; nothing where it cannot say."""
    try:
        async with database.as_nobody() as connection:
            elsewhere = (await connection.execute(_IS_ELSEWHERE)).scalar_one()
    except DBAPIError:
        return ()
    return (_RESTORED,) if elsewhere else ()
