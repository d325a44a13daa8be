"""Models."""

from datetime import datetime

import strawberry

from db import tables
from db.codes import Stage, TaskType
from registry.catalog import models
from registry.kernel.errors import InvalidValue, NameTaken, NotFound
from resolvers.catalog.versions_of_models import LatestVersions, named
from resolvers.context import Info
from resolvers.pages.paging import BY_NAME, Order
from schema.building.arguments import optional
from schema.building.deletion import delete, restore
from schema.building.derived import count_of
from schema.building.edges import Edge, all_of, edge_field, many, one, read
from schema.building.events import events_of
from schema.building.lookups import by
from schema.building.mutations import change
from schema.building.node import type_of
from schema.types.interfaces import Authored, Deletable, ProjectResource, Taggable
from schema.types.promotion.champion import CHAMPION_CANDIDATES
from schema.types.promotion.stage_slot import slot
from schema.types.tracking.ranking import VERSIONS, VersionRanking, ranking
from schema.types.tracking.values import DELETED_AT, tags


@strawberry.type(description="A named line of versions.")
class Model(Taggable, Deletable, Authored, ProjectResource):
    """See `db.tables.Model`."""

    table = tables.Model

    name: str = strawberry.field(description="Unique in its project.")
    framework: str = strawberry.field(description="What it is made with, one of `supportedFrameworks`.")
    task: TaskType | None = strawberry.field(description="What it does; null where nobody said.")
    description: str | None = strawberry.field(description="What it is for, in Markdown.")
    created_at: datetime = strawberry.field(description="When it was registered.")
    deleted_at: datetime | None = strawberry.field(description=DELETED_AT)
    updated_at: datetime = strawberry.field(description="When anything that people say about it last changed.")
    tags = tags()

    project = one(tables.Project, "project_id", required=True, description="Where it lives.")
    owner = one(tables.Principal, "owner_id", description="Who answers for it.")
    created_by = one(tables.Principal, "created_by", required=True, description="Who registered it.")
    aliases = many(tables.Alias, "model_id", order=BY_NAME, description="Its aliases, by name.")
    alias_history = many(
        tables.AliasRevision, "model_id", order=Order("valid_from"),
        description="What its aliases pointed at and point at, latest first. `where: {name, at}` tells what one was"
        " at a time.",
    )  # fmt: skip
    version_count = count_of(tables.ModelVersion, "model_id", description="How many versions it has.")
    versions = many(
        tables.ModelVersion, "model_id", order=Order("number"), description="Its versions, highest number first."
    )
    latest_version = edge_field(
        Edge(tables.ModelVersion, "id", "model_id", lambda loaders, _: loaders.of(LatestVersions())),
        type_of(tables.ModelVersion) | None, description="The version with the highest number; null if there is none.",
    )  # fmt: skip
    version = edge_field(
        Edge(tables.ModelVersion, "id", "model_id", lambda loaders, given: loaders.of(named(**given))),
        type_of(tables.ModelVersion) | None,
        description="One version, by exactly one of label, number and alias; null if there is none like that.",
        takes=[
            optional("label", str, "The exact label."),
            optional("number", int, "The number."),
            optional("alias", str, "The name of an alias that points at it, with or without `@`."),
        ],
    )  # fmt: skip
    deployments = many(tables.Deployment, "model_id", description="Where it is to run, newest first.")
    production = slot(Stage.PRODUCTION, description="The slot for the version in PRODUCTION.")
    staging = slot(Stage.STAGING, description="The slot for the version in STAGING.")
    slot_history = many(
        tables.SlotRevision, "model_id", order=Order("valid_from"),
        description="What its slots held and hold, latest first. `where: {stage, at}` tells what was there at a time.",
    )  # fmt: skip
    transitions = many(
        tables.Transition, "model_id", order=Order("number"),
        description="How its versions went from stage to stage, latest first.",
    )  # fmt: skip
    promotion_requests = many(
        tables.PromotionRequest, "model_id", description="Requests for its versions to be promoted, newest first."
    )
    promotion_policies = many(
        tables.PromotionPolicy, "model_id",
        description="Policies of its own, newest first. Where it has none, those of project or organization hold.",
    )  # fmt: skip
    automation_rules = many(
        tables.AutomationRule, "model_id",
        description="What is done with its versions by itself, newest first; removed rules, too.",
    )  # fmt: skip
    automation_firings = many(tables.AutomationFiring, "model_id", description="What its rules did, latest first.")
    champion_candidates = CHAMPION_CANDIDATES
    best_versions = ranking(VersionRanking, VERSIONS, description="Its versions by a metric, best first.")
    events = events_of(
        tables.Model,
        "What happened to it, its versions, their files and checks, its aliases and deployments, oldest first.",
    )


async def _frameworks(info: Info) -> list[str]:
    return list(info.context.services.frameworks)


@strawberry.type
class ModelQuery:
    """The reads of models."""

    model = read(by(tables.Model), Model | None, description="A model by id, or by project and name.")
    models = all_of(tables.Model, description="All models, newest first.")
    supported_frameworks = read(_frameworks, list[str], description="What models may be made with on this server.")


@strawberry.type
class ModelMutation:
    """The changes of models."""

    create_model = change(
        models.create, tables.Model,
        errors=[NotFound, InvalidValue, NameTaken], description="Registers a model, without versions.",
        supply=lambda services: {"supported_frameworks": services.frameworks},
    )  # fmt: skip
    update_model = change(
        models.update, tables.Model,
        errors=[NotFound, InvalidValue, NameTaken], description="Changes what people say about a model.",
    )  # fmt: skip
    delete_model = delete(
        tables.Model,
        description="Deletes a model without versions. Its name is free from then on.",
    )  # fmt: skip
    restore_model = restore(tables.Model)
