"""What can go wrong below the rules, told apart by whether trying again may help."""

import asyncio
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import DBAPIError, InterfaceError, StatementError, TimeoutError as PoolTimeout

# Deadlock and serialization failure: the transaction was rolled back whole and may be run again at once.
RETRYABLE = ("40001", "40P01")
UNIQUE_VIOLATION = "23505"
# Lock or statement time-out, shutdown, crash, start-up, connection loss, out of resources, read-only after fail-over.
_UNAVAILABLE = ("55P03", "57014", "57P01", "57P02", "57P03", "57P05", "25006", "25P03", "25P04")
_UNAVAILABLE_CLASSES = ("08", "53", "58")
# The same error in the words of each layer. Their texts quote the values of rows and of parameters.
_QUOTING = (StatementError, AsyncAdapt_asyncpg_dbapi.Error, asyncpg.PostgresError, asyncpg.InterfaceError)


class DatabaseUnavailable(Exception):
    """The database does not answer, or not in time. Nothing is known about what was being written."""


class PoolExhausted(Exception):
    """No connection became free in time."""


def sqlstate(error: BaseException) -> str | None:
    """The five-character SQLSTATE behind a database error, if there is one."""
    cause: BaseException | None = error
    while cause is not None:
        state = getattr(cause, "sqlstate", None)
        if isinstance(state, str):
            return state
        cause = getattr(cause, "orig", None) or cause.__cause__
    return None


def constraint(error: BaseException) -> str | None:
    """The name of the constraint that refused a row."""
    cause: BaseException | None = error
    while cause is not None:
        name = getattr(cause, "constraint_name", None)
        if isinstance(name, str):
            return name
        cause = getattr(cause, "orig", None) or cause.__cause__
    return None


def told(error: BaseException) -> str:
    """What may be kept of an error: type and text; of a database error type, SQLSTATE and constraint, and no text."""
    name = type(error).__name__
    if isinstance(error, _QUOTING):
        return " ".join(part for part in (name, sqlstate(error), constraint(error)) if part)
    return f"{name}: {error}" if str(error) else name


def traceback_of(cause: BaseException) -> str:
    """Return the traceback of an error and of what led to it, the first cause first.

    Local variables stay out however logging is set up, as they hold what people sent, and so do the texts of database
    errors, which quote rows.
    """
    return "\n".join(reversed(list(_steps(cause, set()))))


def _steps(error: BaseException | None, seen: set[int]) -> Iterator[str]:
    """The tracebacks of an error, of its members if it is a group, and of its causes, the last first."""
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield "".join(("Traceback (most recent call last):\n", *traceback.format_tb(error.__traceback__), told(error)))
        if isinstance(error, BaseExceptionGroup):
            for member in error.exceptions:
                yield from _steps(member, seen)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def translate(error: Exception) -> Exception:
    """The error as `DatabaseUnavailable` or `PoolExhausted` where it is one of them, else as it is."""
    if isinstance(error, PoolTimeout):
        return PoolExhausted("No database connection became free in time.")
    if isinstance(error, OSError | asyncio.TimeoutError | InterfaceError | asyncpg.InterfaceError):
        return DatabaseUnavailable("The database does not answer.")
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return DatabaseUnavailable("The connection to the database was lost.")
    state = sqlstate(error)
    if state and (state in _UNAVAILABLE or state[:2] in _UNAVAILABLE_CLASSES):
        return DatabaseUnavailable("The database does not answer in time.")
    return error


@contextmanager
def translated() -> Iterator[None]:
    """Raises what `translate` makes of an error of the block."""
    try:
        yield
    except Exception as error:
        told = translate(error)
        if told is error:
            raise
        raise told from error
