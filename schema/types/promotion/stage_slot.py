"""The two slots of a model, STAGING and PRODUCTION."""

from datetime import datetime
from typing import Any

import strawberry

from db import tables
from db.codes import Stage
from resolvers.loading.shapes import Asked
from resolvers.promotion.stage_slots import Slots
from schema.building.edges import Edge, edge_field, one


@strawberry.type(description="The place of a model for its one version in STAGING or PRODUCTION.")
class StageSlot:
    """See `db.tables.Slot`."""

    stage: Stage = strawberry.field(description="STAGING or PRODUCTION.")
    revision: int = strawberry.field(
        description="Increases by 1 whenever the slot changes; 0 if it never held a version. Send it as"
        " `expectedRevision`."
    )
    updated_at: datetime | None = strawberry.field(
        description="When the slot last changed; null if it never held a version."
    )

    model = one(tables.Model, "model_id", required=True, description="The model.")
    version = one(tables.ModelVersion, "version_id", description="The version in the slot; null if it is empty.")
    transition = one(
        tables.Transition, "transition_id", description="The last change of the slot; null if there was none."
    )


def slot(stage: Stage, *, description: str) -> Any:
    """The slot of a model for a stage; never null."""
    edge = Edge(tables.Slot, "id", "model_id", lambda loaders, _: Asked(loaders.of(Slots()), lambda key: (key, stage)))
    return edge_field(edge, StageSlot, description=description)


def slot_of_version(*, description: str) -> Any:
    """The slot that holds a version; null for none."""
    edge = Edge(tables.Slot, "id", "version_id", lambda loaders, _: loaders.row(tables.Slot, "version_id"))
    return edge_field(edge, StageSlot | None, description=description)
