"""Work to be done, and what keeps it from being done twice: jobs, imports, idempotency keys."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Index, PrimaryKeyConstraint, UniqueConstraint, Uuid
from sqlmodel import Field

from db.base import Name, Row, Tenant, Time, code, utc_now, within
from db.codes import JobKind


class Job(Row, table=True):
    """Work for a worker: due at `run_after`, taken while `lease_until` is in the future."""

    __tablename__ = "job"
    __table_args__ = (UniqueConstraint("org_id", "kind", "subject_id"), Index(None, "run_after"))

    kind: JobKind = Field(sa_type=code(JobKind))
    subject_id: UUID
    run_after: datetime = Field(default_factory=utc_now, sa_type=Time)
    attempts: int = 0
    lease_id: UUID | None = None
    lease_until: datetime | None = Field(default=None, sa_type=Time)
    last_error: str | None = None


class ImportKey(Tenant, table=True):
    """Which row a key of an imported file stands for, and the digest of the line that was imported last.

    `brought` tells whether the row came in by that key; else it was here before.
    """

    __tablename__ = "import_key"
    __table_args__ = (PrimaryKeyConstraint("org_id", "source", "kind", "key"),)

    source: str = Field(sa_type=Name)
    kind: str
    key: str = Field(sa_type=Name)
    row_id: UUID
    digest: bytes
    brought: bool


class ImportProgress(Tenant, table=True):
    """How far an import that has not ended has come: so many bytes with this digest are in."""

    __tablename__ = "import_progress"
    __table_args__ = (PrimaryKeyConstraint("org_id", "source"),)

    source: str = Field(sa_type=Name)
    size_bytes: int = Field(sa_type=BigInteger)
    line_count: int = Field(sa_type=BigInteger)
    digest: bytes
    updated_at: datetime = Field(default_factory=utc_now, sa_type=Time)


class Idempotency(Tenant, table=True):
    """The outcome of a change, kept under the key its caller chose."""

    __tablename__ = "idempotency"
    __table_args__ = (
        PrimaryKeyConstraint("org_id", "principal_id", "key"),
        within("principal_id", "principal"),
        Index(None, "created_at"),
    )

    principal_id: UUID
    key: str
    request_hash: bytes
    outcome_id: UUID | None = None
    outcome_ids: list[UUID | None] | None = Field(default=None, sa_type=ARRAY(Uuid))
    created_at: datetime = Field(default_factory=utc_now, sa_type=Time)
