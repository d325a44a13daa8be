"""Files: what was announced, sent and kept."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, PrimaryKeyConstraint, UniqueConstraint, text
from sqlmodel import Field

from db.base import Deletable, InProject, Name, Row, Tenant, Time, code, utc_now, within
from db.codes import ArtifactKind, ArtifactState, UploadState

FAILED_STATES: Final = (ArtifactState.QUARANTINED, ArtifactState.ABANDONED)
"""Files that were not what was announced or never came: they are no part of a version, and their paths are free."""

_FAILED_CODES = ", ".join(f"'{state}'" for state in FAILED_STATES)
_TAKES_ITS_PATH = text(f"state not in ({_FAILED_CODES}) and deleted_at is null")


class Blob(Tenant, table=True):
    """Verified bytes, once in each bucket of an organization."""

    __tablename__ = "blob"
    __table_args__ = (PrimaryKeyConstraint("org_id", "bucket", "sha256"),)

    bucket: str
    sha256: str
    size_bytes: int = Field(sa_type=BigInteger)
    object_key: str
    verified_at: datetime = Field(default_factory=utc_now, sa_type=Time)


class Artifact(InProject, Deletable, table=True):
    """A file of a run or of a version. `path` is its logical name; `bucket` and `object_key` are where its bytes are.

    The place is known once the bytes are verified, and shared by all artifacts with the same bytes in the same bucket.
    """

    __tablename__ = "artifact"
    belongs_to = ("version_id", "run_id")
    __table_args__ = (
        within("project_id", "project"),
        within("run_id", "run"),
        within("version_id", "model_version"),
        within("created_by", "principal"),
        CheckConstraint("num_nonnulls(run_id, version_id) = 1", name="one_owner"),
        CheckConstraint("num_nonnulls(bucket, object_key) in (0, 2)", name="whole_place"),
        Index(
            "artifact_run_path_key", "org_id", "run_id", "folded_path",
            unique=True, postgresql_where=_TAKES_ITS_PATH,
        ),
        Index(
            "artifact_version_path_key", "org_id", "version_id", "folded_path",
            unique=True, postgresql_where=_TAKES_ITS_PATH,
        ),
        Index(None, "org_id", "run_id", "id"),
        Index(None, "org_id", "version_id", "id"),
        Index(None, "org_id", "sha256", "id"),
    )  # fmt: skip

    run_id: UUID | None = None
    version_id: UUID | None = None
    kind: ArtifactKind = Field(sa_type=code(ArtifactKind))
    path: str = Field(sa_type=Name)
    folded_path: str = Field(sa_type=Name)
    content_type: str
    size_bytes: int | None = Field(default=None, sa_type=BigInteger)
    sha256: str | None = None
    state: ArtifactState = Field(sa_type=code(ArtifactState))
    bucket: str | None = Field(default=None, sa_column_kwargs={"info": {"derived": True}})
    object_key: str | None = Field(default=None, sa_column_kwargs={"info": {"derived": True}})
    external_uri: str | None = None
    failure: str | None = None
    verified_at: datetime | None = Field(default=None, sa_type=Time)
    created_by: UUID


class Upload(InProject, Row, table=True):
    """The multipart upload that brings the bytes of an artifact."""

    __tablename__ = "upload"
    belongs_to = ("artifact_id",)
    __table_args__ = (
        within("project_id", "project"),
        within("artifact_id", "artifact"),
        UniqueConstraint("org_id", "artifact_id"),
    )

    artifact_id: UUID
    bucket: str
    object_key: str
    store_upload_id: str | None = Field(default=None, repr=False, sa_column_kwargs={"info": {"secret": True}})
    part_size_bytes: int = Field(sa_type=BigInteger)
    part_count: int
    state: UploadState = Field(default=UploadState.OPEN, sa_type=code(UploadState))
    expires_at: datetime = Field(sa_type=Time)
