"""Promotions: the mutation, against asyncpg that decides by the same rows and writes the same rows and events."""

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from bench.bare import Count, connect, enter
from bench.ground import Ground, answered, statements_of, superuser
from bench.plan import Plan
from bench.report import Line
from bench.rounds import WARM_UP, Turn, race
from bench.seed import copy, defaults
from bench.wire import Wire
from db.base import columns, utc_now
from db.codes import Stage, TransitionKind
from db.ids import uuid7
from db.tables import ModelVersion, SlotRevision, Transition
from registry.catalog import models
from registry.kernel.rows import EVENT_SHAPE
from registry.promotion.gates.kinds import ALWAYS, verdict_as_json
from resolvers import ids

PROMOTE = """mutation Promote($input: PromoteVersionInput!) {
  promoteVersion(input: $input) { transition { id number toStage } errors { __typename } }
}"""

SLOTS = """select stage, version_id, revision from registry.slot
 where org_id = $1 and model_id = $2 order by stage for update"""
LAST = """select number, created_at from registry.transition
 where org_id = $1 and model_id = $2 order by number desc limit 1"""
LOCK_VERSION = "select stage from registry.model_version where org_id = $1 and id = $2 for no key update"
POLICY = """select gates from registry.promotion_policy
 where org_id = $1 and removed_at is null and stage = $3 and (model_id = $2 or model_id is null
    and (only_project_id is null or only_project_id =
      (select project_id from registry.model where org_id = $1 and id = $2))) limit 1"""
FILES = """select path, kind, state, coalesce(sha256, external_uri, '') as place from registry.artifact
 where org_id = $1 and version_id = $2 and deleted_at is null and state <> 'ABANDONED' order by folded_path, id"""
REQUESTS = """select id from registry.promotion_request
 where org_id = $1 and model_id = $2 and state = 'OPEN' and (stage = $3 or version_id = any($4)) for update"""
MOVE_VERSION = "update registry.model_version set stage = $3 where org_id = $1 and id = $2"
END_REVISION = """update registry.slot_revision set valid_to = $5
 where org_id = $1 and model_id = $2 and stage = $3 and revision = $4"""
FILL_SLOT = """update registry.slot set version_id = $4, transition_id = $5, revision = $6, updated_at = $7
 where org_id = $1 and model_id = $2 and stage = $3"""

LEFT_TRANSITIONS = """select t.kind, t.from_stage, t.to_stage, t.cause_id is null as is_first, t.request_id,
    t.policy_id, t.digest, t.verdicts, t.reason, t.created_by, v.stage
 from registry.transition t join registry.model_version v on v.org_id = t.org_id and v.id = t.version_id
 where t.org_id = $1 and t.model_id = $2 order by t.number desc limit 2"""
LEFT_REVISIONS = """select r.stage, r.valid_to is null as holds, r.version_id = s.version_id as is_held,
    s.revision - r.revision as ago
 from registry.slot_revision r join registry.slot s using (org_id, model_id, stage)
 where org_id = $1 and model_id = $2 order by r.revision desc limit 2"""
LEFT_EVENTS = "select kind, actor, body from ev.event where org_id = $1 order by seq desc limit 2"
CHANGING = ("transition_id", "transition_number", "cause_id", "slot_revisions")
"""What of an event is new each time."""

GOAL = Stage.STAGING
VERDICTS = orjson.dumps([verdict_as_json(ALWAYS.passes("0 files are verified.", 0, 0))]).decode()

_names = count()


@dataclass(frozen=True)
class Contended:
    """A model whose slot is taken by one version after another."""

    id: UUID
    versions: Iterator[UUID]


async def measure(ground: Ground, plan: Plan) -> list[Line]:
    """Three lines, in milliseconds a promotion: one client, several on the same model, several each on its own model.

    Each promotion takes the slot from the one before. Raises: AssertionError when both sides do not leave the same.
    """
    share, rounds = plan.batch // plan.clients, WARM_UP + plan.rounds
    # One to begin with, two to compare; one client and all of them together, ours and the baseline.
    models = [await _contended(ground, 3 + 2 * rounds * (plan.batch + share * plan.clients))]
    models += [await _contended(ground, 1 + 2 * rounds * share) for _ in range(plan.clients)]
    for model in models:
        await _in_process(ground, model)
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(connect(ground.settings)) for _ in range(plan.clients)]
        clients = [await stack.enter_async_context(ground.wire()) for _ in range(plan.clients)]
        shared, *own = models
        counted = await _compared(ground, connections[0], shared)
        turns: dict[str, Turn] = {}
        for name, targets, times in (("one", [shared], plan.batch), ("same", [shared] * plan.clients, share),
                                     ("own", own, share)):  # fmt: skip
            ours = [partial(_over_http, *pair) for pair in zip(clients, targets, strict=False)]
            bare = [partial(_bare, ground, *pair) for pair in zip(connections, targets, strict=False)]
            turns[f"ours {name}"] = partial(_each, times, ours)
            turns[f"bare {name}"] = partial(_each, times, bare)
        ms = await race(turns, plan.rounds)
    titles = {
        "one": ("promote a version, 1 client", plan.batch),
        "same": (f"promote a version, {plan.clients} clients on one model", share * plan.clients),
        "own": (f"promote a version, {plan.clients} clients", share * plan.clients),
    }
    return [
        Line(title, "asyncpg, same rows and events", ms[f"ours {name}"] / done, ms[f"bare {name}"] / done, *counted)
        for name, (title, done) in titles.items()
    ]


async def _each(times: int, acts: Sequence[Turn]) -> None:
    """Do every act so many times, all of them side by side."""

    async def repeat(act: Turn) -> None:
        for _ in range(times):
            await act()

    await asyncio.gather(*map(repeat, acts))


async def _contended(ground: Ground, version_count: int) -> Contended:
    """A new model with so many versions, none of them promoted yet."""
    actor = ground.actor
    async with ground.services.database.change(actor.org_id) as change:
        model = await models.create(
            change, actor, project_id=ground.project_id, name=f"contended-{next(_names)}", framework="sklearn",
            supported_frameworks=["sklearn"],
        )  # fmt: skip
        model.version_count = version_count
    row = defaults(
        ModelVersion(org_id=actor.org_id, model_id=model.id, number=0, label="", created_by=actor.principal_id)
    )
    rows = [{**row, "id": uuid7(), "number": number, "label": f"{number}"} for number in range(1, version_count + 1)]
    async with superuser(ground) as connection:
        await copy(connection, ModelVersion, rows)
    return Contended(model.id, iter([one["id"] for one in rows]))


async def _compared(ground: Ground, connection: asyncpg.Connection, model: Contended) -> tuple[int, int]:
    """The statements of both sides, once it is known that what they leave differs in nothing but what is new."""
    ours = await statements_of(ground, partial(_in_process, ground, model))
    left = await _left(ground, connection, model)
    bare_count = Count()
    with connection.query_logger(bare_count):
        await _bare(ground, connection, model)
    right = await _left(ground, connection, model)
    assert left == right, f"{left} is not {right}"
    return ours, bare_count.statements


async def _left(ground: Ground, connection: asyncpg.Connection, model: Contended) -> list[dict[str, Any]]:
    """The newest two transitions, revisions of the slot and events, without ids, times and numbers."""
    org_id = ground.actor.org_id
    async with connection.transaction():
        await enter(connection, ground.settings.roles, ground.actor)
        rows = [dict(row) for row in await connection.fetch(LEFT_TRANSITIONS, org_id, model.id)]
        rows += [dict(row) for row in await connection.fetch(LEFT_REVISIONS, org_id, model.id)]
        events = [dict(row) for row in await connection.fetch(LEFT_EVENTS, org_id)]
    for event in events:
        body = orjson.loads(event["body"])
        after = {name: None if name in CHANGING else value for name, value in body["after"].items()}
        event["body"] = {**body, "after": after}
    return [*rows, *events]


def _given(model: Contended) -> dict[str, Any]:
    return {"version": ids.encode("ModelVersion", next(model.versions)), "to": GOAL}


async def _over_http(client: Wire, model: Contended) -> None:
    await client.change(PROMOTE, _given(model))


async def _in_process(ground: Ground, model: Contended) -> None:
    await answered(ground, PROMOTE, {"input": _given(model)})


async def _bare(ground: Ground, connection: asyncpg.Connection, model: Contended) -> bytes:
    """Lock slots and version, look at policy and files, move the versions, append the events; the answer as JSON."""
    org_id, version_id = ground.actor.org_id, next(model.versions)
    async with connection.transaction():
        await enter(connection, ground.settings.roles, ground.actor)
        slots = {row["stage"]: row for row in await connection.fetch(SLOTS, org_id, model.id)}
        (last,) = await connection.fetch(LAST, org_id, model.id)
        from_stage = await connection.fetchval(LOCK_VERSION, org_id, version_id)
        assert from_stage == Stage.DEVELOPMENT
        assert await connection.fetchval(POLICY, org_id, model.id, GOAL) is None
        files = await connection.fetch(FILES, org_id, version_id)
        assert all(file["state"] == "AVAILABLE" for file in files)
        lines = ["-", "-", "\n".join(f"{file['path']}\t{file['kind']}\t{file['place']}" for file in files)]
        slot, now = slots[GOAL], max(utc_now(), last["created_at"])
        first = Transition(
            org_id=org_id, model_id=model.id, number=last["number"] + 1, version_id=version_id,
            kind=TransitionKind.PROMOTION, from_stage=from_stage, to_stage=GOAL, created_at=now,
            digest=hashlib.sha256("\n".join(lines).encode()).hexdigest(), created_by=ground.actor.principal_id,
        )  # fmt: skip
        await _move(connection, first, VERDICTS)
        await connection.execute(END_REVISION, org_id, model.id, GOAL, slot["revision"], now)
        revision = slot["revision"] + 1
        await connection.execute(FILL_SLOT, org_id, model.id, GOAL, version_id, first.id, revision, now)
        await _insert(
            connection,
            SlotRevision(org_id=org_id, model_id=model.id, stage=GOAL, revision=revision, version_id=version_id,
                         transition_id=first.id, valid_from=now),
        )  # fmt: skip
        assert await connection.fetchval(LOCK_VERSION, org_id, slot["version_id"]) == GOAL
        second = Transition(
            org_id=org_id, model_id=model.id, number=first.number + 1, version_id=slot["version_id"],
            kind=TransitionKind.DISPLACEMENT, from_stage=GOAL, to_stage=Stage.ARCHIVED, created_at=now,
            cause_id=first.id, created_by=ground.actor.principal_id,
        )  # fmt: skip
        await _move(connection, second, "[]")
        assert not await connection.fetch(REQUESTS, org_id, model.id, GOAL, [version_id, slot["version_id"]])
        told = [_event(ground, first, "promoted", revision), _event(ground, second, "displaced", revision)]
        await connection.execute("select ev.append($1, $2)", org_id, orjson.dumps(told).decode())
    shown = {"id": ids.encode("Transition", first.id), "number": first.number, "toStage": first.to_stage}
    return orjson.dumps({"data": {"promoteVersion": {"transition": shown, "errors": []}}})


async def _move(connection: asyncpg.Connection, transition: Transition, verdicts: str) -> None:
    await _insert(connection, transition, verdicts=verdicts)
    await connection.execute(MOVE_VERSION, transition.org_id, transition.version_id, transition.to_stage)


async def _insert(connection: asyncpg.Connection, row: Any, **said: str) -> None:
    names = [column.name for column in columns(type(row))]
    places = ", ".join(f"${place}" for place in range(1, len(names) + 1))
    statement = f"insert into registry.{row.__tablename__} ({', '.join(names)}) values ({places})"
    await connection.execute(statement, *[said.get(name, getattr(row, name)) for name in names])


def _event(ground: Ground, transition: Transition, verb: str, revision: int) -> dict[str, Any]:
    after = {
        "stage": transition.to_stage, "transition_id": transition.id, "transition_number": transition.number,
        "cause_id": transition.cause_id, "undone_id": None, "request_id": None, "automation_rule_id": None,
        "reason": None,
        "slot_revisions": {str(GOAL): revision},
    }  # fmt: skip
    body = {"v": EVENT_SHAPE, "before": {"stage": transition.from_stage}, "after": after}
    subject, actor = f"ModelVersion:{transition.version_id}", ground.actor.signature
    return {"kind": f"version.{verb}", "subject": subject, "actor": actor, "body": body}
