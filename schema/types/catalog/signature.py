"""Signatures of versions."""

from datetime import datetime

import strawberry

from db import tables
from db.codes import DataType
from registry.facts.signatures import MAX_FIELDS
from registry.kernel.inputs import ParameterValue
from schema.building.edges import many
from schema.building.events import events_of
from schema.building.node import RowNode
from schema.types.tracking.values import entries


@strawberry.type(description="An input or an output: a column, or a tensor where it has a shape.")
class SignatureField:
    """See `registry.facts.signatures.SignatureField`."""

    name: str = strawberry.field(description="Unique among its list.")
    type: DataType = strawberry.field(description="What its values are.")
    shape: list[int] | None = strawberry.field(description="The size of each dimension, -1 for any; null for a column.")
    required: bool = strawberry.field(description="Whether it must be there.")
    description: str | None = strawberry.field(description="What it means.")


@strawberry.type(description="A setting that whoever calls the model may give with each call.")
class SignatureParameter:
    """See `registry.facts.signatures.SignatureParameter`."""

    name: str = strawberry.field(description="Unique among the parameters.")
    type: DataType = strawberry.field(description="What its values are.")
    default: ParameterValue | None = strawberry.field(description="What holds where it is not given.")
    required: bool = strawberry.field(description="Whether it must be given.")


@strawberry.type(description="A feature that a version reads.")
class SignatureFeature:
    """See `registry.facts.signatures.SignatureFeature`."""

    name: str = strawberry.field(description="Unique among the features.")
    type: DataType = strawberry.field(description="What its values are.")
    description: str | None = strawberry.field(description="What it means.")
    source: str | None = strawberry.field(description="Where it comes from: text that this server never opens.")


@strawberry.type(description="What versions take and give: one for all versions that take and give the same.")
class Signature(RowNode):
    """See `db.tables.Signature`."""

    table = tables.Signature

    digest: str = strawberry.field(description="What identifies its content.")
    created_at: datetime = strawberry.field(description="When it was first given.")
    inputs = entries(SignatureField, "inputs", limit=MAX_FIELDS, description="What is taken, in order.")
    outputs = entries(SignatureField, "outputs", limit=MAX_FIELDS, description="What is given, in order.")
    parameters = entries(SignatureParameter, "parameters", limit=MAX_FIELDS, description="Settings of a call.")
    features = entries(
        SignatureFeature,
        "features",
        limit=MAX_FIELDS,
        description="The features that are read.",
    )

    versions = many(tables.ModelVersion, "signature_id", description="Versions that have it, newest first.")
    events = events_of(tables.Signature)
