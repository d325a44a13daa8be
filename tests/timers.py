"""How long the product lets itself wait: told by the time-outs that it sets and that run out, not by a clock.

A slow machine makes everything take longer, but it sets no time-out and lengthens none.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from dataclasses import dataclass
from typing import Any


@dataclass(eq=False)
class Waits:
    """The seconds that the timers of a block add up to, of those that ran out: one set after the other."""

    total_s: float = 0.0
    _has_counted: bool = False

    def ran_out(self, at_s: float) -> None:
        """Count a timer."""
        # Only the first in a turn of the event loop: what it ends would have removed the others.
        if not self._has_counted:
            self.total_s = max(self.total_s, at_s)
            self._has_counted = True
            asyncio.get_running_loop().call_soon(self._begin_turn)

    def _begin_turn(self) -> None:
        self._has_counted = False


_counting: ContextVar[Waits | None] = ContextVar("_counting", default=None)


@contextmanager
def counted_waits() -> Iterator[Waits]:
    """The waits of a block and of the tasks that begin in it, within `watched_timers`."""
    found = Waits()
    token = _counting.set(found)
    try:
        yield found
    finally:
        _counting.reset(token)


@contextmanager
def watched_timers() -> Iterator[None]:
    """Notice every timer of the running event loop."""
    loop: Any = asyncio.get_running_loop()
    begin: Callable[..., asyncio.TimerHandle] = loop.call_at

    def call_at(
        when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return watched(when - loop.time(), when, callback, args, context)

    def call_later(
        delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return watched(delay, loop.time() + delay, callback, args, context)

    def watched(
        delay_s: float, when_s: float, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None
    ) -> asyncio.TimerHandle:
        waits = _counting.get()
        if waits is None:
            return begin(when_s, callback, *args, context=context)
        at_s = waits.total_s + max(0.0, delay_s)

        def run_out() -> None:
            waits.ran_out(at_s)
            callback(*args)

        return begin(when_s, run_out, context=context)

    loop.call_at, loop.call_later = call_at, call_later
    try:
        yield
    finally:
        del loop.call_at, loop.call_later
