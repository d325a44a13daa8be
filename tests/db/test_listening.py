"""The listener: how it comes back when it cannot listen."""

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from structlog.testing import capture_logs

from db.listening import Wakeups
from tests.patience import eventually


class Standby:
    """A server that can be reached and takes no LISTEN."""

    def add_termination_listener(self, _: object) -> None:
        """Nobody ends this connection."""

    async def add_listener(self, *_: object) -> None:
        raise asyncpg.PostgresError("cannot execute LISTEN during recovery")

    async def close(self, **_: object) -> None:
        """Closed at once."""


class Breaking:
    """A server whose first connection is lost by the first thing that is told on it."""

    def __init__(self) -> None:
        self.connections = 0
        self.told: list[str] = []

    async def reached(self, *_: Any, **__: Any) -> "Breaking":
        self.connections += 1
        return self

    def add_termination_listener(self, _: object) -> None:
        """Nobody else ends it."""

    def is_closed(self) -> bool:
        return False

    async def execute(self, statement: str) -> None:
        if self.connections == 1:
            raise ConnectionResetError
        self.told.append(statement)

    async def close(self, **_: object) -> None:
        """Closed at once."""


async def test_whoever_can_connect_but_not_listen_waits_longer_each_time_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []

    async def reached(*_: Any, **__: Any) -> Standby:
        return Standby()

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 8:
            raise asyncio.CancelledError

    monkeypatch.setattr("db.listening.asyncpg.connect", reached)
    monkeypatch.setattr("db.listening.asyncio.sleep", wait)
    monkeypatch.setattr("db.listening.random.uniform", lambda _, most: most)
    with capture_logs() as logs, pytest.raises(asyncio.CancelledError):
        await Wakeups("postgresql://u:p@host/d", lambda _: None).run()
    assert waits == sorted(waits)
    assert waits[-1] > 4
    assert [one["event"] for one in logs] == ["wakeups.lost"]


async def test_what_was_told_on_a_connection_that_was_lost_is_told_on_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    server, org_id = Breaking(), uuid4()
    monkeypatch.setattr("db.listening.asyncpg.connect", server.reached)
    wakeups = Wakeups("postgresql://u:p@host/d")
    wakeups.tell(org_id)
    running = asyncio.create_task(wakeups.run())
    await eventually(lambda: server.told)
    running.cancel()
    await asyncio.wait([running])
    assert org_id.hex in server.told[0]
    assert server.connections == 2
