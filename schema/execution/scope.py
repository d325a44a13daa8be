"""Gives each operation a context of its own, on every transport, and ends it at its deadline."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog
from strawberry.extensions import SchemaExtension
from strawberry.types import StreamExecutionResult
from strawberry.types.graphql import OperationType

from db.errors import traceback_of
from registry.kernel.errors import DeadlineExceeded

log = structlog.get_logger(__name__)


class OperationContext(Protocol):
    """What resolvers get as `info.context`: loaders and, from the first read on, one database connection."""

    actor: Any
    """Who asks. Set anew when a long visit is authenticated again."""

    async def renew(self) -> None:
        """Give the connection back and forget what was loaded; what is read next opens anew.

        A subscription's context is renewed before each event is sent.
        """

    async def close(self) -> None:
        """Give the connection back for good: what still runs reads nothing more. Safe to call twice."""


class Door(Protocol):
    """What the application knows and the transports do not: who asks, and what a context is made of."""

    async def authenticate(self, authorization: str | None) -> Any:
        """Return the actor of an `Authorization` header. Raises Unauthenticated or Unavailable."""

    def context(self, actor: Any) -> OperationContext:
        """Return the context of one operation; cheap, opens nothing."""

    def access(self, actor: Any) -> asyncio.Event:
        """Return what is set, once, when what an actor may do may have changed: authenticate it again then."""


@dataclass(slots=True)
class Visit:
    """Who asks, for as long as a request or a WebSocket lasts. The schema takes it as `context_value`."""

    door: Door
    authorization: str | None = None
    actor: Any = None
    _contexts: set[OperationContext] = field(default_factory=set)

    async def authenticate(self) -> None:
        """Ask who this is, again if asked before; running operations go on with what the actor may do now.

        Raises: Unauthenticated, Unavailable, Overloaded.
        """
        self.actor = await self.door.authenticate(self.authorization)
        for context in self._contexts:
            context.actor = self.actor

    def access(self) -> asyncio.Event:
        """Return what is set when who this is may be no more, or may do something else. Ask before authenticating."""
        return self.door.access(self.actor)

    def open(self) -> OperationContext:
        """Return a new context for one operation."""
        context = self.door.context(self.actor)
        self._contexts.add(context)
        return context

    def leave(self, context: OperationContext) -> None:
        """Forget the context of an operation that has ended."""
        self._contexts.discard(context)


class OperationScope(SchemaExtension):
    """Replaces a visit by the context of this operation, and closes that whatever happens.

    A context made by somebody else (a test, a worker) is used as it is and left open. Queries and the start of a
    subscription have `deadline_s` seconds from the first resolver on; canceled then, they answer TIMEOUT.
    """

    def __init__(self, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._context: OperationContext | None = None

    async def on_operation(self) -> AsyncIterator[None]:
        """Open the context before parsing, close it after the last result."""
        visit = self.execution_context.context
        if not isinstance(visit, Visit):
            yield
            return
        self.execution_context.context = self._context = visit.open()
        try:
            yield
        finally:
            visit.leave(self._context)
            await self._close(self._context)

    async def on_execute(self) -> AsyncIterator[None]:
        """Run to the deadline. Raises DeadlineExceeded."""
        if self.execution_context.operation_type is OperationType.MUTATION:
            # Each change has a deadline of its own: what one field has committed is told whatever becomes of the next.
            yield
            return
        limit = asyncio.timeout(self._deadline_s)
        try:
            async with limit:
                yield
        except TimeoutError:
            if limit.expired():
                raise DeadlineExceeded(self._deadline_s) from None
            raise

    async def on_stream_result(self, result: StreamExecutionResult) -> AsyncIterator[None]:
        """Renew the context before each event is sent."""
        # A slow reader must not hold a connection.
        if self._context is not None:
            await self._context.renew()
        yield

    async def _close(self, context: OperationContext) -> None:
        try:
            await context.close()
        except Exception as error:
            # The answer is complete by now; failing it would hide what was committed.
            log.error("operation.close_failed", exception=traceback_of(error))
