"""Runs the command line so that it kills itself, as `kill -9` would, when it comes to a point named on its own."""

import functools
import os
import runpy
import signal
import sys
from typing import Any

from db import listening
from registry.automation import rule_worker
from registry.files import uploads, verification
from registry.promotion import slots
from registry.webhooks import deliveries
from resolvers.loading.loaders import Loaders
from server.workers.courier import Courier

POINTS = {
    "before the store is asked to begin": (uploads, "start"),
    "after the store has joined the parts": (uploads, "complete"),
    "before the others are woken": (listening.Wakeups, "tell"),
    "while reading back": (verification._Heartbeat, "__call__"),
    "while writing the result": (verification, "_shelve"),
    "while a version moves": (slots, "_tell"),
    "while a rule notes what it did": (rule_worker, "_note"),
    "after a change has committed": (Loaders, "row"),
    "before an endpoint is told": (Courier, "send"),
    "after an endpoint was told": (deliveries, "_note"),
}


def die_at(point: str) -> None:
    """Replace what is called at the point by the end of this process."""
    place, name = POINTS[point]

    @functools.wraps(getattr(place, name))
    def die(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(place, name, die)


if __name__ == "__main__":
    die_at(sys.argv[1])
    sys.argv = ["registry", *sys.argv[2:]]
    runpy.run_module("server", run_name="__main__")
