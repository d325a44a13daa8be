"""From an Authorization header to an actor: what is accepted, what is remembered, and for how long."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import event, text

from db.codes import PrincipalKind, Role
from db.roles import Roles
from db.session import Database
from registry.kernel.errors import Unauthenticated, Unavailable
from registry.tenants import tokens
from server import auth
from server.auth import Authenticator
from tests.tenant import Client, Tenant


@dataclass
class Clock:
    """Time that a test moves."""

    now_s: float = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(auth, "time", clock)
    return clock


@pytest.fixture
def authenticator(database: Database, clock: Clock) -> Authenticator:
    """One that nobody has asked yet."""
    return Authenticator(database)


@pytest.fixture
def look_ups(database: Database) -> Iterator[list[str]]:
    """The statements that ask who a token is, from here on."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "registry.authenticate(" in statement:
            sent.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    yield sent
    event.remove(database.engine.sync_engine, "before_cursor_execute", note)


@pytest.fixture
async def nowhere() -> AsyncIterator[Database]:
    """A database that does not answer."""
    database = Database.connect("postgresql://u@127.0.0.1:1/d", Roles())
    yield database
    await database.close()


def counted(result: str) -> float:
    return REGISTRY.get_sample_value("registry_authentications_total", {"result": result}) or 0


async def revoke(tenant: Tenant, client: Client) -> None:
    async with tenant.database.change(tenant.org_id) as change:
        await change.execute(
            text("update registry.api_token set revoked_at = now() where token_hash = :hash"),
            {"hash": tokens.hash_of(client.token)},
        )


@pytest.mark.parametrize("spelling", ["Bearer {}", "bearer {}", "BEARER  {} ", "  Bearer {}"])
async def test_a_good_token_is_its_principal(authenticator: Authenticator, tenant: Tenant, spelling: str) -> None:
    actor = await authenticator.actor(spelling.format(tenant.client.token))
    assert actor == tenant.actor


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic dTpw",
        "Bearer nonsense",
        "Bearer a b",
        "Bearer \u00e4\u00f6\u00fc",
        "Bearer \ud800",
        "Bearer " + "x" * 10_000,
        "Token {}",
        "{}",
        "Bearer{}",
        "Bearer {},{}",
        "Bearer {}\0",
    ],
)
async def test_anything_else_is_nobody(authenticator: Authenticator, tenant: Tenant, header: str | None) -> None:
    token = tenant.client.token
    with pytest.raises(Unauthenticated) as refused:
        await authenticator.actor(header and header.replace("{}", token))
    assert token not in str(refused.value)


async def test_the_same_token_is_looked_up_once_in_a_few_seconds(
    authenticator: Authenticator, tenant: Tenant, clock: Clock, look_ups: list[str]
) -> None:
    for _ in range(10):
        await authenticator.actor(f"Bearer {tenant.client.token}")
    assert len(look_ups) == 1
    clock.now_s += auth.CACHE_S + 0.01
    await authenticator.actor(f"Bearer {tenant.client.token}")
    assert len(look_ups) == 2


def test_a_few_seconds_are_five_at_most() -> None:
    assert auth.CACHE_S <= 5


async def test_a_revoked_token_stops_working_within_those_seconds(
    authenticator: Authenticator, tenant: Tenant, clock: Clock
) -> None:
    member = await tenant.member(Role.READER)
    header = f"Bearer {member.token}"
    await authenticator.actor(header)
    await revoke(tenant, member)
    clock.now_s += auth.CACHE_S
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await authenticator.actor(header)


async def test_use_does_not_prolong_the_life_of_a_revoked_token(
    authenticator: Authenticator, tenant: Tenant, clock: Clock
) -> None:
    member = await tenant.member(Role.READER)
    await authenticator.actor(f"Bearer {member.token}")
    await revoke(tenant, member)
    for _ in range(3):
        clock.now_s += auth.CACHE_S / 4
        await authenticator.actor(f"Bearer {member.token}")
    clock.now_s += auth.CACHE_S / 4
    with pytest.raises(Unauthenticated):
        await authenticator.actor(f"Bearer {member.token}")


async def test_a_role_that_is_taken_away_is_gone_within_those_seconds(
    authenticator: Authenticator, tenant: Tenant, clock: Clock
) -> None:
    member = await tenant.member(Role.ADMIN)
    assert (await authenticator.actor(f"Bearer {member.token}")).grants
    async with tenant.database.change(tenant.org_id) as change:
        await change.execute(
            text("delete from registry.role_binding where principal_id = :id"), {"id": member.actor.principal_id}
        )
    clock.now_s += auth.CACHE_S
    assert (await authenticator.actor(f"Bearer {member.token}")).grants == ()


async def test_a_refused_token_is_not_remembered(authenticator: Authenticator, tenant: Tenant) -> None:
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            await authenticator.actor(f"Bearer {tokens.new_token(PrincipalKind.USER)}")
    assert authenticator._known == {}


async def test_no_token_is_kept_in_memory(authenticator: Authenticator, tenant: Tenant) -> None:
    await authenticator.actor(f"Bearer {tenant.client.token}")
    assert list(authenticator._known) == [tokens.hash_of(tenant.client.token)]
    assert tenant.client.token not in repr(authenticator)


async def test_what_is_remembered_is_bounded(
    authenticator: Authenticator, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "_MOST", 3)
    for _ in range(5):
        member = await tenant.member(Role.READER)
        assert (await authenticator.actor(f"Bearer {member.token}")) == member.actor
        assert len(authenticator._known) <= 3


async def test_a_database_that_does_not_answer_is_no_reason_to_doubt_a_token(nowhere: Database) -> None:
    before = counted("failed"), counted("refused")
    with pytest.raises(Unavailable):
        await Authenticator(nowhere).actor(f"Bearer {tokens.new_token(PrincipalKind.USER)}")
    assert (counted("failed"), counted("refused")) == (before[0] + 1, before[1])


async def test_whoever_was_just_known_is_known_for_seconds_without_a_database(
    authenticator: Authenticator, tenant: Tenant, nowhere: Database, clock: Clock
) -> None:
    header = f"Bearer {tenant.client.token}"
    await authenticator.actor(header)
    authenticator.database = nowhere
    assert await authenticator.actor(header) == tenant.actor
    clock.now_s += auth.CACHE_S
    with pytest.raises(Unavailable):
        await authenticator.actor(header)


async def test_outcomes_are_counted_without_names(authenticator: Authenticator, tenant: Tenant) -> None:
    before = [counted(result) for result in ("accepted", "refused", "missing")]
    await authenticator.actor(f"Bearer {tenant.client.token}")
    for header in ("Bearer nonsense", None):
        with pytest.raises(Unauthenticated):
            await authenticator.actor(header)
    assert [counted(result) for result in ("accepted", "refused", "missing")] == [one + 1 for one in before]


async def test_the_same_token_presented_at_once_is_the_same_principal(
    authenticator: Authenticator, tenant: Tenant
) -> None:
    header = f"Bearer {tenant.client.token}"
    actors = await asyncio.gather(*(authenticator.actor(header) for _ in range(20)))
    assert set(actors) == {tenant.actor}
