"""Decides what a client learns of an error: a stable code always, the message of an expected one, an id of a bug."""

import re
from typing import Any
from uuid import uuid4

import strawberry
import structlog
from graphql import ArgumentNode, GraphQLError, GraphQLSyntaxError, ValueNode
from strawberry.exceptions import StrawberryInputCoercionError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionContext

from db.errors import traceback_of
from registry.kernel.errors import Failure, RegistryError, StaleCursor
from registry.kernel.faults import refusal_of

log = structlog.get_logger(__name__)

INTERNAL = "INTERNAL"
INTERNAL_MESSAGE = "Internal error"
MAX_REQUEST_ERRORS = 5
MAX_MESSAGE_CHARACTERS = 300

_SUGGESTION = re.compile(r"\s*Did you mean .*$", re.DOTALL)


class MaskingSchema(strawberry.Schema):
    """A schema whose errors may leave the server.

    Every list of errors passes `process_errors` exactly once, on each transport and also where an extension or a
    subscription's source fails; extensions do not see those. `disable_field_suggestions` in the configuration strips
    every "Did you mean", not only those about fields.
    """

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Replace the errors in place by what the client may see. At most five are kept if nothing was executed."""
        if not any(error.path for error in errors):
            del errors[MAX_REQUEST_ERRORS:]
        suggest = not self.config.disable_field_suggestions
        errors[:] = [presentable(error, suggest=suggest) for error in errors]


def presentable(error: GraphQLError, *, suggest: bool = True) -> GraphQLError:
    """Return the error as a client may see it: with `extensions.code`, or masked and logged under `errorId`."""
    cause = _root_cause(error)
    cause = refusal_of(cause) or cause
    if isinstance(cause, RegistryError):
        extensions: dict[str, Any] = {"code": cause.code}
        if isinstance(cause, Failure) and cause.path:
            extensions["inputPath"] = list(cause.path)
        if isinstance(cause, StaleCursor):
            extensions["headCursor"] = cause.head_cursor
        return _rewritten(error, cause.message, extensions)
    code = _expected_code(error, cause)
    if code is None:
        error_id = log_unexpected(cause, path=error.path)
        return _rewritten(error, INTERNAL_MESSAGE, {"code": INTERNAL, "errorId": error_id})
    message = error.message if suggest else _SUGGESTION.sub("", error.message)
    return _rewritten(error, _shortened(message), {**(error.extensions or {}), "code": code})


def log_unexpected(cause: BaseException, *, path: list[str | int] | None = None) -> str:
    """Log a bug with its traceback and return the id that the client gets: the request's, or a new one.

    The GraphQL error itself stays out of the log: its text quotes the document, literals included.
    """
    error_id = str(structlog.contextvars.get_contextvars().get("request_id") or uuid4().hex)
    log.error("graphql.failed", error_id=error_id, path=path, exception=traceback_of(cause))
    return error_id


def _root_cause(error: GraphQLError) -> BaseException:
    cause: BaseException = error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    return cause


def _expected_code(error: GraphQLError, cause: BaseException) -> str | None:
    """Return the code of an error that the request caused, None for one that the server did."""
    if error.extensions and isinstance(code := error.extensions.get("code"), str):
        return code
    if isinstance(cause, GraphQLSyntaxError):
        return _syntax_code(cause)
    if isinstance(cause, CannotGetOperationTypeError):
        return "OPERATION_NOT_FOUND"
    if isinstance(cause, InvalidOperationTypeError):
        return "OPERATION_NOT_ALLOWED"
    # With nodes but no path: coercing the variables failed, also where a scalar of ours raised. With a path: an
    # argument could not be coerced if the node is a value, else the field's resolver or serializer failed.
    node = error.nodes[0] if error.nodes else None
    from_graphql = isinstance(cause, GraphQLError)
    about_input = isinstance(node, (ArgumentNode, ValueNode)) or isinstance(cause, StrawberryInputCoercionError)
    if about_input or (error.path is None and (node is not None or from_graphql)):
        return "BAD_USER_INPUT"
    return None


def _syntax_code(error: GraphQLSyntaxError) -> str:
    if not error.message.endswith("Parsing aborted."):
        return "GRAPHQL_PARSE_FAILED"
    return "QUERY_TOO_DEEP" if "nested too deeply" in error.message else "DOCUMENT_TOO_LARGE"


def _rewritten(error: GraphQLError, message: str, extensions: dict[str, Any]) -> GraphQLError:
    return GraphQLError(message, error.nodes, error.source, error.positions, error.path, extensions=extensions)


def _shortened(message: str) -> str:
    if len(message) <= MAX_MESSAGE_CHARACTERS:
        return message
    return message[: MAX_MESSAGE_CHARACTERS - 1] + "…"
