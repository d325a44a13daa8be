"""Who is in and is to be in no more: streams end when a token is revoked, long before the next check."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import httpx2
import pytest
from starlette.applications import Starlette

from db.codes import Role
from db.session import Change, Database, Event
from registry.kernel.errors import Unauthenticated
from registry.tenants import tokens
from server.auth import Authenticator
from server.doors.graphql_ws import SocketSettings
from tests import services
from tests.db.ground import connect
from tests.patience import PATIENCE_S, in_time
from tests.server import processes
from tests.subscribing import Refused, connected, subscribe, subscribed
from tests.tenant import Client, Tenant

EVERYTHING = "subscription { events { __typename cursor } }"


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The database as whoever may change rows that the product does not."""
    connection = await connect(database_url)
    yield connection
    await connection.close()


async def revoke(tenant: Tenant, member: Client) -> None:
    """What `registry token revoke` does."""
    async with tenant.database.change(tenant.org_id) as change:
        found = await tokens.named(change, tenant.actor, await _id_of(change, tenant, member))
        await tokens.revoke(change, tenant.actor, token_id=found.id)


async def _id_of(change: Change, tenant: Tenant, member: Client) -> str:
    (own,) = [row for row, whose in await tokens.known(change, tenant.actor) if whose.id == member.actor.principal_id]
    return str(own.id)


async def test_a_socket_ends_with_the_reason_when_its_token_is_revoked_at_the_command_line(
    live: str, tenant: Tenant, database_url: str
) -> None:
    member = await tenant.member(Role.READER)
    organization = (await tenant.client("{ organization { name } }"))["organization"]["name"]
    async with tenant.database.change(tenant.org_id) as change:
        token_id = await _id_of(change, tenant, member)
    async with (
        subscribed(live, member.token, EVERYTHING) as following,
        subscribed(live, tenant.client.token, EVERYTHING) as other,
    ):
        await following.next()
        await other.next()
        given = {"DATABASE_URL": database_url, "DATABASE_ROLE_PREFIX": services.ROLES.prefix}
        words = ["token", "revoke", token_id, "--organization", organization]
        # A process of its own: one in a thread of this one would take what the application logs meanwhile for its own.
        ran = await asyncio.to_thread(processes.registry, *words, **given)
        assert ran.status == 0, ran.err
        with pytest.raises(Refused) as refused:
            # What happened before it was thrown out may come first.
            await following.take(3)
        assert refused.value.code == "UNAUTHENTICATED"
        assert (await other.next())["__typename"] == "Event", "nobody else is thrown out"
        await tenant.model()
        assert (await other.next())["__typename"] == "Event"


async def test_a_stream_over_http_ends_with_the_reason_when_its_token_is_revoked(live: str, tenant: Tenant) -> None:
    member = await tenant.member(Role.READER)
    headers = {"authorization": f"Bearer {member.token}", "accept": "text/event-stream"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=PATIENCE_S) as http,
        http.stream("POST", f"{live}/graphql", json={"query": EVERYTHING}) as stream,
    ):
        received = ""
        async for chunk in stream.aiter_text():
            if '"Bookmark"' in chunk:
                await revoke(tenant, member)
            received += chunk
    assert '"code":"UNAUTHENTICATED"' in received
    assert "event: complete" not in received


async def test_a_role_that_is_lost_ends_what_it_allowed(live: str, tenant: Tenant, owner: asyncpg.Connection) -> None:
    member = await tenant.member(Role.READER)
    async with connected(live, member.token) as connection:
        following = await subscribe(connection, EVERYTHING)
        await following.next()
        await owner.execute(
            "delete from registry.role_binding where org_id = $1 and principal_id = $2",
            tenant.org_id, member.actor.principal_id,
        )  # fmt: skip
        async with tenant.database.change(tenant.org_id) as change:
            change.events.append(Event("role_binding.removed", "RoleBinding:1", tenant.actor.signature, {"v": 1}))

        async def go_on() -> None:
            # Who has lost a role is asked for again within a moment; what happens from then on is not told.
            async with in_time():
                while True:
                    await tenant.model()
                    await following.next()

        with pytest.raises(Refused) as refused:
            await go_on()
        assert refused.value.code in ("FORBIDDEN", "UNAUTHENTICATED")


async def test_whoever_was_asked_for_before_a_change_is_not_remembered(
    database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    member, authenticator = await tenant.member(Role.READER), Authenticator(database)
    header = f"Bearer {member.token}"
    known = tokens.authenticate

    async def slow(*given: object) -> object:
        found = await known(*given)  # type: ignore[arg-type]
        await revoke(tenant, member)
        authenticator.heard(tenant.org_id, ())
        return found

    monkeypatch.setattr(tokens, "authenticate", slow)
    await authenticator.actor(header)
    monkeypatch.setattr(tokens, "authenticate", known)
    with pytest.raises(Unauthenticated):
        await authenticator.actor(header)


async def test_what_is_remembered_is_forgotten_for_one_organization_and_only_for_what_matters(
    database: Database, tenant: Tenant, neighbor: Tenant, app: Starlette
) -> None:
    assert app.state.services.feed.listeners, "the application hears it"
    authenticator = Authenticator(database)
    for one in (tenant, neighbor):
        await authenticator.actor(f"Bearer {one.client.token}")
    mine, theirs = authenticator.access(tenant.org_id), authenticator.access(neighbor.org_id)
    authenticator.heard(neighbor.org_id, ())
    assert (mine.is_set(), theirs.is_set(), len(authenticator._known)) == (False, True, 1)
    assert not authenticator.access(neighbor.org_id).is_set()


def test_a_revocation_takes_effect_within_what_is_promised() -> None:
    assert SocketSettings().spread_s + 1 < 5, "with the second that a lost wake-up may take"
