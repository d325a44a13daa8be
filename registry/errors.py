"""Every failure the registry expects, each with a stable code and a sentence that says what to do.

    RegistryError
    ├── Refusal              ends the whole request: a top-level GraphQL error, an HTTP status, exit code 1
    │   ├── Unauthenticated      no token, or one that is unknown, expired or revoked
    │   ├── Forbidden            known and visible, but not allowed
    │   ├── BadInput             a value that can never be meant: ill-formed id, cursor, number
    │   ├── Unavailable          database or object store does not answer; retry later
    │   └── Overloaded           no free connection in time; retry later
    └── Failure              an answer to one change: data in its payload, nothing was written
        ├── NotFound             well-formed, but no such thing for this actor
        ├── NameTaken            a name, label or path that must be unique is in use
        ├── InvalidValue         a value of the right type that a rule refuses
        ├── Conflict             the thing is in a state that does not allow this
        ├── InUse                others depend on the thing
        ├── TooLarge             more bytes than the configured limit
        ├── UploadIncomplete     parts are missing or have the wrong size
        └── IdempotencyKeyReused the key belongs to another request

A failure names the input it is about: `path` holds the names from the input's root, outermost first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID


class RegistryError(Exception):
    """An expected failure. `code` is stable and part of the interface; the message may change."""

    code = "REGISTRY_ERROR"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Refusal(RegistryError):
    """Ends the request."""


class Unauthenticated(Refusal):
    """Nobody is known to be asking."""

    code = "UNAUTHENTICATED"

    def __init__(self, message: str = "Send a valid API token as `Authorization: Bearer <token>`.") -> None:
        super().__init__(message)


class Forbidden(Refusal):
    """The actor may see the thing but not do this with it."""

    code = "FORBIDDEN"


class BadInput(Refusal):
    """The request holds a value that no client can mean."""

    code = "BAD_USER_INPUT"


class Unavailable(Refusal):
    """A service this one stands on does not answer. The same request may succeed later."""

    code = "UNAVAILABLE"


class Overloaded(Refusal):
    """Too many requests wait for the database. The same request may succeed later."""

    code = "OVERLOADED"


class Failure(RegistryError):
    """The answer to a change that was refused; the database is as before."""

    def __init__(self, message: str, path: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.path = tuple(path)


class NotFound(Failure):
    """There is no such thing, or none that this actor may see: the two look the same."""

    code = "NOT_FOUND"

    def __init__(self, kind: str, path: Sequence[str] = ()) -> None:
        super().__init__(f"There is no {kind} with this id, or none that you may see.", path)


class NameTaken(Failure):
    """A name that must be unique in its scope is in use."""

    code = "NAME_TAKEN"

    def __init__(self, kind: str, name: str, scope: str, path: Sequence[str] = ("name",)) -> None:
        super().__init__(f"There is already a {kind} {name!r} in this {scope}. Choose another {path[-1]}.", path)
        self.name = name


class InvalidValue(Failure):
    """A value of the right type that a rule refuses."""

    code = "INVALID_VALUE"


class Conflict(Failure):
    """The thing is in a state that does not allow this change."""

    code = "CONFLICT"


@dataclass(frozen=True)
class Dependent:
    """A thing that depends on another."""

    kind: str
    id: UUID
    name: str


class InUse(Failure):
    """Others depend on the thing: it stays until they are gone."""

    code = "IN_USE"

    def __init__(self, kind: str, dependents: Sequence[Dependent], count: int, path: Sequence[str]) -> None:
        what = "1 thing depends" if count == 1 else f"{count} things depend"
        super().__init__(f"{what} on this {kind}. Delete what is listed, or point it elsewhere, and try again.", path)
        self.dependents = tuple(dependents)
        self.dependent_count = count


class TooLarge(Failure):
    """More bytes than this server accepts."""

    code = "TOO_LARGE"

    def __init__(self, size_bytes: int, limit_bytes: int, path: Sequence[str] = ("sizeBytes",)) -> None:
        super().__init__(f"{size_bytes} bytes are more than the {limit_bytes} this server accepts.", path)
        self.limit_bytes = limit_bytes


class UploadIncomplete(Failure):
    """The parts in the store do not add up to the announced file."""

    code = "UPLOAD_INCOMPLETE"

    def __init__(self, message: str, part_numbers: Sequence[int], path: Sequence[str] = ("artifact",)) -> None:
        super().__init__(message, path)
        self.part_numbers = tuple(part_numbers)


class IdempotencyKeyReused(Failure):
    """The idempotency key was used before, for a request with another body."""

    code = "IDEMPOTENCY_KEY_REUSED"

    def __init__(self) -> None:
        super().__init__(
            "This idempotency key belongs to another request. Send a new key for a new change.", ("idempotencyKey",)
        )
