"""Experiments."""

from datetime import datetime

import strawberry

from db import tables
from schema.edges import many, one
from schema.node import RowNode
from schema.refs import PrincipalRef, ProjectRef, RunRef
from schema.values import tags


@strawberry.type(description="Runs that belong together because they answer one question.")
class Experiment(RowNode):
    """See `db.tables.Experiment`."""

    table = tables.Experiment

    name: str = strawberry.field(description="Unique in its project.")
    description: str | None = strawberry.field(description="The question it is to answer, in Markdown.")
    created_at: datetime = strawberry.field(description="When it was registered.")
    updated_at: datetime = strawberry.field(description="When name, description or tags last changed.")
    tags = tags()

    project = one(ProjectRef, tables.Project, "project_id", required=True, description="Where it lives.")
    created_by = one(PrincipalRef, tables.Principal, "created_by", description="Who registered it.")
    runs = many(RunRef, tables.Run, "experiment_id", description="Its runs, newest first.")
