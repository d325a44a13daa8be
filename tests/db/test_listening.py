"""The listener: how it comes back when it cannot listen."""

import asyncio
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from db.listening import Wakeups


class Standby:
    """A server that can be reached and takes no LISTEN."""

    def add_termination_listener(self, _: object) -> None:
        """Nobody ends this connection."""

    async def add_listener(self, *_: object) -> None:
        raise asyncpg.PostgresError("cannot execute LISTEN during recovery")

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
