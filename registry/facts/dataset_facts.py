"""Schemas and profiles of dataset versions: which columns the data has, and what was counted in them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from typing_extensions import Doc

from db import tables
from db.codes import DataType
from db.session import Change
from registry.facts import content_rows
from registry.facts.signatures import MAX_FIELD_TEXT, MAX_FIELDS, named
from registry.kernel import inputs
from registry.kernel.access import Action, Actor, require
from registry.kernel.errors import InvalidValue
from registry.kernel.rows import add, alter, find, find_by


@dataclass(frozen=True)
class DatasetColumn:
    """A column of data."""

    name: Annotated[str, Doc(f"Unique among the columns; 1 to {inputs.MAX_NAME} characters.")]
    type: Annotated[DataType, Doc("What its values are.")]
    nullable: Annotated[bool, Doc("Whether values may be missing.")] = True
    description: Annotated[str | None, Doc(f"What it means; at most {MAX_FIELD_TEXT} characters.")] = None


@dataclass(frozen=True)
class DatasetSchema:
    """Which columns the data has."""

    columns: Annotated[Sequence[DatasetColumn], Doc(f"In this order; 1 to {MAX_FIELDS}.")]


@dataclass(frozen=True)
class ColumnProfile:
    """What was counted in one column. Give what is known."""

    name: Annotated[str, Doc(f"Unique among the columns; 1 to {inputs.MAX_NAME} characters.")]
    count: Annotated[inputs.BigInt | None, Doc("How many values are there.")] = None
    null_count: Annotated[inputs.BigInt | None, Doc("How many values are missing.")] = None
    distinct_count: Annotated[inputs.BigInt | None, Doc("How many different values.")] = None
    minimum: Annotated[inputs.ParameterValue | None, Doc("The smallest value, as a number or as text.")] = None
    maximum: Annotated[inputs.ParameterValue | None, Doc("The largest value, as a number or as text.")] = None
    mean: Annotated[float | None, Doc("The mean; a finite number.")] = None
    stddev: Annotated[float | None, Doc("The standard deviation; a finite number from 0.")] = None


@dataclass(frozen=True)
class DatasetProfile:
    """What was counted in the data."""

    row_count: Annotated[inputs.BigInt | None, Doc("How many rows.")] = None
    columns: Annotated[Sequence[ColumnProfile], Doc(f"At most {MAX_FIELDS}.")] = ()


async def keep(change: Change, actor: Actor, schema: DatasetSchema) -> tables.DatasetSchema:
    """The row of a schema. Raises: InvalidValue, naming the place."""
    return await content_rows.keep(change, actor, tables.DatasetSchema, stored_schema(schema))


def stored_schema(schema: DatasetSchema) -> dict[str, Any]:
    """A schema as the columns of its row. Raises: InvalidValue, naming the place."""
    path = ("schema", "columns")
    if not schema.columns:
        raise InvalidValue("A schema has at least one column.", path)
    return {"columns": [_column(column, here) for column, here in named(schema.columns, path)]}


async def put_profile(
    change: Change, actor: Actor, version: tables.DatasetVersion, profile: DatasetProfile
) -> tables.DatasetProfile:
    """The profile of a dataset version, new or in place of the earlier one. The version must be locked or new.

    Raises: InvalidValue, naming the place.
    """
    values = stored_profile(profile)
    row = await find_by(change, tables.DatasetProfile, dataset_version_id=version.id)
    if row is not None:
        return await alter(change, actor, row, values)
    made = tables.DatasetProfile(org_id=change.org_id, dataset_version_id=version.id, **values)
    return await add(change, actor, made)


def stored_profile(profile: DatasetProfile) -> dict[str, Any]:
    """A profile as the columns of its row. Raises: InvalidValue, naming the place."""
    path = ("profile", "columns")
    return {
        "row_count": _count(profile.row_count, ("profile", "rowCount")),
        "columns": [_column_profile(column, here) for column, here in named(profile.columns, path)],
    }


async def set_profile(
    change: Change,
    actor: Actor,
    *,
    dataset_version_id: Annotated[inputs.DatasetVersionId, Doc("Of which dataset version.")],
    profile: Annotated[DatasetProfile, Doc("All that was counted; it takes the place of an earlier profile.")],
) -> tables.DatasetVersion:
    """Say what was counted in a dataset version.

    Raises: Forbidden, NotFound, InvalidValue.
    """
    version = await find(change, tables.DatasetVersion, dataset_version_id, "datasetVersion", lock=True)
    require(actor, Action.WRITE, version)
    await put_profile(change, actor, version, profile)
    return version


def _column(column: DatasetColumn, path: Sequence[str]) -> dict[str, Any]:
    return {
        "name": inputs.name(column.name),
        "type": column.type.value,
        "nullable": column.nullable,
        "description": inputs.text(column.description, (*path, "description"), max_length=MAX_FIELD_TEXT),
    }


def _column_profile(column: ColumnProfile, path: Sequence[str]) -> dict[str, Any]:
    return {
        "name": inputs.name(column.name),
        "count": _count(column.count, (*path, "count")),
        "null_count": _count(column.null_count, (*path, "nullCount")),
        "distinct_count": _count(column.distinct_count, (*path, "distinctCount")),
        "minimum": _extreme(column.minimum, (*path, "minimum")),
        "maximum": _extreme(column.maximum, (*path, "maximum")),
        "mean": _finite(column.mean, (*path, "mean")),
        "stddev": _finite(column.stddev, (*path, "stddev"), least=0.0),
    }


def _extreme(value: object, path: Sequence[str]) -> object:
    return None if value is None else inputs.parameter_value(value, path)


def _count(value: int | None, path: Sequence[str]) -> int | None:
    if value is not None and not 0 <= value <= inputs.MAX_STEP:
        raise InvalidValue("A count is a whole number from 0 to 9223372036854775807.", path)
    return value


def _finite(value: float | None, path: Sequence[str], *, least: float = -math.inf) -> float | None:
    if value is None:
        return None
    if not math.isfinite(value) or value < least:
        raise InvalidValue("This is a finite number, and a standard deviation is not below 0.", path)
    return value
