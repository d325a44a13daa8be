"""The scopes everything lives in, and who acts there."""

from datetime import datetime
from typing import Any

import strawberry

from db import tables
from db.codes import PrincipalKind
from registry.kernel.access import Action
from registry.kernel.errors import InvalidValue, NameTaken, NotFound
from registry.tenants import organizations
from resolvers.context import Info
from resolvers.pages.paging import BY_NAME
from schema.building.deletion import delete, restore
from schema.building.derived import TEAM_MODEL_COUNT
from schema.building.edges import all_of, many, one, read
from schema.building.events import events_of
from schema.building.lookups import by, by_own_name
from schema.building.mutations import change
from schema.building.node import RowNode
from schema.types.interfaces import Deletable
from schema.types.tenants.role_grants import GRANTS
from schema.types.tracking.values import DELETED_AT


@strawberry.type(description="The tenant. Nothing of one organization is ever visible to another.")
class Organization(RowNode):
    """See `db.tables.Organization`."""

    table = tables.Organization

    name: str = strawberry.field(description="Unique in the installation.")
    created_at: datetime = strawberry.field(description="When it was made.")

    teams = many(tables.Team, "org_id", order=BY_NAME, description="Its teams, by name.")
    events = events_of(tables.Organization, "Everything that happened, oldest first.")


@strawberry.type(description="People who own projects together.")
class Team(Deletable):
    """See `db.tables.Team`."""

    table = tables.Team

    name: str = strawberry.field(description="Unique in the organization.")
    created_at: datetime = strawberry.field(description="When it was made.")
    deleted_at: datetime | None = strawberry.field(description=DELETED_AT)

    model_count = TEAM_MODEL_COUNT
    projects = many(tables.Project, "team_id", order=BY_NAME, description="Its projects, by name.")
    events = events_of(tables.Team)


@strawberry.type(description="Where models, runs and datasets live.")
class Project(Deletable):
    """See `db.tables.Project`."""

    table = tables.Project

    name: str = strawberry.field(description="Unique in the team.")
    description: str | None = strawberry.field(description="What it is about.")
    created_at: datetime = strawberry.field(description="When it was made.")
    deleted_at: datetime | None = strawberry.field(description=DELETED_AT)

    team = one(tables.Team, "team_id", required=True, description="The team that owns it.")
    models = many(tables.Model, "project_id", description="Its models, newest first.")
    experiments = many(tables.Experiment, "project_id", description="Its experiments, newest first.")
    runs = many(tables.Run, "project_id", description="Its runs, newest first.")
    datasets = many(tables.Dataset, "project_id", description="Its datasets, newest first.")
    promotion_policies = many(
        tables.PromotionPolicy, "only_project_id", description="Policies for its models, newest first."
    )
    events = events_of(tables.Project, "What happened to it and to what is in it, oldest first.")


@strawberry.type(description="Somebody or something that acts.")
class Principal(RowNode):
    """See `db.tables.Principal`."""

    table = tables.Principal

    kind: PrincipalKind = strawberry.field(description="A person or a program.")
    name: str = strawberry.field(description="Unique in the organization.")
    created_at: datetime = strawberry.field(description="When it was made known.")

    organization = one(tables.Organization, "org_id", required=True, description="The organization it acts in.")
    roles = GRANTS
    models = many(tables.Model, "owner_id", description="The models it answers for, newest first.")
    versions = many(tables.ModelVersion, "created_by", description="The versions it registered, newest first.")
    events = events_of(tables.Principal)


async def _viewer(info: Info) -> Any:
    return await info.context.loaders.row(tables.Principal).load(info.context.actor.principal_id)


async def _organization(info: Info) -> Any:
    return await info.context.loaders.row(tables.Organization).load(info.context.actor.org_id)


@strawberry.type
class ViewerQuery:
    """The reads of the caller and its organization."""

    viewer = read(_viewer, Principal | None, description="Who is asking.")
    organization = read(_organization, Organization | None, description="The organization that is asked.")


@strawberry.type
class OrganizationQuery:
    """The reads of teams, projects and principals."""

    team = read(by_own_name(tables.Team), Team | None, description="A team by id or by name.")
    teams = all_of(tables.Team, order=BY_NAME, description="All teams, by name.")
    project = read(by(tables.Project, "team"), Project | None, description="A project by id, or by team and name.")
    projects = all_of(tables.Project, description="All projects, newest first.")
    principals = all_of(tables.Principal, order=BY_NAME, description="Everybody and everything that may act, by name.")


@strawberry.type
class OrganizationMutation:
    """The changes of the organization, its teams and projects."""

    create_team = change(
        organizations.create_team, tables.Team, action=Action.ORGANIZE,
        errors=[InvalidValue, NameTaken], description="Makes a team.",
    )  # fmt: skip
    create_project = change(
        organizations.create_project, tables.Project, action=Action.ORGANIZE,
        errors=[NotFound, InvalidValue, NameTaken], description="Makes a project of a team.",
    )  # fmt: skip
    update_team = change(
        organizations.update_team, tables.Team, action=Action.ORGANIZE,
        errors=[NotFound, InvalidValue, NameTaken], description="Gives a team another name.",
    )  # fmt: skip
    update_project = change(
        organizations.update_project, tables.Project, action=Action.ORGANIZE,
        errors=[NotFound, InvalidValue, NameTaken], description="Changes what people say about a project.",
    )  # fmt: skip
    delete_team = delete(
        tables.Team,
        description="Deletes a team without projects. Its name is free from then on.",
    )  # fmt: skip
    restore_team = restore(tables.Team)
    delete_project = delete(
        tables.Project,
        description="Deletes a project that holds nothing. Its name is free from then on.",
    )  # fmt: skip
    restore_project = restore(tables.Project)
