"""`registry` in the process of the tests: what it says and its status, without the seconds that a process takes."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import structlog
from typer.testing import CliRunner

from server.cli import app
from tests.server.processes import Ran


@contextmanager
def logging_as_before() -> Iterator[None]:
    """Put the set-up of logging back at the end of the block."""
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**before)


def registry(*words: str, **settings: str) -> Ran:
    """Run one command to its end.

    In a thread, since commands run an event loop of their own. That of the tests stands still until then: what the
    application logs would be taken for what the command says.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_run, *words, **settings).result()


def _run(*words: str, **settings: str) -> Ran:
    with logging_as_before():
        ran = CliRunner().invoke(app, words, env=settings, catch_exceptions=False)
    return Ran(ran.exit_code, ran.stdout, ran.stderr)
