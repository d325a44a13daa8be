"""Logs: one JSON object a line, each with the id of the request it belongs to; never a query string, token or body."""

import logging
import sys
from typing import Any

import orjson
import structlog

from db.errors import traceback_of


def configure(level: str, *, human: bool = False) -> None:
    """Send structlog and the standard library's loggers to standard error, as JSON or, `human`, as colored lines."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[Any] = [structlog.processors.ExceptionRenderer(lambda exc_info: traceback_of(exc_info[1]))]
    renderer.append(structlog.dev.ConsoleRenderer() if human else _as_json)
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel("DEBUG" if human else level)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
        logging.getLogger(name).setLevel(logging.NOTSET)
    # Requests are logged here, without their query strings; alembic tells what an operator need not know.
    for name in ("uvicorn.access", "alembic", "aiobotocore", "botocore", "asyncio"):
        logging.getLogger(name).setLevel("WARNING")
    # It repeats the texts of database errors, which quote rows.
    logging.getLogger("stamina").setLevel("ERROR")
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _as_json(_logger: Any, _name: str, entry: Any) -> str:
    return orjson.dumps(entry, default=str).decode()
