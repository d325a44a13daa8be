"""What lies over all areas: the edges of lineage and the documents of the search."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, PrimaryKeyConstraint, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlmodel import Field

from db.base import Json, MaybeInProject, Row, Tenant, Time, code, utc_now, within
from db.codes import DatasetRole, LineageKind, SearchKind, Stage


class LineageEdge(MaybeInProject, Row, table=True):
    """One thing is downstream of another, from `valid_from` until `valid_to`."""

    __tablename__ = "lineage_edge"
    belongs_to = ("downstream_id",)
    __table_args__ = (
        within("project_id", "project"),
        Index(
            "lineage_edge_key", "org_id", "upstream_id", "downstream_id", "kind", "role",
            unique=True, postgresql_where=text("valid_to is null"), postgresql_nulls_not_distinct=True,
        ),
        Index(None, "org_id", "upstream_id", "id"),
        Index(None, "org_id", "downstream_id", "id"),
    )  # fmt: skip

    kind: LineageKind = Field(sa_type=code(LineageKind))
    role: DatasetRole | None = Field(default=None, sa_type=code(DatasetRole))
    upstream_kind: str
    upstream_id: UUID
    downstream_kind: str
    downstream_id: UUID
    valid_from: datetime = Field(default_factory=utc_now, sa_type=Time)
    valid_to: datetime | None = Field(default=None, sa_type=Time)


class SearchDocument(Tenant, table=True):
    """The words of a thing, kept by triggers. `words` is null while the thing is deleted.

    `registry.graph.search` reads it: the index on `words` is of no use under row-level security.
    """

    __tablename__ = "search_document"
    __table_args__ = (
        PrimaryKeyConstraint("org_id", "id", "kind"),
        Index(None, "org_id", "parent_id"),
        Index(None, "words", postgresql_using="gin"),
    )

    kind: SearchKind = Field(sa_type=code(SearchKind))
    id: UUID
    parent_id: UUID | None = None
    project_id: UUID | None = None
    framework: str | None = None
    stage: Stage | None = Field(default=None, sa_type=code(Stage))
    title: str
    tags: dict[str, str] = Field(default_factory=dict, sa_type=Json)
    words: str | None = Field(default=None, sa_type=TSVECTOR)
