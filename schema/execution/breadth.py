"""Execution by breadth: a list of objects is completed field by field for all of them at once.

graphql-core completes a list object by object and each object field by field: a call, an info object and often a
future for every value. Here each selected field becomes a column: plain attributes are read in one sweep, an edge is
fetched for all parents with one call of its loader, and the objects it leads to are completed together likewise.

This is done where every selected field allows it: plain attributes, functions of nothing but the object, and edges
declared in `schema.building.edges`, also behind interfaces. Any other field leaves the list to graphql-core, and so
does anything that goes wrong: graphql-core then does the work anew and tells the errors with their paths.

Values are completed `ROWS_AT_A_TIME`, and other requests run in between.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from inspect import iscoroutinefunction
from itertools import chain, islice
from operator import attrgetter
from typing import Any, Final

import strawberry
from graphql import (
    GraphQLAbstractType,
    GraphQLField,
    GraphQLList,
    GraphQLObjectType,
    GraphQLOutputType,
    get_argument_values,
    is_enum_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

from schema.building.edges import Edge

Values = list[Any]
Source = Callable[[Sequence[Any]], Awaitable[Values]]
"""The values of one field for many objects, in their order."""
Completion = Callable[[Values], Awaitable[Values]]
"""Many values of one type as they stand in the answer, in their order."""

ROWS_AT_A_TIME: Final = 2_000
"""How many values are completed before other requests run: a few milliseconds of work."""

_TEXT = frozenset({"String", "ID"})


class NotByBreadth(Exception):
    """This selection is for graphql-core."""


class BreadthFirst(StrawberryGraphQLCoreExecutionContext):
    """graphql-core's executor with a faster way through lists of objects."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._plans: dict[tuple[str, int], Completion | None] = {}
        self._gives_up = False

    def complete_iterable_value(
        self, item_type: Any, field_details_list: Any, info: Any, path: Any, items: Any, position_context: Any
    ) -> Any:
        """Complete a list: by breadth if its selection allows it, else item by item."""

        def item_by_item() -> Any:
            return super(BreadthFirst, self).complete_iterable_value(
                item_type, field_details_list, info, path, items, position_context
            )

        can_try = bool(items) and isinstance(items, list) and not self._gives_up
        complete = self._plan(item_type, field_details_list) if can_try else None
        return item_by_item() if complete is None else self._by_breadth(complete, items, item_by_item)

    async def _by_breadth(self, complete: Completion, items: Values, item_by_item: Callable[[], Any]) -> Values:
        try:
            return await complete(items)
        except Exception:
            # Whatever it was: the same work item by item meets it again and gives each error its place. The lists
            # inside are not tried by breadth again, or each would fail anew.
            self._gives_up = True
            completed = item_by_item()
            again: Values = await completed if self.is_awaitable(completed) else completed
            return again

    def _plan(self, item_type: GraphQLOutputType, details: Any) -> Completion | None:
        """How to complete items of this type, or None where that is graphql-core's. Decided once for an operation."""
        key = (str(item_type), id(details))
        if key not in self._plans:
            try:
                self._plans[key] = self._completion(item_type, details)
            except NotByBreadth:
                self._plans[key] = None
        return self._plans[key]

    def _completion(self, wanted: Any, details: Any) -> Completion:
        """How to complete values of a type. Raises: NotByBreadth."""
        if is_non_null_type(wanted):
            return _required(self._completion(wanted.of_type, details))
        if is_leaf_type(wanted):
            return _leaf(wanted)
        if is_list_type(wanted):
            return self._list(wanted, details)
        if is_object_type(wanted):
            return self._object(wanted, details)
        return self._abstract(wanted, details)

    def _list(self, wanted: GraphQLList[Any], details: Any) -> Completion:
        complete = self._completion(wanted.of_type, details)

        async def completion(values: Values) -> Values:
            flat = iter(await complete(list(chain.from_iterable(value for value in values if value is not None))))
            return [None if value is None else list(islice(flat, len(value))) for value in values]

        return completion

    def _abstract(self, wanted: GraphQLAbstractType, details: Any) -> Completion:
        """Complete the values of each possible type together; the class of a value says which type it has.

        Raises: NotByBreadth where a possible type does not name its `value_class`.
        """
        completions = {_value_class(one): self._object(one, details) for one in self.schema.get_possible_types(wanted)}

        async def completion(values: Values) -> Values:
            shown: Values = [None] * len(values)
            places: dict[type, list[int]] = {}
            for place, value in enumerate(values):
                if value is not None:
                    places.setdefault(type(value), []).append(place)
            for value_class, those in places.items():
                completed = await completions[value_class]([values[place] for place in those])
                for place, one in zip(those, completed, strict=True):
                    shown[place] = one
            return shown

        return completion

    def _object(self, wanted: GraphQLObjectType, details: Any) -> Completion:
        collected = self.collect_subfields(wanted, details)
        if collected.new_defer_usages:
            raise NotByBreadth
        names = tuple(collected.grouped_field_set)
        columns = [self._column(wanted, group) for group in collected.grouped_field_set.values()]

        async def completion(values: Values) -> Values:
            # A row that many parents share is completed once.
            unique = {id(value): value for value in values if value is not None}
            objects = list(unique.values())
            if not objects:
                return [None] * len(values)
            # Side by side, so that fields which ask the same loader share its batch.
            completed = await asyncio.gather(*[column(objects) for column in columns])
            shown = await in_turns(
                lambda rows: [dict(zip(names, row, strict=True)) for row in rows], list(zip(*completed, strict=True))
            )
            if len(shown) == len(values):
                return shown
            by_id = dict(zip(unique, shown, strict=True))
            return [None if value is None else by_id[id(value)] for value in values]

        return completion

    def _column(self, parent: GraphQLObjectType, group: Any) -> Source:
        """The completed values of one selected field for many objects. Raises: NotByBreadth."""
        node = group[0].node
        if node.name.value == "__typename":
            return _constant(parent.name)
        field = self.schema.get_field(parent, node.name.value)
        definition = field.extensions.get("strawberry-definition") if field else None
        if field is None or not isinstance(definition, StrawberryField) or definition.extensions:
            raise NotByBreadth
        source = self._source(field, definition, group[0])
        complete = self._completion(field.type, group)

        async def column(objects: Sequence[Any]) -> Values:
            return await complete(await source(objects))

        return column

    def _source(self, field: GraphQLField, definition: StrawberryField, first: Any) -> Source:
        edge = definition.metadata.get("edge")
        if isinstance(edge, Edge):
            given = get_argument_values(field, first.node, self.variable_values, first.fragment_variable_values)
            return self._along(edge, self._arguments(definition, given))
        if definition.base_resolver is None:
            return _attribute(definition.python_name)
        resolver = definition.base_resolver
        if resolver.arguments or resolver.info_parameter is not None:
            raise NotByBreadth
        function: Any = resolver.wrapped_func
        return _computed(function)

    def _arguments(self, definition: StrawberryField, given: dict[str, Any]) -> dict[str, Any]:
        """Arguments as a resolver takes them."""
        schema: Any = self.schema
        owner: strawberry.Schema = schema._strawberry_schema
        registry = owner.schema_converter.scalar_registry
        return convert_arguments(given, definition.arguments, registry, owner.config)

    def _along(self, edge: Edge, arguments: dict[str, Any]) -> Source:
        """The rows at the far end of an edge, through its loader: lists completed side by side share its batch."""
        key_of = attrgetter(edge.parent_key)

        async def source(objects: Sequence[Any]) -> Values:
            keys = [key_of(one) for one in objects]
            wanted = [key for key in dict.fromkeys(keys) if key is not None]
            if not wanted:
                return [None] * len(keys)
            loader = edge.load(self.context_value.loaders, arguments)
            found = dict(zip(wanted, await loader.load_many(wanted), strict=True))
            return [found.get(key) for key in keys]

        return source


def _value_class(shown: GraphQLObjectType) -> type:
    """The class of the values that a type shows. Raises: NotByBreadth."""
    definition = shown.extensions.get("strawberry-definition")
    found: type | None = getattr(getattr(definition, "origin", None), "value_class", None)
    if found is None:
        raise NotByBreadth
    return found


def _required(complete: Completion) -> Completion:
    async def completion(values: Values) -> Values:
        completed = await complete(values)
        if any(value is None for value in completed):
            raise NotByBreadth
        return completed

    return completion


def _leaf(wanted: Any) -> Completion:
    serialize = cache(wanted.coerce_output_value) if is_enum_type(wanted) else wanted.coerce_output_value
    is_text = wanted.name in _TEXT

    async def completion(values: Values) -> Values:
        if is_text and all(type(value) is str for value in values):
            return values
        return await in_turns(lambda some: [None if one is None else serialize(one) for one in some], values)

    return completion


def _constant(value: str) -> Source:
    async def source(objects: Sequence[Any]) -> Values:
        return [value] * len(objects)

    return source


def _attribute(name: str) -> Source:
    read = attrgetter(name)

    async def source(objects: Sequence[Any]) -> Values:
        return list(map(read, objects))

    return source


def _computed(function: Callable[[Any], Any]) -> Source:
    async def source(objects: Sequence[Any]) -> Values:
        if iscoroutinefunction(function):
            return list(await asyncio.gather(*map(function, objects)))
        return await in_turns(lambda some: list(map(function, some)), objects)

    return source


async def in_turns(work: Callable[[Sequence[Any]], Values], values: Sequence[Any]) -> Values:
    """Return the results of `work` for all values, `ROWS_AT_A_TIME`; other tasks run in between.

    Few values are done without yielding, so that edges completed side by side still share a loader's batch.
    """
    if len(values) <= ROWS_AT_A_TIME:
        return work(values)
    done: Values = []
    for start in range(0, len(values), ROWS_AT_A_TIME):
        done += work(values[start : start + ROWS_AT_A_TIME])
        await asyncio.sleep(0)
    return done
