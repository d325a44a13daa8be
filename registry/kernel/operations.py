"""Mutations as every door executes them: who may, within which deadline, and what happens around the transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from registry.kernel.access import Action, Actor, require
from registry.kernel.errors import DeadlineExceeded, Failure, Overloaded, Refusal, Unavailable
from registry.kernel.faults import refusal_of
from registry.kernel.transactions import Rule, run_in_transaction

Result = TypeVar("Result")

DEADLINE_S = 10.0
"""How long one mutation may take. What it has committed by then stays committed."""


class Context(Protocol):
    """The request that a mutation is part of: who asks, the services of the process, and what was read so far."""

    services: Any
    """Has at least a `database`; the steps and `supply` of a mutation know what else there is."""
    actor: Actor
    given_up: Refusal | None
    """Why no further mutation of this request is tried."""

    async def renew(self) -> None:
        """Release the connection and discard what was read; the next read begins a new snapshot."""


@dataclass(frozen=True)
class Mutation(Generic[Result]):
    """A change that callers can ask for, without its shape at any door.

    `once` runs the rule in a transaction, at most once under an idempotency key. `errors` are the failures to expect,
    `action` is what the actor must be allowed in its organization; the rule, which knows the row, may require more.
    `supply` gives the rule what comes from the server and not from the caller. `before` and `after` are steps outside
    of the transaction that may call the object store: the first receives the given value of that name, the other the
    outcome. Both must be safe to repeat.
    """

    name: str
    rule: Rule
    once: Callable[..., Awaitable[Result]]
    errors: tuple[type[Failure], ...]
    action: Action = Action.WRITE
    supply: Callable[[Any], Mapping[str, Any]] = lambda _: {}
    before: tuple[str, Callable[[Any, Any], Awaitable[None]]] | None = None
    after: Callable[[Any, Result], Awaitable[None]] | None = None


async def execute_within_deadline(
    mutation: Mutation[Result], context: Context, values: Mapping[str, Any], idempotency_key: str | None = None
) -> Result:
    """Execute a mutation in a request whose snapshot is closed first, so that no request holds two connections.

    After a service did not answer, the remaining mutations of the request are refused immediately: each would wait as
    long again.

    Raises: Forbidden, DeadlineExceeded, and what the rule and the steps raise.
    """
    # A replay under a key runs no rule, so the least that the rule requires is checked here.
    require(context.actor, mutation.action)
    await context.renew()
    if context.given_up is not None:
        raise context.given_up
    services = context.services
    try:
        async with asyncio.timeout(DEADLINE_S):
            if mutation.before is not None:
                argument, step = mutation.before
                await step(context, values[argument])
            rule = partial(mutation.rule, **mutation.supply(services))
            once = partial(
                mutation.once, actor=context.actor, name=mutation.name, rule=rule, values=values, key=idempotency_key
            )
            outcome = await run_in_transaction(services.database, context.actor, once)
            if mutation.after is not None:
                await mutation.after(context, outcome)
            return outcome
    except TimeoutError as error:
        context.given_up = DeadlineExceeded(DEADLINE_S)
        raise context.given_up from error
    except Exception as error:
        refusal = refusal_of(error)
        if isinstance(refusal, Unavailable | Overloaded):
            context.given_up = refusal
        raise
