"""The arguments `where` and `orderBy` of lists, made from what `resolvers.filters.findable` declares for each table."""

import dataclasses
import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Annotated, Any

import strawberry
from strawberry import UNSET
from strawberry.utils.str_converters import to_camel_case
from typing_extensions import Doc

from db.base import Deletable, Row, Tenant, unique_within
from db.codes import Phase
from registry.kernel.errors import BadInput
from resolvers.filters.declaration import Findable
from resolvers.filters.expression import All, Condition, DeletedFilter, Either, Not, Single, Where
from resolvers.filters.fields import Id, Text, WholeNumber
from resolvers.filters.findable import FINDABLE
from resolvers.filters.links import Some
from resolvers.pages.paging import Order, OrderDirection
from resolvers.pages.sort_keys import MAX_TEXT, MetricKey, ParameterKey, SortKey
from schema.building.arguments import optional
from schema.building.inputs import Declared, Shape, input_type, shape_of

MAX_CONDITIONS = 50
MAX_NESTING = 8
MAX_VALUES = 100
MAX_CHARACTERS = 1_000

_COMBINED = {
    "and": "Each of these holds.",
    "or": "At least one of these holds.",
    "not": "This does not hold, also where it asks for something that is not there.",
}


@dataclass(frozen=True)
class MetricOrder:
    """A metric to order by: its latest value. Where that is no finite number it counts as if there were none."""

    name: Annotated[str, Doc("What was measured.")]
    phase: Annotated[Phase, Doc("On which data.")]


def where_type(table: type[Tenant]) -> Any:
    """The input type that says what rows of a table are to be like."""
    return _where(table)[0]


@cache
def order_type(table: type[Row]) -> Any:
    """The input type that says how rows of a table are ordered."""
    findable = FINDABLE[table]
    computed = findable.metrics or findable.parameters
    columns = _columns(table, findable)
    only = " Give exactly one of `field`, `metric` and `parameter`." if computed else ""
    fields = [_declared("field", columns, f"What by.{only}", required=not computed)]
    if findable.metrics:
        fields.append(_declared("metric", MetricOrder, "By the latest value of this metric, as `where` has it."))
    if findable.parameters:
        what = (
            f"By the parameter of this name: texts by their first {MAX_TEXT} characters, then numbers, then booleans."
        )
        fields.append(_declared("parameter", str, what))
    direction = Declared(
        "direction", "direction", shape_of(OrderDirection), OrderDirection.ASC, "Which end comes first."
    )
    description = f"An order of {_plural(table)}. Those without a value come last, whichever the direction."
    return input_type(f"{table.__name__}OrderInput", [*fields, direction], description)


@cache
def parameters(table: type[Row]) -> tuple[inspect.Parameter, ...]:
    """The arguments of a list of these rows, as parameters of its resolver; none where nothing is declared."""
    if table not in FINDABLE:
        return ()
    what = f"Only {_plural(table)} that are like this."
    how = "In which order; without it as the list says. A cursor belongs to its list and its order."
    found = (optional("where", where_type(table), what), optional("order_by", order_type(table), how))
    if not issubclass(table, Deletable):
        return found
    return (*found, optional("deleted", DeletedFilter, "Whether deleted ones are shown; by default they are not."))


def order_of(table: type[Row], given: Any, usual: Order) -> Order:
    """The order that was asked for, or the usual one. Raises: BadInput."""
    if not given:
        return usual
    findable = FINDABLE[table]
    field, metric, parameter = (_given(given, name) for name in ("field", "metric", "parameter"))
    ways = [way for way in (field, metric, parameter) if way is not None]
    if len(ways) != 1:
        raise BadInput("`orderBy` takes exactly one of `field`, `metric` and `parameter`.")
    check(ways[0], "orderBy")
    key = _order_key(findable, field.value) if field is not None else ParameterKey(parameter or "")
    if metric is not None and findable.metrics:
        key = MetricKey(table, metric.phase, metric.name)
    return Order(key, descending=given.direction is OrderDirection.DESC)


def _order_key(findable: Findable, name: str) -> str | SortKey:
    key, _ = findable.computed.get(name, (name, ""))
    return key


def where_of(table: type[Row], given: Any, deleted: Any = UNSET) -> Where:
    """What of a list is wanted. Raises: BadInput, naming the place, for what cannot be meant."""
    condition = _Reading().condition(table, given, "where", 1) if given else All(())
    return Where(condition, deleted or DeletedFilter.EXCLUDE)


class _Reading:
    """Reads one argument; counts what is asked over all its places."""

    def __init__(self) -> None:
        self.conditions = 0

    def condition(self, table: type[Tenant], given: Any, place: str, nesting: int) -> Condition:
        if nesting > MAX_NESTING:
            raise BadInput(f"`{place}` nests more than {MAX_NESTING} levels. Flatten it.")
        before = self.conditions
        parts: list[Condition] = []
        for name, declared in _where(table)[1].items():
            value = _given(given, name)
            if value is not None:
                parts.append(self._asked(table, name, declared, value, f"{place}.{declared_name(name)}", nesting))

        def inner(name: str) -> list[Condition] | None:
            values = _given(given, f"{name}_")
            if values is None:
                return None
            many = values if isinstance(values, list) else [values]
            return [
                self.condition(table, one, f"{place}.{name}" + f".{number}" * isinstance(values, list), nesting + 1)
                for number, one in enumerate(many)
            ]

        if (every := inner("and")) is not None:
            parts.append(All(every))
        if (some := inner("or")) is not None:
            parts.append(Either(some))
        if (none := inner("not")) is not None:
            parts.append(Not(none[0]))
        if self.conditions == before:
            # Nothing at all takes its place in a statement too.
            self._count(1, place)
        return All(parts)

    def _count(self, more: int, place: str) -> None:
        self.conditions += more
        if self.conditions > MAX_CONDITIONS:
            raise BadInput(f"`{place}` is one more than the {MAX_CONDITIONS} conditions that a filter may have.")

    def _asked(
        self, table: type[Tenant], name: str, declared: Declared, value: Any, place: str, nesting: int
    ) -> Condition:
        filter_ = FINDABLE[table].filters[name].filter
        if isinstance(filter_, Some):
            return Single(filter_, self.condition(filter_.table, value, place, nesting + 1))
        read = declared.shape.read(value, place)
        check(read, place)
        self._count(_conditions(read), place)
        return Single(filter_, read)


def check(value: Any, place: str) -> None:
    """Refuse what is too much or compares with nothing. Raises: BadInput, naming the place."""
    if isinstance(value, str) and len(value) > MAX_CHARACTERS:
        raise BadInput(f"`{place}` has {len(value)} characters; at most {MAX_CHARACTERS} are allowed.")
    if isinstance(value, float) and not math.isfinite(value):
        raise BadInput(f"`{place}` is no finite number, and nothing compares with it.")
    if isinstance(value, list):
        if len(value) > MAX_VALUES:
            raise BadInput(f"`{place}` has {len(value)} values; at most {MAX_VALUES} are allowed.")
        for number, one in enumerate(value):
            check(one, f"{place}.{number}")
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            check(getattr(value, field.name), f"{place}.{declared_name(field.name)}")


def declared_name(name: str) -> str:
    """The name in the graph."""
    return to_camel_case(name.removesuffix("_"))


def _conditions(value: Any) -> int:
    """How many comparisons a value asks for: those of a list of filters each, a list of values is one."""
    if isinstance(value, list) and value and dataclasses.is_dataclass(value[0]):
        return sum(_conditions(one) for one in value)
    if dataclasses.is_dataclass(value):
        return max(1, sum(getattr(value, field.name) is not None for field in dataclasses.fields(value)))
    return 1


def _given(given: Any, name: str) -> Any:
    value = getattr(given, name, None)
    return None if value is UNSET else value


def _plural(table: type[Tenant]) -> str:
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in table.__name__).strip()
    if words.endswith("y"):
        return f"{words.removesuffix('y')}ies"
    return f"{words}es" if words.endswith("s") else f"{words}s"


@cache
def _where(table: type[Tenant]) -> tuple[Any, Mapping[str, Declared]]:
    """The input type of a table, and its fields apart from those that combine."""
    fields = {
        name: Declared(name, name, _shape(said.filter), None, said.description)
        for name, said in FINDABLE[table].filters.items()
    }
    description = f"What {_plural(table)} are to be like. All that is given must hold; null asks for nothing."
    made = input_type(f"{table.__name__}WhereInput", list(fields.values()), description, combined=_COMBINED)
    return made, fields


def _shape(filter_: Any) -> Shape:
    if isinstance(filter_, Some):
        return Shape(where_type(filter_.table) | None, lambda value, _: value)
    return shape_of(filter_.takes | None)


def _declared(name: str, type_: Any, description: str, *, required: bool = False) -> Declared:
    default = inspect.Parameter.empty if required else None
    return Declared(name, name, shape_of(type_ if required else type_ | None), default, description)


def unique_filters(table: type[Row], parent: str) -> tuple[frozenset[str], ...]:
    """Return the sets of filters that, all asked for one value, leave at most one row of those with one `parent`."""
    names = {
        said.filter.column: declared_name(name)
        for name, said in FINDABLE[table].filters.items()
        if isinstance(said.filter, Text | WholeNumber | Id)
    }
    found = [key for key in unique_within(table, parent) if key <= names.keys()]
    return tuple(sorted((frozenset(names[column] for column in key) for key in found), key=sorted))


def _columns(table: type[Row], findable: Findable) -> Any:
    """The columns to order by, as an enum of the graph."""
    name = f"{table.__name__}OrderField"
    said = {**findable.orders, **{key: sentence for key, (_, sentence) in findable.computed.items()}}
    made = Enum(name, {key.upper(): key for key in said})  # type: ignore[misc]  # made from data
    shown: Any = strawberry.enum(made, description=f"What {_plural(table)} can be ordered by.")
    for value in shown.__strawberry_definition__.values:
        value.description = said[value.value]
    return shown
