"""GraphQL over WebSockets, subprotocol graphql-transport-ws: strict frames, a token per connection, pings, limits."""

import asyncio
import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
import structlog
from graphql import GraphQLError
from starlette.requests import Request
from starlette.websockets import WebSocket, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter, GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler

from db.errors import traceback_of
from registry.kernel.errors import Overloaded, Unauthenticated, Unavailable
from schema.execution.masking import MaskingSchema
from schema.execution.query_cost import too_much
from schema.execution.scope import Door, Visit
from server.doors.answers import encoded

log = structlog.get_logger(__name__)

MAX_FRAME_BYTES = 256 * 1024
"""Give it to uvicorn as `ws_max_size`: only the server can refuse a frame (close code 1009) before it is in memory."""

MAX_ID_CHARACTERS = 128
MAX_REASON_BYTES = 123

BAD_REQUEST = 4400
FORBIDDEN = 4403
TIMED_OUT = 4408
INTERNAL_ERROR = 1011
SERVICE_RESTART = 1012
TRY_AGAIN_LATER = 1013


@dataclass(frozen=True, slots=True)
class SocketSettings:
    """Times in seconds. `max_age_s` is shortened by up to a tenth at random, so that clients return one by one.

    Who is in is asked for again after `recheck_s`, and within `spread_s` after something changed of tokens or roles.
    """

    allowed_origins: tuple[str, ...] = ()
    init_timeout_s: float = 5
    ping_s: float = 12
    silence_s: float = 30
    recheck_s: float = 30
    spread_s: float = 1
    max_age_s: float = 3600
    max_subscriptions: int = 20


class SocketVisit(Visit):
    """A visit that lasts as long as its socket; the actor is known from `connection_init` on."""

    def __init__(self, door: Door, authorization: str | None) -> None:
        super().__init__(door, authorization)
        self.connection_params: dict[str, object] = {}

    def take_token(self) -> None:
        """Prefer the token of `connection_init`: a browser cannot set headers of a WebSocket."""
        for name in ("authorization", "Authorization"):
            token = self.connection_params.get(name)
            if isinstance(token, str):
                self.authorization = token


class SocketAdapter(ASGIWebSocketAdapter):
    """Sends to a socket that may have closed meanwhile, and keeps close reasons within their frame."""

    async def send_json(self, message: Mapping[str, object]) -> None:
        """Send one text frame. Raises WebSocketDisconnected."""
        if self.ws.application_state is not WebSocketState.CONNECTED:
            raise WebSocketDisconnected
        await super().send_json(message)

    async def close(self, code: int, reason: str) -> None:
        """Close once; later calls do nothing."""
        if self.ws.application_state is WebSocketState.CONNECTED:
            await super().close(code, reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore"))


class SocketHandler(BaseGraphQLTransportWSHandler[SocketVisit, None]):
    """One connection. What the protocol leaves to the server: its own pings, the age of sockets and of permissions."""

    view: "SocketDoor"

    async def handle(self) -> None:
        """Serve the connection until it ends."""
        self.last_heard_s = asyncio.get_running_loop().time()
        self.known = asyncio.Event()
        watches = [
            asyncio.create_task(watch)
            for watch in (self._ping(), self._recheck(), self._retire(), self._leave_on_shutdown())
        ]
        try:
            await super().handle()
        finally:
            for watch in watches:
                watch.cancel()

    async def handle_message(self, message: Any) -> None:
        """Check the frame's shape first: an ill-formed one closes with 4400, and nothing else breaks."""
        self.last_heard_s = asyncio.get_running_loop().time()
        if fault := _fault_of_frame(message):
            await self.handle_invalid_message(fault)
        else:
            await super().handle_message(message)

    async def handle_connection_init(self, message: Any) -> None:
        """Authenticate; 4403 if that fails, 1013 if it cannot be tried."""
        try:
            await super().handle_connection_init(message)
            if self.connection_acknowledged:
                self.known.set()
        except (Unavailable, Overloaded) as unavailable:
            await self.websocket.close(TRY_AGAIN_LATER, unavailable.message)

    async def handle_subscribe(self, message: Any) -> None:
        """Start an operation, unless too many run. Strawberry's own limit answers without a code."""
        limit = self.view.settings.max_subscriptions
        if message["id"] in self.operations or len(self.operations) < limit:
            await super().handle_subscribe(message)
            return
        error = too_much("TOO_MANY_SUBSCRIPTIONS", f"{limit} operations run on this connection. Complete one first.")
        await self.send_message({"id": message["id"], "type": "error", "payload": [error.formatted]})

    @staticmethod
    def _get_pre_execution_close_reason(error: GraphQLError) -> str | None:
        # The protocol answers a bad document with an `error` message; Strawberry would end all other operations too.
        return None

    async def _ping(self) -> None:
        settings = self.view.settings
        while True:
            await asyncio.sleep(settings.ping_s)
            if asyncio.get_running_loop().time() - self.last_heard_s > settings.silence_s:
                await self.websocket.close(TIMED_OUT, "Nothing was heard for too long.")
            elif self.connection_acknowledged:
                with suppress(WebSocketDisconnected):
                    await self.send_message({"type": "ping"})

    async def _recheck(self) -> None:
        await self.known.wait()
        settings, changed = self.view.settings, self.context.access()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(settings.recheck_s):
                    await changed.wait()
                # Not all of an organization at once.
                await asyncio.sleep(random.uniform(0, settings.spread_s))
            changed = self.context.access()
            try:
                await self.context.authenticate()
            except Unauthenticated as gone:
                await self._tell_all(gone)
                await self.websocket.close(FORBIDDEN, gone.message)
            except (Unavailable, Overloaded):
                # Nobody can be told apart now; the next check follows, and no operation gets far without a database.
                log.warning("socket.recheck_unavailable")
            except Exception as error:
                log.error("socket.recheck_failed", exception=traceback_of(error))
                await self.websocket.close(INTERNAL_ERROR, "Internal error")

    async def _tell_all(self, gone: Unauthenticated) -> None:
        """End every operation with the reason, for clients that show no reason of a close."""
        error = GraphQLError(gone.message, extensions={"code": gone.code}).formatted
        with suppress(WebSocketDisconnected):
            for operation_id in list(self.operations):
                await self.send_message({"id": operation_id, "type": "error", "payload": [error]})

    async def _retire(self) -> None:
        await asyncio.sleep(self.view.settings.max_age_s * random.uniform(0.9, 1))
        await self.websocket.close(SERVICE_RESTART, "The connection is old. Connect again.")

    async def _leave_on_shutdown(self) -> None:
        await self.view.shutdown.wait()
        await self.websocket.close(SERVICE_RESTART, "The server is shutting down. Connect again.")


class SocketDoor(GraphQL[SocketVisit, None]):
    """ASGI application for WebSockets only. Refuses foreign origins with 403, other subprotocols with 4406."""

    graphql_transport_ws_handler_class = SocketHandler
    websocket_adapter_class = SocketAdapter

    def __init__(self, schema: MaskingSchema, door: Door, settings: SocketSettings, shutdown: asyncio.Event) -> None:
        super().__init__(
            schema,
            graphql_ide=None,
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL],
            connection_init_wait_timeout=timedelta(seconds=settings.init_timeout_s),
            max_subscriptions_per_connection=None,
            allowed_origins=settings.allowed_origins,
        )
        self.door = door
        self.settings = settings
        self.shutdown = shutdown

    async def get_context(self, request: Request | WebSocket, response: object) -> SocketVisit:
        """Return the visit of this socket, not yet authenticated."""
        return SocketVisit(self.door, request.headers.get("authorization"))

    async def on_ws_connect(self, context: SocketVisit) -> dict[str, object] | None:
        """Authenticate the connection. Raises ConnectionRejectionError (4403) or Unavailable."""
        context.take_token()
        try:
            await context.authenticate()
        except Unauthenticated as refusal:
            raise ConnectionRejectionError from refusal
        return {}

    def encode_json(self, data: object) -> str:
        """Return text: clients of this protocol do not read binary frames."""
        return encoded(data).decode()

    def decode_json(self, data: str | bytes) -> object:
        """Return the value of a frame. Raises json.JSONDecodeError, also for bad UTF-8, NaN and bottomless nesting."""
        return orjson.loads(data)


def _fault_of_frame(message: Any) -> str | None:
    """Return what is wrong with the shape of a message, None if it can be handled."""
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return "A message is an object with a type."
    if message["type"] not in ("subscribe", "complete"):
        return None
    operation_id = message.get("id")
    if not isinstance(operation_id, str) or not 0 < len(operation_id) <= MAX_ID_CHARACTERS:
        return f"`id` is a text of 1 to {MAX_ID_CHARACTERS} characters."
    if message["type"] == "complete":
        return None
    payload = message.get("payload")
    if not isinstance(payload, dict) or not isinstance(payload.get("query"), str) or not payload["query"]:
        return "`payload` is an object with a query."
    if not isinstance(payload.get("operationName"), str | None):
        return "`operationName` is a text or null."
    if any(not isinstance(payload.get(name), dict | None) for name in ("variables", "extensions")):
        return "`variables` and `extensions` are objects or null."
    return None
