"""Every failure the registry expects, each with a stable code and a sentence that says what to do.

    RegistryError
    ├── Refusal              ends the whole request: a top-level GraphQL error, an HTTP status, exit code 1
    │   ├── Unauthenticated      no token, or one that is unknown, expired or revoked
    │   ├── Forbidden            known and visible, but not allowed
    │   ├── BadInput             a value that can never be meant: ill-formed id, cursor, number
    │   ├── StaleCursor          a place in the event feed that cannot be gone on from
    │   │   ├── CursorReset          of another feed, or of this one before a restore
    │   │   └── CursorExpired        the events behind it are no longer kept
    │   ├── SecretKeyMissing     the operator has given no key to keep secrets under
    │   ├── Unavailable          database or object store does not answer; retry later
    │   ├── TooExpensive         a list below the lineage would fetch more rows than one may
    │   ├── Overloaded           no free connection in time; retry later
    │   └── DeadlineExceeded     the operation took too long and was stopped
    └── Failure              an answer to one change: data in its payload, nothing was written
        ├── NotFound             well-formed, but no such thing for this actor
        ├── NameTaken            a name, label or path that must be unique is in use
        ├── InvalidValue         a value of the right type that a rule refuses
        ├── Conflict             the thing is in a state that does not allow this
        ├── StaleRevision        a slot, alias, policy, rule or deployment has changed since the caller looked
        ├── GateFailed           a version does not show what a policy asks for
        ├── InUse                others depend on the thing
        ├── TooLarge             more bytes than the configured limit
        ├── UploadIncomplete     parts are missing or have the wrong size
        └── IdempotencyKeyReused the key belongs to another request

A failure names the input it is about: `path` holds the names from the input's root, outermost first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
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


class StaleCursor(Refusal):
    """A place in the event feed that cannot be gone on from. `head_cursor` is that of the newest event now."""

    def __init__(self, message: str, head_cursor: str) -> None:
        super().__init__(message)
        self.head_cursor = head_cursor


class CursorReset(StaleCursor):
    """The cursor is of another feed, or of this one before the database was restored."""

    code = "CURSOR_RESET"

    def __init__(self, head_cursor: str) -> None:
        super().__init__(
            "This cursor is not of this feed as it is now: the database was restored, or the cursor is of another"
            " organization. Keep `headCursor`, read what you follow as it is now, and go on from there.",
            head_cursor,
        )


class CursorExpired(StaleCursor):
    """Events behind the cursor are no longer kept."""

    code = "CURSOR_EXPIRED"

    def __init__(self, head_cursor: str) -> None:
        super().__init__(
            "Events behind this cursor are no longer kept. Keep `headCursor`, read what you follow as it is now, and"
            " go on from there.",
            head_cursor,
        )


class SecretKeyMissing(Refusal):
    """This server has no key to keep secrets under."""

    code = "SECRET_KEY_MISSING"

    def __init__(self, least_characters: int) -> None:
        super().__init__(
            f"This server keeps no secrets yet. Have its operator set SECRET_KEY to {least_characters} or more random"
            " characters, the same on every server and worker."
        )


class Unavailable(Refusal):
    """A service this one stands on does not answer. The same request may succeed later."""

    code = "UNAVAILABLE"


class Overloaded(Refusal):
    """Too much waits for the database, or for the name servers of others. The same may succeed later."""

    code = "OVERLOADED"


class DeadlineExceeded(Refusal):
    """The operation took longer than it may. What it has committed stays committed."""

    code = "TIMEOUT"

    def __init__(self, deadline_s: float) -> None:
        super().__init__(f"The operation took longer than {deadline_s:g} s. Ask for less at once, or try again later.")


class TooExpensive(Refusal):
    """The request turned out to ask for more rows than one may have."""

    code = "QUERY_TOO_EXPENSIVE"

    def __init__(self, rows: int, limit: int) -> None:
        super().__init__(f"A list would fetch up to {rows} rows here, the limit is {limit}. Ask for smaller pages.")


class Failure(RegistryError):
    """The answer to a change that was refused; the database is as before."""

    def __init__(self, message: str, path: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.path = tuple(path)


class NotFound(Failure):
    """The object does not exist, or you may not see it: the two look the same."""

    code = "NOT_FOUND"

    def __init__(self, kind: str, path: Sequence[str] = ()) -> None:
        super().__init__(f"There is no {kind} with this id, or none that you may see.", path)


class NameTaken(Failure):
    """A name that must be unique in its scope is already in use."""

    code = "NAME_TAKEN"

    def __init__(self, kind: str, name: str, scope: str, path: Sequence[str] = ("name",)) -> None:
        super().__init__(f"There is already a {kind} {name!r} in this {scope}. Choose another {path[-1]}.", path)
        self.name = name


class InvalidValue(Failure):
    """The value has the right type but is not valid here."""

    code = "INVALID_VALUE"


class Conflict(Failure):
    """The object is in a state that does not allow this change."""

    code = "CONFLICT"


class StaleRevision(Failure):
    """The object has changed since it was read: its revision is not the expected one."""

    code = "STALE_REVISION"

    def __init__(self, message: str, revision: int, version_id: UUID | None) -> None:
        """`revision` is the current one; `version_id` is the version that a slot or an alias points to now."""
        super().__init__(message, ("expectedRevision",))
        self.revision = revision
        self.version_id = version_id


class GateFailed(Failure):
    """The version does not meet the promotion policy."""

    code = "GATE_FAILED"

    def __init__(self, closed: Sequence[Any], verdicts: Sequence[Any], path: Sequence[str] = ("version",)) -> None:
        """`verdicts` are those of all gates of the policy, `closed` those that did not pass."""
        gates = "1 gate is" if len(closed) == 1 else f"{len(closed)} gates are"
        super().__init__(f"{gates} closed: {' '.join(verdict.message for verdict in closed)}", path)
        self.verdicts = tuple(verdicts)


@dataclass(frozen=True)
class Dependent:
    """A thing that depends on another."""

    kind: str
    id: UUID
    name: str


class InUse(Failure):
    """Other objects depend on this one, so it cannot be deleted."""

    code = "IN_USE"

    def __init__(self, kind: str, dependents: Sequence[Dependent], count: int, path: Sequence[str]) -> None:
        what = "1 thing depends" if count == 1 else f"{count} things depend"
        super().__init__(f"{what} on this {kind}. Delete what is listed, or point it elsewhere, and try again.", path)
        self.dependents = tuple(dependents)
        self.dependent_count = count


class TooLarge(Failure):
    """The file is larger than this server accepts."""

    code = "TOO_LARGE"

    def __init__(self, size_bytes: int, limit_bytes: int, path: Sequence[str] = ("sizeBytes",)) -> None:
        super().__init__(f"{size_bytes} bytes are more than the {limit_bytes} this server accepts.", path)
        self.limit_bytes = limit_bytes


class UploadIncomplete(Failure):
    """Parts of the upload are missing or have the wrong size."""

    code = "UPLOAD_INCOMPLETE"

    def __init__(self, message: str, part_numbers: Sequence[int], path: Sequence[str] = ("artifact",)) -> None:
        super().__init__(message, path)
        self.part_numbers = tuple(part_numbers)


class IdempotencyKeyReused(Failure):
    """The idempotency key was already used for a different request."""

    code = "IDEMPOTENCY_KEY_REUSED"

    def __init__(self) -> None:
        super().__init__(
            "This idempotency key belongs to another request. Send a new key for a new change.", ("idempotencyKey",)
        )


FAILURES: Final[tuple[type[Failure], ...]] = (
    NotFound, NameTaken, InvalidValue, Conflict, StaleRevision, GateFailed, InUse, TooLarge, UploadIncomplete,
    IdempotencyKeyReused,
)  # fmt: skip
"""All failures of the rules. The docstring of each is what clients read about its code."""
