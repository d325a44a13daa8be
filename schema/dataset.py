"""Datasets and their versions."""

from datetime import datetime

import strawberry

from db import tables
from registry import datasets
from registry.errors import InvalidValue, NameTaken, NotFound
from registry.inputs import BigInt
from schema.edges import all_of, many, one, read
from schema.lineage import LineageNode
from schema.lookups import by
from schema.mutations import change
from schema.node import RowNode
from schema.refs import DatasetRef, DatasetVersionRef, PrincipalRef, ProjectRef
from schema.values import DELETED_AT


@strawberry.type(description="A named line of dataset versions.")
class Dataset(RowNode):
    """See `db.tables.Dataset`."""

    table = tables.Dataset

    name: str = strawberry.field(description="Unique in its project.")
    description: str | None = strawberry.field(description="What is in it.")
    created_at: datetime = strawberry.field(description="When it was registered.")
    deleted_at: datetime | None = strawberry.field(description=DELETED_AT)

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
    deleted_at: datetime | None = strawberry.field(description=DELETED_AT)

    dataset = one(
        DatasetRef, tables.Dataset, "dataset_id", required=True, description="The dataset it is a version of."
    )
    created_by = one(PrincipalRef, tables.Principal, "created_by", description="Who registered it.")


@strawberry.type
class DatasetQuery:
    """The reads of datasets."""

    dataset = read(by(tables.Dataset), Dataset | None, description="A dataset by id, or by project and name.")
    datasets = all_of(Dataset, tables.Dataset, description="All datasets, newest first.")


@strawberry.type
class DatasetMutation:
    """The changes of datasets."""

    create_dataset = change(
        datasets.create, "createDataset", Dataset, tables.Dataset,
        errors=[NotFound, InvalidValue, NameTaken], description="Registers a dataset, without versions.",
    )  # fmt: skip
    create_dataset_version = change(
        datasets.create_version, "createDatasetVersion", DatasetVersion, tables.DatasetVersion,
        errors=[NotFound, InvalidValue],
        description="Registers the data behind a digest, or finds the version that has the digest already.",
    )  # fmt: skip
