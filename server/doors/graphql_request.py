"""Reads requests to the letter of GraphQL over HTTP: what is accepted, and how everything else is refused."""

from dataclasses import dataclass
from typing import Any

import orjson
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from strawberry.http.streaming import HTTPStreamTransport, MultipartSubscriptionTransport, SSETransport

from schema.execution.json_guard import fault_of
from server.doors.answers import encoded

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
MAX_BODY_BYTES = 8 * 1024 * 1024
"""Of a POST, read only after the token was found valid. Nobody else makes the server read a body at all."""
MAX_QUERY_STRING_BYTES = 256 * 1024

_STREAMS: tuple[HTTPStreamTransport, ...] = (SSETransport(), MultipartSubscriptionTransport())
_SAME_SITE = (None, "same-origin", "none")
PREFLIGHTED = ("graphql-require-preflight", "apollo-require-preflight")
"""Headers that a browser sends to another site only after it has asked."""


class RequestRefused(Exception):
    """The request never became an operation. Answered with its status and a GraphQL-shaped body, in JSON."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}

    def response(self, accept: str) -> Response:
        """Return the refusal in the JSON that the client reads best."""
        error = {"message": self.message, "extensions": {"code": self.code}}
        return json_response({"errors": [error]}, self.status, json_type(accept) or JSON, self.headers)


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """One operation as it was sent, well-formed but not yet parsed."""

    query: str
    variables: dict[str, Any]
    operation_name: str | None
    extensions: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What the client reads: the media type of a single answer, the transport of a stream; not both are None."""

    single: str | None
    stream: HTTPStreamTransport | None


def json_response(body: Any, status: int, media_type: str, headers: dict[str, str] | None = None) -> Response:
    """Return an answer that no cache keeps: it belongs to one token and may hold URLs with signatures."""
    fixed = {"content-type": f"{media_type}; charset=utf-8", "vary": "Accept", "cache-control": "no-store"}
    return Response(encoded(body), status, {**fixed, **(headers or {})})


def json_type(accept: str) -> str | None:
    """Return the best of the two JSON types by quality, None if neither is acceptable.

    `application/json` where the client says nothing or takes anything: tools of that age read only that.
    """
    if not accept.strip():
        return JSON
    offers: dict[str, tuple[float, int]] = {}
    for item in accept.lower().split(","):
        media_type, *parameters = (part.strip() for part in item.split(";"))
        offered = JSON if media_type in ("*/*", "application/*") else media_type
        if offered in (JSON, GRAPHQL_JSON) and (quality := _quality(parameters)) > 0:
            rank = (quality, int(offered == GRAPHQL_JSON))
            offers[offered] = max(rank, offers.get(offered, rank))
    return max(offers, key=lambda offered: offers[offered], default=None)


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and not _is_utf8(value):
            return 0
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0
    return 1


def _is_utf8(charset: str) -> bool:
    return charset.strip().strip('"').lower() in ("utf-8", "utf8")


def check_method(request: Request) -> None:
    """Raise 405 for anything but GET and POST."""
    if request.method not in ("GET", "POST"):
        raise RequestRefused(405, "METHOD_NOT_ALLOWED", "Use POST, or GET for queries.", {"allow": "GET, POST"})


def negotiate(accept: str) -> Acceptance:
    """Return what the client reads. Raises 406."""
    stream = next((transport for transport in _STREAMS if accept and transport.accepts(accept)), None)
    single = json_type(accept)
    if single is None and stream is None:
        raise RequestRefused(
            406, "NOT_ACCEPTABLE", f"Accept {GRAPHQL_JSON} or {JSON}; text/event-stream for subscriptions."
        )
    return Acceptance(single, stream)


def check_site(headers: Headers) -> None:
    """Raise 403 for what a browser sends for another site without asking first.

    Such a request needs no pre-flight only if it carries no JSON; a header that forces the pre-flight lets it pass.
    """
    if _media_type(headers) == JSON or any(name in headers for name in PREFLIGHTED):
        return
    if headers.get("sec-fetch-site") not in _SAME_SITE:
        raise RequestRefused(
            403, "CROSS_SITE_REQUEST", "Send JSON, or the header GraphQL-Require-Preflight, from another site."
        )


async def read_request(request: Request, max_body_bytes: int = MAX_BODY_BYTES) -> GraphQLRequest:
    """Return the operation of a GET or POST. Raises 400, 413, 414 or 415."""
    if request.method == "GET":
        fields = _query_fields(request, min(max_body_bytes, MAX_QUERY_STRING_BYTES))
    else:
        fields = await _body_fields(request, max_body_bytes)
    query, name = fields.get("query"), fields.get("operationName")
    if not isinstance(query, str) or not query:
        raise _malformed("`query` is missing. Send the GraphQL document in it, as a text.")
    if not isinstance(name, str | None):
        raise _malformed("`operationName` is neither a text nor null.")
    variables, extensions = _object(fields, "variables"), _object(fields, "extensions")
    if fault := fault_of([query, name, variables, extensions]):
        raise RequestRefused(400, "BAD_USER_INPUT", fault)
    return GraphQLRequest(query, variables, name, extensions)


def _query_fields(request: Request, max_bytes: int) -> dict[str, Any]:
    if len(request.scope["query_string"]) > max_bytes:
        raise RequestRefused(414, "URI_TOO_LONG", f"The query string is longer than {max_bytes} bytes. Use POST.")
    fields: dict[str, Any] = dict(request.query_params)
    for name in ("variables", "extensions"):
        if fields.get(name):
            fields[name] = _parsed(fields[name], f"`{name}`")
    # A form sends what was left empty; empty means absent.
    return {name: value for name, value in fields.items() if value != ""}


async def _body_fields(request: Request, max_body_bytes: int) -> dict[str, Any]:
    _check_content_type(request.headers)
    fields = _parsed(await _body(request, max_body_bytes), "The body")
    if isinstance(fields, list):
        raise _malformed("The body is a list. Send one operation per request; batches are not served.")
    if not isinstance(fields, dict):
        raise _malformed("The body is no JSON object. Send `query`, `variables` and `operationName` in one.")
    return fields


def _check_content_type(headers: Headers) -> None:
    parameters = [part.strip() for part in headers.get("content-type", "").split(";")[1:]]
    if _media_type(headers) != JSON or _quality(parameters) == 0:
        raise RequestRefused(415, "UNSUPPORTED_MEDIA_TYPE", f"Send the body as {JSON} in UTF-8.")


async def _body(request: Request, max_body_bytes: int) -> bytes:
    # The connection ends too, or the server would have to read the rest of the body to find the next request.
    refusal = RequestRefused(
        413, "BODY_TOO_LARGE", f"The body is larger than {max_body_bytes} bytes.", {"connection": "close"}
    )
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced[:20]) > max_body_bytes:
        raise refusal
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_body_bytes:
            raise refusal
    return bytes(body)


def _parsed(text: str | bytes, what: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _malformed(f"{what} is no JSON in UTF-8: {error.msg}.") from error


def _object(fields: dict[str, Any], name: str) -> dict[str, Any]:
    value = fields.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _malformed(f"`{name}` is no JSON object.")
    return value


def _media_type(headers: Headers) -> str:
    return headers.get("content-type", "").split(";")[0].strip().lower()


def _malformed(message: str) -> RequestRefused:
    return RequestRefused(400, "BAD_REQUEST", message)
