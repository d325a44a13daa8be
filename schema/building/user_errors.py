"""Expected failures as data: one type for each kind, all of them `UserError`."""

import dataclasses
from typing import Any, Final
from uuid import UUID

import strawberry
from strawberry import Parent

from db import tables
from registry.deletion.dependents import MAX_LISTED
from registry.kernel import errors
from registry.kernel.inputs import BigInt
from resolvers import ids
from resolvers.context import Info
from schema.building.edges import one
from schema.building.node import Node
from schema.types.promotion.gate import GateVerdict


@strawberry.interface(description="Why a change was refused. Nothing was written.")
class UserError:
    """What every failure tells."""

    message: str = strawberry.field(description="What is wrong and what to do, for people.")
    path: list[str] = strawberry.field(description="The input it is about: names from the root of the input inwards.")
    code: str = strawberry.field(description="What kind of failure it is, for programs. Stable.")


@strawberry.type(description="There is no such thing, or none that you may see: the two look the same.")
class NotFoundError(UserError):
    """See `registry.kernel.errors.NotFound`."""


@strawberry.type(description="A name that must be unique is in use.")
class NameTakenError(UserError):
    """See `registry.kernel.errors.NameTaken`."""

    name: str = strawberry.field(description="The name, as it would have been stored.")


@strawberry.type(description="A value that a rule refuses.")
class InvalidValueError(UserError):
    """See `registry.kernel.errors.InvalidValue`."""


@strawberry.type(description="The thing is in a state that does not allow this.")
class ConflictError(UserError):
    """See `registry.kernel.errors.Conflict`."""


@strawberry.type(description="What was to be changed has another revision by now. Look again, and decide anew.")
class StaleRevisionError(UserError):
    """See `registry.kernel.errors.StaleRevision`."""

    revision: int = strawberry.field(description="The revision now: the next `expectedRevision`.")
    version_id: strawberry.Private[UUID | None]
    version = one(
        tables.ModelVersion, "version_id",
        description="For a slot or an alias: what it holds or points at now; null for nothing.",
    )  # fmt: skip


@strawberry.type(description="The version does not show what the policy asks for. Each verdict says what would do.")
class GateFailedError(UserError):
    """See `registry.kernel.errors.GateFailed`."""

    verdicts: list[GateVerdict] = strawberry.field(
        description="What every gate said, in the order of the policy.", metadata={"rows": 1}
    )


def _dependent_id(root: Parent[errors.Dependent]) -> strawberry.ID:
    return strawberry.ID(ids.encode(root.kind, root.id))


async def _dependent(root: Parent[errors.Dependent], info: Info) -> Any:
    return await info.context.loaders.row(getattr(tables, root.kind)).load(root.id)


@strawberry.type(description="A thing that depends on another.")
class Dependent:
    """See `registry.kernel.errors.Dependent`."""

    gid: strawberry.ID = strawberry.field(resolver=_dependent_id, name="id", description="Its global id.")
    node: Node | None = strawberry.field(
        resolver=_dependent, description="The thing itself; null where it is gone by now."
    )
    kind: str = strawberry.field(description="Its type in the graph, such as `ModelVersion`.")
    name: str = strawberry.field(description="Its name; the label of a version, the digest of a dataset version.")


@strawberry.type(description="Others depend on the thing: it stays until they are gone.")
class InUseError(UserError):
    """See `registry.kernel.errors.InUse`."""

    dependents: list[Dependent] = strawberry.field(
        description="The first 20 of them, by kind and then oldest first.", metadata={"rows": MAX_LISTED}
    )
    dependent_count: int = strawberry.field(description="How many there are.")


@strawberry.type(description="More bytes than this server accepts.")
class TooLargeError(UserError):
    """See `registry.kernel.errors.TooLarge`."""

    limit_bytes: BigInt = strawberry.field(description="How many bytes it accepts.")


@strawberry.type(description="The parts in the store do not add up to the announced file.")
class UploadIncompleteError(UserError):
    """See `registry.kernel.errors.UploadIncomplete`."""

    part_numbers: list[int] = strawberry.field(description="Which parts to send again.")


@strawberry.type(description="The idempotency key was used for a request with another body.")
class IdempotencyKeyReusedError(UserError):
    """See `registry.kernel.errors.IdempotencyKeyReused`."""


ERROR_TYPES: Final[dict[type[errors.Failure], type[UserError]]] = {
    errors.NotFound: NotFoundError,
    errors.NameTaken: NameTakenError,
    errors.InvalidValue: InvalidValueError,
    errors.Conflict: ConflictError,
    errors.StaleRevision: StaleRevisionError,
    errors.GateFailed: GateFailedError,
    errors.InUse: InUseError,
    errors.TooLarge: TooLargeError,
    errors.UploadIncomplete: UploadIncompleteError,
    errors.IdempotencyKeyReused: IdempotencyKeyReusedError,
}


def as_data(failure: errors.Failure) -> Any:
    """A failure as the graph shows it: its type has the failure's attributes as fields."""
    shown: Any = ERROR_TYPES[type(failure)]
    values = {field.name: getattr(failure, field.name) for field in dataclasses.fields(shown) if field.init}
    return shown(**{name: list(value) if isinstance(value, tuple) else value for name, value in values.items()})
