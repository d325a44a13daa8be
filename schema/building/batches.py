"""Batch forms of mutations: many inputs of one mutation in one transaction, each with an outcome of its own."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import strawberry
from strawberry import UNSET
from strawberry.utils.str_converters import to_camel_case

from registry.kernel.batches import MAX_ITEMS, BatchMode, BatchRefused, Dependence, Order, Outcomes, run_each_once
from registry.kernel.errors import BadInput, IdempotencyKeyReused, InvalidValue
from registry.kernel.operations import Mutation, execute_within_deadline
from resolvers.context import Info, Operation
from schema.building.arguments import argument, take
from schema.building.inputs import values_of
from schema.building.mutations import KEY, KEYED, REPLAYED, Declaration, Named, codes_of, row_field
from schema.building.node import type_of
from schema.building.user_errors import UserError, as_data


def batch(
    single: Named,
    *,
    description: str,
    ordered_by: Sequence[str] = (),
    dependence: Dependence = Dependence.NONE,
    after: Callable[[Operation, Outcomes], Awaitable[None]] | None = None,
) -> Any:
    """The mutation, named by its attribute, that does what another one does for up to 100 inputs at once.

    One transaction, one deadline and one idempotency key for all; the rows are read by one statement.

    Args:
        single: The mutation for one input.
        description: What the batch does.
        ordered_by: The values of an item that name what its rule locks, parents first; the row of the payload's table
            if absent. Items are done in the order of these values.
        dependence: Whether items may depend on one another.
        after: The step outside of the transaction, in place of that of `single`.
    """

    def build(name: str) -> Any:
        one: Declaration = single.field.metadata["declaration"]
        if one.mutation.before is not None or (one.mutation.after is not None and after is None):
            raise TypeError(f"{one.mutation.name} has steps outside of its transaction.")
        order = Order(one.table, tuple(ordered_by) or (f"{row_field(one.table)}_id",), dependence)
        mutation = Mutation(
            name, one.mutation.rule, partial(run_each_once, order=order), (InvalidValue, IdempotencyKeyReused),
            one.mutation.action, one.mutation.supply, after=after,
        )  # fmt: skip
        return _field(name, one, mutation, description)

    return Named(build)


def _field(name: str, one: Declaration, mutation: Mutation[Outcomes], description: str) -> Any:
    title = name[0].upper() + name[1:]
    input_class = _input(title, one)
    result_class = _result(title, one)
    payload_class = _payload(title, result_class)
    row = row_field(one.table)

    async def resolve(info: Info, **arguments: Any) -> Any:
        given = arguments["input"]
        try:
            items = [_values(one, item, place) for place, item in enumerate(given.items)]
            values, key = {"items": items, "mode": BatchMode(given.mode)}, values_of(given, KEYED)
            outcomes = await execute_within_deadline(mutation, info.context, values, **key)
        except BatchRefused as refused:
            outcomes = refused.outcomes
        except mutation.errors as failure:
            return payload_class(results=[], errors=[as_data(failure)])
        loader = info.context.loaders.row(one.table)
        loaded = await loader.load_many([id_ for id_ in outcomes.ids if id_ is not None])
        rows = iter(loaded)
        results = [
            result_class(
                index=place,
                errors=[as_data(outcomes.failures[place])] if place in outcomes.failures else [],
                **{row: None if id_ is None else next(rows)},
            )
            for place, id_ in enumerate(outcomes.ids)
        ]
        return payload_class(results=results, errors=[], replayed=outcomes.replayed)

    take(resolve, argument("input", input_class, "The items, and what to do if one of them fails."))
    own = [error for error in one.mutation.errors if error is not IdempotencyKeyReused]
    return strawberry.mutation(
        resolve,
        name=name,
        graphql_type=payload_class | None,
        description=f"{description} Up to {MAX_ITEMS} at once, in one transaction, as `{one.mutation.name}` does one."
        f"\n\nErrors of an item: {codes_of(own)}. Errors of the batch: {codes_of(mutation.errors)}.",
        metadata={"access": one.mutation.action, "batch": True},
    )


def _values(one: Declaration, item: Any, place: int) -> dict[str, Any]:
    """The values of one item. Raises: BadInput, InvalidValue for an idempotency key of its own."""
    if getattr(item, KEY) not in (UNSET, None):
        path = ("items", str(place), to_camel_case(KEY))
        raise InvalidValue("Give one idempotency key for all items, beside them.", path)
    try:
        return values_of(item, one.fields)
    except BadInput as error:
        raise BadInput(f"`items.{place}`: {error.message}") from error


def _input(title: str, one: Declaration) -> Any:
    (key,) = KEYED
    fields: dict[str, Any] = {
        "items": strawberry.field(
            description=f"1 to {MAX_ITEMS} items, in any order. They take no idempotency keys of their own."
        ),
        "mode": strawberry.field(
            description="What becomes of the others where one is refused.", default=BatchMode.ALL_OR_NOTHING
        ),
        KEY: strawberry.field(description=f"{key.description} Items that were refused are tried again.", default=UNSET),
    }
    annotations = {"items": list[one.input_class], "mode": BatchMode, KEY: str | None}  # type: ignore[name-defined]  # made at run time
    made = type(f"{title}Input", (), {**fields, "__annotations__": annotations, "__doc__": "See `batch`."})
    return strawberry.input(made, description=f"What `{title[0].lower()}{title[1:]}` takes.")


def _result(title: str, one: Declaration) -> Any:
    row = row_field(one.table)
    fields: dict[str, Any] = {
        "index": strawberry.field(description="Its place among the items, from 0."),
        row: strawberry.field(
            description="The created or updated object; null if the item, or the batch as a whole, failed.",
            default=None,
        ),
        "errors": strawberry.field(description="Why the item failed; empty if it did not.", default_factory=list),
    }
    annotations = {"index": int, row: type_of(one.table) | None, "errors": list[UserError]}
    made = type(f"{title}Result", (), {**fields, "__annotations__": annotations, "__doc__": "See `batch`."})
    return strawberry.type(made, description=f"The outcome of one item of `{title[0].lower()}{title[1:]}`.")


def _payload(title: str, result_class: Any) -> Any:
    fields: dict[str, Any] = {
        "results": strawberry.field(
            description="One per item, in the order of the items; empty if the batch failed as a whole."
        ),
        "errors": strawberry.field(description="Why the batch failed as a whole.", default_factory=list),
        "replayed": strawberry.field(description=REPLAYED, default=False),
    }
    annotations = {"results": list[result_class], "errors": list[UserError], "replayed": bool}
    made = type(f"{title}Payload", (), {**fields, "__annotations__": annotations, "__doc__": "See `batch`."})
    return strawberry.type(made, description=f"Return type of `{title[0].lower()}{title[1:]}`.")
