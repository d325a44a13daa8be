"""The guard: what an operation may ask for, checked on its text before validation and before any resolver."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from graphql import (
    DocumentNode,
    GraphQLError,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OperationType,
    TokenKind,
)
from strawberry.extensions import SchemaExtension

from schema.execution.json_guard import BAD_TEXT, fault_of, is_bad_text
from schema.execution.query_cost import Demand, Meter, too_much
from schema.execution.repetitions import Repetitions
from schema.execution.scope import OperationScope

_DEMANDS: Final = 16
"""How many demands are remembered of a document: programs ask for few sizes of pages."""
_KEY_BYTES: Final = 2_000


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one operation may ask for. `schema.execution.query_cost.Meter` tells how cost is counted.

    `max_selections` and `max_pairs` bound what validation compares: selections of the whole document after its
    fragments are merged, and pairs of fields with the same response name.
    """

    max_depth: int = 12
    max_cost: int = 20_000
    max_aliases: int = 30
    max_directives: int = 50
    max_root_fields: int = 20
    max_page_size: int = 100
    max_selections: int = 2_000
    max_pairs: int = 5_000
    max_tokens: int = 2_000
    max_comments: int = 200
    max_characters: int = 60_000


def door_extensions(
    limits: Limits | None = None, *, deadline_s: float = 10, introspection: bool = True
) -> list[Callable[[], SchemaExtension]]:
    """Return the extensions that every schema behind the door needs, for `MaskingSchema(extensions=…)`.

    Without introspection also set `StrawberryConfig(disable_field_suggestions=True)`, or errors give the names away.
    """
    chosen, known = limits or Limits(), KnownDocuments()
    return [
        lambda: Guard(chosen, known, introspection=introspection),
        lambda: OperationScope(deadline_s),
    ]


@dataclass(frozen=True, slots=True)
class KnownDocument:
    """A document that was found valid, and what its operations asked for with the variables that it depends on."""

    document: DocumentNode
    demands: OrderedDict[bytes, Demand] = field(default_factory=OrderedDict)
    read: dict[str | None, frozenset[str]] = field(default_factory=dict)

    def demand(self, operation: str | None, variables: Mapping[str, Any]) -> Demand | None:
        """Return what an operation asks for, if it was measured with these variables."""
        key = self._key(operation, variables)
        return None if key is None else self.demands.get(key)

    def remember(self, operation: str | None, variables: Mapping[str, Any], demand: Demand, read: set[str]) -> None:
        """Remember what an operation asks for, in place of the oldest."""
        self.read[operation] = self.read.get(operation, frozenset()) | read
        key = self._key(operation, variables)
        if key is not None:
            self.demands[key] = demand
            if len(self.demands) > _DEMANDS:
                self.demands.popitem(last=False)

    def _key(self, operation: str | None, variables: Mapping[str, Any]) -> bytes | None:
        read = self.read.get(operation)
        if read is None:
            return None
        values = [(name, name in variables, variables.get(name)) for name in sorted(read)]
        try:
            key = orjson.dumps([operation, values])
        except orjson.JSONEncodeError:
            # A number beyond 64 bits, or a value of a caller in this process: measured each time.
            return None
        return key if len(key) <= _KEY_BYTES else None


class KnownDocuments:
    """The documents that were found valid lately, by their text: programs send the same few again and again.

    Together they have at most `characters`, which take about 60 bytes each: no client can make them take more.
    """

    def __init__(self, characters: int = 1_000_000) -> None:
        self._most = characters
        self._characters = 0
        self._documents: OrderedDict[str, KnownDocument] = OrderedDict()

    def get(self, text: str | None) -> KnownDocument | None:
        """Return the document of this text, if it is known to be valid."""
        if text is None or text not in self._documents:
            return None
        self._documents.move_to_end(text)
        return self._documents[text]

    def add(self, text: str | None, document: DocumentNode | None) -> None:
        """Remember a valid document, in place of those that were last asked for the longest ago."""
        if text is None or document is None or text in self._documents or len(text) > self._most:
            return
        self._documents[text] = KnownDocument(document)
        self._characters += len(text)
        while self._characters > self._most:
            forgotten, _ = self._documents.popitem(last=False)
            self._characters -= len(forgotten)


class Guard(SchemaExtension):
    """Refuses an operation that asks for too much, and reports what an accepted one costs in `extensions.cost`.

    Refusals are request errors with a code: DOCUMENT_TOO_LARGE, QUERY_TOO_DEEP, QUERY_TOO_EXPENSIVE, TOO_MANY_ALIASES,
    TOO_MANY_DIRECTIVES, TOO_MANY_ROOT_FIELDS, PAGE_TOO_LARGE, BAD_USER_INPUT, OPERATION_NAME_REQUIRED. Depth, cost and
    counts are those of the operation that would run.
    """

    def __init__(self, limits: Limits, known: KnownDocuments | None = None, *, introspection: bool = True) -> None:
        self._limits = limits
        self._known = known or KnownDocuments()
        self._introspection = introspection
        self._cost: int | None = None
        self._of_known: KnownDocument | None = None

    def on_operation(self) -> Iterator[None]:
        """Bound the parser."""
        options: dict[str, int] = {
            "max_lexical_tokens": self._limits.max_tokens,
            "max_comments": self._limits.max_comments,
            "max_source_length": self._limits.max_characters,
        }
        # Strawberry passes every option on to the parser but declares only the deprecated one.
        self.execution_context.parse_options.update(options)  # type: ignore[typeddict-item]
        yield

    def on_parse(self) -> Iterator[None]:
        """Take a document that is known to be valid."""
        context = self.execution_context
        if context.graphql_document is None:
            self._of_known = self._known.get(context.query)
            context.graphql_document = self._of_known.document if self._of_known else None
        yield

    def on_validate(self) -> Iterator[None]:
        """Check the limits; give validation errors a code."""
        context = self.execution_context
        if self._of_known:
            # An empty list makes Strawberry skip validation: the schema has not changed since it passed.
            context.pre_execution_errors = []
        try:
            self._check()
        except GraphQLError as refusal:
            # Set beforehand, they make Strawberry skip validation, whose cost is what the guard bounds.
            context.pre_execution_errors = [refusal]
        if not self._introspection:
            context.validation_rules = (*context.validation_rules, NoSchemaIntrospectionCustomRule)
        yield
        if not context.pre_execution_errors:
            self._known.add(context.query, context.graphql_document)
        for error in context.pre_execution_errors or ():
            _mark_as_validation(error)

    def get_results(self) -> dict[str, Any]:
        """Return `{"cost": {"requested", "limit"}}`, except for subscriptions, where each event would repeat it."""
        if self._cost is None:
            return {}
        return {"cost": {"requested": self._cost, "limit": self._limits.max_cost}}

    def _check(self) -> None:
        context = self.execution_context
        document = context.graphql_document
        if document is None:
            return
        variables = context.variables or {}
        known = self._of_known
        # The literals of a known document were found to be good.
        if fault := fault_of(variables) or (None if known else fault_of_literals(document)):
            raise too_much("BAD_USER_INPUT", fault)
        # Strawberry falls back to the first operation where the request names none; only this attribute tells.
        name = context._provided_operation_name
        operation = operation_to_run(document, name)
        demand = known.demand(name, variables) if known else None
        if demand is None:
            meter = Meter(context.schema._schema, document, variables, max_page_size=self._limits.max_page_size)
            demand = check(meter, document, operation, self._limits)
            if known:
                known.remember(name, variables, demand, meter.read)
        if operation.operation is not OperationType.SUBSCRIPTION:
            self._cost = demand.cost


def operation_to_run(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """Return the operation of that name, or the only one. Raises GraphQLError: OPERATION_NAME_REQUIRED."""
    operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    if name is None and len(operations) > 1:
        raise too_much(
            "OPERATION_NAME_REQUIRED", "The document holds several operations. Name one of them in `operationName`."
        )
    named = (o for o in operations if name is None or (o.name is not None and o.name.value == name))
    operation = next(named, None)
    if operation is None:
        raise too_much("OPERATION_NOT_FOUND", "The document holds no operation of that name.")
    return operation


def check(meter: Meter, document: DocumentNode, operation: OperationDefinitionNode, limits: Limits) -> Demand:
    """Return what the operation asks for. Raises GraphQLError with the code of the first limit it exceeds."""
    demand = meter.measure(operation)
    for code, what, asked, limit in (
        ("QUERY_TOO_DEEP", "nests fields {} deep", demand.depth, limits.max_depth),
        ("TOO_MANY_ROOT_FIELDS", "selects {} fields at its root", demand.width, limits.max_root_fields),
        ("TOO_MANY_ALIASES", "uses {} aliases", demand.aliases, limits.max_aliases),
        ("TOO_MANY_DIRECTIVES", "uses {} directives", demand.directives, limits.max_directives),
        ("QUERY_TOO_EXPENSIVE", "may fetch {} rows", demand.cost, limits.max_cost),
    ):
        if asked > limit:
            raise too_much(code, f"The operation {what.format(_readable(asked))}, the limit is {limit}. Ask for less.")
    if Repetitions(document).exceed(max_selections=limits.max_selections, max_pairs=limits.max_pairs):
        raise too_much(
            "QUERY_TOO_EXPENSIVE", "The document repeats too many fields or fragments. Select each field once."
        )
    return demand


def fault_of_literals(document: DocumentNode) -> str | None:
    """Return a sentence about a string of the document that no database can hold, or None."""
    token = document.loc.start_token if document.loc else None
    while token is not None:
        if token.kind in (TokenKind.STRING, TokenKind.BLOCK_STRING) and is_bad_text(token.value or ""):
            return BAD_TEXT
        token = token.next
    return None


def _readable(number: int) -> str:
    # Nested fragments multiply: the number may have more digits than Python agrees to print.
    return str(number) if number < 10**12 else "more than 10^12"


def _mark_as_validation(error: GraphQLError) -> None:
    """Name validation as the origin, as long as it is known. A scalar that refused its literal refused an input."""
    code = "BAD_USER_INPUT" if error.original_error is not None else "GRAPHQL_VALIDATION_FAILED"
    error.extensions = {"code": code, **(error.extensions or {})}
