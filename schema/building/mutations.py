"""Mutations, each declared in one call: a rule gives the input, the payload, the failures and the field."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from operator import or_
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

import strawberry
from strawberry import UNSET
from typing_extensions import Doc

from db.base import Row
from registry.kernel import transactions
from registry.kernel.access import Action, require
from registry.kernel.errors import Failure, IdempotencyKeyReused, Overloaded, Unavailable
from registry.kernel.faults import refusal_of
from registry.kernel.transactions import Outcome, Rule
from resolvers.context import Info, Operation
from resolvers.services import Services
from schema.building.inputs import Declared, declared, input_type, values_of
from schema.building.user_errors import ERROR_TYPES, as_data
from schema.execution.scope import DeadlineExceeded

T = TypeVar("T")
Step = Callable[[Operation, UUID], Awaitable[None]]

DEADLINE_S = 10.0
"""How long one change may take. What it has committed by then stays committed."""

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
    before: tuple[str, Step] | None = None,
    after: Step | None = None,
    shown_once: tuple[str, str] | None = None,
) -> Any:
    """The mutation field `name` that runs a rule and answers with the row it was about.

    The input type is made from what the rule declares, the payload has one field named after `ref`'s type. `errors` are
    the failures that the payload may hold; any other is a top-level error. `action` is what the actor must be allowed
    in its organisation; the rule, which knows the thing, may require more. `supply` gives the rule what comes from the
    server and not from the caller. `before` and `after` are steps outside of the transaction that may call the object
    store: the first gets the id given as the named value, the other the id of the outcome; both can be repeated.
    `shown_once` is the payload's field, with its description, for what the rule shows once: a replay has null there.

    The snapshot of the request is closed first and a new one opened by the payload's fields, so that they show what was
    written and no request ever holds two connections.
    """
    made = Making(name, rule, action, (*errors, IdempotencyKeyReused), supply, before, after)
    title = name[0].upper() + name[1:]
    fields = declared(rule)
    input_class = input_type(f"{title}Input", [*fields, *KEYED], f"What `{name}` takes.")
    union = error_union(title, made.expected)
    payload_class = _payload(title, ref, table, union, shown_once)

    async def resolve(info: Info, input: Any) -> Any:
        operation = info.context
        try:
            outcome = await made.make(operation, values_of(input, fields), getattr(input, KEY))
        except made.expected as failure:
            return payload_class(errors=[as_data(failure)])
        row = await operation.loaders.row(table).load(outcome.id)
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
        metadata={"access": action, "declaration": Declaration(made, fields, input_class, union, ref, table)},
    )


@dataclass(frozen=True)
class Making:
    """What a mutation does, without its shape in the graph; see `change`."""

    name: str
    rule: Rule
    action: Action
    expected: tuple[type[Failure], ...]
    supply: Callable[[Services], Mapping[str, Any]]
    before: tuple[str, Step] | None
    after: Step | None

    async def make(self, operation: Operation, values: Mapping[str, Any], key: Any) -> Outcome:
        """Make the change once, within its deadline. Raises: Forbidden, DeadlineExceeded, and what the rule raises."""
        return await self.alone(operation, partial(self._steps, operation, values, None if key is UNSET else key))

    async def alone(self, operation: Operation, make: Callable[[], Awaitable[T]]) -> T:
        """Make something of this kind in no snapshot and in time. Raises: Forbidden, DeadlineExceeded, and its own."""
        # A replay under a key runs no rule, so what the rule would require at the least is asked here.
        require(operation.actor, self.action)
        await operation.renew()
        return await _in_time(operation, make)

    async def _steps(self, operation: Operation, values: Mapping[str, Any], key: str | None) -> Outcome:
        if self.before is not None:
            named, step = self.before
            await step(operation, values[named])
        services = operation.services
        outcome = await transactions.run(
            services.database, operation.actor, self.name, self.rule, values, key, supplied=self.supply(services)
        )
        if self.after is not None:
            await self.after(operation, outcome.id)
        return outcome


@dataclass(frozen=True)
class Declaration:
    """What a mutation was made from."""

    made: Making
    fields: Sequence[Declared]
    input_class: Any
    union: Any
    ref: Any
    table: type[Row]


async def _in_time(operation: Operation, make: Callable[[], Awaitable[T]]) -> T:
    """Make one change within its deadline.

    Where a service did not answer, the changes that follow in the same request are refused at once: each would wait as
    long again.

    Raises: DeadlineExceeded, and what the change raises.
    """
    if operation.given_up is not None:
        raise operation.given_up
    try:
        async with asyncio.timeout(DEADLINE_S):
            return await make()
    except TimeoutError as error:
        operation.given_up = DeadlineExceeded(DEADLINE_S)
        raise operation.given_up from error
    except Exception as error:
        refusal = refusal_of(error)
        if isinstance(refusal, Unavailable | Overloaded):
            operation.given_up = refusal
        raise


def row_field(table: type[Row]) -> str:
    """The payload's field for the row: the name of its table."""
    return str(table.__tablename__)


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
