"""Following the feed over two servers of one database: whatever dies, each event comes once, in order, to everybody."""

import asyncio
import random
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest
from sqlalchemy import text
from websockets.exceptions import WebSocketException

from db.codes import Role
from db.session import Database
from registry.events.event_log import Cursor
from registry.promotion.promotion_events import KINDS
from tests import services
from tests.db.ground import connect
from tests.patience import PATIENCE_S, eventually, in_time
from tests.server import processes
from tests.stages import Line
from tests.subscribing import MULTIPART, SSE, Refused, Stream, Subscription, streamed, subscribed
from tests.tenant import Client, GraphQLFailed, Tenant, found_organization, join, uuid_of

EVENTS = "subscription($after: String) { events(after: $after) { cursor ... on Event { sequence kind subjectId } } }"
PROMOTIONS = "subscription($after: String) { promotionEvents(after: $after) { cursor ... on PromotionEvent { at } } }"
OF_MODEL = """subscription($after: String, $model: ID!) {
    modelEvents(model: $model, after: $after) { cursor ... on Event { at } } }"""
MODEST = {"DATABASE_POOL_SIZE": "5", "LOG_LEVEL": "WARNING"}
WRITERS = 3
FOLLOWERS = 2
"""How many follow everything; one more follows promotions, and one a model."""
HARMLESS = {"UNAVAILABLE", "OVERLOADED", "TIMEOUT"}
"""What a client that is told of a fault tries again after."""


@dataclass
class Replicas:
    """Two servers over one database, and an organization in it."""

    url: str
    servers: list[processes.Server]
    database: Database
    owner: Client
    stack: AsyncExitStack

    def start(self, dying: str | None = None) -> processes.Server:
        """One more server; it kills itself at the point `dying`."""
        folder = Path(tempfile.mkdtemp(prefix="registry replica "))
        self.stack.callback(shutil.rmtree, folder, ignore_errors=True)
        store = {name.upper(): value for name, value in services.store_settings().items()}
        named = {"DATABASE_URL": self.url, "DATABASE_ROLE_PREFIX": services.ROLES.prefix}
        return self.stack.enter_context(processes.serving(folder, dying=dying, **named, **store, **MODEST))

    async def client(self, server: processes.Server) -> Client:
        """A client of one of the servers."""
        http = await self.stack.enter_async_context(httpx2.AsyncClient(base_url=server.url, timeout=PATIENCE_S))
        return Client(http, self.owner.token, self.owner.actor)

    async def events(self) -> list[tuple[int, str, UUID | None]]:
        """All events of the organization as the database has them: number, kind, model."""
        async with self.database.as_worker() as worker:
            rows = await worker.execute(
                text("select seq, kind, model_id from ev.event where org_id = :org order by seq"),
                {"org": self.owner.actor.org_id},
            )
            return [(row.seq, row.kind, row.model_id) for row in rows]

    async def lines(self) -> list[Line]:
        """Two models with two versions each."""
        client = await self.client(self.servers[0])
        tenant = Tenant(self.database, client.http, client.actor.org_id, client)
        team = await client.make("createTeam", "team", name=uuid4().hex)
        tenant.project = await client.make("createProject", "project", team=team, name=uuid4().hex)
        return [await Line.of(tenant, 2) for _ in range(2)]


@pytest.fixture(scope="module")
async def replicas(worker_id: str) -> AsyncIterator[Replicas]:
    name = f"registry_replicas_{worker_id}"
    url = await services.create_database(name)
    database = Database.connect(url, services.ROLES, pool_size=2)
    org_id = await found_organization(database)
    async with httpx2.AsyncClient(timeout=PATIENCE_S) as http:
        owner = await join(database, http, org_id, "owner", Role.OWNER)
        async with AsyncExitStack() as stack:
            made = Replicas(url, [], database, owner, stack)
            made.servers = await asyncio.gather(*[asyncio.to_thread(made.start) for _ in range(2)])
            yield made
    await database.close()
    await services.drop_database(name)


@dataclass
class Follower:
    """Follows from one replica to the other, as it is cut off; keeps what it got. Over a WebSocket but for `accept`."""

    replicas: Replicas
    query: str = EVENTS
    accept: str | None = None
    given: dict[str, Any] = field(default_factory=dict)
    cursor: str | None = None
    got: list[dict[str, Any]] = field(default_factory=list)
    cuts: int = 0
    in_vain: int = 0
    """How many times in a row it was cut off before there was anything new."""

    @property
    def numbers(self) -> list[int]:
        """The numbers of the events that it got."""
        return [Cursor.parse(message["cursor"]).seq for message in self.got]

    async def follow(self, cut_after_s: float, *, one: bool = False) -> None:
        """Follow one replica until cut off, after a time or by a fault, or until there was one message.

        After each time in vain that is twice as long: a slow machine gets somewhere too.
        """
        had, cut_after_s = self.cursor, min(cut_after_s * 2**self.in_vain, PATIENCE_S)
        server, token = self.replicas.servers[self.cuts % 2], self.replicas.owner.token
        self.cuts += 1
        given = self.given if self.cursor is None else {**self.given, "after": self.cursor}
        opened: AbstractAsyncContextManager[Subscription | Stream] = subscribed(server.url, token, self.query, **given)
        if self.accept is not None:
            opened = streamed(server.url, token, self.query, self.accept, **given)
        with suppress(TimeoutError, OSError, WebSocketException, httpx2.TransportError):
            async with asyncio.timeout(cut_after_s), opened as following:
                while not (one and self.cursor):
                    self._keep(await following.next())
        self.in_vain = self.in_vain + 1 if self.cursor == had else 0

    def _keep(self, message: dict[str, Any]) -> None:
        if message.keys() != {"cursor"}:
            self.got.append(message)
        self.cursor = message["cursor"]

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until told to stop."""
        while not stop.is_set():
            try:
                await self.follow(random.uniform(0.2, 1.2))
            except Refused as refused:
                if refused.code not in HARMLESS:
                    raise
                await asyncio.sleep(0.05)

    async def catch_up(self, last: int) -> None:
        """Follow until the event with this number is here."""
        async with in_time():
            while not self.got or self.numbers[-1] < last:
                with suppress(Refused):
                    await self.follow(1.0)


async def keep_writing(client: Client, stop: asyncio.Event, acknowledged: list[str]) -> None:
    """Make teams, one after the other; those that the server said it made are noted."""
    while not stop.is_set():
        try:
            answer = await client.post(
                "mutation($name: String!) { createTeam(input: {name: $name}) { team { id } errors { __typename } } }",
                {"name": uuid4().hex},
            )
        except httpx2.TransportError:
            await asyncio.sleep(0.05)
            continue
        payload = (answer.get("data") or {}).get("createTeam")
        if payload:
            assert payload["errors"] == []
            acknowledged.append(payload["team"]["id"])
        else:
            assert answer["errors"][0]["extensions"]["code"] in HARMLESS, answer


async def keep_promoting(client: Client, line: Line, stop: asyncio.Event) -> None:
    """Put the versions of a model into STAGING, one in the place of the other; what faults undo is done again."""
    while not stop.is_set():
        for version in line.versions:
            for mutation, given in (("promoteVersion", {"to": "STAGING"}), ("demoteVersion", {})):
                try:
                    await client.change(mutation, "transition { id }", version=version, **given)
                except GraphQLFailed as failed:
                    if failed.code not in HARMLESS:
                        raise
                except httpx2.TransportError:
                    await asyncio.sleep(0.05)


@dataclass
class Trouble:
    """Ends back ends again and again: those that listen, and any. Between two times somebody gets something done."""

    ended: int = 0

    async def make(self, admin: asyncpg.Connection, stop: asyncio.Event, done: list[str]) -> None:
        """Make trouble until told to stop; `done` grows with what is done in spite of it."""
        mine = "datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"
        listening = f"{mine} and (query ilike 'listen%' or query ilike 'notify%')"
        while not stop.is_set():
            for which, limit in ((listening, 2), (mine, 2)):
                before = len(done)
                self.ended += await admin.fetchval(
                    "select count(pg_terminate_backend(pid)) from"
                    f" (select pid from pg_stat_activity where {which} order by random() limit {limit}) chosen"
                )
                await asyncio.sleep(random.uniform(0.1, 0.4))
                while len(done) == before and not stop.is_set():
                    await asyncio.sleep(0.01)


async def test_what_one_server_writes_is_followed_on_the_other_and_gone_on_with_on_either(replicas: Replicas) -> None:
    one, other = replicas.servers
    client, token = await replicas.client(other), replicas.owner.token
    async with subscribed(one.url, token, EVENTS) as following:
        await following.next()
        team = await client.make("createTeam", "team", name=uuid4().hex)
        first = await following.next()
        assert (first["kind"], first["subjectId"]) == ("team.created", team)
    missed = [await client.make("createTeam", "team", name=uuid4().hex) for _ in range(3)]
    async with subscribed(other.url, token, EVENTS, after=first["cursor"]) as following:
        got = await following.take(3)
        latest = await client.make("createTeam", "team", name=uuid4().hex)
        got.append(await following.next())
    assert [event["subjectId"] for event in got] == [*missed, latest]
    assert [int(event["sequence"]) - int(first["sequence"]) for event in got] == [1, 2, 3, 4]


async def test_a_storm_of_faults_loses_repeats_and_reorders_nothing(replicas: Replicas) -> None:
    stop, acknowledged, lines = asyncio.Event(), list[str](), await replicas.lines()
    begin = (await replicas.events())[-1][0]
    followers = [Follower(replicas) for _ in range(FOLLOWERS)]
    promotions = Follower(replicas, PROMOTIONS, SSE)
    of_model = Follower(replicas, OF_MODEL, MULTIPART, {"model": lines[0].model})
    everybody = [*followers, promotions, of_model]
    for follower in everybody:
        await follower.follow(PATIENCE_S, one=True)
        assert follower.cursor
    clients = [await replicas.client(server) for server in replicas.servers for _ in range(WRITERS)]
    admin = await connect(replicas.url)
    # Before the trouble: a server whose database goes away while it looks at it for the first time rightly gives up.
    spare = await asyncio.to_thread(replicas.start)
    trouble = Trouble()

    def has_seen(cuts: int, teams: int, blows: int) -> bool:
        """Whether the storm has gone on for so long."""
        everywhere = all(follower.cuts >= cuts for follower in everybody)
        return everywhere and len(acknowledged) >= teams and trouble.ended >= blows

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(trouble.make(admin, stop, acknowledged))
        for client in clients:
            tasks.create_task(keep_writing(client, stop, acknowledged))
        # The first line through the server that stays.
        for line, server in zip(lines, reversed(replicas.servers), strict=True):
            tasks.create_task(keep_promoting(await replicas.client(server), line, stop))
        for follower in everybody:
            tasks.create_task(follower.run(stop))
        await eventually(lambda: has_seen(cuts=3, teams=30, blows=15))
        replicas.servers[0].process.kill()
        await eventually(lambda: has_seen(cuts=5, teams=45, blows=22))
        replicas.servers[0] = spare
        await eventually(
            lambda: has_seen(cuts=8, teams=60, blows=30) and len(of_model.got) > 5 and len(promotions.got) > 10
        )
        stop.set()
    await admin.close()
    happened = await replicas.events()
    new = [(seq, kind, model) for seq, kind, model in happened if seq > begin]
    told = {
        "all": [seq for seq, _, _ in new],
        "promotions": [seq for seq, kind, _ in new if kind in KINDS.values()],
        "model": [seq for seq, _, model in new if model == uuid_of(lines[0].model)],
    }
    whose = [(follower, "all") for follower in followers] + [(promotions, "promotions"), (of_model, "model")]
    await asyncio.gather(*[follower.catch_up(told[which][-1]) for follower, which in whose])

    assert [seq for seq, _, _ in happened] == list(range(1, len(happened) + 1))
    for follower, which in whose:
        assert follower.numbers == told[which], which
    assert followers[0].got == followers[1].got
    made = [event["subjectId"] for event in followers[0].got if event["kind"] == "team.created"]
    assert len(set(made)) == len(made)
    assert set(acknowledged) <= set(made)


async def test_a_server_that_dies_before_it_wakes_the_others_has_told_them_nevertheless(replicas: Replicas) -> None:
    dying = await asyncio.to_thread(replicas.start, "before the others are woken")
    client, survivor = await replicas.client(dying), await replicas.client(replicas.servers[1])
    async with subscribed(replicas.servers[0].url, replicas.owner.token, EVENTS) as following:
        await following.next()
        with pytest.raises(httpx2.TransportError):
            await client.make("createTeam", "team", name="the last")
        assert await asyncio.to_thread(dying.process.wait, PATIENCE_S) == -signal.SIGKILL
        event = await following.next()
    found = await survivor("query($id: ID!) { node(id: $id) { ... on Team { name } } }", id=event["subjectId"])
    assert found == {"node": {"name": "the last"}}
