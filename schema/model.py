"""Models."""

from datetime import datetime

import strawberry

from db import tables
from resolvers.paging import BY_NAME, Order
from schema.edges import many, one
from schema.node import RowNode
from schema.refs import AliasRef, PrincipalRef, ProjectRef, VersionRef
from schema.values import tags


@strawberry.type(description="A named line of versions.")
class Model(RowNode):
    """See `db.tables.Model`."""

    table = tables.Model

    name: str = strawberry.field(description="Unique in its project.")
    framework: str = strawberry.field(description="What it is made with, one of `supportedFrameworks`.")
    description: str | None = strawberry.field(description="What it is for, in Markdown.")
    created_at: datetime = strawberry.field(description="When it was registered.")
    updated_at: datetime = strawberry.field(description="When name, description or tags last changed.")
    tags = tags()

    project = one(ProjectRef, tables.Project, "project_id", required=True, description="Where it lives.")
    created_by = one(PrincipalRef, tables.Principal, "created_by", description="Who registered it.")
    aliases = many(AliasRef, tables.Alias, "model_id", order=BY_NAME, description="Its aliases, by name.")
    versions = many(
        VersionRef, tables.Version, "model_id", order=Order("number"), description="Its versions, highest number first."
    )
