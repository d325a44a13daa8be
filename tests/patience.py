"""The one bound of every wait in the tests: a slow machine never reaches it, and what never happens ends at it."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

PATIENCE_S = 120
_PAUSE_S = 0.02


def in_time() -> asyncio.Timeout:
    """A block that fails with TimeoutError where it takes as long as nothing should."""
    return asyncio.timeout(PATIENCE_S)


async def eventually(condition: Callable[[], object] | Callable[[], Awaitable[object]]) -> None:
    """Wait until a condition is true; it may be asynchronous. Raises: TimeoutError."""
    async with in_time():
        while True:
            found = condition()
            if await found if inspect.isawaitable(found) else found:
                return
            await asyncio.sleep(_PAUSE_S)


def block_until(condition: Callable[[], object]) -> None:
    """Wait until a condition is true where there is no event loop. Raises: TimeoutError."""
    limit_s = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > limit_s:
            raise TimeoutError
        time.sleep(_PAUSE_S)
