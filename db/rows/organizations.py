"""Who works here: organizations, their teams and projects, principals, tokens and roles."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field

from db.base import Deletable, Name, Row, Time, code, unique_while_live, within
from db.codes import PrincipalKind, Role, ScopeKind


class Organization(Row, table=True):
    """The tenant. Its id is its `org_id`."""

    __tablename__ = "organization"
    __table_args__ = (CheckConstraint("id = org_id", name="is_its_own"),)

    name: str = Field(sa_type=Name, unique=True)


class Team(Deletable, table=True):
    """People who own projects together."""

    __tablename__ = "team"
    __table_args__ = (unique_while_live("team", "name"),)

    name: str = Field(sa_type=Name)


class Project(Deletable, table=True):
    """Where models, runs and datasets live."""

    __tablename__ = "project"
    __table_args__ = (within("team_id", "team"), unique_while_live("project", "team_id", "name"))

    team_id: UUID
    name: str = Field(sa_type=Name)
    description: str | None = None


class Principal(Row, table=True):
    """Somebody or something that acts."""

    __tablename__ = "principal"
    __table_args__ = (UniqueConstraint("org_id", "name"),)

    kind: PrincipalKind = Field(sa_type=code(PrincipalKind))
    name: str = Field(sa_type=Name)


class ApiToken(Row, table=True):
    """A token of a principal: only the SHA-256 of it is kept."""

    __tablename__ = "api_token"
    __table_args__ = (within("principal_id", "principal"), Index(None, "org_id", "principal_id", "id"))

    principal_id: UUID
    name: str = Field(sa_type=Name)
    token_hash: bytes = Field(unique=True, repr=False, sa_column_kwargs={"info": {"secret": True}})
    last_four: str
    expires_at: datetime = Field(sa_type=Time)
    revoked_at: datetime | None = Field(default=None, sa_type=Time)
    last_used_at: datetime | None = Field(default=None, sa_type=Time)


class RoleBinding(Row, table=True):
    """A principal has a role in a scope."""

    __tablename__ = "role_binding"
    __table_args__ = (
        within("principal_id", "principal"),
        UniqueConstraint("org_id", "principal_id", "role", "scope_kind", "scope_id"),
    )

    principal_id: UUID
    role: Role = Field(sa_type=code(Role))
    scope_kind: ScopeKind = Field(sa_type=code(ScopeKind))
    scope_id: UUID
