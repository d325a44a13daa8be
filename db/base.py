"""The shape every tenant table shares: keys and foreign keys that begin with the organization."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    Column,
    DateTime,
    FetchedValue,
    ForeignKeyConstraint,
    Index,
    MetaData,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from db.ids import uuid7

SCHEMA = "registry"
_LIVE = text("deleted_at is null")

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "%(table_name)s_pk",
        "fk": "%(table_name)s_%(column_0_N_name)s_fk",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_ix",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    },
)


def utc_now() -> datetime:
    """Now, in UTC, with microseconds: what the database stores, so that an image equals its row."""
    return datetime.now(UTC)


class Time(DateTime):
    """A moment; always with its time zone."""

    def __init__(self) -> None:
        super().__init__(timezone=True)


class Name(Text):
    """Text in code-point order, whatever the locale of the database: cursors and unique names agree everywhere."""

    def __init__(self) -> None:
        super().__init__(collation="C")


class Json(JSONB):
    """A JSON value; Python's None is the SQL NULL."""

    def __init__(self) -> None:
        super().__init__(none_as_null=True)


def code(enum: type[StrEnum]) -> type[TypeDecorator[Any]]:
    """The column type for members of `enum`: stored as text, anything else refused; a new member needs no migration."""

    class Code(TypeDecorator[Any]):
        impl = Text
        cache_ok = True

        def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
            return None if value is None else enum(value).value

    return Code


class Tenant(SQLModel):
    """What belongs to one organization: `org_id` leads every key and every index.

    `belongs_to` names the columns that refer to what a row belongs to within it; the first that is set counts. Foreign
    keys say which tables that are. A column without one has the kind beside it, as `downstream_kind` is beside
    `downstream_id`. `db.belonging` follows these columns up to a model and a project.
    """

    metadata = metadata
    belongs_to: ClassVar[tuple[str, ...]] = ()

    org_id: UUID


class Row(Tenant):
    """A tenant row with an id of its own. The name of its class is the name of its kind, everywhere.

    `noun` is the word for it in fields, mutations and events where that is shorter than the name of its table.
    """

    noun: ClassVar[str] = ""

    org_id: UUID = Field(primary_key=True)
    id: UUID = Field(default_factory=uuid7, primary_key=True)
    created_at: datetime = Field(default_factory=utc_now, sa_type=Time)


class Deletable(Row):
    """A row that can be deleted and restored. While `deleted_at` is set it is in no list and its names are free."""

    deleted_at: datetime | None = Field(default=None, sa_type=Time)


_FOLLOWS: dict[str, Any] = {"server_default": FetchedValue(), "info": {"derived": True}}


class InProject(SQLModel):
    """A row of a project. The database sets `project_id`, from what the row belongs to: see `db.projects`."""

    project_id: UUID = Field(default=None, nullable=False, sa_column_kwargs=_FOLLOWS)


class MaybeInProject(SQLModel):
    """A row of a project, or of none: set as that of `InProject` is."""

    project_id: UUID | None = Field(default=None, nullable=True, sa_column_kwargs=_FOLLOWS)


def noun_of(table: type[Tenant]) -> str:
    """Return the word for a row of a table in fields, mutations and events, in snake case."""
    return getattr(table, "noun", "") or str(table.__tablename__)


def within(column: str, table: str) -> ForeignKeyConstraint:
    """`column` refers to a row of `table` in the same organization: it cannot point into another."""
    return ForeignKeyConstraint(["org_id", column], [f"{SCHEMA}.{table}.org_id", f"{SCHEMA}.{table}.id"])


def version_of_model(column: str) -> ForeignKeyConstraint:
    """`column` refers to a version of the row's own model."""
    found = (f"{SCHEMA}.model_version.{name}" for name in ("org_id", "model_id", "id"))
    return ForeignKeyConstraint(["org_id", "model_id", column], list(found))


def unique_while_live(table: str, *names: str) -> Index:
    """The index that keeps `names` unique within the organization among the rows that are not deleted."""
    return Index(f"{table}_org_id_{'_'.join(names)}_key", "org_id", *names, unique=True, postgresql_where=_LIVE)


def unique_key(table: type[Tenant], *names: str) -> str:
    """The name of what keeps `names` unique within the organization, constraint or index. Raises: LookupError."""
    found = metadata.tables[f"{SCHEMA}.{table.__tablename__}"]
    unique: list[UniqueConstraint | Index] = [one for one in found.constraints if isinstance(one, UniqueConstraint)]
    unique += [index for index in found.indexes if index.unique]
    for one in unique:
        if {column.name for column in one.columns} - {"org_id"} == set(names):
            return str(one.name)
    raise LookupError(f"{table.__name__} does not keep {names} unique.")


def unique_within(table: type[Tenant], parent: str) -> set[frozenset[str]]:
    """Return the sets of columns of which no two live rows with the same `parent` have the same values.

    `parent` is a column, or `org_id` for what is unique in the whole organization.
    """
    found = metadata.tables[f"{SCHEMA}.{table.__tablename__}"]
    keys: list[UniqueConstraint | Index] = [one for one in found.constraints if isinstance(one, UniqueConstraint)]
    keys += [index for index in found.indexes if index.unique]
    named = [{column.name for column in key.columns} for key in keys]
    return {frozenset(names - {"org_id", parent}) for names in named if parent in names} - {frozenset()}


def columns(table: type[Tenant]) -> list[Column[Any]]:
    """The columns of a table, in order. Reads select these; whole entities are for changes."""
    return list(metadata.tables[f"{SCHEMA}.{table.__tablename__}"].columns)
