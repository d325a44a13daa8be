"""Values in a line of a file: how each type is read, checked by the same rules as any other input, and written."""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from registry.kernel import inputs, paths
from registry.kernel.errors import InvalidValue

Path = tuple[str, ...]
Read = Callable[[Any, Path], Any]
Thing = TypeVar("Thing")

_DECIMAL = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,18})?")
_known_name = lru_cache(10_000)(inputs.name)


def plain(value: Any, _path: Path) -> Any:
    """Whatever JSON it is; the rules of its kind look at it as a whole."""
    return value


def name(max_length: int = inputs.MAX_NAME) -> Read:
    """A name."""

    def read(value: Any, path: Path) -> str:
        return _known_name(text_of(value, path), path, max_length=max_length)

    return read


def scope_name(value: Any, path: Path) -> str:
    """The name of a team, project or model."""
    return paths.scope_name(text_of(value, path), path)


def prose(max_length: int = inputs.MAX_TEXT) -> Read:
    """Free text."""
    return lambda value, path: inputs.text(text_of(value, path), path, max_length=max_length)


def address(value: Any, path: Path) -> str:
    """A URI as inert text."""
    return inputs.address(text_of(value, path), path)


def choice(enum: type[StrEnum]) -> Read:
    """A member of a closed set."""
    members = {member.value: member for member in enum}

    def read(value: Any, path: Path) -> StrEnum:
        found = members.get(value) if isinstance(value, str) else None
        if found is None:
            raise InvalidValue(f"This is one of {', '.join(members)}.", path)
        return found

    return read


def whole(least: int = 0, most: int = inputs.MAX_STEP) -> Read:
    """A whole number."""

    def read(value: Any, path: Path) -> int:
        if type(value) is not int or not least <= value <= most:
            raise InvalidValue(f"This is a whole number from {least} to {most}.", path)
        return value

    return read


def number(value: Any, path: Path) -> float:
    """A number; JSON knows only finite ones."""
    if type(value) not in (int, float):
        raise InvalidValue("This is a number.", path)
    return float(value)


def exact(value: Any, path: Path) -> Decimal:
    """A decimal number that is never rounded, as text or as a whole number."""
    if type(value) is int or (isinstance(value, str) and _DECIMAL.fullmatch(value)):
        return Decimal(value)
    raise InvalidValue('This is a number as text, such as "0.25": digits with at most one point.', path)


def time(value: Any, path: Path) -> datetime:
    """Any time; its rules look at it further."""
    try:
        return datetime.fromisoformat(text_of(value, path))
    except ValueError:
        raise InvalidValue("This is a time such as 2026-03-03T12:00:00Z.", path) from None


def moment(value: Any, path: Path) -> datetime:
    """The time of an observation, as the API takes it."""
    return inputs.moment(time(value, path), path)


def tags(value: Any, path: Path) -> dict[str, str]:
    """Tags as an object."""
    return inputs.tags([inputs.Tag(key, text_of(one, (*path, key))) for key, one in object_of(value, path)], path)


def parameters(value: Any, path: Path) -> dict[str, object]:
    """Parameters as an object."""
    found = [inputs.Parameter(key, inputs.ParameterValue(one)) for key, one in object_of(value, path)]
    return inputs.parameters(found, path)


def text_of(value: Any, path: Path) -> str:
    """The value, which has to be text. Raises: InvalidValue."""
    if not isinstance(value, str):
        raise InvalidValue("This is text.", path)
    return value


def object_of(value: Any, path: Path) -> list[tuple[str, Any]]:
    """The names and values of an object. Raises: InvalidValue."""
    if not isinstance(value, dict):
        raise InvalidValue("This is an object of names and values.", path)
    return list(value.items())


def thing(cls: type[Thing], value: Any, path: Path) -> Thing:
    """An input object of the rules, made from JSON whose names are spelled as in the graph. Raises: InvalidValue."""
    shape: Callable[[Any], Mapping[str, tuple[Any, Any]]] = _shape
    known = shape(cls)
    given: dict[str, Any] = {}
    for key, one in object_of(value, path):
        if key not in known:
            raise InvalidValue(f"There is no {key!r} here; there are {', '.join(known)}.", (*path, key))
        field, hint = known[key]
        if one is not None:
            given[field.name] = _of(hint, one, (*path, key))
    for key, (field, _) in known.items():
        if field.default is dataclasses.MISSING and field.name not in given:
            raise InvalidValue(f"{key!r} is missing.", (*path, key))
    return cls(**given)


@lru_cache
def _shape(cls: Any) -> Mapping[str, tuple[Any, Any]]:
    hints = get_type_hints(cls)
    return {camel(field.name): (field, hints[field.name]) for field in dataclasses.fields(cls)}


def _of(hint: Any, value: Any, path: Path) -> Any:
    """A value of a type that stands in an input object."""
    if get_origin(hint) in (Union, UnionType):
        (hint,) = [one for one in get_args(hint) if one is not type(None)]
    if hint is inputs.ParameterValue:
        return value
    hint = getattr(hint, "__supertype__", hint)
    if get_origin(hint) is Sequence:
        if not isinstance(value, list):
            raise InvalidValue("This is a list.", path)
        (member,) = get_args(hint)
        return [_of(member, one, (*path, str(place))) for place, one in enumerate(value)]
    if dataclasses.is_dataclass(hint):
        return thing(hint, value, path)  # type: ignore[arg-type]
    if issubclass(hint, StrEnum):
        return choice(hint)(value, path)
    if hint is datetime:
        return moment(value, path)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise InvalidValue(f"This is no value of the type {_WORDS[hint]}.", path)
    return value


_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}


@lru_cache
def camel(name: str) -> str:
    """A name of the tables as the graph and the files spell it."""
    return re.sub("_([a-z0-9])", lambda found: found[1].upper(), name)


def camelled(value: Any) -> Any:
    """Stored JSON as files spell it, without what is null."""
    if isinstance(value, list):
        return [camelled(one) for one in value]
    if isinstance(value, dict):
        return {camel(name): camelled(one) for name, one in value.items() if one is not None}
    return value
