"""The GraphQL endpoint: one ASGI application for queries, mutations, event streams over HTTP, and WebSockets."""

import asyncio
import random
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any

import structlog
from graphql import GraphQLError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from strawberry.http import GraphQLHTTPResponse, process_result
from strawberry.http.streaming import HTTPStreamTransport, merge_stream_with_heartbeat
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from db.errors import traceback_of
from registry.kernel.errors import Overloaded, Unauthenticated, Unavailable
from schema.execution.masking import INTERNAL, INTERNAL_MESSAGE, MaskingSchema, log_unexpected, presentable
from schema.execution.scope import Door, Visit
from server.doors.answers import encoded
from server.doors.graphql_request import (
    GRAPHQL_JSON,
    MAX_BODY_BYTES,
    GraphQLRequest,
    RequestRefused,
    check_method,
    check_site,
    json_response,
    negotiate,
    read_request,
)
from server.doors.graphql_ws import SocketDoor, SocketSettings

log = structlog.get_logger(__name__)

_STATUS_OF_CODE = {INTERNAL: 500, "TIMEOUT": 503, "UNAVAILABLE": 503, "OVERLOADED": 503}


@dataclass(frozen=True, slots=True)
class DoorSettings:
    """Limits of the transport; the limits of operations are those of the schema's extensions."""

    max_body_bytes: int = MAX_BODY_BYTES
    socket: SocketSettings = field(default_factory=SocketSettings)


class GraphQLDoor:
    """ASGI application to mount at `/graphql`, for HTTP and WebSocket.

    Answers 400 for operations that were never run to clients that read `application/graphql-response+json`, and 200 to
    those that read `application/json`, as each expects. A subscription over HTTP needs `text/event-stream` or Apollo's
    `multipart/mixed`; queries and mutations are answered as JSON by preference. Streams are checked again and grow old
    as sockets do, by the same settings. Both end when `shutdown` is set: set it when the server begins to exit, because
    uvicorn waits for streams before it ends the lifespan.
    """

    def __init__(
        self,
        schema: MaskingSchema,
        door: Door,
        *,
        settings: DoorSettings | None = None,
        shutdown: asyncio.Event | None = None,
    ) -> None:
        self._schema = schema
        self._door = door
        self._settings = settings or DoorSettings()
        self.shutdown = shutdown or asyncio.Event()
        self._sockets = SocketDoor(schema, door, self._settings.socket, self.shutdown)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or one WebSocket."""
        if scope["type"] == "websocket":
            await self._sockets(scope, receive, send)
            return
        request = Request(scope, receive)
        accept = ", ".join(request.headers.getlist("accept"))
        try:
            response = await self._answer(request, accept)
        except RequestRefused as refusal:
            response = refusal.response(accept)
        except ClientDisconnect:
            return
        except Exception as bug:
            response = _bug_response(bug)
        await response(scope, receive, send)

    async def _answer(self, request: Request, accept: str) -> Response:
        check_method(request)
        acceptance = negotiate(accept)
        check_site(request.headers)
        # The token comes first: without a valid one no body is read, however small.
        visit = await self._visit(request)
        sent = await read_request(request, self._settings.max_body_bytes)
        methods = {OperationType.QUERY} if request.method == "GET" else {OperationType.QUERY, OperationType.MUTATION}
        if acceptance.single is None and acceptance.stream is not None:
            return await self._stream(sent, visit, acceptance.stream, methods)
        try:
            result = await self._execute(sent, visit, methods)
        except InvalidOperationTypeError as refused:
            if refused.operation_type is OperationType.SUBSCRIPTION and acceptance.stream is not None:
                return await self._stream(sent, visit, acceptance.stream, methods)
            raise _wrong_operation(refused, request.method) from refused
        return _single_response(result, acceptance.single or GRAPHQL_JSON)

    async def _visit(self, request: Request) -> Visit:
        visit = Visit(self._door, request.headers.get("authorization"))
        try:
            await visit.authenticate()
        except Unauthenticated as refusal:
            headers = {"www-authenticate": "Bearer"}
            raise RequestRefused(401, refusal.code, refusal.message, headers) from refusal
        except (Unavailable, Overloaded) as refusal:
            raise RequestRefused(503, refusal.code, refusal.message, {"retry-after": "5"}) from refusal
        return visit

    async def _execute(self, sent: GraphQLRequest, visit: Visit, allowed: set[OperationType]) -> ExecutionResult:
        try:
            return await self._schema.execute(
                sent.query,
                variable_values=sent.variables,
                context_value=visit,
                operation_name=sent.operation_name,
                operation_extensions=sent.extensions,
                allowed_operation_types=allowed,
            )
        except CannotGetOperationTypeError as error:
            # Strawberry raises it past the schema's error handling, unlike every other request error.
            shown = presentable(GraphQLError(error.as_http_error_reason(), original_error=error))
            return PreExecutionError(data=None, errors=[shown])

    async def _stream(
        self, sent: GraphQLRequest, visit: Visit, transport: HTTPStreamTransport, allowed: set[OperationType]
    ) -> Response:
        if self.shutdown.is_set():
            raise RequestRefused(503, "UNAVAILABLE", "The server is shutting down. Subscribe again in a moment.")
        results = await self._schema.stream(
            sent.query,
            variable_values=sent.variables,
            context_value=visit,
            operation_name=sent.operation_name,
            operation_extensions=sent.extensions,
            allowed_operation_types=transport.allowed_operation_types({*allowed, OperationType.SUBSCRIPTION}),
        )

        async def chunks() -> AsyncGenerator[str, None]:
            async with aclosing(results):
                async for result in results:
                    yield transport.encode_next(_body_of(result), _encode_text)
            yield transport.encode_complete()

        merged = merge_stream_with_heartbeat(
            chunks,
            lambda: transport.heartbeat_message(_encode_text),
            interval=transport.heartbeat_interval,
            send_initial_heartbeat=transport.send_initial_heartbeat,
        )
        headers = {"cache-control": "no-store", **transport.headers, "vary": "Accept"}

        async def is_over() -> str | None:
            gone = await self._stream_is_over(visit)
            if gone is None:
                return None
            error = GraphQLError(gone.message, extensions={"code": gone.code}).formatted
            return transport.encode_next({"errors": [error]}, _encode_text)

        return StreamingResponse(_until(is_over(), merged()), headers=headers)

    async def _stream_is_over(self, visit: Visit) -> Unauthenticated | None:
        """Return when the server leaves, the stream is old or, with the reason, its token is good no more."""
        settings, time_s = self._settings.socket, asyncio.get_running_loop().time
        last_s, changed = time_s() + settings.max_age_s * random.uniform(0.9, 1), visit.access()
        while (left_s := last_s - time_s()) > 0:
            await _first(self.shutdown, changed, timeout_s=min(settings.recheck_s, left_s))
            if changed.is_set():
                # Not all of an organization at once.
                await _first(self.shutdown, timeout_s=random.uniform(0, settings.spread_s))
            if self.shutdown.is_set():
                return None
            changed = visit.access()
            try:
                if not await _is_still_known(visit):
                    return None
            except Unauthenticated as gone:
                return gone
        return None


def _single_response(result: ExecutionResult, media_type: str) -> Response:
    body = _body_of(result)
    status = 200
    if "data" not in body and media_type == GRAPHQL_JSON:
        first = (result.errors or [GraphQLError("")])[0]
        status = _STATUS_OF_CODE.get(str((first.extensions or {}).get("code")), 400)
    return json_response(body, status, media_type)


def _body_of(result: Any) -> GraphQLHTTPResponse:
    """Return the answer's body: without `data` where nothing was run, which is how clients tell."""
    body = process_result(result)
    errors = result.errors or ()
    if isinstance(result, PreExecutionError) or (result.data is None and errors and not any(e.path for e in errors)):
        del body["data"]
    return body


def _wrong_operation(refused: InvalidOperationTypeError, method: str) -> RequestRefused:
    if refused.operation_type is OperationType.SUBSCRIPTION:
        return RequestRefused(
            400,
            "SUBSCRIPTION_NEEDS_A_STREAM",
            "Subscribe over a WebSocket (graphql-transport-ws), or accept text/event-stream "
            "or multipart/mixed;subscriptionSpec=1.0.",
        )
    message = f"A {refused.operation_type.value} cannot be sent by {method}. Use POST."
    return RequestRefused(405, "METHOD_NOT_ALLOWED", message, {"allow": "POST"})


def _bug_response(bug: Exception) -> Response:
    extensions = {"code": INTERNAL, "errorId": log_unexpected(bug)}
    return json_response({"errors": [{"message": INTERNAL_MESSAGE, "extensions": extensions}]}, 500, GRAPHQL_JSON)


def _encode_text(body: object) -> str:
    return encoded(body).decode()


async def _first(*events: asyncio.Event, timeout_s: float) -> None:
    """Wait for one of some events, at most so long."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def _is_still_known(visit: Visit) -> bool:
    """Whether to go on; False after a bug. Raises: Unauthenticated."""
    try:
        await visit.authenticate()
    except Unauthenticated:
        raise
    except (Unavailable, Overloaded):
        # Nobody can be told apart now; the next check follows, and no operation gets far without a database.
        log.warning("stream.recheck_unavailable")
    except Exception as error:
        log.error("stream.recheck_failed", exception=traceback_of(error))
        return False
    return True


async def _until(
    end: Coroutine[None, None, str | None], chunks: AsyncGenerator[str, None]
) -> AsyncGenerator[str, None]:
    """Yield the chunks until they or `end` are over, then what `end` has to say.

    Cut off, the client sees no completion and subscribes again.
    """
    ended = asyncio.ensure_future(end)
    try:
        while not ended.done():
            step = asyncio.ensure_future(anext(chunks, None))
            try:
                await asyncio.wait({step, ended}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                # A generator cannot be closed while one of its steps still runs.
                step.cancel()
                with suppress(asyncio.CancelledError):
                    await step
            if step.cancelled():
                break
            if (chunk := step.result()) is None:
                return
            yield chunk
        if (last := ended.result()) is not None:
            yield last
    finally:
        ended.cancel()
        await chunks.aclose()
