"""Transactions: read-only snapshots for queries, one transaction for a change, a narrow one for workers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy import ExceptionContext, Executable, Row as ResultRow, bindparam, event, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine

from db.belonging import Owner, belonging
from db.errors import translate, translated
from db.roles import Roles
from db.url import asyncpg_dsn

# A server that stands still takes connections and statements and never answers. Every wait for it ends early enough for
# the request to be refused within 5 seconds: only one of these limits is met, as whatever follows it is not tried.
OPEN_S = 4.0
POOL_WAIT_S = 3
CONNECT_TIMEOUT_S = 3
COMMAND_TIMEOUT_S = 4.3
GOODBYE_S = 0.25

# Local to the transaction: a setting that outlives it would be seen by the next user of the pooled connection.
# The time-outs stand here because role defaults do not follow a change of role. Nothing is compiled just in time: that
# takes longer than these statements do (half a second against two milliseconds where an estimate is far too high).
_BEGIN = text(
    "select set_config('role', :role, true), set_config('app.org_id', :org_id, true),"
    " set_config('statement_timeout', '4s', true), set_config('lock_timeout', '2s', true),"
    " set_config('idle_in_transaction_session_timeout', '10s', true), set_config('jit', 'off', true)"
)
_APPEND = text("select ev.append(:org_id, :events)").bindparams(bindparam("events", type_=JSONB))


@dataclass(frozen=True)
class Event:
    """A change to be told. `body` is an object with the version of its shape under `v`.

    `model_id` and `project_id` are what the subject belongs to, where it is known: readers who follow one are told.
    `owner` is what it hangs below where its own row says neither: they are looked up once, for all events of a change.
    """

    kind: str
    subject: str
    actor: str
    body: Mapping[str, Any]
    model_id: UUID | None = None
    project_id: UUID | None = None
    owner: Owner | None = None


class _Connection(asyncpg.Connection):
    """A connection that does not wait for a server which does not hear its good-bye."""

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the driver's own signature
        """Close, in order if that is quick."""
        await super().close(timeout=GOODBYE_S)


def _give_up(context: ExceptionContext) -> None:
    """Throw away a connection whose server did not answer in time, or broke off, instead of asking it to roll back."""
    error, reason = context.original_exception, context.original_exception.__cause__
    # The driver says so of a connection that ends within a statement,
    broke_off = isinstance(reason, asyncpg.InternalClientError)
    # and so of one that takes no end of its transaction: the pool would believe it, and lend it out inside of it.
    is_stuck = context.statement is None and isinstance(reason, asyncpg.InterfaceError)
    if isinstance(error, TimeoutError) or broke_off or is_stuck:
        context.is_disconnect = True


async def _give_back(connection: AsyncConnection) -> None:
    """End the transaction of a connection that nobody needs any more; the pool throws it away if that fails.

    What was asked of it has been answered or refused by then, so that nobody has to hear of it.
    """
    with suppress(DBAPIError, OSError):
        await connection.close()


class Change(AsyncSession):
    """The unit of work of one change: a session that also gathers the events to append when it commits.

    `shown_once` is what the answer to the change shows and nobody can ask for again: it is kept nowhere.
    """

    org_id: UUID
    events: list[Event]
    shown_once: str | None


class SnapshotClosed(Exception):
    """Somebody still read after the end of an operation, such as a batch whose operation was canceled."""


class Reader(Protocol):
    """Something to read through: the snapshot of a query, or the transaction of a change."""

    async def rows(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[ResultRow[*tuple[Any, ...]]]:
        """All rows of a statement."""
        ...


@dataclass(frozen=True)
class Within:
    """Reads what a change has written so far, and what others have committed."""

    change: Change

    async def rows(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[ResultRow[*tuple[Any, ...]]]:
        """All rows of a statement."""
        return (await self.change.execute(statement, parameters)).all()


class Snapshot:
    """One read-only view of the database for a whole query, opened by its first statement.

    Safe for concurrent use by sibling loaders: the lock covers one statement and never an await of anything else.
    """

    def __init__(self, database: "Database", org_id: UUID) -> None:
        self._database = database
        self._org_id = org_id
        self._lock = asyncio.Lock()
        self._connection: AsyncConnection | None = None
        self._failure: Exception | None = None

    async def rows(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[ResultRow[*tuple[Any, ...]]]:
        """All rows of a statement.

        Raises the first database error of this snapshot again for every later statement: once a transaction is
        aborted, what the server says about the following statements is not the reason.
        """
        async with self._lock:
            if self._failure is not None:
                raise self._failure
            try:
                if self._connection is None:
                    self._connection = await self._database.open_snapshot(self._org_id)
                return (await self._connection.execute(statement, parameters)).all()
            except Exception as error:
                self._failure = translate(error)
                raise self._failure from error

    async def close(self) -> None:
        """Give the connection back once the statement under way has ended; there is no reading afterwards.

        Safe to call twice, and before anything was read.
        """
        self._failure = self._failure or SnapshotClosed("This snapshot was closed.")
        async with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                await _give_back(connection)


@dataclass(frozen=True)
class Database:
    """The pool, and the ways to begin a transaction on it."""

    engine: AsyncEngine
    roles: Roles
    listeners: list[Callable[[UUID], None]] = field(default_factory=list, compare=False)
    """Called with the organization of each change that has events, once it is committed. They may not fail."""

    @classmethod
    def connect(cls, url: str, roles: Roles, *, pool_size: int = 10) -> "Database":
        """A pool that opens connections on demand: nothing is reached here."""
        dsn = asyncpg_dsn(url)

        async def creator() -> asyncpg.Connection:
            return await asyncpg.connect(
                dsn, timeout=CONNECT_TIMEOUT_S, command_timeout=COMMAND_TIMEOUT_S, connection_class=_Connection
            )

        engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=creator,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=POOL_WAIT_S,
            pool_use_lifo=True,
            # Values of a failed statement would end up in logs.
            hide_parameters=True,
            json_serializer=lambda value: orjson.dumps(value).decode(),
            json_deserializer=orjson.loads,
        )
        event.listen(engine.sync_engine, "handle_error", _give_up)
        return cls(engine, roles)

    def new_snapshot(self, org_id: UUID) -> Snapshot:
        """A snapshot that opens with its first statement; whoever makes it closes it."""
        return Snapshot(self, org_id)

    async def open_snapshot(self, org_id: UUID) -> AsyncConnection:
        """A connection inside a REPEATABLE READ READ ONLY transaction; closing it ends the transaction."""
        return await self._open(
            self.roles.app, org_id, {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        )

    @asynccontextmanager
    async def change(self, org_id: UUID) -> AsyncIterator[Change]:
        """One transaction: commits at the end with its events appended last, or changes nothing.

        Raises: DatabaseUnavailable, PoolExhausted, and what the body raises.
        """
        session = Change(self.engine, expire_on_commit=False)
        session.org_id, session.events, session.shown_once = org_id, [], None
        with translated():
            async with session:
                async with asyncio.timeout(OPEN_S):
                    try:
                        await self._begin(await session.connection(), self.roles.app, org_id)
                    except DBAPIError as error:
                        if not error.connection_invalidated:
                            raise
                        await session.rollback()
                        await self._begin(await session.connection(), self.roles.app, org_id)
                yield session
                await session.flush()
                if session.events:
                    told = await _told(session)
                    # Last before the commit: from here on every other change of the organization waits.
                    await session.execute(_APPEND, {"org_id": org_id, "events": told})
                await session.commit()
        if session.events:
            for listener in self.listeners:
                listener(org_id)

    def as_worker(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """One transaction that sees the jobs and feeds of every organization; commits at the end."""
        return self._in_no_organization(self.roles.worker)

    def as_nobody(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """One transaction of the application role in no organization: it sees no row, but may ask who a token is."""
        return self._in_no_organization(self.roles.app)

    @asynccontextmanager
    async def _in_no_organization(self, role: str) -> AsyncIterator[AsyncConnection]:
        with translated():
            connection = await self._open(role, None, {})
            try:
                yield connection
                await connection.commit()
            finally:
                await _give_back(connection)

    async def _open(self, role: str, org_id: UUID | None, options: Mapping[str, Any]) -> AsyncConnection:
        """A connection with an open transaction; closing it without a commit undoes what was done."""
        async with asyncio.timeout(OPEN_S):
            try:
                return await self._open_once(role, org_id, options)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                return await self._open_once(role, org_id, options)

    async def _open_once(self, role: str, org_id: UUID | None, options: Mapping[str, Any]) -> AsyncConnection:
        connection = await self.engine.connect()
        try:
            await connection.execution_options(**options)
            await self._begin(connection, role, org_id)
        except BaseException:
            await _give_back(connection)
            raise
        return connection

    async def _begin(self, connection: AsyncConnection, role: str, org_id: UUID | None) -> None:
        """The first statement of a transaction.

        It may find that a pooled connection was lost since its last use: the pool is renewed then, and the caller tries
        once more. Asking each connection beforehand would cost three round trips and wait for a server that stands
        still beyond every limit.
        """
        await connection.execute(_BEGIN, {"role": role, "org_id": "" if org_id is None else str(org_id)})

    async def close(self) -> None:
        """Close every connection of the pool."""
        await self.engine.dispose()


async def _told(change: Change) -> list[dict[str, str]]:
    """The events of a change as `ev.append` takes them, with what their subjects belong to."""
    owners = {event.owner for event in change.events if event.owner is not None}
    known = await belonging(change, change.org_id, owners) if owners else {}
    return [
        _as_told(event, *known.get(event.owner, (None, None)))
        if event.owner is not None
        else _as_told(event, event.model_id, event.project_id)
        for event in change.events
    ]


def _as_told(event: Event, model_id: UUID | None, project_id: UUID | None) -> dict[str, str]:
    """One of them. Its body goes as text: as JSON the server would rewrite its numbers."""
    body = orjson.dumps(event.body, option=orjson.OPT_SORT_KEYS).decode()
    told = {"kind": event.kind, "subject": event.subject, "actor": event.actor, "body": body}
    routes = {"model_id": model_id, "project_id": project_id}
    return told | {name: str(value) for name, value in routes.items() if value is not None}
