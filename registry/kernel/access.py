"""Who is asking, and whether they may: one function decides for every rule."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from db.base import Row
from db.codes import PrincipalKind, Role, ScopeKind
from registry.kernel.errors import Forbidden

RANK: Final = {role: rank for rank, role in enumerate(Role)}


class Action(StrEnum):
    """What can be done with a thing."""

    READ = "read"
    WRITE = "write"
    ORGANIZE = "organize"
    PROMOTE_TO_STAGING = "promote to staging"
    PROMOTE_TO_PRODUCTION = "promote to production"
    ROLL_BACK = "roll back"
    REVIEW = "review"
    ADMINISTER = "administer"


NEEDED: Final = {
    Action.READ: Role.READER,
    Action.WRITE: Role.WRITER,
    Action.ORGANIZE: Role.MAINTAINER,
    Action.PROMOTE_TO_STAGING: Role.MAINTAINER,
    Action.PROMOTE_TO_PRODUCTION: Role.PROMOTER,
    Action.ROLL_BACK: Role.PROMOTER,
    Action.REVIEW: Role.MAINTAINER,
    Action.ADMINISTER: Role.ADMIN,
}


@dataclass(frozen=True)
class RoleGrant:
    """A role in a scope."""

    role: Role
    scope_kind: ScopeKind
    scope_id: UUID


@dataclass(frozen=True)
class Actor:
    """A principal at work in its organization, with the roles it has there."""

    org_id: UUID
    principal_id: UUID
    kind: PrincipalKind
    name: str
    grants: tuple[RoleGrant, ...]

    @property
    def signature(self) -> str:
        """How events name the actor."""
        return f"Principal:{self.principal_id}"

    def rank_for(self, thing: Row | None) -> int:
        """The highest rank among the roles that hold for `thing`; -1 without any."""
        if thing is not None and thing.org_id != self.org_id:
            return -1
        held = (grant.role for grant in self.grants if grant.scope_id == self.org_id)
        return max((RANK[role] for role in held), default=-1)


def require(actor: Actor, action: Action, thing: Row | None = None) -> None:
    """Refuse unless the actor may do this with the thing; without a thing, with its organization.

    Raises: Forbidden.
    """
    needed = NEEDED[action]
    if actor.rank_for(thing) < RANK[needed]:
        what = "this organization" if thing is None else f"this {type(thing).__name__}"
        raise Forbidden(f"To {action} in {what} you need the role {needed} or a higher one.")
