"""Creating versions: the mutation, against asyncpg that writes the same rows and the same event."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from itertools import count
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from bench.bare import Count, connect, enter
from bench.ground import Ground, answered, statements_of
from bench.plan import Plan
from bench.report import Line
from bench.rounds import race
from bench.wire import Wire
from db.base import columns
from db.tables import ModelVersion
from registry.kernel.rows import EVENT_SHAPE, shown
from resolvers import ids

CREATE = """mutation Create($input: CreateVersionInput!) {
  createVersion(input: $input) { version { id number label } errors { __typename } }
}"""

MODELS = "select id from registry.model where org_id = $1 order by id limit $2"
LOCK_MODEL = "select version_count from registry.model where org_id = $1 and id = $2 for no key update"
COUNT_VERSION = "update registry.model set version_count = $3 where org_id = $1 and id = $2"
LAST_EVENT = "select kind, subject, actor, body from ev.event where org_id = $1 order by seq desc limit 1"

NAMES = [column.name for column in columns(ModelVersion)]
INSERT = (
    f"insert into registry.model_version ({', '.join(NAMES)})"
    f" values ({', '.join(f'${place}' for place in range(1, len(NAMES) + 1))})"
)

_labels = count()

Act = Callable[[], Awaitable[object]]


async def measure(ground: Ground, plan: Plan) -> list[Line]:
    """Two lines, in milliseconds a version: one client after another, and several at once, each on its own model.

    Raises: AssertionError when both sides do not leave the same shape of event.
    """
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(connect(ground.settings)) for _ in range(plan.clients)]
        models = await _models(ground, connections[0], plan.clients)
        counted = await _compared(ground, connections[0], models[0])
        clients = [await stack.enter_async_context(ground.wire()) for _ in models]
        ours = [partial(_over_http, client, model) for client, model in zip(clients, models, strict=True)]
        bare = [partial(_bare, ground, one, model) for one, model in zip(connections, models, strict=True)]
        share = plan.batch // plan.clients
        turns = {
            "ours": partial(_each, plan.batch, ours[:1]),
            "bare": partial(_each, plan.batch, bare[:1]),
            "ours at once": partial(_each, share, ours),
            "bare at once": partial(_each, share, bare),
        }
        times_ms = {name: ms / plan.batch for name, ms in (await race(turns, plan.rounds)).items()}
    against = "asyncpg, same rows and event"
    return [
        Line("create a version, 1 client", against, times_ms["ours"], times_ms["bare"], *counted),
        Line(
            f"create a version, {plan.clients} clients",
            against, times_ms["ours at once"], times_ms["bare at once"], *counted,
        ),
    ]  # fmt: skip


async def _each(times: int, acts: Sequence[Act]) -> None:
    """Do every act so many times, all of them side by side."""

    async def repeat(act: Act) -> None:
        for _ in range(times):
            await act()

    await asyncio.gather(*map(repeat, acts))


async def _compared(ground: Ground, connection: asyncpg.Connection, model: UUID) -> tuple[int, int]:
    """The statements of both sides, once it is known that their events differ in nothing but what is new each time."""
    ours = await statements_of(ground, partial(_in_process, ground, model))
    left = await _last_event(ground, connection)
    bare_count = Count()
    with connection.query_logger(bare_count):
        await _bare(ground, connection, model)
    right = await _last_event(ground, connection)
    assert left == right, f"{left} is not {right}"
    return ours, bare_count.statements


async def _models(ground: Ground, connection: asyncpg.Connection, how_many: int) -> list[UUID]:
    async with connection.transaction():
        await enter(connection, ground.settings.roles, ground.actor)
        return [row["id"] for row in await connection.fetch(MODELS, ground.actor.org_id, how_many)]


async def _last_event(ground: Ground, connection: asyncpg.Connection) -> dict[str, Any]:
    """The newest event without ids, times and numbers."""
    async with connection.transaction():
        await enter(connection, ground.settings.roles, ground.actor)
        (found,) = map(dict, await connection.fetch(LAST_EVENT, ground.actor.org_id))
    body = orjson.loads(found["body"])
    changing = ("id", "number", "label", "created_at")
    after = {name: None if name in changing else value for name, value in body["after"].items()}
    return {**found, "subject": found["subject"].partition(":")[0], "body": {**body, "after": after}}


def _given(model: UUID) -> dict[str, Any]:
    return {"model": ids.encode("Model", model), "label": f"bench {next(_labels)}"}


async def _over_http(client: Wire, model: UUID) -> None:
    await client.change(CREATE, _given(model))


async def _in_process(ground: Ground, model: UUID) -> None:
    await answered(ground, CREATE, {"input": _given(model)})


async def _bare(ground: Ground, connection: asyncpg.Connection, model: UUID) -> bytes:
    """Lock the model, count, insert, append the event and commit; the answer as JSON."""
    actor = ground.actor
    async with connection.transaction():
        await enter(connection, ground.settings.roles, actor)
        number = await connection.fetchval(LOCK_MODEL, actor.org_id, model) + 1
        row = ModelVersion(
            org_id=actor.org_id, model_id=model, number=number, label=f"bench {next(_labels)}",
            created_by=actor.principal_id,
        )  # fmt: skip
        values = {name: getattr(row, name) for name in NAMES}
        await connection.execute(COUNT_VERSION, actor.org_id, model, number)
        await connection.execute(
            INSERT, *[orjson.dumps(v).decode() if isinstance(v, dict) else v for v in values.values()]
        )
        event = {
            "kind": "version.created", "subject": f"ModelVersion:{row.id}", "actor": actor.signature,
            "body": {"v": EVENT_SHAPE, "before": None, "after": {name: values[name] for name in shown(ModelVersion)}},
        }  # fmt: skip
        await connection.execute("select ev.append($1, $2)", actor.org_id, orjson.dumps([event], default=str).decode())
    answer = {"id": ids.encode("ModelVersion", row.id), "number": number, "label": row.label}
    return orjson.dumps({"data": {"createVersion": {"version": answer, "errors": []}}})
