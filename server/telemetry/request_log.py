"""The id, the log entry and the measurement of each request."""

import time
from uuid import uuid4

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.telemetry.metrics import REQUEST_SECONDS

log = structlog.get_logger(__name__)
_LONGEST_ID = 128
_METHODS = ("GET", "HEAD", "POST", "OPTIONS")


class RequestLog:
    """Gives each request an id, tells it to the client and the log, and measures the answer.

    An id sent as `X-Request-ID` is taken over if it is short and printable.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        began, status = time.perf_counter(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            # Whoever is further out answers for it.
            status = status or 500
            raise
        finally:
            seconds = time.perf_counter() - began
            route, method = _route(scope), _method(scope)
            if scope["type"] == "http":
                REQUEST_SECONDS.labels(method, route, str(status)).observe(seconds)
            log.info(f"{scope['type']}.done", route=route, method=method, status=status, ms=round(seconds * 1e3, 2))


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and 0 < len(value) <= _LONGEST_ID:
            text: str = value.decode("latin-1")
            if text.isascii() and text.isprintable():
                return text
    return uuid4().hex


def _method(scope: Scope) -> str | None:
    """The method if it is a usual one: a label must not grow with what strangers send. None for a WebSocket."""
    method: str | None = scope.get("method")
    return method if method in (None, *_METHODS) else "OTHER"


def _route(scope: Scope) -> str:
    """The first segment of the path if it is one of ours: a label must not grow with what strangers ask for."""
    known = ("graphql", "graphiql", "health", "livez", "readyz", "metrics")
    segment = scope["path"].split("/")[1] if "/" in scope["path"] else ""
    return f"/{segment}" if segment in known else "other"
