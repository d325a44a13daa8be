"""Mutations, each declared in one call: a rule gives the input, the payload, the failures and the field."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Annotated, Any, Final
from uuid import UUID

import strawberry
from typing_extensions import Doc

from db.base import Row, noun_of
from registry.kernel.access import Action
from registry.kernel.errors import Failure, IdempotencyKeyReused
from registry.kernel.operations import Mutation, execute_within_deadline
from registry.kernel.transactions import Outcome, Rule, run_once
from resolvers.context import Info, Operation
from resolvers.services import Services
from schema.building.inputs import Declared, declared, input_type, values_of
from schema.building.user_errors import ERROR_TYPES, as_data

KEY = "idempotency_key"
_KEY_DESCRIPTION = (
    "Any text of up to 255 characters, made anew for each change. Send the same again when you retry after a lost"
    " answer: the change then happens once and `replayed` is true. Kept for 7 days."
)


def change(
    rule: Rule,
    name: str,
    ref: Any,
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
    """The mutation field `name` that runs a rule and answers with the row it was about.

    The input type is made from what the rule declares, the payload has one field named after `ref`'s type. Of `errors`
    the payload may have some; any other failure is a top-level error. `shown_once` is the payload's field, with its
    description, for what the rule shows once: a replay has null there. For the rest see `Mutation`.

    The fields of the payload open a new snapshot, so that they show what was written.
    """
    mutation = Mutation(name, rule, run_once, (*errors, IdempotencyKeyReused), action, supply, before, after)
    title = name[0].upper() + name[1:]
    fields = declared(rule)
    input_class = input_type(f"{title}Input", [*fields, *KEYED], f"What `{name}` takes.")
    union = error_union(title, mutation.errors)
    payload_class = _payload(title, ref, table, union, shown_once)

    async def resolve(info: Info, input: Any) -> Any:
        try:
            values, key = values_of(input, fields), values_of(input, KEYED)
            outcome = await execute_within_deadline(mutation, info.context, values, **key)
        except mutation.errors as failure:
            return payload_class(errors=[as_data(failure)])
        row = await info.context.loaders.row(table).load(outcome.id)
        once = {shown_once[0]: outcome.shown_once} if shown_once else {}
        return payload_class(**{row_field(table): row}, errors=[], replayed=outcome.replayed, **once)

    resolve.__annotations__["input"] = Annotated[
        input_class, strawberry.argument(description="What to change, and how.")
    ]
    return strawberry.mutation(
        resolve,
        name=name,
        graphql_type=payload_class | None,
        description=description,
        metadata={"access": action, "declaration": Declaration(mutation, fields, input_class, union, ref, table)},
    )


@dataclass(frozen=True)
class Declaration:
    """What a mutation was made from."""

    mutation: Mutation[Outcome]
    fields: Sequence[Declared]
    input_class: Any
    union: Any
    ref: Any
    table: type[Row]


def row_field(table: type[Row]) -> str:
    """The payload's field for the row: the noun of its table."""
    return noun_of(table)


async def _keyed(*, idempotency_key: Annotated[str | None, Doc(_KEY_DESCRIPTION)] = None) -> None:
    """Declares the idempotency key that every mutation takes."""


KEYED: Final = tuple(declared(_keyed))


def error_union(title: str, errors: Sequence[type[Failure]]) -> Any:
    """The union of the failures of a mutation."""
    members: Any = reduce(or_, (ERROR_TYPES[error] for error in errors))
    why = strawberry.union(f"{title}Error", description=f"Why `{title[0].lower()}{title[1:]}` can be refused.")
    return Annotated[members, why]


def _payload(title: str, ref: Any, table: type[Row], union: Any, shown_once: tuple[str, str] | None) -> Any:
    row = row_field(table)
    once, about = shown_once or ("", "")
    made = type(
        f"{title}Payload",
        (),
        {
            "__annotations__": {
                row: ref | None,
                **({once: str | None} if once else {}),
                "errors": list[union],
                "replayed": bool,
            },
            "__doc__": f"The outcome of {title}.",
            row: strawberry.field(description="What it was about, as it is now; null when refused.", default=None),
            **({once: strawberry.field(description=about, default=None)} if once else {}),
            "errors": strawberry.field(description="Why it was refused; empty when it was done.", default_factory=list),
            "replayed": strawberry.field(
                description="Whether it had been done before, under the same idempotency key.", default=False
            ),
        },
    )
    return strawberry.type(made, description=f"What came of `{title[0].lower()}{title[1:]}`.")
