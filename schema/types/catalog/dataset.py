"""Datasets and their versions."""

from datetime import datetime

import strawberry

from db import tables
from db.codes import DataType
from registry.catalog import datasets
from registry.facts import dataset_facts
from registry.facts.signatures import MAX_FIELDS
from registry.kernel.errors import InvalidValue, NameTaken, NotFound
from registry.kernel.inputs import BigInt, ParameterValue
from schema.building.batches import batch
from schema.building.deletion import delete, delete_many, restore, restore_many
from schema.building.derived import title
from schema.building.edges import all_of, many, one, read, used
from schema.building.events import events_of
from schema.building.lookups import by
from schema.building.mutations import change
from schema.building.node import RowNode
from schema.types.catalog.compatibility import DatasetSchemaChange, since
from schema.types.graph.lineage import LineageNode
from schema.types.interfaces import Authored, Deletable, ProjectResource, Taggable
from schema.types.tracking.values import DELETED_AT, entries, tags


@strawberry.type(description="A named line of dataset versions.")
class Dataset(Taggable, Deletable, Authored, ProjectResource):
    """See `db.tables.Dataset`."""

    table = tables.Dataset

    name: str = strawberry.field(description="Unique in its project.")
    description: str | None = strawberry.field(description="What is in it.")
    created_at: datetime = strawberry.field(description="When it was registered.")
    deleted_at: datetime | None = strawberry.field(description=DELETED_AT)
    updated_at: datetime = strawberry.field(description="When name, description or tags last changed.")
    tags = tags()

    project = one(tables.Project, "project_id", required=True, description="Where it lives.")
    created_by = one(tables.Principal, "created_by", required=True, description="Who registered it.")
    versions = many(tables.DatasetVersion, "dataset_id", description="Its versions, newest first.")
    events = events_of(tables.Dataset)


@strawberry.type(description="The exact data behind a digest.")
class DatasetVersion(LineageNode, Taggable, Deletable, Authored):
    """See `db.tables.DatasetVersion`."""

    table = tables.DatasetVersion

    title = title(
        tables.DatasetVersion, "Its dataset and the beginning of its digest, such as `clicks sha256:2c26b46b68ff`."
    )
    digest: str = strawberry.field(description="Algorithm and value, such as `sha256:2c26…`; unique in its dataset.")
    description: str | None = strawberry.field(description="What is new in it.")
    source: str | None = strawberry.field(description="Where the data came from: text that this server never opens.")
    row_count: BigInt | None = strawberry.field(description="How many rows it has.")
    tags = tags()
    created_at: datetime = strawberry.field(description="When it was registered.")
    deleted_at: datetime | None = strawberry.field(description=DELETED_AT)

    dataset = one(tables.Dataset, "dataset_id", required=True, description="The dataset it is a version of.")
    schema = one(tables.DatasetSchema, "schema_id", description="Which columns it has.")
    schema_change = since(
        tables.DatasetVersion,
        DatasetSchemaChange,
        description="What its schema changes for those who read the version before it, the last one with a schema, or"
        " the version given as `since`; null where either has none.",
    )
    profile = one(tables.DatasetProfile, "id", child_key="dataset_version_id", description="What was counted in it.")
    created_by = one(tables.Principal, "created_by", required=True, description="Who registered it.")
    runs = used(
        tables.Run, "upstream_id",
        description="The runs that used it, the last to do so first, each once for every role.",
    )  # fmt: skip
    events = events_of(tables.DatasetVersion)


@strawberry.type(description="A column of data.")
class DatasetColumn:
    """See `registry.facts.dataset_facts.DatasetColumn`."""

    name: str = strawberry.field(description="Unique among the columns.")
    type: DataType = strawberry.field(description="What its values are.")
    nullable: bool = strawberry.field(description="Whether values may be missing.")
    description: str | None = strawberry.field(description="What it means.")


@strawberry.type(description="Which columns dataset versions have: one for all that have the same.")
class DatasetSchema(RowNode):
    """See `db.tables.DatasetSchema`."""

    table = tables.DatasetSchema

    digest: str = strawberry.field(description="What identifies its content.")
    created_at: datetime = strawberry.field(description="When it was first given.")
    columns = entries(DatasetColumn, "columns", limit=MAX_FIELDS, description="In their order.")

    dataset_versions = many(tables.DatasetVersion, "schema_id", description="Versions that have it, newest first.")
    events = events_of(tables.DatasetSchema)


@strawberry.type(description="What was counted in one column; null for what was not.")
class ColumnProfile:
    """See `registry.facts.dataset_facts.ColumnProfile`."""

    name: str = strawberry.field(description="The column.")
    count: BigInt | None = strawberry.field(description="How many values are there.")
    null_count: BigInt | None = strawberry.field(description="How many values are missing.")
    distinct_count: BigInt | None = strawberry.field(description="How many different values.")
    minimum: ParameterValue | None = strawberry.field(description="The smallest value.")
    maximum: ParameterValue | None = strawberry.field(description="The largest value.")
    mean: float | None = strawberry.field(description="The mean.")
    stddev: float | None = strawberry.field(description="The standard deviation.")


@strawberry.type(description="What was counted in a dataset version.")
class DatasetProfile(RowNode):
    """See `db.tables.DatasetProfile`."""

    table = tables.DatasetProfile

    row_count: BigInt | None = strawberry.field(description="How many rows were counted.")
    created_at: datetime = strawberry.field(description="When there was first a profile.")
    columns = entries(ColumnProfile, "columns", limit=MAX_FIELDS, description="One entry per column.")

    dataset_version = one(
        tables.DatasetVersion,
        "dataset_version_id",
        required=True,
        description="What was counted in.",
    )
    events = events_of(tables.DatasetProfile)


@strawberry.type
class DatasetQuery:
    """The reads of datasets."""

    dataset = read(by(tables.Dataset), Dataset | None, description="A dataset by id, or by project and name.")
    datasets = all_of(tables.Dataset, description="All datasets, newest first.")
    dataset_versions = all_of(tables.DatasetVersion, description="All versions of all datasets, newest first.")


@strawberry.type
class DatasetMutation:
    """The changes of datasets."""

    create_dataset = change(
        datasets.create, tables.Dataset,
        errors=[NotFound, InvalidValue, NameTaken], description="Registers a dataset, without versions.",
    )  # fmt: skip
    update_dataset = change(
        datasets.update, tables.Dataset,
        errors=[NotFound, InvalidValue, NameTaken], description="Changes what people say about a dataset.",
    )  # fmt: skip
    create_dataset_version = change(
        datasets.create_version, tables.DatasetVersion,
        errors=[NotFound, InvalidValue],
        description="Registers the data behind a digest, or finds the version that has the digest already.",
    )  # fmt: skip
    update_dataset_version = change(
        datasets.update_version, tables.DatasetVersion,
        errors=[NotFound, InvalidValue], description="Changes what people say about a dataset version.",
    )  # fmt: skip
    set_dataset_profile = change(
        dataset_facts.set_profile, tables.DatasetVersion,
        errors=[NotFound, InvalidValue], description="Says what was counted in a dataset version.",
    )  # fmt: skip
    delete_dataset = delete(
        tables.Dataset,
        description="Deletes a dataset without versions. Its name is free from then on.",
    )  # fmt: skip
    restore_dataset = restore(tables.Dataset)
    delete_dataset_version = delete(
        tables.DatasetVersion,
        description="Deletes a dataset version that no run used. Its digest can be registered anew.",
    )  # fmt: skip
    restore_dataset_version = restore(tables.DatasetVersion)
    create_dataset_versions = batch(
        create_dataset_version, ordered_by=("dataset_id", "digest"), description="Registers dataset versions."
    )
    update_dataset_versions = batch(
        update_dataset_version, description="Changes what people say about dataset versions."
    )
    delete_dataset_versions = delete_many(delete_dataset_version, description="Deletes dataset versions.")
    restore_dataset_versions = restore_many(restore_dataset_version, description="Restores dataset versions.")
