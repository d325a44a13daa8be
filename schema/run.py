"""Runs."""

from datetime import datetime

import strawberry

from db import tables
from db.codes import RunStatus
from schema.edges import latest, many, one
from schema.lineage import LineageNode
from schema.refs import ArtifactRef, PrincipalRef, ProjectRef, VersionRef
from schema.values import Metric, parameters


@strawberry.type(description="One execution that trained or evaluated something.")
class Run(LineageNode):
    """See `db.tables.Run`."""

    table = tables.Run

    name: str = strawberry.field(description="Need not be unique.")
    status: RunStatus = strawberry.field(description="How far it has come.")
    started_at: datetime = strawberry.field(description="When it began.")
    ended_at: datetime | None = strawberry.field(description="When it ended; null while it goes on.")
    parameters = parameters()

    project = one(ProjectRef, tables.Project, "project_id", required=True, description="Where it lives.")
    created_by = one(PrincipalRef, tables.Principal, "created_by", description="Who started it.")
    metrics = latest(
        Metric, tables.RunMetric, "run_id", limit=100,
        description="The latest value of each metric, by phase and name; the first 100.",
    )  # fmt: skip
    versions = many(VersionRef, tables.Version, "run_id", description="Versions it produced, newest first.")
    artifacts = many(ArtifactRef, tables.Artifact, "run_id", description="Its files, newest first.")
    created_at: datetime = strawberry.field(description="When it was registered.")
