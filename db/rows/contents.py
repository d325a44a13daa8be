"""Contents that several things share, kept once by their digest."""

from typing import Any

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from db.base import Json, Row


class Content(Row):
    """Facts that many things share and nobody changes: one row for each digest in an organization."""

    digest: str


class Signature(Content, table=True):
    """What versions take and give."""

    __tablename__ = "signature"
    __table_args__ = (UniqueConstraint("org_id", "digest"),)

    inputs: list[dict[str, Any]] = Field(sa_type=Json)
    outputs: list[dict[str, Any]] = Field(sa_type=Json)
    parameters: list[dict[str, Any]] = Field(sa_type=Json)
    features: list[dict[str, Any]] = Field(sa_type=Json)


class Runtime(Content, table=True):
    """What runs and versions were made with. `packages` are versions by name."""

    __tablename__ = "runtime"
    __table_args__ = (UniqueConstraint("org_id", "digest"),)

    python_version: str | None = None
    packages: dict[str, str] = Field(sa_type=Json)
    image: str | None = None
    repository: str | None = None
    commit: str | None = None
    hardware: dict[str, Any] | None = Field(default=None, sa_type=Json)


class DatasetSchema(Content, table=True):
    """Which columns dataset versions have."""

    __tablename__ = "dataset_schema"
    __table_args__ = (UniqueConstraint("org_id", "digest"),)

    columns: list[dict[str, Any]] = Field(sa_type=Json)
