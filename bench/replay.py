"""The same rows by asyncpg alone: the statements that an operation sends, noted and sent again without the server."""

from collections.abc import Awaitable, Callable

import asyncpg

from bench.bare import enter
from bench.ground import Ground, Sent, sent_in


async def sent_by(ground: Ground, turn: Callable[[], Awaitable[object]]) -> list[Sent]:
    """What the server's own code sends in a turn, but for the first, which says for whom: `replay` enters by itself."""
    return (await sent_in(ground, turn))[1:]


async def replay(ground: Ground, connection: asyncpg.Connection, sent: list[Sent]) -> int:
    """Send the statements one after another in a snapshot like the server's. Returns: how many rows came."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await enter(connection, ground.settings.roles, ground.actor)
        return sum([len(await connection.fetch(one.statement, *one.parameters)) for one in sent])
