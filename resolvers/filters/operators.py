"""What clients can ask of one value: the input types of filters are made from these."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from typing_extensions import Doc

from db.codes import Phase
from registry.kernel.inputs import BigInt, ParameterValue


@dataclass(frozen=True)
class TextFilter:
    """A condition on a text. All that is given must hold."""

    equals: Annotated[str | None, Doc("It is this, to the letter.")] = None
    in_: Annotated[Sequence[str] | None, Doc("It is one of these, to the letter.")] = None
    contains: Annotated[str | None, Doc("It has this inside, whatever the case.")] = None
    starts_with: Annotated[str | None, Doc("It begins with this, whatever the case.")] = None


@dataclass(frozen=True)
class TimeFilter:
    """A condition on a moment. All that is given must hold."""

    gt: Annotated[datetime | None, Doc("It is after this.")] = None
    gte: Annotated[datetime | None, Doc("It is this or after.")] = None
    lt: Annotated[datetime | None, Doc("It is before this.")] = None
    lte: Annotated[datetime | None, Doc("It is this or before.")] = None


@dataclass(frozen=True)
class WholeNumberFilter:
    """A condition on a whole number. All that is given must hold."""

    equals: Annotated[BigInt | None, Doc("It is this.")] = None
    gt: Annotated[BigInt | None, Doc("It is greater than this.")] = None
    gte: Annotated[BigInt | None, Doc("It is this or greater.")] = None
    lt: Annotated[BigInt | None, Doc("It is less than this.")] = None
    lte: Annotated[BigInt | None, Doc("It is this or less.")] = None


@dataclass(frozen=True)
class NumberFilter:
    """A condition on a number. All that is given must hold."""

    equals: Annotated[float | None, Doc("It is this, exactly.")] = None
    gt: Annotated[float | None, Doc("It is greater than this.")] = None
    gte: Annotated[float | None, Doc("It is this or greater.")] = None
    lt: Annotated[float | None, Doc("It is less than this.")] = None
    lte: Annotated[float | None, Doc("It is this or less.")] = None


@dataclass(frozen=True)
class TagFilter:
    """A condition on one tag. With nothing but a key: there is such a tag. All that is given must hold."""

    key: Annotated[str, Doc("The key of the tag.")]
    equals: Annotated[str | None, Doc("Its value is this, to the letter.")] = None
    in_: Annotated[Sequence[str] | None, Doc("Its value is one of these, to the letter.")] = None
    contains: Annotated[str | None, Doc("Its value has this inside, whatever the case.")] = None
    starts_with: Annotated[str | None, Doc("Its value begins with this, whatever the case.")] = None


@dataclass(frozen=True)
class PackageFilter:
    """A condition on one package. With nothing but a name: it was installed. All that is given must hold."""

    name: Annotated[str, Doc("The package, in whatever spelling Python's packaging takes for the same.")]
    equals: Annotated[str | None, Doc("Its version is this, to the letter.")] = None
    in_: Annotated[Sequence[str] | None, Doc("Its version is one of these, to the letter.")] = None
    contains: Annotated[str | None, Doc("Its version has this inside, whatever the case.")] = None
    starts_with: Annotated[str | None, Doc("Its version begins with this, such as `2.1.`.")] = None


@dataclass(frozen=True)
class ParameterFilter:
    """A condition on one parameter. With nothing but a name: there is such a parameter. All that is given must hold."""

    name: Annotated[str, Doc("The name of the parameter.")]
    equals: Annotated[ParameterValue | None, Doc("It is this, of the same type; 1 and 1.0 are one number.")] = None
    not_equals: Annotated[ParameterValue | None, Doc("It is there and something else than this.")] = None
    in_: Annotated[Sequence[ParameterValue] | None, Doc("It is one of these.")] = None
    gt: Annotated[float | None, Doc("It is a number greater than this.")] = None
    gte: Annotated[float | None, Doc("It is this number or a greater one.")] = None
    lt: Annotated[float | None, Doc("It is a number less than this.")] = None
    lte: Annotated[float | None, Doc("It is this number or a lesser one.")] = None
    contains: Annotated[str | None, Doc("It is a text with this inside, whatever the case.")] = None
    starts_with: Annotated[str | None, Doc("It is a text that begins with this, whatever the case.")] = None


@dataclass(frozen=True)
class MetricFilter:
    """A condition on the latest value of a metric in a phase. With nothing more: it was measured at all.

    All that is given must hold. A value that is no finite number compares with nothing.
    """

    name: Annotated[str, Doc("What was measured.")]
    phase: Annotated[Phase, Doc("On which data.")]
    equals: Annotated[float | None, Doc("The value is this, exactly.")] = None
    gt: Annotated[float | None, Doc("The value is greater than this.")] = None
    gte: Annotated[float | None, Doc("The value is this or greater.")] = None
    lt: Annotated[float | None, Doc("The value is less than this.")] = None
    lte: Annotated[float | None, Doc("The value is this or less.")] = None
