"""Fair timing: the things to compare take turns, round after round, and each is known by its median."""

import gc
import time
from collections.abc import Awaitable, Callable, Mapping
from statistics import median

WARM_UP = 3
"""Turns that count for nothing: plans are cached, connections open, code paths compiled."""

Turn = Callable[[], Awaitable[object]]


async def race(turns: Mapping[str, Turn], rounds: int, *, warm_up: int = WARM_UP) -> dict[str, float]:
    """The median time of each turn, in milliseconds.

    Each round runs every turn once and begins with another one, so that none always follows the same. What is garbage
    is collected between turns and may also be collected within them: a server has no pauses for it either. What was
    there before the first turn is left out of sight, as the server leaves what it was started with.
    """
    names = list(turns)
    times_ms: dict[str, list[float]] = {name: [] for name in names}
    gc.collect()
    gc.freeze()
    try:
        for number in range(warm_up + rounds):
            first = number % len(names)
            for name in names[first:] + names[:first]:
                gc.collect()
                began = time.perf_counter()
                await turns[name]()
                if number >= warm_up:
                    times_ms[name].append((time.perf_counter() - began) * 1000)
    finally:
        gc.unfreeze()
    return {name: median(found) for name, found in times_ms.items()}
