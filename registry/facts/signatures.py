"""Signatures: what a version takes and gives, and the features it reads, kept once under their digest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from typing_extensions import Doc

from db import tables
from db.codes import DataType
from db.session import Change
from registry.facts import content_rows
from registry.kernel import inputs
from registry.kernel.access import Actor
from registry.kernel.errors import InvalidValue

MAX_FIELDS = 2_000
MAX_DIMENSIONS = 32
MAX_DIMENSION = 2**31 - 1
MAX_FIELD_TEXT = 1_000

Path = tuple[str, ...]


@dataclass(frozen=True)
class SignatureField:
    """An input or an output: a column, or a tensor where it has a shape."""

    name: Annotated[str, Doc(f"Unique among its list; 1 to {inputs.MAX_NAME} characters.")]
    type: Annotated[DataType, Doc("What its values are.")]
    shape: Annotated[
        Sequence[int] | None,
        Doc(f"The size of each dimension, -1 for any; at most {MAX_DIMENSIONS}. Absent for a column."),
    ] = None
    required: Annotated[bool, Doc("Whether it must be there.")] = True
    description: Annotated[str | None, Doc(f"What it means; at most {MAX_FIELD_TEXT} characters.")] = None


@dataclass(frozen=True)
class SignatureParameter:
    """A setting that whoever calls the model may give with each call."""

    name: Annotated[str, Doc(f"Unique among the parameters; 1 to {inputs.MAX_NAME} characters.")]
    type: Annotated[DataType, Doc("What its values are.")]
    default: Annotated[inputs.ParameterValue | None, Doc("What holds where it is not given.")] = None
    required: Annotated[bool, Doc("Whether it must be given; one with a default need not be.")] = False


@dataclass(frozen=True)
class SignatureFeature:
    """A feature that the version reads, wherever it is computed."""

    name: Annotated[str, Doc(f"Unique among the features; 1 to {inputs.MAX_NAME} characters.")]
    type: Annotated[DataType, Doc("What its values are.")]
    description: Annotated[str | None, Doc(f"What it means; at most {MAX_FIELD_TEXT} characters.")] = None
    source: Annotated[str | None, Doc("Where it comes from. Kept as text; never opened.")] = None


@dataclass(frozen=True)
class Signature:
    """What a version takes and gives. Each list holds at most 2,000."""

    inputs: Annotated[Sequence[SignatureField], Doc("What it takes, in this order.")] = ()
    outputs: Annotated[Sequence[SignatureField], Doc("What it gives, in this order.")] = ()
    parameters: Annotated[Sequence[SignatureParameter], Doc("Settings of a call.")] = ()
    features: Annotated[Sequence[SignatureFeature], Doc("The features it reads.")] = ()


async def keep(change: Change, actor: Actor, signature: Signature, path: str = "signature") -> tables.Signature:
    """The row of a signature. Raises: InvalidValue, naming the place."""
    return await content_rows.keep(change, actor, tables.Signature, stored(signature, path))


def stored(signature: Signature, path: str = "signature") -> dict[str, Any]:
    """A signature as the columns of its row. Raises: InvalidValue, naming the place."""
    values = {
        "inputs": [_field(one, here) for one, here in named(signature.inputs, (path, "inputs"))],
        "outputs": [_field(one, here) for one, here in named(signature.outputs, (path, "outputs"))],
        "parameters": [_parameter(one, here) for one, here in named(signature.parameters, (path, "parameters"))],
        "features": [_feature(one, here) for one, here in named(signature.features, (path, "features"))],
    }
    if not any(values.values()):
        raise InvalidValue("A signature holds at least one input, output, parameter or feature.", (path,))
    return values


def named(fields: Sequence[Any], path: Path) -> list[tuple[Any, Path]]:
    """Each field of a list with its place. Raises: InvalidValue when too many, or twice the same name."""
    if len(fields) > MAX_FIELDS:
        raise InvalidValue(f"{len(fields)} are more than the {MAX_FIELDS} that may stand here.", path)
    seen: set[str] = set()
    for place, field in enumerate(fields):
        here = (*path, str(place), "name")
        key = inputs.name(field.name, here)
        if key in seen:
            raise InvalidValue(f"The name {key!r} stands here twice.", here)
        seen.add(key)
    return [(field, (*path, str(place))) for place, field in enumerate(fields)]


def _field(field: SignatureField, path: Path) -> dict[str, Any]:
    return {
        "name": inputs.name(field.name),
        "type": field.type.value,
        "shape": _shape(field.shape, (*path, "shape")),
        "required": field.required,
        "description": inputs.text(field.description, (*path, "description"), max_length=MAX_FIELD_TEXT),
    }


def _shape(shape: Sequence[int] | None, path: Path) -> list[int] | None:
    if shape is None:
        return None
    if len(shape) > MAX_DIMENSIONS:
        raise InvalidValue(f"{len(shape)} dimensions are more than {MAX_DIMENSIONS}.", path)
    for place, size in enumerate(shape):
        if not -1 <= size <= MAX_DIMENSION:
            raise InvalidValue("A dimension has a size from 0 to 2147483647, or -1 for any.", (*path, str(place)))
    return list(shape)


def _parameter(parameter: SignatureParameter, path: Path) -> dict[str, Any]:
    default: object = parameter.default
    if default is not None:
        if parameter.required:
            raise InvalidValue("A parameter that must be given has no default.", (*path, "default"))
        default = inputs.parameter_value(default, (*path, "default"))
        if not _is_of(parameter.type, default):
            raise InvalidValue(f"This is no value of type {parameter.type}.", (*path, "default"))
    return {
        "name": inputs.name(parameter.name),
        "type": parameter.type.value,
        "default": default,
        "required": parameter.required,
    }


def _feature(feature: SignatureFeature, path: Path) -> dict[str, Any]:
    return {
        "name": inputs.name(feature.name),
        "type": feature.type.value,
        "description": inputs.text(feature.description, (*path, "description"), max_length=MAX_FIELD_TEXT),
        "source": inputs.text(feature.source, (*path, "source"), max_length=inputs.MAX_URI),
    }


def _is_of(type: DataType, value: object) -> bool:
    """Whether a default can be of a type: numbers as numbers, true and false as such, all else as text."""
    if type is DataType.ANY:
        return True
    if isinstance(value, bool):
        return type is DataType.BOOLEAN
    if isinstance(value, int | float):
        return type in _FRACTIONS or (type in _INTEGERS and value % 1 == 0)
    return type not in _FRACTIONS | _INTEGERS | {DataType.BOOLEAN}


_INTEGERS = frozenset(one for one in DataType if one.startswith(("INT", "UINT")))
_FRACTIONS = frozenset(one for one in DataType if one.startswith(("FLOAT", "BFLOAT"))) | {DataType.DECIMAL}
