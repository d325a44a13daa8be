"""The scopes everything lives in, and who acts there."""

from datetime import datetime

import strawberry

from db import tables
from db.codes import PrincipalKind
from resolvers.paging import BY_NAME
from schema.edges import many, one
from schema.node import RowNode
from schema.refs import DatasetRef, ExperimentRef, ModelRef, ProjectRef, RunRef, TeamRef


@strawberry.type(description="The tenant. Nothing of one organisation is ever visible to another.")
class Organisation(RowNode):
    """See `db.tables.Organisation`."""

    table = tables.Organisation

    name: str = strawberry.field(description="Unique in the installation.")
    created_at: datetime = strawberry.field(description="When it was made.")

    teams = many(TeamRef, tables.Team, "org_id", order=BY_NAME, description="Its teams, by name.")


@strawberry.type(description="People who own projects together.")
class Team(RowNode):
    """See `db.tables.Team`."""

    table = tables.Team

    name: str = strawberry.field(description="Unique in the organisation.")
    created_at: datetime = strawberry.field(description="When it was made.")

    projects = many(ProjectRef, tables.Project, "team_id", order=BY_NAME, description="Its projects, by name.")


@strawberry.type(description="Where models, runs and datasets live.")
class Project(RowNode):
    """See `db.tables.Project`."""

    table = tables.Project

    name: str = strawberry.field(description="Unique in the team.")
    description: str | None = strawberry.field(description="What it is about.")
    created_at: datetime = strawberry.field(description="When it was made.")

    team = one(TeamRef, tables.Team, "team_id", required=True, description="The team that owns it.")
    models = many(ModelRef, tables.Model, "project_id", description="Its models, newest first.")
    experiments = many(ExperimentRef, tables.Experiment, "project_id", description="Its experiments, newest first.")
    runs = many(RunRef, tables.Run, "project_id", description="Its runs, newest first.")
    datasets = many(DatasetRef, tables.Dataset, "project_id", description="Its datasets, newest first.")


@strawberry.type(description="Somebody or something that acts.")
class Principal(RowNode):
    """See `db.tables.Principal`."""

    table = tables.Principal

    kind: PrincipalKind = strawberry.field(description="A person or a program.")
    name: str = strawberry.field(description="Unique in the organisation.")
    created_at: datetime = strawberry.field(description="When it was made known.")
