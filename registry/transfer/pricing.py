"""Prices in a file: one without an end at a time, and none over a price that others have set here."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, or_, select
from sqlmodel import col

from db.session import Change
from db.tables import ImportKey, Organization, Price
from registry.kernel.rows import find
from registry.tracking.prices import room, too_many
from registry.transfer.planning import Known, Plan, refused
from registry.transfer.reading import Record

_KIND = Price.__name__


@dataclass(frozen=True)
class _Validity:
    """When a price is valid, and whether it came with a key from this source."""

    resource: str
    hardware: str | None
    begins: datetime
    ends: datetime | None
    own: bool

    def forbids(self, other: "_Validity") -> bool:
        """Whether there cannot be both. Those of one source may overlap: the one that begins last counts."""
        is_other = (self.resource, self.hardware) != (other.resource, other.hardware)
        if is_other or not (_before(self.begins, other.ends) and _before(other.begins, self.ends)):
            return False
        return not (self.own and other.own) or self.ends is other.ends is None


def _before(begins: datetime, ends: datetime | None) -> bool:
    return ends is None or begins < ends


async def fit_prices(change: Change, source: str, made: Plan, known: Known) -> None:
    """Hold those new prices of a plan back that cannot be beside others: the end of one may stand further down.

    Raises: LineRefused for a price without an end that is too many.
    """
    new = made.new[_KIND]
    known.prices |= {**new, **dict(made.known[_KIND])}
    if not new:
        return
    # As whoever sets a price does: one after the other.
    await find(change, Organization, change.org_id, "organization", lock=True)
    here = await _here(change, source, new.values(), known)
    others = list(here.values())
    others += [_of(one) for row_id, one in known.prices.items() if row_id not in here and row_id not in new]
    left = await room(change)
    for row_id, record in sorted(new.items(), key=lambda one: one[1].line):
        price = _of(record)
        if any(price.forbids(other) for other in others):
            _hold(row_id, record, made, known)
            continue
        left -= price.ends is None
        if left < 0:
            raise refused(record, too_many())
        others.append(price)


async def _here(change: Change, source: str, records: Collection[Record], known: Known) -> dict[UUID, _Validity]:
    """The prices that are here already of what these are for, with the ends that the file gives them."""
    kept = exists().where(
        col(ImportKey.org_id) == change.org_id,
        col(ImportKey.source) == source,
        col(ImportKey.kind) == _KIND,
        col(ImportKey.row_id) == col(Price.id),
        col(ImportKey.brought),
    )
    hardware = {one.values.get("hardware") for one in records}
    statement = select(Price, kept).where(
        col(Price.org_id) == change.org_id,
        col(Price.resource).in_({one.values["resource"] for one in records}),
        or_(col(Price.hardware).is_(None), col(Price.hardware).in_(hardware - {None})),
    )
    found = {}
    for price, is_kept in await change.execute(statement):
        planned = known.prices.get(price.id)
        ends = planned.values.get("valid_to") if planned is not None and price.valid_to is None else price.valid_to
        found[price.id] = _Validity(price.resource, price.hardware, price.valid_from, ends, is_kept)
    return found


def _of(record: Record) -> _Validity:
    values = record.values
    ends, own = values.get("valid_to"), record.key is not None
    return _Validity(values["resource"], values.get("hardware"), values["valid_from"], ends, own)


def _hold(row_id: UUID, record: Record, made: Plan, known: Known) -> None:
    del made.new[_KIND][row_id]
    made.keys = [one for one in made.keys if one[1] != row_id]
    made.held.append(record)
    known.forget([record])
