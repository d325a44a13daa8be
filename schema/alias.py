"""Aliases of models."""

from datetime import datetime

import strawberry

from db import tables
from registry import aliases
from registry.errors import Conflict, InvalidValue, NotFound
from schema.edges import one
from schema.mutations import change
from schema.node import RowNode
from schema.refs import ModelRef, PrincipalRef, VersionRef


@strawberry.type(description="A name of a model that points at one of its versions and can be moved to another.")
class Alias(RowNode):
    """See `db.tables.Alias`."""

    table = tables.Alias

    name: str = strawberry.field(description="Unique in its model, such as `champion`.")
    revision: int = strawberry.field(description="1 at first; each move adds 1. Send it as `expectedRevision`.")
    created_at: datetime = strawberry.field(description="When it was first set.")
    updated_at: datetime = strawberry.field(description="When it was last moved.")

    model = one(ModelRef, tables.Model, "model_id", required=True, description="The model it is a name of.")
    version = one(VersionRef, tables.Version, "version_id", required=True, description="The version it points at.")
    created_by = one(PrincipalRef, tables.Principal, "created_by", description="Who first set it.")


@strawberry.type
class AliasMutation:
    """The changes of aliases."""

    set_alias = change(
        aliases.point, "setAlias", Alias, tables.Alias,
        errors=[NotFound, InvalidValue, Conflict], description="Points an alias of a model at one of its versions.",
    )  # fmt: skip
    remove_alias = change(
        aliases.remove, "removeAlias", ModelRef, tables.Model,
        errors=[NotFound, InvalidValue], description="Takes an alias from a model.",
    )  # fmt: skip
