"""API tokens: their shape, what is kept of them, and whom they let in."""

import asyncio
import hashlib
import re
import string
import zlib
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text, update
from sqlmodel import col

from db.base import columns, utc_now
from db.codes import PrincipalKind, Role, ScopeKind
from db.errors import DatabaseUnavailable
from db.roles import Roles
from db.session import Database
from db.tables import ApiToken
from registry.kernel.access import Actor, RoleGrant
from registry.kernel.errors import Forbidden, InvalidValue, NotFound, Unauthenticated
from registry.tenants import tokens
from tests.tenant import Tenant

DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase


async def row_of(tenant: Tenant, token: str) -> Any:
    """The stored row of a token."""
    snapshot = tenant.database.new_snapshot(tenant.org_id)
    statement = select(*columns(ApiToken)).where(col(ApiToken.token_hash) == tokens.hash_of(token))
    (row,) = await snapshot.rows(statement)
    await snapshot.close()
    return row


async def alter(tenant: Tenant, token: str, **values: Any) -> None:
    async with tenant.database.change(tenant.org_id) as change:
        await change.execute(update(ApiToken).where(col(ApiToken.token_hash) == tokens.hash_of(token)).values(**values))


@pytest.mark.parametrize(("kind", "prefix"), [(PrincipalKind.USER, "mrgp_"), (PrincipalKind.SERVICE_ACCOUNT, "mrgs_")])
def test_a_token_can_be_recognized_and_checked_without_the_registry(kind: PrincipalKind, prefix: str) -> None:
    token = tokens.new_token(kind)
    assert re.fullmatch(rf"{prefix}[0-9A-Za-z]{{38}}", token)
    secret, checksum = token[5:37], token[37:]
    number = sum(DIGITS.index(digit) * 62**place for place, digit in enumerate(reversed(checksum)))
    assert number == zlib.crc32(secret.encode())
    assert tokens.is_well_formed(token)


def test_no_two_tokens_are_the_same() -> None:
    assert len({tokens.new_token(PrincipalKind.USER) for _ in range(1000)}) == 1000


def test_a_token_with_one_wrong_character_is_not_well_formed() -> None:
    token = tokens.new_token(PrincipalKind.USER)
    for place in range(len(token)):
        other = "x" if token[place] != "x" else "y"
        assert not tokens.is_well_formed(token[:place] + other + token[place + 1 :])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: "",
        lambda token: token[:-1],
        lambda token: token + "0",
        lambda token: token + "\n",
        lambda token: " " + token,
        lambda token: token.swapcase(),
        lambda token: "mrgx_" + token[5:],
        lambda token: token[:5] + "ä" * 32 + token[37:],
        lambda token: token[:5] + "\ud800" * 32 + token[37:],
        lambda token: token * 1000,
    ],
)
async def test_what_was_never_issued_is_refused_without_asking_the_database(spoil: Any) -> None:
    nowhere = Database.connect("postgresql://u@127.0.0.1:1/d", Roles())
    with pytest.raises(Unauthenticated):
        await tokens.authenticate(nowhere, spoil(tokens.new_token(PrincipalKind.USER)))
    await nowhere.close()


async def test_only_the_hash_of_a_token_is_kept(tenant: Tenant) -> None:
    token = tenant.client.token
    row = await row_of(tenant, token)
    assert row.token_hash == hashlib.sha256(token.encode()).digest()
    assert row.last_four == token[-4:]
    kept = repr(tuple(row)) + await _events(tenant)
    assert token not in kept
    assert token[5:-6] not in kept


async def test_neither_token_nor_hash_is_in_an_event(tenant: Tenant) -> None:
    token_hash = tokens.hash_of(tenant.client.token)
    told = await _events(tenant)
    assert "api_token.created" in told
    assert "token_hash" not in told
    for spelling in (token_hash.hex(), repr(token_hash)[2:-1]):
        assert spelling not in told


async def test_the_actor_has_the_roles_of_its_principal(tenant: Tenant) -> None:
    member = await tenant.member(Role.WRITER, PrincipalKind.SERVICE_ACCOUNT)
    actor = await tokens.authenticate(tenant.database, member.token)
    assert (actor.org_id, actor.principal_id, actor.kind) == (
        tenant.org_id,
        member.actor.principal_id,
        PrincipalKind.SERVICE_ACCOUNT,
    )
    assert actor.grants == (RoleGrant(Role.WRITER, ScopeKind.ORGANIZATION, tenant.org_id),)


async def test_a_principal_without_a_role_is_known_and_has_no_grants(tenant: Tenant) -> None:
    member = await tenant.member(Role.READER)
    async with tenant.database.change(tenant.org_id) as change:
        await change.execute(
            text("delete from registry.role_binding where principal_id = :id"), {"id": member.actor.principal_id}
        )
    assert (await tokens.authenticate(tenant.database, member.token)).grants == ()


async def test_unknown_expired_revoked_and_malformed_tokens_look_the_same(tenant: Tenant) -> None:
    expired, revoked = [await tenant.member(Role.READER) for _ in range(2)]
    await alter(tenant, expired.token, expires_at=utc_now())
    await alter(tenant, revoked.token, revoked_at=utc_now())
    presented = [expired.token, revoked.token, tokens.new_token(PrincipalKind.USER), "nonsense", ""]
    answers = {await _refusal(tenant.database, token) for token in presented}
    assert answers == {("UNAUTHENTICATED", "Send a valid API token as `Authorization: Bearer <token>`.")}


async def test_a_token_works_until_its_last_moment(tenant: Tenant) -> None:
    member = await tenant.member(Role.READER)
    await alter(tenant, member.token, expires_at=utc_now() + timedelta(seconds=30))
    assert await tokens.authenticate(tenant.database, member.token)


async def test_the_last_use_is_noted_at_most_once_a_minute(tenant: Tenant) -> None:
    token = (await tenant.member(Role.READER)).token
    await tokens.authenticate(tenant.database, token)
    first = (await row_of(tenant, token)).last_used_at
    assert first is not None
    for _ in range(3):
        await tokens.authenticate(tenant.database, token)
    assert (await row_of(tenant, token)).last_used_at == first

    await alter(tenant, token, last_used_at=first - timedelta(seconds=61))
    await asyncio.gather(*(tokens.authenticate(tenant.database, token) for _ in range(5)))
    assert (await row_of(tenant, token)).last_used_at >= first


async def test_a_token_that_lets_nobody_in_is_not_noted_as_used(tenant: Tenant) -> None:
    token = (await tenant.member(Role.READER)).token
    long_ago = utc_now() - timedelta(days=1)
    await alter(tenant, token, revoked_at=utc_now(), last_used_at=long_ago)
    await _refusal(tenant.database, token)
    assert (await row_of(tenant, token)).last_used_at == long_ago


@pytest.mark.parametrize(
    "lifetime", [timedelta(0), timedelta(seconds=-1), timedelta(days=366, microseconds=1), timedelta.max]
)
async def test_a_lifetime_that_is_none_or_too_long_is_refused(tenant: Tenant, lifetime: timedelta) -> None:
    with pytest.raises(InvalidValue, match="at most 366 days") as refused:
        await _issue(tenant, tenant.actor, lifetime=lifetime)
    assert refused.value.path == ("lifetime",)


async def test_a_token_may_live_for_a_leap_year(tenant: Tenant) -> None:
    token = await _issue(tenant, tenant.actor, lifetime=timedelta(days=366))
    assert await tokens.authenticate(tenant.database, token)


@pytest.mark.parametrize("role", [Role.READER, Role.WRITER, Role.MAINTAINER, Role.PROMOTER])
async def test_lesser_roles_issue_no_tokens(tenant: Tenant, role: Role) -> None:
    member = await tenant.member(role)
    with pytest.raises(Forbidden):
        await _issue(tenant, member.actor)


async def test_a_token_for_somebody_of_another_organization_is_not_found(tenant: Tenant, neighbor: Tenant) -> None:
    with pytest.raises(NotFound):
        await _issue(tenant, tenant.actor, principal_id=neighbor.actor.principal_id)


async def test_a_revoked_token_opens_nothing_and_revoking_it_again_changes_nothing(tenant: Tenant) -> None:
    member = await tenant.member(Role.READER)
    row = await row_of(tenant, member.token)
    for _ in range(2):
        await _revoke(tenant, tenant.actor, row.id)
    assert await _refusal(tenant.database, member.token)
    assert (await _events(tenant)).count(f"api_token.revoked ApiToken:{row.id} {tenant.actor.signature}") == 1
    assert await tokens.authenticate(tenant.database, tenant.client.token)


@pytest.mark.parametrize("role", [Role.READER, Role.WRITER, Role.MAINTAINER, Role.PROMOTER])
async def test_lesser_roles_neither_list_nor_revoke_tokens(tenant: Tenant, role: Role) -> None:
    member = await tenant.member(role)
    with pytest.raises(Forbidden):
        await _revoke(tenant, member.actor, (await row_of(tenant, member.token)).id)
    async with tenant.database.change(tenant.org_id) as change:
        with pytest.raises(Forbidden):
            await tokens.known(change, member.actor)
    assert await tokens.authenticate(tenant.database, member.token)


async def test_a_token_of_another_organization_is_neither_listed_nor_revoked(tenant: Tenant, neighbor: Tenant) -> None:
    theirs = await row_of(neighbor, neighbor.client.token)
    with pytest.raises(NotFound):
        await _revoke(tenant, tenant.actor, theirs.id)
    async with tenant.database.change(tenant.org_id) as change:
        listed = [row.id for row, _ in await tokens.known(change, tenant.actor)]
    assert listed == [(await row_of(tenant, tenant.client.token)).id]


async def test_a_token_is_found_by_its_id_or_its_last_characters_if_those_are_its_own(tenant: Tenant) -> None:
    member = await tenant.member(Role.READER)
    row = await row_of(tenant, member.token)
    async with tenant.database.change(tenant.org_id) as change:
        for name in (str(row.id), member.token[-4:]):
            assert (await tokens.named(change, tenant.actor, name)).id == row.id
        with pytest.raises(InvalidValue, match="No token has the id"):
            await tokens.named(change, tenant.actor, "????")
    await alter(tenant, tenant.client.token, last_four=row.last_four)
    async with tenant.database.change(tenant.org_id) as change:
        with pytest.raises(InvalidValue, match="2 tokens end with"):
            await tokens.named(change, tenant.actor, row.last_four)


async def test_a_database_that_does_not_answer_is_no_reason_to_refuse_a_token() -> None:
    nowhere = Database.connect("postgresql://u@127.0.0.1:1/d", Roles())
    with pytest.raises(DatabaseUnavailable):
        await tokens.authenticate(nowhere, tokens.new_token(PrincipalKind.USER))
    await nowhere.close()


async def test_no_representation_shows_a_token_or_its_hash(tenant: Tenant) -> None:
    token = tenant.client.token
    async with tenant.database.change(tenant.org_id) as change:
        row = (
            await change.execute(select(ApiToken).where(col(ApiToken.token_hash) == tokens.hash_of(token)))
        ).scalar_one()
    shown = repr(row) + str(row) + repr(tenant.actor)
    assert token not in shown
    assert repr(tokens.hash_of(token)) not in shown


async def _refusal(database: Database, token: str) -> tuple[str, str]:
    with pytest.raises(Unauthenticated) as refused:
        await tokens.authenticate(database, token)
    return refused.value.code, refused.value.message


async def _issue(tenant: Tenant, actor: Actor, **given: Any) -> str:
    values = {"principal_id": tenant.actor.principal_id, "name": "t", "lifetime": timedelta(hours=1), **given}
    async with tenant.database.change(tenant.org_id) as change:
        _, token = await tokens.issue(change, actor, **values)
    return token


async def _revoke(tenant: Tenant, actor: Actor, token_id: UUID) -> None:
    async with tenant.database.change(tenant.org_id) as change:
        await tokens.revoke(change, actor, token_id=token_id)


async def _events(tenant: Tenant) -> str:
    """All that the feed tells of an organization, as one text."""
    snapshot = tenant.database.new_snapshot(tenant.org_id)
    rows = await snapshot.rows(text("select kind, subject, actor, body from ev.event"))
    await snapshot.close()
    return "\n".join(" ".join(row) for row in rows)
