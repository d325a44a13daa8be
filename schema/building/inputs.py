"""Input types, made from what the rules declare: one declaration serves the rule, the graph and its documentation."""

import dataclasses
import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from types import MappingProxyType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import strawberry
from strawberry import UNSET
from strawberry.utils.str_converters import to_camel_case, to_snake_case
from typing_extensions import Doc

from registry.kernel.errors import BadInput
from registry.kernel.inputs import Keep, Of, OneOf
from resolvers.ids import decode_as


@dataclass(frozen=True)
class Shape:
    """How a declared type appears in the graph, and how a value of it comes back: `read(value, name)`."""

    graphql_type: Any
    read: Callable[[Any, str], Any]


@dataclass(frozen=True)
class Declared:
    """One value that a rule takes from its caller."""

    name: str
    graph_name: str
    shape: Shape
    default: Any
    description: str


def declared(rule: Callable[..., Any]) -> list[Declared]:
    """The values a rule takes: its keyword-only parameters that are documented with Doc. The rest is ours to supply."""
    hints = get_type_hints(rule, include_extras=True)
    parameters = inspect.signature(rule).parameters.values()
    return [
        _declared(parameter.name, hints[parameter.name], parameter.default)
        for parameter in parameters
        if parameter.kind is parameter.KEYWORD_ONLY and _doc(hints[parameter.name]) is not None
    ]


def input_type(
    name: str, fields: Sequence[Declared], description: str, combined: Mapping[str, str] = MappingProxyType({})
) -> Any:
    """A Strawberry input type with these fields, and with fields of its own type that combine such inputs.

    `combined` describes those by their names; all but `not` are lists.
    """
    namespace = {field.graph_name: _field(field) for field in fields}
    annotations = {field.graph_name: _optional(field) for field in fields}
    made: Any = type(name, (), {**namespace, "__annotations__": annotations, "__doc__": description})
    for word, what in combined.items():
        annotations[f"{word}_"] = made | None if word == "not" else list[made] | None
        setattr(made, f"{word}_", strawberry.field(name=word, description=what, default=UNSET))
    return strawberry.input(made, name=name, description=description)


def values_of(given: Any, fields: Sequence[Declared]) -> dict[str, Any]:
    """What the caller gave, by the names of the rule's parameters. What was not given is absent.

    Raises: BadInput for ids that cannot be meant.
    """
    values = {}
    for field in fields:
        value = getattr(given, field.graph_name)
        if isinstance(field.default, Keep):
            value = UNSET if value is None else value.value
        if value is not UNSET:
            values[field.name] = field.shape.read(value, to_camel_case(field.graph_name))
    return values


def _declared(name: str, annotation: Any, default: Any) -> Declared:
    graph_name = name.removesuffix("_id")
    return Declared(name, graph_name, shape_of(annotation), default, _doc(annotation) or "")


def _doc(annotation: Any) -> str | None:
    for extra in getattr(annotation, "__metadata__", ()):
        if isinstance(extra, Doc):
            return extra.documentation
    return None


def shape_of(annotation: Any) -> Shape:
    """How a declared type appears in the graph."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        for extra in annotation.__metadata__:
            if isinstance(extra, Of):
                return _id_of(extra)
            if isinstance(extra, OneOf):
                return _one_of(extra.name, tuple(extra.kinds.items()))
        return shape_of(arguments[0])
    if origin in (Union, types.UnionType):
        return _union([member for member in arguments if member is not Keep])
    if origin is not None and issubclass(origin, Sequence):
        return _list(shape_of(arguments[0]))
    if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
        return _object(annotation)
    return Shape(annotation, lambda value, _: value)


def _id_of(of: Of) -> Shape:
    return Shape(strawberry.ID, lambda value, name: decode_as(of.kind, value, name))


@cache
def _one_of(name: str, kinds: tuple[tuple[str, type], ...]) -> Shape:
    """An input that takes exactly one of several value objects, each under the name of its kind."""
    shapes = {to_snake_case(kind): shape_of(value_type) for kind, value_type in kinds}
    maybe: Any = strawberry.Maybe
    fields = {
        field: strawberry.field(description=inspect.cleandoc(value_type.__doc__ or ""), default=None)
        for field, (_, value_type) in zip(shapes, kinds, strict=True)
    }
    annotations = {field: maybe[shape.graphql_type] for field, shape in shapes.items()}
    made: Any = type(f"{name}Input", (), {**fields, "__annotations__": annotations})
    given = strawberry.input(made, description=f"A {name.lower()}: exactly one of these.", one_of=True)

    def read(value: Any, path: str) -> Any:
        for field, shape in shapes.items():
            if (chosen := getattr(value, field)) is not None and chosen is not UNSET:
                return shape.read(chosen.value, f"{path}.{to_camel_case(field)}")
        raise BadInput(f"`{path}` takes exactly one kind of {name.lower()}.")

    return Shape(given, read)


def _union(members: list[Any]) -> Shape:
    (only,) = [member for member in members if member is not type(None)]
    inner = shape_of(only)
    if len(members) == 1:
        return inner
    return Shape(inner.graphql_type | None, lambda value, name: None if value is None else inner.read(value, name))


def _list(inner: Shape) -> Shape:
    def read(values: Any, name: str) -> Any:
        return [inner.read(value, f"{name}.{place}") for place, value in enumerate(values)]

    return Shape(list[inner.graphql_type], read)  # type: ignore[name-defined]  # a type made at run time


@cache
def _object(value_type: type[Any]) -> Shape:
    """A value object of the rules as an input type named after it."""
    hints = get_type_hints(value_type, include_extras=True)
    fields = [
        _declared(
            field.name,
            hints[field.name],
            inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default,
        )
        for field in dataclasses.fields(value_type)
    ]
    made = input_type(f"{value_type.__name__}Input", fields, inspect.cleandoc(value_type.__doc__ or ""))
    return Shape(made, lambda value, _: value_type(**values_of(value, fields)))


def _field(field: Declared) -> Any:
    """The Strawberry field: required, with the rule's default, or absent where the default has no place in the SDL."""
    # Python keeps some words for itself, such as `in`.
    name = field.graph_name.removesuffix("_") if field.graph_name.endswith("_") else None
    made = partial(strawberry.field, name=name, description=field.description)
    if field.default is inspect.Parameter.empty:
        return made()
    if isinstance(field.default, tuple):
        return made(default_factory=list)
    if isinstance(field.default, Keep):
        return made(default=None)
    return made(default=UNSET if field.default is None else field.default)


def _optional(field: Declared) -> Any:
    """Absent is allowed where the default is KEEP; null, then, only where the rule takes None."""
    maybe: Any = strawberry.Maybe
    wanted = field.shape.graphql_type
    return maybe[wanted] if isinstance(field.default, Keep) else wanted
