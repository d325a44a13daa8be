"""Faults of what the registry stands on, as refusals that every door can give."""

from db.errors import DatabaseUnavailable, PoolExhausted
from registry.kernel.errors import Overloaded, Refusal, Unavailable
from storage.errors import StoreUnavailable


def refusal_of(error: BaseException) -> Refusal | None:
    """The refusal for an error of the database or the object store that a retry may heal; None for any other."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, PoolExhausted):
        return Overloaded("The server has more to do than it has database connections. Try again in a moment.")
    if isinstance(error, DatabaseUnavailable):
        return Unavailable("The database does not answer. Try again in a moment.")
    if isinstance(error, StoreUnavailable):
        return Unavailable("The object store does not answer. Try again in a moment.")
    return None
