"""Measures what a GraphQL operation asks for, on its text alone: depth, rows, aliases, directives and repetitions.

Every walk is bounded: one visit for each selection in the document, however often its fragments are spread.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

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
)

PAGE_ARGUMENTS = ("first", "last")
MAX_NESTING = 50
"""Selection sets inside each other, fragments included; keeps the walk clear of the interpreter's recursion limit."""

_MAX_INT = 2**31 - 1
_SOMETHING_ELSE = object()


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

    `depth` counts fields inside each other, `width` fields side by side at the top, `cost` rows that may be fetched.
    """

    depth: int = 0
    width: int = 0
    aliases: int = 0
    directives: int = 0
    cost: int = 0

    def beside(self, other: "Demand") -> "Demand":
        """Return the demand of both, selected side by side. Fields that would merge are counted twice."""
        return Demand(
            max(self.depth, other.depth),
            self.width + other.width,
            self.aliases + other.aliases,
            self.directives + other.directives,
            self.cost + other.cost,
        )


class Meter:
    """Measures one operation of a document against the schema, in one walk with each fragment visited once.

    The cost of a field that returns objects is `rows x (1 + cost of its selection)`. Scalars are free, unless the
    field's metadata has `rows` that are read for one. `rows` is

    - the page size where the field takes `first` or `last`: the literal, the variable, or the argument's default;
    - the number of `ids` where it takes them, and that of `items` in the input of a batch;
    - the bound in the field's metadata (`rows`), for plain lists; 1 for everything else.

    A field that does much for few rows counts `work` of its metadata besides.

    The wrappers inside a connection (`edges`, `node`, `nodes`) are the page's rows themselves and add nothing, so a
    page of 100 models with 10 versions of 3 artifacts each costs 100 + 1,000 + 3,000. `@skip`, `@include` and type
    conditions are taken as if everything applied. What validation will refuse anyway (unknown names, cyclic fragments,
    a page size that is no Int) is passed over here. Introspection adds neither depth nor cost.
    """

    def __init__(
        self, schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, object], *, max_page_size: int
    ) -> None:
        self.visits = 0
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
        cost = 0
        if field and is_composite_type(returned):
            cost = inner.cost if _is_wrapper(parent, name) else self._rows(field, node) * (1 + inner.cost)
            cost += _work(field)
        elif field and isinstance(rows := _told_rows(field), int):
            cost = rows
        return Demand(
            depth=0 if introspects else 1 + inner.depth,
            width=1,
            aliases=inner.aliases + (node.alias is not None),
            directives=inner.directives,
            cost=cost,
        )

    def _rows(self, field: GraphQLField, node: FieldNode) -> int:
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        paged = [name for name in PAGE_ARGUMENTS if name in field.args]
        if paged:
            sizes = [size for name in paged if (size := self._page_size(name, field.args[name], given)) is not None]
            return max(sizes, default=self._max_page_size)
        if "ids" in field.args:
            ids = self._value(given.get("ids"))
            return self._within_page(len(ids), "ids") if isinstance(ids, (list, tuple)) else 1
        definition = field.extensions.get("strawberry-definition")
        if definition is not None and "batch" in definition.metadata:
            return self._items(given.get("input"))
        rows = _told_rows(field)
        if isinstance(rows, Share):
            asked = self._value(given.get(rows.argument))
            asked = self._default(field.args[rows.argument]) if asked is Undefined else asked
            return max(1, asked // rows.size) if isinstance(asked, int) else 1
        return rows if isinstance(rows, int) else 1

    def _items(self, node: ValueNode | None) -> int:
        """How many items a batch holds."""
        if isinstance(node, ObjectValueNode):
            items = next((self._value(field.value) for field in node.fields if field.name.value == "items"), None)
        else:
            given = self._value(node)
            items = given.get("items") if isinstance(given, Mapping) else None
        return self._within_page(len(items), "items") if isinstance(items, list | tuple) else 1

    def _page_size(self, name: str, argument: GraphQLArgument, given: Mapping[str, ValueNode]) -> int | None:
        value = self._value(given.get(name))
        if value is Undefined:
            value = self._default(argument)
        if value is None or value is Undefined:
            return None
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


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    """Return the fragments of a document by name; the last one where names repeat, which validation refuses."""
    return {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}


def _field_of(parent: GraphQLNamedType | None, name: str) -> GraphQLField | None:
    return parent.fields.get(name) if isinstance(parent, (GraphQLObjectType, GraphQLInterfaceType)) else None


def _work(field: GraphQLField) -> int:
    definition = field.extensions.get("strawberry-definition")
    work: int = 0 if definition is None else definition.metadata.get("work", 0)
    return work


def _told_rows(field: GraphQLField) -> object:
    definition = field.extensions.get("strawberry-definition")
    return definition.metadata.get("rows") if definition is not None else None


def _is_wrapper(parent: GraphQLNamedType | None, name: str) -> bool:
    if not isinstance(parent, GraphQLObjectType):
        return False
    if name in ("edges", "nodes"):
        return "pageInfo" in parent.fields
    return name == "node" and "cursor" in parent.fields


class Repetitions:
    """Counts the pairs of fields that validation has to compare because they share a response name.

    That rule compares each with each, on every level: 280 repeated fields of one level below are 40,000 comparisons
    and a second of one core. The count follows the merged response level by level and stops at the first limit.
    """

    def __init__(self, document: DocumentNode) -> None:
        self.visits = 0
        self.pairs = 0
        self._document = document
        self._fragments = fragments_of(document)
        self._reached: set[str] = set()

    def exceed(self, *, max_selections: int, max_pairs: int) -> bool:
        """Tell whether the document expands to more selections, or repeats fields in more pairs, than allowed."""
        for root in self._roots():
            waiting: list[tuple[list[SelectionSetNode], frozenset[str]]] = [([root], frozenset())]
            while waiting:
                below = self._level(*waiting.pop())
                if self.visits > max_selections or self.pairs > max_pairs:
                    return True
                waiting.extend(below)
        return False

    def _roots(self) -> Iterator[SelectionSetNode]:
        # Validation also looks at operations that will not run and at fragments that none of them spreads.
        for definition in self._document.definitions:
            if isinstance(definition, OperationDefinitionNode):
                yield definition.selection_set
        for name, fragment in self._fragments.items():
            if name not in self._reached:
                self._reached.add(name)
                yield fragment.selection_set

    def _level(
        self, merged: list[SelectionSetNode], opened: frozenset[str]
    ) -> list[tuple[list[SelectionSetNode], frozenset[str]]]:
        """Collect the fields of selection sets that merge into one; return what merges one level below."""
        seen: dict[str, int] = {}
        below: dict[str, list[SelectionSetNode]] = {}
        spread = set(opened)
        queue = list(merged)
        while queue:
            for selection in queue.pop().selections:
                self.visits += 1
                if isinstance(selection, FieldNode):
                    key = selection.alias.value if selection.alias else selection.name.value
                    self.pairs += seen.get(key, 0)
                    seen[key] = seen.get(key, 0) + 1
                    if selection.selection_set:
                        below.setdefault(key, []).append(selection.selection_set)
                elif isinstance(selection, InlineFragmentNode):
                    queue.append(selection.selection_set)
                elif isinstance(selection, FragmentSpreadNode) and selection.name.value not in spread:
                    spread.add(selection.name.value)
                    self._reached.add(selection.name.value)
                    if fragment := self._fragments.get(selection.name.value):
                        queue.append(fragment.selection_set)
        return [(sets, frozenset(spread)) for sets in below.values()]
