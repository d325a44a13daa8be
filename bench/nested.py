"""The nested query: models with versions with artifacts, by this server, by asyncpg with Python, by one statement."""

from base64 import b64encode
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from bench.bare import Count, connect, enter
from bench.ground import Ground, answered, statements_of
from bench.report import Line
from bench.rounds import race
from bench.seed import Shape

QUERY = """query Nested($models: Int!, $versions: Int!, $artifacts: Int!) {
  models(first: $models) { nodes { id name framework createdAt
    versions(first: $versions) { nodes { id number label stage createdAt
      artifacts(first: $artifacts) { nodes { id path kind sizeBytes sha256 state } } } } } }
}"""

MODELS = """select id, name, framework, created_at from registry.model
 where org_id = $1 order by id desc limit $2"""

VERSIONS = """select c.id, c.model_id, c.number, c.label, c.stage, c.created_at from unnest($2::uuid[]) as k(id)
 cross join lateral (select * from registry.model_version v where v.org_id = $1 and v.model_id = k.id
                      order by v.number desc, v.id desc limit $3) c"""

ARTIFACTS = """select c.id, c.version_id, c.path, c.kind, c.size_bytes, c.sha256, c.state
 from unnest($2::uuid[]) as k(id) cross join lateral
 (select * from registry.artifact a where a.org_id = $1 and a.version_id = k.id
   order by a.id desc limit $3) c"""

ONE_STATEMENT = """
select json_build_object('data', json_build_object('models', json_build_object('nodes', (
  select coalesce(json_agg(json_build_object(
    'id', encode(convert_to('Model:' || m.id, 'UTF8'), 'base64'), 'name', m.name, 'framework', m.framework,
    'createdAt', to_char(m.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'versions', json_build_object('nodes', (
      select coalesce(json_agg(json_build_object(
        'id', encode(convert_to('ModelVersion:' || v.id, 'UTF8'), 'base64'), 'number', v.number, 'label', v.label,
        'stage', v.stage, 'createdAt', to_char(v.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'artifacts', json_build_object('nodes', (
          select coalesce(json_agg(json_build_object(
            'id', encode(convert_to('Artifact:' || a.id, 'UTF8'), 'base64'), 'path', a.path, 'kind', a.kind,
            'sizeBytes', a.size_bytes::text, 'sha256', a.sha256, 'state', a.state)), '[]')
          from (select * from registry.artifact a where a.org_id = $1 and a.version_id = v.id
                 order by a.id desc limit $4) a)))), '[]')
      from (select * from registry.model_version v where v.org_id = $1 and v.model_id = m.id
             order by v.number desc, v.id desc limit $3) v)))), '[]')
  from (select * from registry.model m where m.org_id = $1 order by m.id desc limit $2) m))))::text
"""


async def measure(ground: Ground, rounds: int) -> list[Line]:
    """Four lines: through the schema in this process and over HTTP from the server process, against either baseline.

    Raises: AssertionError when the answers are not the same.
    """
    async with AsyncExitStack() as stack:
        bare = await stack.enter_async_context(connect(ground.settings))
        statement = await stack.enter_async_context(connect(ground.settings))
        client = await stack.enter_async_context(ground.wire())
        turns: dict[str, Callable[[], Awaitable[bytes]]] = {
            "in process": lambda: _in_process(ground),
            "over HTTP": lambda: client.ask(QUERY, _variables(ground.shape)),
            "asyncpg": lambda: _answer(ground, bare, _in_python),
            "json_agg": lambda: _answer(ground, statement, _in_one_statement),
        }
        answers = {name: orjson.loads(await turn())["data"] for name, turn in turns.items()}
        for name, answer in answers.items():
            assert answer == answers["asyncpg"], f"{name} answers something else"
        ours = await statements_of(ground, lambda: _in_process(ground))
        counted = {
            "asyncpg": await _counted(bare, lambda: _answer(ground, bare, _in_python)),
            "json_agg": await _counted(statement, lambda: _answer(ground, statement, _in_one_statement)),
        }
        times_ms = await race(turns, rounds)
    baselines = {"asyncpg": "asyncpg, JSON built in Python", "json_agg": "one json_agg statement"}
    return [
        Line(f"nested query, {way}", baselines[other], times_ms[way], times_ms[other], ours, counted[other])
        for other in baselines
        for way in ("in process", "over HTTP")
    ]


async def _in_process(ground: Ground) -> bytes:
    """The answer as the server would send it, without the server."""
    return await answered(ground, QUERY, _variables(ground.shape))


def _variables(shape: Shape) -> dict[str, int]:
    return {"models": shape.models, "versions": shape.versions, "artifacts": shape.artifacts}


Fetch = Callable[[Ground, asyncpg.Connection], Awaitable[bytes]]


async def _answer(ground: Ground, connection: asyncpg.Connection, fetch: Fetch) -> bytes:
    """Read in a snapshot like the server's."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await enter(connection, ground.settings.roles, ground.actor)
        return await fetch(ground, connection)


async def _counted(connection: asyncpg.Connection, turn: Callable[[], Awaitable[object]]) -> int:
    count = Count()
    with connection.query_logger(count):
        await turn()
    return count.statements


async def _in_one_statement(ground: Ground, connection: asyncpg.Connection) -> bytes:
    shape = ground.shape
    text: str = await connection.fetchval(
        ONE_STATEMENT, ground.actor.org_id, shape.models, shape.versions, shape.artifacts
    )
    return text.encode()


async def _in_python(ground: Ground, connection: asyncpg.Connection) -> bytes:
    shape, org_id = ground.shape, ground.actor.org_id
    models = await connection.fetch(MODELS, org_id, shape.models)
    versions = await connection.fetch(VERSIONS, org_id, [model["id"] for model in models], shape.versions)
    artifacts = await connection.fetch(ARTIFACTS, org_id, [version["id"] for version in versions], shape.artifacts)
    files: defaultdict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for artifact_id, version_id, path, kind, size_bytes, sha256, state in artifacts:
        shown = str(size_bytes) if size_bytes is not None else None
        files[version_id].append(
            {
                "id": _gid("Artifact", artifact_id),
                "path": path,
                "kind": kind,
                "sizeBytes": shown,
                "sha256": sha256,
                "state": state,
            }
        )
    of_model: defaultdict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for version_id, model_id, number, label, stage, created_at in versions:
        of_model[model_id].append(
            {
                "id": _gid("ModelVersion", version_id), "number": number, "label": label, "stage": stage,
                "createdAt": _moment(created_at), "artifacts": {"nodes": files[version_id]},
            }
        )  # fmt: skip
    nodes = [
        {
            "id": _gid("Model", model_id), "name": name, "framework": framework,
            "createdAt": _moment(created_at), "versions": {"nodes": of_model[model_id]},
        }
        for model_id, name, framework, created_at in models
    ]  # fmt: skip
    return orjson.dumps({"data": {"models": {"nodes": nodes}}})


def _gid(kind: str, id: UUID) -> str:
    return b64encode(f"{kind}:{id}".encode()).decode()


def _moment(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
