"""Each screen of an interface over a large organization, against the same statements sent by asyncpg alone."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import orjson
from strawberry.utils.str_converters import to_camel_case

from bench.bare import connect, enter
from bench.ground import Ground, Sent, answered
from bench.replay import replay, sent_by
from bench.report import Line
from bench.rounds import race
from db.base import noun_of
from db.belonging import KINDS
from resolvers import ids

SCREENS = Path(__file__).parents[1] / "schema" / "screens"
PLACEHOLDER = "PASTE_"

Turn = Callable[[], Awaitable[object]]


async def measure(ground: Ground, rounds: int) -> list[Line]:
    """A line for each screen, in this process: to answer in JSON, against fetching the rows that it takes.

    Raises: AssertionError when a screen is not answered.
    """
    async with AsyncExitStack() as stack:
        bare = await stack.enter_async_context(connect(ground.settings))
        return [await _measured(ground, bare, screen, rounds) for screen in _screens()]


@dataclass(frozen=True)
class _Screen:
    name: str
    document: str
    variables: dict[str, Any]


def _screens() -> list[_Screen]:
    return [
        _Screen(
            path.stem.partition("_")[2].replace("_", " "),
            path.read_text(),
            orjson.loads(path.with_suffix(".json").read_bytes()),
        )
        for path in sorted(SCREENS.glob("*.graphql"))
    ]


async def _measured(ground: Ground, bare: asyncpg.Connection, screen: _Screen, rounds: int) -> Line:
    variables = await _variables(ground, bare, screen.variables)
    ours = partial(answered, ground, screen.document, variables)
    sent: list[Sent] = await sent_by(ground, ours)
    rows = await replay(ground, bare, sent)
    turns: dict[str, Turn] = {"ours": ours, "bare": partial(replay, ground, bare, sent)}
    times_ms = await race(turns, rounds)
    # One more of ours says for whom; `enter` does it for the baseline.
    return Line(
        f"screen: {screen.name}, {rows} rows", "its statements by asyncpg", times_ms["ours"], times_ms["bare"],
        len(sent) + 1, len(sent) + 1,
    )  # fmt: skip


async def _variables(ground: Ground, bare: asyncpg.Connection, given: dict[str, Any]) -> dict[str, Any]:
    """The variables of a screen, with the ids of the oldest things of their kind where some are to be pasted."""
    found: dict[str, Any] = {}
    async with bare.transaction():
        await enter(bare, ground.settings.roles, ground.actor)
        for name, value in given.items():
            pasted = value if isinstance(value, list) else [value]
            if not all(isinstance(each, str) and each.startswith(PLACEHOLDER) for each in pasted):
                continue
            one = name.removesuffix("s") if isinstance(value, list) else name
            kind, table = next((kind, row) for kind, row in KINDS.items() if to_camel_case(noun_of(row)) == one)
            oldest = f"select id from registry.{table.__tablename__} where org_id = $1 order by id limit {len(pasted)}"
            rows = await bare.fetch(oldest, ground.actor.org_id)
            made = [ids.encode(kind, row["id"]) for row in rows]
            found[name] = made if isinstance(value, list) else made[0]
    return given | found
