"""The slots of models, also where no version was ever in one."""

from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import ARRAY, Select, Uuid, any_, bindparam, select

from db.base import columns
from db.codes import Stage
from db.tables import Slot
from resolvers.loading.records import record_of
from resolvers.loading.shapes import Reading, column_of, own

Question: TypeAlias = tuple[UUID, Stage]
"""The id of a model and a stage with a slot."""


@dataclass(frozen=True)
class Slots:
    """The slot of each model for a stage. One that never held a version is empty, of revision 0."""

    async def read(self, reading: Reading, keys: list[Question]) -> list[Any]:
        """Read all slots, of both stages, in one statement."""
        rows = await reading.rows(_slots(), {"keys": list({model_id for model_id, _ in keys})})
        found = {(slot.model_id, slot.stage): slot for slot in map(record_of(Slot)._make, rows)}
        return [found.get(key) or _empty(*key) for key in keys]


def _empty(model_id: UUID, stage: Stage) -> Any:
    slot = record_of(Slot)
    return slot(**dict.fromkeys(slot._fields) | {"model_id": model_id, "stage": stage, "revision": 0})


@cache
def _slots() -> Select[*tuple[Any, ...]]:
    wanted = column_of(Slot, "model_id") == any_(bindparam("keys", type_=ARRAY(Uuid)))
    # The row of a slot that never held anything may exist, from a promotion to the other stage.
    return select(*columns(Slot)).where(own(Slot), wanted, column_of(Slot, "revision") > 0)
