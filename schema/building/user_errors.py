"""Expected failures as data: each is a `UserError`, of a type of its own where it has more to say."""

import dataclasses
from typing import Any, ClassVar, Final
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
from schema.building.enums import UserErrorCode
from schema.building.node import Node
from schema.types.promotion.gate import GateVerdict


@strawberry.interface(description="Why a mutation failed. Nothing was written.")
class UserError:
    """The fields of every error."""

    value_class: ClassVar[type]

    def __init_subclass__(cls) -> None:
        """Set the class of the values: the type itself."""
        super().__init_subclass__()
        cls.value_class = cls

    message: str = strawberry.field(description="What is wrong and what to do about it, for people.")
    code: UserErrorCode = strawberry.field(description="The kind of error, for programs. Stable across releases.")
    path: list[str] = strawberry.field(
        description="The input field that the error is about, as names from the root of the input."
    )


@strawberry.type(description="An error of a code that has no further fields.")
class GenericUserError(UserError):
    """A failure without attributes of its own."""


@strawberry.type(description="Another object in the same scope already has this name.")
class NameTakenError(UserError):
    """See `registry.kernel.errors.NameTaken`."""

    name: str = strawberry.field(description="The name in the form in which it would have been stored.")


@strawberry.type(description="The object has changed since it was read. Read it again and decide anew.")
class StaleRevisionError(UserError):
    """See `registry.kernel.errors.StaleRevision`."""

    revision: int = strawberry.field(description="The current revision: the next `expectedRevision`.")
    version_id: strawberry.Private[UUID | None]
    version = one(
        tables.ModelVersion, "version_id",
        description="The version that the slot or alias points to now; null for none, and for other objects.",
    )  # fmt: skip


@strawberry.type(description="The version does not meet the promotion policy. Each verdict says what is missing.")
class GateFailedError(UserError):
    """See `registry.kernel.errors.GateFailed`."""

    verdicts: list[GateVerdict] = strawberry.field(
        description="The verdict of every gate, in the order of the policy.", metadata={"rows": 1}
    )


def _dependent_id(root: Parent[errors.Dependent]) -> strawberry.ID:
    return strawberry.ID(ids.encode(root.kind, root.id))


async def _dependent(root: Parent[errors.Dependent], info: Info) -> Any:
    return await info.context.loaders.row(getattr(tables, root.kind)).load(root.id)


@strawberry.type(description="An object that depends on another.")
class Dependent:
    """See `registry.kernel.errors.Dependent`."""

    gid: strawberry.ID = strawberry.field(resolver=_dependent_id, name="id", description="Its global id.")
    node: Node | None = strawberry.field(
        resolver=_dependent, description="The object itself; null if it has been deleted since."
    )
    kind: str = strawberry.field(description="Its type in the graph, such as `ModelVersion`.")
    name: str = strawberry.field(description="Its name; the label of a version, the digest of a dataset version.")


@strawberry.type(description="Other objects depend on this one, so it cannot be deleted.")
class InUseError(UserError):
    """See `registry.kernel.errors.InUse`."""

    dependents: list[Dependent] = strawberry.field(
        description="The first 20 dependents, by kind and then oldest first.", metadata={"rows": MAX_LISTED}
    )
    dependent_count: int = strawberry.field(description="The number of all dependents.")


@strawberry.type(description="The file is larger than this server accepts.")
class TooLargeError(UserError):
    """See `registry.kernel.errors.TooLarge`."""

    limit_bytes: BigInt = strawberry.field(description="The largest size that the server accepts, in bytes.")


@strawberry.type(description="Parts of the upload are missing or have the wrong size.")
class UploadIncompleteError(UserError):
    """See `registry.kernel.errors.UploadIncomplete`."""

    part_numbers: list[int] = strawberry.field(description="The numbers of the parts to send again.")


_TYPES: Final[dict[type[errors.Failure], type[UserError]]] = {
    errors.NameTaken: NameTakenError,
    errors.StaleRevision: StaleRevisionError,
    errors.GateFailed: GateFailedError,
    errors.InUse: InUseError,
    errors.TooLarge: TooLargeError,
    errors.UploadIncomplete: UploadIncompleteError,
}
ERROR_TYPES: Final[tuple[type[UserError], ...]] = (GenericUserError, *_TYPES.values())


def as_data(failure: errors.Failure) -> Any:
    """A failure as the graph shows it: its type has the failure's attributes as fields."""
    shown: Any = _TYPES.get(type(failure), GenericUserError)
    values = {field.name: getattr(failure, field.name) for field in dataclasses.fields(shown) if field.init}
    values["code"] = UserErrorCode(failure.code)
    return shown(**{name: list(value) if isinstance(value, tuple) else value for name, value in values.items()})
