"""The same rows by asyncpg alone: the statements that an operation sends, noted and sent again without the server."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
from sqlalchemy import event

from bench.bare import enter
from bench.ground import Ground


@dataclass(frozen=True)
class Sent:
    """A statement with its parameters, as the driver got them."""

    statement: str
    parameters: tuple[Any, ...]


async def sent_by(ground: Ground, turn: Callable[[], Awaitable[object]]) -> list[Sent]:
    """What the server's own code sends in a turn, without what begins or ends its transaction."""
    sent: list[Sent] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        sent.append(Sent(statement, tuple(parameters)))

    engine = ground.services.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        await turn()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    # The first says for whom: `enter` does it here.
    return sent[1:]


async def replay(ground: Ground, connection: asyncpg.Connection, sent: list[Sent]) -> int:
    """Send the statements one after another in a snapshot like the server's. Returns: how many rows came."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await enter(connection, ground.settings.roles, ground.actor)
        return sum([len(await connection.fetch(one.statement, *one.parameters)) for one in sent])
