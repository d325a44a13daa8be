"""`registry token`: make, list and revoke API tokens."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

from db.codes import PrincipalKind, Role
from db.session import Change, Database
from db.tables import ApiToken, Principal
from registry.kernel.access import Actor
from registry.tenants import organizations, tokens
from registry.tenants.onboarding import token_for
from server.commands.environment import Made, connected, in_organization
from server.settings import Settings


def create(
    settings: Settings,
    organization: str,
    principal: str,
    *,
    kind: PrincipalKind | None,
    role: Role | None,
    expires_minutes: int | None,
) -> str:
    """A new token, valid as long as the settings say unless `expires_minutes` does."""
    lifetime = timedelta(minutes=expires_minutes or settings.access_token_expire_minutes)

    async def make() -> str:
        async with connected(settings) as database:
            return await token_for(database, organization, principal, kind=kind, role=role, lifetime=lifetime)

    return asyncio.run(make())


def lines(settings: Settings, organization: str) -> list[str]:
    """A line for each token of an organization, the oldest first."""

    async def listed(change: Change, system: Actor) -> list[str]:
        return [_line_of(row, principal) for row, principal in await tokens.known(change, system)]

    return _as_operator(settings, organization, listed)


def revoke(settings: Settings, organization: str, name: str) -> ApiToken:
    """Revoke the token that has this id or ends with these characters."""

    async def revoked(change: Change, system: Actor) -> ApiToken:
        found = await tokens.named(change, system, name)
        return await tokens.revoke(change, system, token_id=found.id)

    return _as_operator(settings, organization, revoked)


def _as_operator(settings: Settings, organization: str, act: Callable[[Change, Actor], Awaitable[Made]]) -> Made:
    """What `act` makes of one transaction of an organization that exists."""

    async def run(database: Database, org_id: UUID) -> Made:
        async with database.change(org_id) as change:
            return await act(change, organizations.system(org_id))

    return in_organization(settings, organization, run)


def _line_of(row: ApiToken, principal: Principal) -> str:
    end = f"revoked {row.revoked_at:%Y-%m-%d}" if row.revoked_at else f"expires {row.expires_at:%Y-%m-%d}"
    used = f"used {row.last_used_at:%Y-%m-%d}" if row.last_used_at else "never used"
    return "  ".join((str(row.id), f"…{row.last_four}", principal.name, row.name, end, used))
