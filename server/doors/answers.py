"""Encodes what the server sends, and replaces an answer that is larger than one may be."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024

_TOO_LARGE: Final = {
    "data": None,
    "errors": [
        {
            "message": "The answer is larger than 16 MiB. Ask for fewer fields or smaller pages.",
            "extensions": {"code": "ANSWER_TOO_LARGE"},
        }
    ],
}


def encoded(body: Any) -> bytes:
    """Return an answer as JSON, or the refusal in its place; inside `payload` where a transport wraps it."""
    content = orjson.dumps(body)
    if len(content) <= MAX_ANSWER_BYTES:
        return content
    is_wrapped = isinstance(body, Mapping) and "payload" in body
    return orjson.dumps({**body, "payload": _TOO_LARGE} if is_wrapped else _TOO_LARGE)
