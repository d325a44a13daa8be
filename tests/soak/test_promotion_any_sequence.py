"""Any sequence of moving versions under policies, also two at once, does what a few lines of Python say it does."""

import asyncio
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

import httpx2
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from db.session import Database
from tests.stages import Line
from tests.tenant import found_tenant

VERSIONS = 4
UP = {"DEVELOPMENT": "STAGING", "STAGING": "PRODUCTION"}
DOWN = {new: old for old, new in UP.items()}
SLOTS = ("STAGING", "PRODUCTION")

Step = tuple[str, int, str, int | None, bool]
MOVES = ["release"] * 4 + ["promote"] * 4 + ["rollBack"] * 4 + ["demote", "archive", "reactivate", "delete", "restore"]
MOVES += ["protect", "free", "describe"]
STEP = st.tuples(
    st.sampled_from(MOVES),
    st.integers(0, VERSIONS - 1),
    st.sampled_from([*SLOTS, "PRODUCTION"]),
    st.sampled_from([0, 0, 0, 0, -1, None]),
    st.booleans(),
)


def moves(step: Step) -> list[Step]:
    """A release is two promotions of a version, known to be allowed by the revisions: what rollbacks are made for."""
    move, version, _, _, named = step
    if move != "release":
        return [step]
    return [("promote", version, "STAGING", 0, named), ("promote", version, "PRODUCTION", 0, named)]


@dataclass
class Expected:
    """What is where, and why: `arrived` is by which move a version came to its stage, and from which."""

    stages: list[str] = field(default_factory=lambda: ["DEVELOPMENT"] * VERSIONS)
    deleted: list[bool] = field(default_factory=lambda: [False] * VERSIONS)
    arrived: list[tuple[str, str]] = field(default_factory=lambda: [("", "")] * VERSIONS)
    held: dict[str, int | None] = field(default_factory=lambda: dict.fromkeys(SLOTS))
    revisions: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SLOTS, 0))
    protected: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(SLOTS, False))
    described: list[bool] = field(default_factory=lambda: [False] * VERSIONS)
    history: dict[str, list[int]] = field(default_factory=lambda: {stage: [] for stage in SLOTS})
    taken: dict[tuple[str, int], bool] = field(default_factory=dict)
    """Whether a version was described when a slot took it last."""

    def do(self, move: str, version: int, stage: str, known: int | None, named: bool) -> str:
        """The code of the answer; `known` is the revision that the caller sends."""
        if move == "rollBack":
            return self._roll_back(stage, known, version if named else None)
        if move == "restore":
            self.deleted[version] = False
            return "DONE"
        if move == "delete":
            if not self.deleted[version] and self.stages[version] in SLOTS:
                return "CONFLICT"
            self.deleted[version] = True
            return "DONE"
        if move in ("protect", "free"):
            self.protected[stage] = move == "protect"
            return "DONE"
        if self.deleted[version]:
            return "NOT_FOUND"
        if move == "describe":
            relied_on = self.stages[version] in ("PRODUCTION", "ARCHIVED") or version in self.history["PRODUCTION"]
            if relied_on and not self.described[version]:
                return "CONFLICT"
            self.described[version] = True
            return "DONE"
        now = self.stages[version]
        if move == "promote":
            if UP.get(now) != stage:
                return "CONFLICT"
            if stale := self._stale(stage, known):
                return stale
            if self.protected[stage] and not self.described[version]:
                return "GATE_FAILED"
            return self._go(version, stage, "PROMOTION")
        to = {"demote": DOWN.get(now), "archive": None if now == "ARCHIVED" else "ARCHIVED",
              "reactivate": "DEVELOPMENT" if now == "ARCHIVED" else None}[move]  # fmt: skip
        if to is None:
            return "CONFLICT"
        if now in SLOTS and (stale := self._stale(now, known)):
            return stale
        if self.held.get(to) is not None:
            return "CONFLICT"
        return self._go(version, to, move)

    def _stale(self, stage: str, known: int | None) -> str:
        if known == self.revisions[stage] or (known is None and stage != "PRODUCTION"):
            return ""
        return "INVALID_VALUE" if known is None else "STALE_REVISION"

    def _roll_back(self, stage: str, known: int | None, to: int | None) -> str:
        if to is not None and self.deleted[to]:
            return "NOT_FOUND"
        if stale := self._stale(stage, known):
            return stale
        for version in [to] if to is not None else list(dict.fromkeys(reversed(self.history[stage]))):
            kind, start = self.arrived[version]
            if self.deleted[version] or version == self.held[stage] or version not in self.history[stage]:
                continue
            good = {"DISPLACEMENT", "UNDOING"} if to is not None else {"DISPLACEMENT"}
            if kind in good and start == stage:
                is_as_it_was = self.taken[stage, version] == self.described[version]
                return self._go(version, stage, "ROLLBACK") if is_as_it_was else "CONFLICT"
        return "CONFLICT"

    def _go(self, version: int, to: str, kind: str) -> str:
        start = self.stages[version]
        if start in SLOTS:
            self._hold(start, None)
        if to in SLOTS:
            displaced = self.held[to]
            self._hold(to, version)
            if displaced is not None:
                self.stages[displaced] = "ARCHIVED"
                self.arrived[displaced] = ("UNDOING" if kind == "ROLLBACK" else "DISPLACEMENT", to)
        self.stages[version], self.arrived[version] = to, (kind, start)
        return "DONE"

    def _hold(self, stage: str, version: int | None) -> None:
        self.held[stage] = version
        self.revisions[stage] += 1
        if version is not None:
            self.history[stage].append(version)
            self.taken[stage, version] = self.described[version]


class World:
    """What there should be, and the model that is asked for the same."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.expected = Expected()

    def known(self, step: Step) -> int | None:
        """The revision that the caller of a step sends: the present one, another, or none."""
        move, version, stage, off, _ = step
        slot = stage if move in ("promote", "rollBack") else self.expected.stages[version]
        return None if off is None else self.expected.revisions.get(slot, 0) + off

    async def ask(self, step: Step, known: int | None) -> str:
        """The code of the real answer."""
        move, version, stage, _, named = step
        gid = self.line.versions[version]
        given: dict[str, Any]
        mutation = "rollBackModel" if move == "rollBack" else f"{move}Version"
        row = "version" if move in ("delete", "restore") else "transition"
        if move == "rollBack":
            given = {"model": self.line.model, "stage": stage, "reason": "worse", "expectedRevision": known}
            given |= {"to": gid} if named else {}
        elif move in ("protect", "free"):
            mutation, row = "setPromotionPolicy", "promotionPolicy"
            gates = [{"requiredFacts": {"runtime": True}}] if move == "protect" else []
            given = {"model": self.line.model, "to": stage, "gates": gates}
        elif move == "describe":
            mutation, row = "updateVersion", "version"
            given = {"version": gid, "runtime": {"image": "slim"}}
        elif move in ("delete", "restore", "reactivate"):
            given = {"version": gid}
        else:
            given = {"version": gid, "expectedRevision": known} | ({"to": stage} if move == "promote" else {})
        payload = await self.line.tenant.client.change(mutation, f"{row} {{ id }}", **given)
        return payload["errors"][0]["code"] if payload["errors"] else "DONE"

    async def at_once(self, steps: list[Step]) -> None:
        """Ask for one or two things at the same moment: the answers are those of one order or the other."""
        knows = [self.known(step) for step in steps]
        codes = await asyncio.gather(*[self.ask(step, known) for step, known in zip(steps, knows, strict=True)])
        possible = [world for world, answers in self.orders(steps, knows) if answers == codes]
        actual = await self.line.slots()
        stages = await self.line.stages()
        for world in possible:
            held = {
                stage: (world.revisions[stage], None if version is None else self.line.versions[version])
                for stage, version in world.held.items()
            }
            live = [stage for stage, deleted in zip(world.stages, world.deleted, strict=True) if not deleted]
            if stages == live and actual == held:
                self.expected = world
                return
        raise AssertionError(f"{steps} was answered {codes}: {actual} {stages}, not one of {possible}")

    def orders(self, steps: list[Step], knows: list[int | None]) -> Iterator[tuple[Expected, list[str]]]:
        """What each order of the steps leads to, with the answers in the order of the steps."""
        for order in permutations(range(len(steps))):
            world, answers = deepcopy(self.expected), [""] * len(steps)
            for place in order:
                move, version, stage, _, named = steps[place]
                answers[place] = world.do(move, version, stage, knows[place], named)
            yield world, answers


@settings(
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(st.lists(STEP, min_size=1, max_size=2), min_size=15, max_size=30))
async def test_any_sequence_of_moves_leaves_stages_slots_and_revisions_as_they_should_be(
    database: Database, http: httpx2.AsyncClient, steps: list[list[Step]]
) -> None:
    world = World(await Line.of(await found_tenant(database, http), VERSIONS))
    for step in steps:
        # Of two that are asked for at once, each takes its first part; a release alone takes both.
        for parts in [[moves(part)[0] for part in step], *([moves(step[0])[1:]] if len(step) == 1 else [])]:
            if parts:
                await world.at_once(parts)
