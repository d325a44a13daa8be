"""Interfaces of what many types have in common, so that a client writes one fragment for all of them."""

from datetime import datetime

import strawberry

from db import tables
from resolvers.tracking.latest_metrics import Points
from schema.building.edges import one
from schema.building.node import RowNode
from schema.types.tracking.latest_metrics import latest
from schema.types.tracking.values import DELETED_AT, Metric, tags


@strawberry.interface(description="An object with tags.")
class Taggable(RowNode):
    """Types with a column of tags."""

    tags = tags()


@strawberry.interface(description="An object that can be deleted and restored.")
class Deletable(RowNode):
    """Types whose rows are deleted softly."""

    deleted_at: datetime | None = strawberry.field(description=DELETED_AT)


@strawberry.interface(description="An object with its author and time of creation.")
class Authored(RowNode):
    """Types that record who created a row."""

    created_at: datetime = strawberry.field(description="When it was created.")
    created_by = one(tables.Principal, "created_by", required=True, description="Who created it.")


@strawberry.interface(description="An object that belongs to exactly one project.")
class ProjectResource(RowNode):
    """Types with a project of their own."""

    project = one(tables.Project, "project_id", required=True, description="The project it belongs to.")


@strawberry.interface(description="An object with metrics: a run or a version.")
class Measured(RowNode):
    """Each type reads its own points; the field here states only the shape and the cost."""

    metrics = latest(
        Metric, Points(tables.RunMetric, "run_id"), description="The latest value of each metric, by phase and name."
    )
