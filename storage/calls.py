"""One way to call the store: bounded in time, its failures told apart, and nothing of the request left in them."""

import asyncio
import re
from collections.abc import Awaitable
from typing import TypeVar

from aiohttp import ClientError as HttpError
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from storage.errors import ObjectMissing, PartsRefused, StoreError, StoreRefused, StoreUnavailable, UploadGone

T = TypeVar("T")

_SERVER_ERROR_STATUS = 500
_UNREACHABLE_STATUSES = {301, 307, 401, 403, 408, 429}
"""Besides 5xx: a wrong region, credentials that are not accepted, or a store that asks us to slow down."""
_UNREACHABLE_CODES = {"NoSuchBucket", "AuthorizationHeaderMalformed", "ExpiredToken", "InvalidToken", "RequestTimeout"}
_PART_CODES = {"InvalidPart", "InvalidPartOrder", "EntityTooSmall", "EntityTooLarge"}
_SAFE_CODE = re.compile(r"[A-Za-z0-9]{1,64}")


async def bounded(operation: str, call: Awaitable[T], within_s: float) -> T:
    """The outcome of one call to the store, which fails after `within_s` seconds in total, retries included.

    Raises StoreUnavailable, UploadGone, PartsRefused, ObjectMissing or StoreRefused; `operation` names the call in
    their message. Mistakes of ours and cancellation pass through.
    """
    try:
        async with asyncio.timeout(within_s):
            return await call
    except ParamValidationError:
        raise
    except ClientError as error:
        failure = _from_answer(operation, error)
    except TimeoutError:
        failure = StoreUnavailable(operation, "no answer in time")
    except (BotoCoreError, HttpError, OSError) as error:
        failure = StoreUnavailable(operation, type(error).__name__)
    # Raised outside of the handlers: their exceptions carry the URL, which a log would show as the cause.
    raise failure


def status_of(error: ClientError) -> int:
    """The HTTP status of an answer."""
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def _from_answer(operation: str, error: ClientError) -> StoreError:
    # The code is the store's text: only what looks like a code may reach a message.
    told = str(error.response.get("Error", {}).get("Code", ""))
    status = status_of(error)
    code = told if _SAFE_CODE.fullmatch(told) else f"status {status}"
    if code == "NoSuchUpload":
        return UploadGone()
    if code == "NoSuchKey":
        return ObjectMissing()
    if code in _PART_CODES:
        return PartsRefused(code)
    if status >= _SERVER_ERROR_STATUS or status in _UNREACHABLE_STATUSES or code in _UNREACHABLE_CODES:
        return StoreUnavailable(operation, code)
    return StoreRefused(operation, code)
