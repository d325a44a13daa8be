"""Wake-ups between processes: one connection of its own that tells the others who has news, and hears them.

A wake-up carries no data and may be lost: whoever follows the feed also looks by itself. `NOTIFY` is sent after the
commit and never inside the transaction, where it would make all commits of the server take turns.
"""

import asyncio
import random
from collections.abc import Callable, Collection
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid4

import asyncpg
import structlog

from db.errors import told
from db.session import COMMAND_TIMEOUT_S, CONNECT_TIMEOUT_S, GOODBYE_S
from db.url import asyncpg_dsn

log = structlog.get_logger(__name__)

CHANNEL: Final = "registry_feed"
COALESCE_S: Final = 0.005
PROBE_S: Final = 5.0
PROBE_TIMEOUT_S: Final = 3.0
MAX_IDS: Final = 200
"""A payload has room for 7,999 bytes. More organizations than this are told as EVERYBODY."""
EVERYBODY: Final = "*"
_PROBE: Final = "?"
_LOST: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
_SHORTEST_WAIT_S: Final = 0.2
_LONGEST_WAIT_S: Final = 5.0

Wake: TypeAlias = Callable[[frozenset[UUID] | None], None]
"""Called with the organizations that have news, or with None where any may have."""


class Wakeups:
    """The wake-ups of one process. Without `on_wake` it only tells.

    `up` says whether it hears the others: a pooler between may take a LISTEN and deliver nothing, so that each probe
    has to be heard by its sender.
    """

    def __init__(self, url: str, on_wake: Wake | None = None) -> None:
        self.up = False
        self._dsn = asyncpg_dsn(url)
        self._on_wake = on_wake
        self._waiting: set[UUID] = set()
        self._due = asyncio.Event()
        self._heard = asyncio.Event()
        self._probe = ""
        self._attends = False

    def tell(self, org_id: UUID) -> None:
        """Have the others told that an organization has news, soon, with all that are told of in the meantime."""
        if len(self._waiting) <= MAX_IDS:
            self._waiting.add(org_id)
        self._due.set()

    async def run(self) -> None:
        """Tell and listen until canceled. A lost connection is opened again, later after each failure."""
        failures = 0
        while True:
            try:
                connection = await asyncpg.connect(
                    self._dsn, timeout=CONNECT_TIMEOUT_S, command_timeout=COMMAND_TIMEOUT_S
                )
                self._attends = False
                try:
                    await self._attend(connection)
                finally:
                    self.up = False
                    await _leave(connection)
            except Exception as error:
                if self._attends:
                    failures = 0
                if failures == 0:
                    log.warning("wakeups.lost", reason=told(error))
                wait_s = min(_SHORTEST_WAIT_S * 2**failures, _LONGEST_WAIT_S)
                failures += 1
                await asyncio.sleep(wait_s * random.uniform(0.5, 1))

    async def _attend(self, connection: asyncpg.Connection) -> None:
        """Tell and listen on a connection until it is lost. Raises: OSError and the errors of asyncpg."""
        connection.add_termination_listener(lambda _: self._due.set())
        if self._on_wake is not None:
            await connection.add_listener(CHANNEL, self._hear)
            await self._ask_itself(connection)
            # Nobody knows what was missed meanwhile.
            self._on_wake(None)
        # A server that can be reached and takes no LISTEN, such as a standby, is no success.
        self._attends = True
        if self._waiting:
            # Who was to be told when the connection was lost is told now.
            self._due.set()
        time_s, told_at_s = asyncio.get_running_loop().time, 0.0
        while True:
            try:
                async with asyncio.timeout(PROBE_S):
                    await self._due.wait()
            except TimeoutError:
                await self._ask_itself(connection)
                continue
            if connection.is_closed():
                self._due.clear()
                raise ConnectionError("The connection for wake-ups was lost.")
            await asyncio.sleep(max(0.0, told_at_s + COALESCE_S - time_s()))
            self._due.clear()
            if self._waiting:
                told_at_s = time_s()
                waiting, self._waiting = self._waiting, set()
                try:
                    await self._notify(connection, _payload(waiting))
                except Exception:
                    self._waiting |= waiting
                    raise

    async def _notify(self, connection: asyncpg.Connection, payload: str) -> None:
        """Send one wake-up, as a statement of its own. One that is refused is left out: others look by themselves."""
        try:
            # In the simple protocol, which every pooler passes on; the payload is hexadecimal digits and signs of ours.
            await connection.execute(f"notify {CHANNEL}, '{payload}'")
        except asyncpg.PostgresError as refused:
            log.warning("wakeups.refused", reason=told(refused))

    async def _ask_itself(self, connection: asyncpg.Connection) -> None:
        """Find out whether the connection lives, and whether what is sent is heard. Raises: TimeoutError, OSError."""
        self._heard.clear()
        self._probe = _PROBE + uuid4().hex
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            await self._notify(connection, self._probe if self._on_wake is not None else _PROBE)
        if self._on_wake is None:
            return
        was_up = self.up
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                await self._heard.wait()
            self.up = True
        except TimeoutError:
            self.up = False
        if was_up is not self.up or not self.up:
            log.info("wakeups.heard" if self.up else "wakeups.unheard")

    def _hear(self, connection: Any, pid: int, _channel: str, payload: object) -> None:
        text = str(payload)
        if text.startswith(_PROBE):
            if text == self._probe:
                self._heard.set()
        elif self._on_wake is not None and pid != connection.get_server_pid():
            # Its own were acted on when they were told.
            self._on_wake(None if text == EVERYBODY else _ids(text))


async def _leave(connection: asyncpg.Connection) -> None:
    """Close in order if that is quick."""
    try:
        await connection.close(timeout=GOODBYE_S)
    except _LOST:
        connection.terminate()


def _ids(payload: str) -> frozenset[UUID] | None:
    """The organizations that a payload names; None, which is any of them, for one that is not understood."""
    try:
        return frozenset(UUID(one) for one in payload.split(","))
    except ValueError:
        return None


def _payload(waiting: Collection[UUID]) -> str:
    return EVERYBODY if len(waiting) > MAX_IDS else ",".join(one.hex for one in waiting)
