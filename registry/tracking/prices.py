"""Prices: what an hour of a resource costs, from when until when. A price is never changed: another one follows it."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

from sqlalchemy import func, select
from sqlmodel import col
from typing_extensions import Doc

from db.base import utc_now
from db.codes import PricedResource
from db.session import Change
from db.tables import Organization, Price
from registry.kernel import inputs
from registry.kernel.access import Action, Actor, require
from registry.kernel.errors import Conflict, InvalidValue
from registry.kernel.rows import add, alter, find, find_by

MAX_AMOUNT = 1_000_000_000
MAX_DECIMALS = 9
MAX_PRICES = 1_000
_AHEAD = timedelta(days=366)
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_CURRENCY = re.compile("[A-Z]{3}")


async def set_price(
    change: Change,
    actor: Actor,
    *,
    resource: Annotated[PricedResource, Doc("What is paid for.")],
    amount: Annotated[
        Decimal, Doc(f"What one hour of it costs: 0 to {MAX_AMOUNT}, with at most {MAX_DECIMALS} decimals.")
    ],
    currency: Annotated[str, Doc("Three capital letters of ISO 4217, such as `EUR`.")],
    hardware: Annotated[
        str | None,
        Doc("Only on this processor or graphics processor, by the exact name that runs give; on any other if absent."),
    ] = None,
    valid_from: Annotated[
        datetime | None, Doc("Runs that begin then or later cost this; now if absent. At most a year ahead.")
    ] = None,
) -> Price:
    """A price from a moment on. The price that the resource had on this hardware ends there.

    Raises: Forbidden, InvalidValue, Conflict when a price follows already.
    """
    require(actor, Action.ORGANIZE)
    clean = None if hardware is None else inputs.name(hardware, ("hardware",))
    values: dict[str, Any] = {"amount": clean_amount(amount), "currency": clean_currency(currency)}
    begins = clean_moment(valid_from or utc_now(), ("validFrom",))
    # The lock puts those who set prices at the same moment in a row.
    await find(change, Organization, change.org_id, "organization", lock=True)
    current = await find_by(change, Price, resource=resource, hardware=clean, valid_to=None)
    if current is not None:
        if current.valid_from == begins and all(getattr(current, name) == value for name, value in values.items()):
            return current
        if current.valid_from >= begins:
            raise Conflict(
                f"The price from {current.valid_from.isoformat()} on is a later one. Remove it first.", ("validFrom",)
            )
        await alter(change, actor, current, {"valid_to": begins}, verb="ended")
    elif await room(change) < 1:
        raise too_many()
    row = Price(
        org_id=change.org_id,
        resource=resource,
        hardware=clean,
        valid_from=begins,
        created_by=actor.principal_id,
        **values,
    )
    return await add(change, actor, row)


async def remove(change: Change, actor: Actor, *, price_id: Annotated[inputs.PriceId, Doc("Which one.")]) -> Price:
    """End a price now. Runs that began while it was valid keep it.

    Raises: Forbidden, NotFound.
    """
    await find(change, Organization, change.org_id, "organization", lock=True)
    price = await find(change, Price, price_id, "price", lock=True)
    require(actor, Action.ORGANIZE, price)
    ends = max(utc_now(), price.valid_from)
    if price.valid_to is not None and price.valid_to <= ends:
        return price
    return await alter(change, actor, price, {"valid_to": ends}, verb="ended")


async def room(change: Change) -> int:
    """How many more prices without an end the organization takes."""
    current = select(func.count()).where(col(Price.org_id) == change.org_id, col(Price.valid_to).is_(None))
    return MAX_PRICES - (await change.execute(current)).scalar_one()


def too_many() -> InvalidValue:
    """The failure of a price for which there is no room."""
    return InvalidValue(f"An organization has at most {MAX_PRICES} prices at a time. Remove one.", ("resource",))


def clean_amount(amount: Decimal) -> Decimal:
    """The amount of a price. Raises: InvalidValue."""
    if not amount.is_finite() or not 0 <= amount <= MAX_AMOUNT:
        raise InvalidValue(f"An amount is 0 to {MAX_AMOUNT}.", ("amount",))
    if amount != round(amount, MAX_DECIMALS):
        raise InvalidValue(f"An amount has at most {MAX_DECIMALS} decimals.", ("amount",))
    return amount


def clean_currency(currency: str) -> str:
    """The currency of a price. Raises: InvalidValue."""
    if not _CURRENCY.fullmatch(currency):
        raise InvalidValue("A currency is three capital letters of ISO 4217, such as EUR.", ("currency",))
    return currency


def clean_moment(moment: datetime, path: Sequence[str]) -> datetime:
    """When a price begins or ends. Raises: InvalidValue."""
    if moment.tzinfo is None:
        raise InvalidValue("A time needs its offset from UTC, such as 2026-03-03T12:00:00Z.", path)
    if not _FIRST <= moment <= utc_now() + _AHEAD:
        raise InvalidValue("A price begins and ends in 1970 or later and at most a year ahead.", path)
    return moment
