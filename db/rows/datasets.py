"""Datasets and what is known of their versions."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, UniqueConstraint
from sqlmodel import Field

from db.base import Deletable, InProject, Json, Name, Row, Time, unique_while_live, utc_now, within


class Dataset(Deletable, table=True):
    """A named line of dataset versions."""

    __tablename__ = "dataset"
    belongs_to = ("project_id",)
    __table_args__ = (
        within("project_id", "project"),
        within("created_by", "principal"),
        unique_while_live("dataset", "project_id", "name"),
        Index(None, "org_id", "project_id", "id"),
    )

    project_id: UUID
    name: str = Field(sa_type=Name)
    description: str | None = None
    tags: dict[str, str] = Field(default_factory=dict, sa_type=Json)
    created_by: UUID
    updated_at: datetime = Field(default_factory=utc_now, sa_type=Time, sa_column_kwargs={"info": {"derived": True}})


class DatasetVersion(InProject, Deletable, table=True):
    """The exact data behind a digest."""

    __tablename__ = "dataset_version"
    belongs_to = ("dataset_id",)
    __table_args__ = (
        within("project_id", "project"),
        within("dataset_id", "dataset"),
        within("schema_id", "dataset_schema"),
        within("created_by", "principal"),
        unique_while_live("dataset_version", "dataset_id", "digest"),
        Index(None, "org_id", "dataset_id", "id"),
        Index(None, "org_id", "digest", "id"),
        Index(None, "org_id", "schema_id", "id"),
    )

    dataset_id: UUID
    digest: str
    description: str | None = None
    source: str | None = None
    row_count: int | None = Field(default=None, sa_type=BigInteger)
    schema_id: UUID | None = None
    tags: dict[str, str] = Field(default_factory=dict, sa_type=Json)
    created_by: UUID


class DatasetProfile(InProject, Row, table=True):
    """What was counted in a dataset version, column by column."""

    __tablename__ = "dataset_profile"
    belongs_to = ("dataset_version_id",)
    __table_args__ = (
        within("project_id", "project"),
        within("dataset_version_id", "dataset_version"),
        UniqueConstraint("org_id", "dataset_version_id"),
    )

    dataset_version_id: UUID
    row_count: int | None = Field(default=None, sa_type=BigInteger)
    columns: list[dict[str, Any]] = Field(sa_type=Json)
