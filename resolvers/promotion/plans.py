"""The plan of a promotion, and the digests of versions, read from the snapshot of a query."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select, union_all
from sqlmodel import col

from db.codes import Stage, TransitionKind
from db.session import Reader
from db.tables import Alias, AliasRevision, Slot
from registry.catalog import stages
from registry.catalog.version_digest import digests
from registry.kernel.access import NEEDED, RANK
from registry.kernel.errors import BadInput, Conflict, InvalidValue
from registry.promotion import aliases
from registry.promotion.evaluation import judge
from registry.promotion.gates.gate import GateVerdict
from registry.promotion.targets import Target, action, target
from resolvers.context import Operation
from resolvers.loading.shapes import Reading


@dataclass(frozen=True)
class Plan:
    """What a promotion would meet."""

    version_id: UUID
    stage: Stage | None
    alias: str | None
    obstacle: str | None
    is_permitted: bool
    is_automatic: bool
    revision: int
    digest: str
    verdicts: Sequence[GateVerdict]
    displaced_id: UUID | None
    policy_id: UUID | None
    request_id: UUID | None

    @property
    def is_possible(self) -> bool:
        """Whether it would be done."""
        return self.obstacle is None and all(verdict.passed for verdict in self.verdicts)


@dataclass(frozen=True)
class Digests:
    """The digest of each version, by its id."""

    async def read(self, reading: Reading, keys: list[UUID]) -> list[str]:
        """One statement for all."""
        found = await digests(reading.snapshot, reading.org_id, keys)
        return [found[key] for key in keys]


def goal(stage: Stage | None, alias: str | None) -> Target:
    """Return the target of a plan. Raises: BadInput unless it is one stage with a slot, or one alias."""
    try:
        return target(stage, alias)
    except InvalidValue as failure:
        raise BadInput(failure.message) from None


async def plan(operation: Operation, version: Any, goal: Target) -> Plan:
    """Evaluate the gates of a target for a version now."""
    judgment = await judge(operation.snapshot, version, goal)
    revision, held_id = await _now(operation.snapshot, version, goal)
    policy, request = judgment.policy, judgment.case.request
    needed = NEEDED[action(goal, is_protected=policy is not None)]
    return Plan(
        version_id=version.id,
        stage=goal.stage,
        alias=goal.alias,
        obstacle=obstacle(version, goal, held_id),
        is_permitted=operation.actor.rank_for(None) >= RANK[needed],
        is_automatic=judgment.is_automatic,
        revision=revision,
        digest=judgment.case.digest,
        verdicts=judgment.verdicts,
        displaced_id=None if held_id == version.id else held_id,
        policy_id=None if policy is None else policy.id,
        request_id=None if request is None else request.id,
    )


def obstacle(version: Any, goal: Target, held_id: UUID | None) -> str | None:
    """What is in the way of a version besides gates; None for nothing. `held_id` is what an alias points at now."""
    if version.deleted_at is not None:
        return "This version is deleted."
    try:
        if goal.stage is None:
            aliases.check(version, goal, held_id)
        else:
            stages.check(TransitionKind.PROMOTION, version.stage, goal.stage)
    except Conflict as conflict:
        return conflict.message
    return None


async def _now(reader: Reader, version: Any, goal: Target) -> tuple[int, UUID | None]:
    """The revision of the target and what is there."""
    if goal.stage is not None:
        statement = select(col(Slot.revision), col(Slot.version_id)).where(
            col(Slot.org_id) == version.org_id, col(Slot.model_id) == version.model_id, col(Slot.stage) == goal.stage
        )
    else:
        revisions = select(col(AliasRevision.revision), col(AliasRevision.version_id)).where(
            col(AliasRevision.org_id) == version.org_id,
            col(AliasRevision.model_id) == version.model_id,
            col(AliasRevision.name) == goal.alias,
        )
        # A server of an earlier release moves an alias without writing its history.
        now = select(col(Alias.revision), col(Alias.version_id)).where(
            col(Alias.org_id) == version.org_id,
            col(Alias.model_id) == version.model_id,
            col(Alias.name) == goal.alias,
        )
        both = union_all(revisions.order_by(col(AliasRevision.revision).desc()).limit(1), now).subquery()
        statement = select(both.c.revision, both.c.version_id).order_by(both.c.revision.desc()).limit(1)
    found = await reader.rows(statement)
    return (found[0][0], found[0][1]) if found else (0, None)
