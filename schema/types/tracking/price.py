"""Prices of resources."""

from datetime import datetime
from decimal import Decimal

import strawberry

from db import tables
from db.codes import PricedResource
from registry.kernel.access import Action
from registry.kernel.errors import Conflict, InvalidValue, NotFound
from registry.tracking import prices
from schema.building.edges import all_of, one
from schema.building.events import events_of
from schema.building.mutations import change
from schema.types.interfaces import Authored


@strawberry.type(description="What an hour of a resource costs. Runs are priced by what was valid when they began.")
class Price(Authored):
    """See `db.tables.Price`."""

    table = tables.Price

    resource: PricedResource = strawberry.field(description="What is paid for.")
    hardware: str | None = strawberry.field(
        description="Only on the processor or graphics processor with exactly this name; null for any other."
    )
    amount: Decimal = strawberry.field(description="What one hour of it costs.")
    currency: str = strawberry.field(description="Three letters of ISO 4217.")
    valid_from: datetime = strawberry.field(description="Runs that begin then or later cost this.")
    valid_to: datetime | None = strawberry.field(description="Runs that begin then or later do not; null for no end.")
    created_at: datetime = strawberry.field(description="When it was set.")

    created_by = one(tables.Principal, "created_by", required=True, description="Who set it.")
    events = events_of(tables.Price)


@strawberry.type
class PriceQuery:
    """The reads of prices."""

    prices = all_of(tables.Price, description="All prices there ever were, newest first.")


@strawberry.type
class PriceMutation:
    """The changes of prices."""

    set_price = change(
        prices.set_price, tables.Price, action=Action.ORGANIZE,
        errors=[InvalidValue, Conflict],
        description="Sets what a resource costs from a moment on. The price it had ends there and is kept.",
    )  # fmt: skip
    remove_price = change(
        prices.remove, tables.Price, action=Action.ORGANIZE,
        errors=[NotFound, InvalidValue],
        description="Ends a price now. Runs that began while it was valid keep it.",
    )  # fmt: skip
