"""Mutations, each declared in one call: a rule gives the input, the payload, the failures and the field."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final
from uuid import UUID

import strawberry
from strawberry.utils.str_converters import to_camel_case
from typing_extensions import Doc

from db.base import Row, noun_of
from registry.kernel.access import Action
from registry.kernel.errors import Failure, IdempotencyKeyReused
from registry.kernel.operations import Mutation, execute_within_deadline
from registry.kernel.transactions import Outcome, Rule, run_once
from resolvers.context import Info, Operation
from resolvers.services import Services
from schema.building.arguments import argument, take
from schema.building.enums import UserErrorCode
from schema.building.inputs import Declared, declared, input_type, values_of
from schema.building.node import type_of
from schema.building.user_errors import UserError, as_data

KEY = "idempotency_key"
_KEY_DESCRIPTION = (
    "Any text of up to 255 characters, made anew for each change. Send the same again when you retry after a lost"
    " answer: the change then happens once and `replayed` is true. Kept for 7 days."
)


@dataclass(frozen=True)
class Declaration:
    """What the field of a mutation was made from."""

    mutation: Mutation[Outcome]
    fields: Sequence[Declared]
    input_class: Any
    table: type[Row]


@dataclass
class Named:
    """A mutation in the body of a class, replaced by the field that `build` makes for the name of its attribute."""

    build: Callable[[str], Any]
    field: Any = field(default=None, init=False)

    def __set_name__(self, owner: type, attribute: str) -> None:
        """Make the field, such as `createModel` for the attribute `create_model`."""
        self.field = self.build(to_camel_case(attribute))
        setattr(owner, attribute, self.field)


def change(
    rule: Rule,
    table: type[Row],
    *,
    errors: Sequence[type[Failure]],
    description: str,
    action: Action = Action.WRITE,
    supply: Callable[[Services], Mapping[str, Any]] = lambda _: {},
    before: tuple[str, Callable[[Operation, UUID], Awaitable[None]]] | None = None,
    after: Callable[[Operation, Outcome], Awaitable[None]] | None = None,
    shown_once: tuple[str, str] | None = None,
) -> Any:
    """The mutation field that runs a rule and answers with the row of `table` it was about, named by its attribute.

    The input type is made from what the rule declares, the payload has one field named after the table. Of `errors`
    the payload may have some; any other failure is a top-level error. `shown_once` is the payload's field, with its
    description, for what the rule shows once: a replay has null there. For the rest see `Mutation`.

    The fields of the payload open a new snapshot, so that they show what was written.
    """

    def build(name: str) -> Any:
        mutation = Mutation(name, rule, run_once, (*errors, IdempotencyKeyReused), action, supply, before, after)
        title = name[0].upper() + name[1:]
        fields = declared(rule)
        input_class = input_type(f"{title}Input", [*fields, *KEYED], f"What `{name}` takes.")
        payload_class = _payload(title, table, shown_once)

        async def resolve(info: Info, **arguments: Any) -> Any:
            given = arguments["input"]
            try:
                values, key = values_of(given, fields), values_of(given, KEYED)
                outcome = await execute_within_deadline(mutation, info.context, values, **key)
            except mutation.errors as failure:
                return payload_class(errors=[as_data(failure)])
            row = await info.context.loaders.row(table).load(outcome.id)
            once = {shown_once[0]: outcome.shown_once} if shown_once else {}
            return payload_class(**{row_field(table): row}, errors=[], replayed=outcome.replayed, **once)

        take(resolve, argument("input", input_class, "What to change, and how."))
        return strawberry.mutation(
            resolve,
            name=name,
            graphql_type=payload_class | None,
            description=f"{description}\n\nErrors: {codes_of(mutation.errors)}.",
            metadata={"access": action, "declaration": Declaration(mutation, fields, input_class, table)},
        )

    return Named(build)


def codes_of(failures: Iterable[type[Failure]]) -> str:
    """The codes of failures as a description lists them. Raises: ValueError for one that is not shown as data."""
    return ", ".join(f"`{UserErrorCode(failure.code).value}`" for failure in failures)


def row_field(table: type[Row]) -> str:
    """The payload's field for the row: the noun of its table."""
    return noun_of(table)


async def _keyed(*, idempotency_key: Annotated[str | None, Doc(_KEY_DESCRIPTION)] = None) -> None:
    """Declares the idempotency key that every mutation takes."""


KEYED: Final = tuple(declared(_keyed))
REPLAYED: Final = "True if this idempotency key was already used; the original result is returned."


def _payload(title: str, table: type[Row], shown_once: tuple[str, str] | None) -> Any:
    row = row_field(table)
    once, about = shown_once or ("", "")
    made = type(
        f"{title}Payload",
        (),
        {
            "__annotations__": {
                row: type_of(table) | None,
                **({once: str | None} if once else {}),
                "errors": list[UserError],
                "replayed": bool,
            },
            "__doc__": f"The outcome of {title}.",
            row: strawberry.field(
                description="The created or updated object; null if the mutation failed.", default=None
            ),
            **({once: strawberry.field(description=about, default=None)} if once else {}),
            "errors": strawberry.field(
                description="Why the mutation failed; empty if it succeeded.", default_factory=list
            ),
            "replayed": strawberry.field(description=REPLAYED, default=False),
        },
    )
    return strawberry.type(made, description=f"Return type of `{title[0].lower()}{title[1:]}`.")
