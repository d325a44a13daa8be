"""Scalars of the graph that GraphQL does not have: whole numbers beyond 32 bits, moments, values of parameters."""

import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

from registry.kernel.inputs import BigInt, ParameterValue
from resolvers.moments import sent_moment

_LIMIT = 2**63
_DECIMAL = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,18})?")


def _big_int(value: Any) -> int:
    """A whole number of 64 bits, given as a number or as text of digits."""
    if isinstance(value, str) and len(value) <= 20 and value.removeprefix("-").isascii():
        digits = value.removeprefix("-")
        if digits.isdigit():
            value = int(value)
    if type(value) is not int or not -_LIMIT <= value < _LIMIT:
        raise ValueError("BigInt takes a whole number of at most 64 bits, as text of digits or as a number.")
    return value


def _decimal(value: Any) -> Decimal:
    """An exact decimal number, given as text or as a whole number."""
    if type(value) is int and -_LIMIT < value < _LIMIT:
        return Decimal(value)
    if isinstance(value, str) and len(value) <= 40 and _DECIMAL.fullmatch(value):
        return Decimal(value)
    raise ValueError('Decimal takes a number as text, such as "0.25": digits with at most one point.')


def _moment(value: Any) -> datetime:
    """An RFC 3339 time with its offset, brought to UTC."""
    if isinstance(value, str) and len(value) <= 40 and "T" in value.upper():
        try:
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is not None:
                return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise ValueError("DateTime takes an RFC 3339 time with its offset, such as 2026-03-03T12:00:00Z.")


def _parameter(value: Any) -> Any:
    """Text, a finite number or a boolean."""
    if isinstance(value, str | bool) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, int) and -_LIMIT < value < _LIMIT:
        return value
    raise ValueError("ParameterValue takes text, a finite number or a boolean.")


ChangedFields = NewType("ChangedFields", object)
"""Fields of a thing by name: an object of JSON."""

SCALARS: Final[dict[object, ScalarDefinition]] = {
    BigInt: strawberry.scalar(
        name="BigInt",
        description="A whole number of up to 64 bits. Sent as text of digits, taken as such or as a number.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc8259#section-6",
        serialize=str,
        parse_value=_big_int,
    ),
    datetime: strawberry.scalar(
        name="DateTime",
        description="A moment in RFC 3339. Sent in UTC with six digits of microseconds and `Z`, such as"
        " `2026-03-03T12:00:00.000000Z`; accepted with any offset.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=sent_moment,
        parse_value=_moment,
    ),
    Decimal: strawberry.scalar(
        name="Decimal",
        description="An exact decimal number, sent and taken as text such as `0.25`; never rounded.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc8259#section-6",
        serialize=lambda value: f"{value:f}",
        parse_value=_decimal,
    ),
    ChangedFields: strawberry.scalar(
        name="JSON",
        description="An object of JSON with the changed fields of a thing, with the names and values that they have in"
        " the graph. A reference is a global id under the name with `Id`, such as `modelId` or `createdById`. If the"
        " object exceeds 32 KiB, it has the keys `sha256` and `fields`, the names of its fields, instead.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc8259",
        serialize=lambda value: value,
        parse_value=lambda value: value,
    ),
    ParameterValue: strawberry.scalar(
        name="ParameterValue",
        description="The value of a parameter: text, a finite number or a boolean, each as JSON has it.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc8259#section-3",
        serialize=lambda value: value,
        parse_value=_parameter,
    ),
}
