"""Datasets and their versions."""

from datetime import datetime

import strawberry

from db import tables
from registry.inputs import BigInt
from schema.edges import many, one
from schema.lineage import LineageNode
from schema.node import RowNode
from schema.refs import DatasetRef, DatasetVersionRef, PrincipalRef, ProjectRef


@strawberry.type(description="A named line of dataset versions.")
class Dataset(RowNode):
    """See `db.tables.Dataset`."""

    table = tables.Dataset

    name: str = strawberry.field(description="Unique in its project.")
    description: str | None = strawberry.field(description="What is in it.")
    created_at: datetime = strawberry.field(description="When it was registered.")

    project = one(ProjectRef, tables.Project, "project_id", required=True, description="Where it lives.")
    created_by = one(PrincipalRef, tables.Principal, "created_by", description="Who registered it.")
    versions = many(DatasetVersionRef, tables.DatasetVersion, "dataset_id", description="Its versions, newest first.")


@strawberry.type(description="The exact data behind a digest.")
class DatasetVersion(LineageNode):
    """See `db.tables.DatasetVersion`."""

    table = tables.DatasetVersion

    digest: str = strawberry.field(description="Algorithm and value, such as `sha256:2c26…`; unique in its dataset.")
    source: str | None = strawberry.field(description="Where the data came from: text that this server never opens.")
    row_count: BigInt | None = strawberry.field(description="How many rows it has.")
    created_at: datetime = strawberry.field(description="When it was registered.")

    dataset = one(
        DatasetRef, tables.Dataset, "dataset_id", required=True, description="The dataset it is a version of."
    )
    created_by = one(PrincipalRef, tables.Principal, "created_by", description="Who registered it.")
