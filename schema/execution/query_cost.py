"""Measures what a GraphQL operation asks for, on its text alone: depth, rows, aliases and directives.

Every walk is bounded: one visit for each selection in the document, however often its fragments are spread.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLArgument,
    GraphQLError,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    Undefined,
    ValueNode,
    VariableNode,
    get_named_type,
    is_composite_type,
    is_list_type,
    is_non_null_type,
)

PAGE_ARGUMENTS = ("first", "last")
MAX_NESTING = 50
"""Selection sets inside each other, fragments included; keeps the walk clear of the interpreter's recursion limit."""

ROW: Final = 4
"""The weight of a row of a list or a page. Weights are whole numbers, so that a quarter of a row can be counted."""
TO_ONE: Final = 1
"""The weight of the object at the far end of a to-one edge. All of a level are read by one statement on a primary key,
and rows that share an object share it in the answer, so that it counts a quarter of a row."""
COUNT: Final = 10 * ROW
"""The weight of a `totalCount`, and of each condition on a metric and of an order by one, for each list they are of."""
_MAX_INT = 2**31 - 1
_SOMETHING_ELSE = object()


def rows_inside(limit: int) -> int:
    """Return what a list inside a row counts that has at most `limit` entries: they come with the row, 100 for one."""
    return max(1, limit // 100)


def too_much(code: str, message: str) -> GraphQLError:
    """Return the refusal of a whole operation, as a request error with a stable code."""
    return GraphQLError(message, extensions={"code": code})


@dataclass(frozen=True, slots=True)
class Share:
    """Rows that count as less: `size` of those that `argument` asks for are as dear as one row of a table."""

    argument: str
    size: int


@dataclass(frozen=True, slots=True)
class Demand:
    """What a selection asks for, once for each object it is applied to.

    `depth` counts fields inside each other, `width` fields side by side at the top, `weight` what may be fetched, in
    quarters of a row. `once` is what counts once for the list that the objects are in, and not for each of them.
    """

    depth: int = 0
    width: int = 0
    aliases: int = 0
    directives: int = 0
    weight: int = 0
    once: int = 0

    @property
    def cost(self) -> int:
        """The rows that may be fetched, rounded up."""
        return -(-self.weight // ROW)

    def beside(self, other: "Demand") -> "Demand":
        """Return the demand of both, selected side by side. Fields that would merge are counted twice."""
        return Demand(
            max(self.depth, other.depth),
            self.width + other.width,
            self.aliases + other.aliases,
            self.directives + other.directives,
            self.weight + other.weight,
            self.once + other.once,
        )


class Meter:
    """Measures one operation of a document against the schema, in one walk with each fragment visited once.

    The cost of a field that returns objects is `rows x (1 + cost of its selection)`; the object at the far end of a
    to-one edge counts a quarter of a row. Scalars are free, unless the field's metadata has `rows` that are read for
    one. `rows` is

    - the page size where the field takes `first` or `last`: the literal, the variable, or the argument's default,
      which counts only where the client pages forward;
    - 1 where `where` gives `equals` for what is unique in the list (`unique` of the field's metadata);
    - the number of `ids` where it takes them, and that of `items` in the input of a batch;
    - the bound in the field's metadata (`rows`), for plain lists; 1 for everything else.

    A field that does much for few rows counts `work` of its metadata besides. A `totalCount`, each condition on a
    metric and an order by one count ten rows for each list that they are of.

    The wrappers inside a connection (`edges`, `node`, `nodes`) are the page's rows themselves and add nothing, nor does
    `pageInfo`, so a page of 100 models with 10 versions of 3 artifacts each costs 100 + 1,000 + 3,000. `@skip`,
    `@include` and type conditions are taken as if everything applied. What validation will refuse anyway (unknown
    names, cyclic fragments, a page size that is no Int) is passed over here. Introspection adds neither depth nor cost.

    `read` are the names of the variables that the demand depends on.
    """

    def __init__(
        self, schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, object], *, max_page_size: int
    ) -> None:
        self.visits = 0
        self.read: set[str] = set()
        self._schema = schema
        self._variables = variables
        self._defaults: dict[str, ValueNode | None] = {}
        self._max_page_size = max_page_size
        self._fragments = fragments_of(document)
        self._measured: dict[str, Demand] = {}
        self._open: set[str] = set()

    def measure(self, operation: OperationDefinitionNode) -> Demand:
        """Return the demand of an operation.

        Raises GraphQLError: PAGE_TOO_LARGE, or QUERY_TOO_DEEP beyond what can be walked.
        """
        variables = operation.variable_definitions or ()
        self._defaults = {v.variable.name.value: v.default_value for v in variables}
        own = len(operation.directives or ()) + sum(len(v.directives or ()) for v in variables)
        root = self._schema.get_root_type(operation.operation)
        return self._selections(operation.selection_set, root, 1).beside(Demand(directives=own))

    def _selections(self, selections: SelectionSetNode, parent: GraphQLNamedType | None, nesting: int) -> Demand:
        if nesting > MAX_NESTING:
            raise too_much("QUERY_TOO_DEEP", f"The query nests more than {MAX_NESTING} selections. Flatten it.")
        total = Demand()
        for selection in selections.selections:
            self.visits += 1
            own = Demand(directives=len(selection.directives or ()))
            total = total.beside(own).beside(self._selection(selection, parent, nesting))
        return total

    def _selection(self, selection: SelectionNode, parent: GraphQLNamedType | None, nesting: int) -> Demand:
        if isinstance(selection, FieldNode):
            return self._field(selection, parent, nesting)
        if isinstance(selection, FragmentSpreadNode):
            return self._fragment(selection.name.value, nesting)
        if isinstance(selection, InlineFragmentNode):
            condition = selection.type_condition
            inner = self._schema.get_type(condition.name.value) if condition else parent
            return self._selections(selection.selection_set, inner, nesting + 1)
        return Demand()

    def _fragment(self, name: str, nesting: int) -> Demand:
        if name in self._measured:
            return self._measured[name]
        fragment = self._fragments.get(name)
        if fragment is None or name in self._open:
            return Demand()
        self._open.add(name)
        on = self._schema.get_type(fragment.type_condition.name.value)
        measured = self._selections(fragment.selection_set, on, nesting + 1)
        self._open.discard(name)
        self._measured[name] = measured.beside(Demand(directives=len(fragment.directives or ())))
        return self._measured[name]

    def _field(self, node: FieldNode, parent: GraphQLNamedType | None, nesting: int) -> Demand:
        name = node.name.value
        introspects = name.startswith("__")
        field = _field_of(parent, name)
        returned = get_named_type(field.type) if field else None
        inner = Demand()
        if node.selection_set:
            inner = self._selections(node.selection_set, returned, nesting + 1)
        return Demand(
            depth=0 if introspects else 1 + inner.depth,
            width=1,
            aliases=inner.aliases + (node.alias is not None),
            directives=inner.directives,
            weight=self._weight(parent, field, node, inner) if field else 0,
            once=COUNT if name == "totalCount" and _is_connection(parent) else 0,
        )

    def _weight(self, parent: GraphQLNamedType | None, field: GraphQLField, node: FieldNode, inner: Demand) -> int:
        """What a field asks for, with its selection."""
        metadata = _metadata(field)
        if not is_composite_type(get_named_type(field.type)):
            rows = metadata.get("rows")
            return rows * ROW if isinstance(rows, int) else 0
        name = node.name.value
        if _is_wrapper(parent, name):
            return inner.weight
        if _is_connection(parent) and name == "pageInfo":
            return 0
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        own = TO_ONE if _is_to_one(field) else ROW
        work: int = metadata.get("work", 0)
        return self._rows(field, given) * (own + inner.weight) + inner.once + self._searching(given) + work * ROW

    def _searching(self, given: Mapping[str, ValueNode]) -> int:
        """What a list costs for the metrics that its rows are chosen and ordered by."""
        where, order = (self._plain(given.get(name)) for name in ("where", "orderBy"))
        by_metric = isinstance(order, Mapping) and order.get("metric") is not None
        return COUNT * (_metric_conditions(where) + by_metric)

    def _rows(self, field: GraphQLField, given: Mapping[str, ValueNode]) -> int:
        metadata = _metadata(field)
        if any(name in field.args for name in PAGE_ARGUMENTS):
            size = self._page(field, given)
            return min(size, 1) if self._is_one(metadata.get("unique", ()), given) else size
        if "ids" in field.args:
            ids = self._value(given.get("ids"))
            return self._within_page(len(ids), "ids") if isinstance(ids, (list, tuple)) else 1
        if "batch" in metadata:
            return self._items(given.get("input"))
        rows = metadata.get("rows")
        if isinstance(rows, Share):
            asked = self._value(given.get(rows.argument))
            asked = self._default(field.args[rows.argument]) if asked is Undefined else asked
            return max(1, asked // rows.size) if isinstance(asked, int) else 1
        return rows if isinstance(rows, int) else 1

    def _page(self, field: GraphQLField, given: Mapping[str, ValueNode]) -> int:
        """How many rows a page has at most."""
        asked = {name: self._value(given.get(name)) for name in (*PAGE_ARGUMENTS, "before")}
        is_backward = any(asked[name] not in (None, Undefined) for name in ("last", "before"))
        sizes = []
        for name in PAGE_ARGUMENTS:
            # The default of `first` says nothing where the client pages backward.
            value = self._default(field.args[name]) if asked[name] is Undefined and name in field.args else asked[name]
            if asked[name] is Undefined and name == "first" and asked["last"] not in (None, Undefined):
                continue
            if value is not None and value is not Undefined:
                sizes.append(self._page_size(name, value))
        return max(sizes, default=self._default_page(field) if is_backward else self._max_page_size)

    def _default_page(self, field: GraphQLField) -> int:
        """How many rows a page has where only a cursor is given."""
        size = self._default(field.args["first"]) if "first" in field.args else None
        return size if isinstance(size, int) else self._max_page_size

    def _is_one(self, unique: Collection[frozenset[str]], given: Mapping[str, ValueNode]) -> bool:
        """Whether `where` asks for what at most one row of the list has."""
        if not unique or self._value(given.get("deleted")) not in (None, Undefined):
            return False
        where = self._plain(given.get("where"))
        if not isinstance(where, Mapping):
            return False
        equal = {
            name
            for name, asked in where.items()
            if (isinstance(asked, Mapping) and asked.get("equals") is not None)
            or (isinstance(asked, list | tuple) and len(asked) == 1)
        }
        return any(names <= equal for names in unique)

    def _items(self, node: ValueNode | None) -> int:
        """How many items a batch holds."""
        if isinstance(node, ObjectValueNode):
            items = next((self._value(field.value) for field in node.fields if field.name.value == "items"), None)
        else:
            given = self._value(node)
            items = given.get("items") if isinstance(given, Mapping) else None
        return self._within_page(len(items), "items") if isinstance(items, list | tuple) else 1

    def _page_size(self, name: str, value: object) -> int:
        # JSON has one kind of number, and GraphQL takes 100.0 as an Int.
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _MAX_INT:
            return self._max_page_size
        return self._within_page(value, name)

    def _within_page(self, size: int, argument: str) -> int:
        if 0 <= size <= self._max_page_size:
            return size
        raise too_much(
            "PAGE_TOO_LARGE",
            f"`{argument}` asks for {size} rows. Ask for 0 to {self._max_page_size} and page through them.",
        )

    def _default(self, argument: GraphQLArgument) -> object:
        if argument.default is None:
            return argument.default_value
        return self._value(argument.default.literal) if argument.default.literal else argument.default.value

    def _value(self, node: ValueNode | None) -> object:
        """Return a value as far as sizes are concerned: number, list, None, Undefined where absent."""
        if isinstance(node, VariableNode):
            name = node.name.value
            self.read.add(name)
            return self._variables[name] if name in self._variables else self._value(self._defaults.get(name))
        if node is None:
            return Undefined
        if isinstance(node, NullValueNode):
            return None
        if isinstance(node, ListValueNode):
            return list(node.values)
        # Longer literals are beyond 32 bits, and Python refuses to read very long ones.
        if isinstance(node, IntValueNode) and len(node.value) <= len(str(-_MAX_INT)):
            return int(node.value)
        return _SOMETHING_ELSE

    def _plain(self, node: ValueNode | None, nesting: int = 0) -> object:
        """Return a value with what is inside it; texts and numbers only as something that is there."""
        if nesting > MAX_NESTING:
            return _SOMETHING_ELSE
        if isinstance(node, ObjectValueNode):
            return {field.name.value: self._plain(field.value, nesting + 1) for field in node.fields}
        if isinstance(node, ListValueNode):
            return [self._plain(value, nesting + 1) for value in node.values]
        return self._value(node)


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    """Return the fragments of a document by name; the last one where names repeat, which validation refuses."""
    return {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}


def _field_of(parent: GraphQLNamedType | None, name: str) -> GraphQLField | None:
    return parent.fields.get(name) if isinstance(parent, (GraphQLObjectType, GraphQLInterfaceType)) else None


def _metadata(field: GraphQLField) -> Mapping[Any, Any]:
    definition = field.extensions.get("strawberry-definition")
    found: Mapping[Any, Any] = {} if definition is None else definition.metadata
    return found


def _is_to_one(field: GraphQLField) -> bool:
    """Whether a field leads along an edge to one object."""
    returned = field.type.of_type if is_non_null_type(field.type) else field.type
    metadata = _metadata(field)
    return (
        "edge" in metadata
        and "rows" not in metadata
        and not is_list_type(returned)
        and not _is_connection(get_named_type(returned))
    )


def _is_connection(type_: GraphQLNamedType | None) -> bool:
    return isinstance(type_, GraphQLObjectType) and "pageInfo" in type_.fields


def _is_wrapper(parent: GraphQLNamedType | None, name: str) -> bool:
    if name in ("edges", "nodes"):
        return _is_connection(parent)
    return isinstance(parent, GraphQLObjectType) and name == "node" and "cursor" in parent.fields


def _metric_conditions(where: object) -> int:
    """How many conditions on metrics a filter has, at any depth."""
    found, waiting = 0, [where]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            asked = value.get("metrics")
            found += len(asked) if isinstance(asked, list | tuple) else asked is not None
            waiting.extend(inner for name, inner in value.items() if name != "metrics")
        elif isinstance(value, list | tuple):
            waiting.extend(value)
    return found
