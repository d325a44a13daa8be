"""API tokens: how they look, how they are kept, and who one belongs to.

A token is `mrgp_` (a user's) or `mrgs_` (a service account's), 32 random characters of base 62, and 6 more that are
their CRC-32: scanners can recognize a leaked token, and a mistyped one is refused without asking the database. Only the
SHA-256 of a token is stored; its 190 random bits need no slow hash.
"""

import hashlib
import secrets
import string
import zlib
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from sqlalchemy import and_, select, text
from sqlmodel import col
from typing_extensions import Doc

from db.base import utc_now
from db.codes import PrincipalKind, Role, ScopeKind
from db.session import Change, Database
from db.tables import ApiToken, Principal
from registry.kernel import inputs
from registry.kernel.access import Action, Actor, RoleGrant, require
from registry.kernel.errors import InvalidValue, Unauthenticated
from registry.kernel.rows import add, alter, find

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_PREFIX = {PrincipalKind.USER: "mrgp_", PrincipalKind.SERVICE_ACCOUNT: "mrgs_"}
MAX_LIFETIME = timedelta(days=366)

_AUTHENTICATE = text("select * from registry.authenticate(:token_hash)")


def new_token(kind: PrincipalKind) -> str:
    """A fresh token; it exists nowhere else."""
    secret = "".join(secrets.choice(_ALPHABET) for _ in range(32))
    return _PREFIX[kind] + secret + _checksum(secret)


def is_well_formed(token: str) -> bool:
    """Whether prefix, length and checksum fit. A token that does not fit was never issued."""
    prefix, secret, checksum = token[:5], token[5:37], token[37:]
    return prefix in _PREFIX.values() and len(secret) == 32 and secret.isascii() and checksum == _checksum(secret)


def hash_of(token: str) -> bytes:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).digest()


async def authenticate(database: Database, token: str) -> Actor:
    """The principal behind a token, with its roles as they are now.

    Raises: Unauthenticated when the token is unknown, expired or revoked: the three look the same.
    """
    if not is_well_formed(token):
        raise Unauthenticated
    async with database.as_nobody() as connection:
        found = (await connection.execute(_AUTHENTICATE, {"token_hash": hash_of(token)})).one_or_none()
    if found is None:
        raise Unauthenticated
    grants = tuple(
        RoleGrant(Role(binding["role"]), ScopeKind(binding["scope_kind"]), UUID(binding["scope_id"]))
        for binding in found.bindings
    )
    return Actor(
        found.org_id,
        found.principal_id,
        PrincipalKind(found.principal_kind),
        found.principal_name,
        grants,
    )


async def issue(
    change: Change,
    actor: Actor,
    *,
    principal_id: Annotated[UUID, inputs.Of("Principal"), Doc("Whose token.")],
    name: Annotated[str, Doc("What it is for; shown in lists.")],
    lifetime: Annotated[timedelta, Doc("How long it is valid, at most a year.")],
) -> tuple[ApiToken, str]:
    """A new token of a principal: its row, and the token itself, which cannot be had again.

    Raises: Forbidden, NotFound, InvalidValue.
    """
    principal = await find(change, Principal, principal_id, "principal")
    require(actor, Action.ADMINISTER, principal)
    if not timedelta(0) < lifetime <= MAX_LIFETIME:
        raise InvalidValue(f"A token is valid for at most {MAX_LIFETIME.days} days.", ("lifetime",))
    token = new_token(principal.kind)
    row = ApiToken(
        org_id=change.org_id,
        principal_id=principal.id,
        name=inputs.name(name),
        token_hash=hash_of(token),
        last_four=token[-4:],
        expires_at=utc_now() + lifetime,
    )
    return await add(change, actor, row), token


async def revoke(change: Change, actor: Actor, *, token_id: UUID) -> ApiToken:
    """Let a token open nothing any more, for good. One that was revoked before stays as it is.

    Raises: Forbidden, NotFound.
    """
    row = await find(change, ApiToken, token_id, "token", lock=True)
    require(actor, Action.ADMINISTER, row)
    if row.revoked_at is not None:
        return row
    return await alter(change, actor, row, {"revoked_at": utc_now()}, verb="revoked")


async def known(change: Change, actor: Actor) -> list[tuple[ApiToken, Principal]]:
    """All tokens of the organization and whose they are, the oldest first.

    Raises: Forbidden.
    """
    require(actor, Action.ADMINISTER)
    statement = (
        select(ApiToken, Principal)
        .join(
            Principal,
            and_(col(Principal.org_id) == col(ApiToken.org_id), col(Principal.id) == col(ApiToken.principal_id)),
        )
        .where(col(ApiToken.org_id) == change.org_id)
        .order_by(col(ApiToken.id))
    )
    return [(row, principal) for row, principal in (await change.execute(statement)).all()]


async def named(change: Change, actor: Actor, name: str) -> ApiToken:
    """The token with this id, or the only one that ends with these four characters.

    Raises: Forbidden, InvalidValue.
    """
    found = [row for row, _ in await known(change, actor) if name in (str(row.id), row.last_four)]
    if len(found) == 1:
        return found[0]
    reason = f"{len(found)} tokens end with" if found else "No token has the id or ends with"
    raise InvalidValue(f"{reason} {name!r}. Give the id as the list of tokens shows it.", ("token",))


def _checksum(secret: str) -> str:
    """CRC-32 of the random characters as six digits of base 62."""
    number, digits = zlib.crc32(secret.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = _ALPHABET[digit] + digits
    return digits
