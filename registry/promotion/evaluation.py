"""Judging: what the gates say of a version that is to go somewhere. One function serves the plan and the promotion."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlmodel import col

from db.base import columns, utc_now
from db.codes import RequestState, Stage
from db.session import Change, Reader, Within
from db.tables import Model, ModelVersion, PromotionPolicy, PromotionRequest, Slot
from registry.catalog.version_digest import digest_of
from registry.kernel.errors import GateFailed
from registry.kernel.rows import find
from registry.promotion.gates.contents import Integrity
from registry.promotion.gates.gate import Case, Gate, GateVerdict
from registry.promotion.gates.kinds import ALWAYS, of_json, verdict_as_json
from registry.promotion.targets import Target

REQUEST_EXPIRES_S: Final = 7 * 86_400
"""How long a request stays open where no policy says so."""


@dataclass(frozen=True)
class Judgment:
    """What the gates said, of which contents, by which policy."""

    case: Case
    policy: Any | None
    verdicts: Sequence[GateVerdict]

    @property
    def passed(self) -> bool:
        """Whether every gate is open."""
        return all(verdict.passed for verdict in self.verdicts)

    @property
    def is_automatic(self) -> bool:
        """Whether a request completes by itself once every gate is open."""
        return is_automatic(self.policy)

    def require(self, path: str = "version") -> None:
        """Refuse unless every gate is open; `path` is the input that named the version.

        Raises: GateFailed, with what each of them says.
        """
        if not self.passed:
            raise GateFailed([verdict for verdict in self.verdicts if not verdict.passed], self.verdicts, (path,))


async def judge(
    reader: Reader,
    version: Any,
    target: Target,
    *,
    integrity_alone: bool = False,
    now: datetime | None = None,
) -> Judgment:
    """What the gates of the nearest policy say of a version, in the order of the policy.

    Where there is none, and where it does not say otherwise, the bytes of every file must have been verified; only an
    alias that no policy protects has no gates. `integrity_alone` asks for nothing else.
    """
    policy = await policy_for(reader, version.org_id, version.model_id, target)
    gates = gates_of(policy, target)
    if integrity_alone:
        gates = [gate for gate in gates if isinstance(gate, Integrity)]
    moment = now or utc_now()
    case = Case(
        reader=reader,
        org_id=version.org_id,
        target=target,
        version=version,
        champion=await _champion(reader, version),
        digest=await digest_of(reader, version),
        request=await open_request(reader, version, target, moment),
        now=moment,
    )
    return Judgment(case, policy, [await gate.judge(case) for gate in gates])


async def judge_within(
    change: Change, version: ModelVersion, target: Target, *, integrity_alone: bool = False
) -> Judgment:
    """`judge` with what this change has written so far. Call it while the target is held: the verdicts then stand."""
    return await judge(Within(change), version, target, integrity_alone=integrity_alone)


def is_automatic(policy: Any | None) -> bool:
    """Whether a request under a policy completes by itself once every gate is open."""
    return policy is not None and bool(policy.is_automatic)


def gates_of(policy: Any | None, target: Target) -> list[Gate]:
    """What a policy asks for, in its order; that files were verified even where there is none or it says nothing.

    Nothing for an alias that no policy protects: whoever may write sets it.
    """
    if policy is None and target.alias is not None:
        return []
    gates = [] if policy is None else [of_json(kept) for kept in policy.gates]
    if not any(isinstance(gate, Integrity) for gate in gates):
        gates.insert(0, ALWAYS)
    return gates


def kept_of(judgment: Judgment | None) -> dict[str, Any]:
    """What history keeps of a judgment, by column: of which contents, by which policy, and what every gate said."""
    policy = None if judgment is None else judgment.policy
    return {
        "policy_id": None if policy is None else policy.id,
        "policy_revision": None if policy is None else policy.revision,
        "digest": None if judgment is None else judgment.case.digest,
        "verdicts": [] if judgment is None else [verdict_as_json(verdict) for verdict in judgment.verdicts],
    }


async def policy_for(reader: Reader, org_id: UUID, model_id: UUID, target: Target) -> Any | None:
    """The policy that holds for a target of a model: its own, or its project's, or the organization's."""
    project_id = select(col(Model.project_id)).where(col(Model.org_id) == org_id, col(Model.id) == model_id)
    nobodys = col(PromotionPolicy.model_id).is_(None)
    statement = (
        select(*columns(PromotionPolicy))
        .where(
            col(PromotionPolicy.org_id) == org_id,
            col(PromotionPolicy.removed_at).is_(None),
            target.of(PromotionPolicy),
            or_(
                col(PromotionPolicy.model_id) == model_id,
                and_(nobodys, col(PromotionPolicy.only_project_id) == project_id.scalar_subquery()),
                and_(nobodys, col(PromotionPolicy.only_project_id).is_(None)),
            ),
        )
        .order_by(nobodys, col(PromotionPolicy.only_project_id).is_(None))
        .limit(1)
    )
    found = await reader.rows(statement)
    return found[0] if found else None


async def open_request(reader: Reader, version: Any, target: Target, now: datetime) -> Any | None:
    """The open request for a version to go there; None for none."""
    statement = select(*columns(PromotionRequest)).where(
        col(PromotionRequest.org_id) == version.org_id,
        col(PromotionRequest.version_id) == version.id,
        col(PromotionRequest.state) == RequestState.OPEN,
        # A worker will say so, soon; until then nothing it was approved for may happen.
        col(PromotionRequest.expires_at) > now,
        target.of(PromotionRequest),
    )
    found = await reader.rows(statement)
    return found[0] if found else None


async def asked(change: Change, judgment: Judgment) -> PromotionRequest | None:
    """The open request that a judgment saw, locked; None for none."""
    seen = judgment.case.request
    return None if seen is None else await find(change, PromotionRequest, seen.id, "request", lock=True)


async def _champion(reader: Reader, version: Any) -> Any | None:
    statement = (
        select(*columns(ModelVersion))
        .join(Slot, and_(col(Slot.org_id) == col(ModelVersion.org_id), col(Slot.version_id) == col(ModelVersion.id)))
        .where(
            col(Slot.org_id) == version.org_id,
            col(Slot.model_id) == version.model_id,
            col(Slot.stage) == Stage.PRODUCTION,
        )
    )
    found = await reader.rows(statement)
    return found[0] if found else None
