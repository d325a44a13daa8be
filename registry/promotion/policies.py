"""Policies: what versions have to show before they go to a stage or get an alias. The nearest one holds, alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, select
from sqlmodel import col
from typing_extensions import Doc

from db.codes import JobKind, RequestState
from db.session import Change
from db.tables import Model, Project, PromotionPolicy, PromotionPolicyRevision, PromotionRequest
from registry.jobs.schedule import due, make_due
from registry.kernel import inputs
from registry.kernel.access import Action, Actor, require
from registry.kernel.errors import Conflict, InvalidValue
from registry.kernel.inputs import OneOf
from registry.kernel.revisions import check_revision, next_revision, retire, stale
from registry.kernel.rows import add, alter, find
from registry.promotion.evaluation import REQUEST_EXPIRES_S
from registry.promotion.gates.gate import Gate
from registry.promotion.gates.kinds import GATES, MAX_GATES, checked
from registry.promotion.targets import ALIAS, TO, Target, target

MAX_EXPIRES_S: Final = 366 * 86_400
MIN_EXPIRES_S: Final = 60
_EXPIRES: Final = f"{MIN_EXPIRES_S} to {MAX_EXPIRES_S:,} seconds"
KEY: Final = "promotion_policy_key"


@dataclass(frozen=True)
class Scope:
    """What a policy is for: a target in a project or of a model; everywhere without either."""

    only_project_id: UUID | None
    model_id: UUID | None
    target: Target

    def policies(self) -> ColumnElement[bool]:
        """Whether a policy, present or removed, is for exactly this."""
        return and_(
            col(PromotionPolicy.only_project_id).is_not_distinct_from(self.only_project_id),
            col(PromotionPolicy.model_id).is_not_distinct_from(self.model_id),
            col(PromotionPolicy.stage).is_not_distinct_from(self.target.stage),
            col(PromotionPolicy.alias).is_not_distinct_from(self.target.alias),
        )


async def set_policy(
    change: Change,
    actor: Actor,
    *,
    project_id: Annotated[inputs.ProjectId | None, Doc("For the models of this project.")] = None,
    model_id: Annotated[inputs.ModelId | None, Doc("For this model. Without either it is for all models.")] = None,
    to: TO = None,
    alias: ALIAS = None,
    gates: Annotated[
        Sequence[Annotated[Gate, OneOf("Gate", GATES)]], Doc(f"All of them have to be open; at most {MAX_GATES}.")
    ],
    is_automatic: Annotated[
        bool, Doc("Whether a request completes by itself at the moment when the last gate opens.")
    ] = False,
    request_expires_seconds: Annotated[int, Doc(f"How long a request stays open, {_EXPIRES}.")] = REQUEST_EXPIRES_S,
    expected_revision: Annotated[
        int | None, Doc("Its revision as you know it, 0 for none yet; refused if it changed since.")
    ] = None,
    reason: inputs.Reason = None,
) -> PromotionPolicy:
    """Say what versions have to show. Replaces what was asked for before; requests that are open are judged by the new.

    Raises: Forbidden, NotFound, InvalidValue, StaleRevision.
    """
    require(actor, Action.ADMINISTER)
    scope = await _scope(change, project_id, model_id, target(to, alias))
    if not MIN_EXPIRES_S <= request_expires_seconds <= MAX_EXPIRES_S:
        raise InvalidValue(f"A request stays open {_EXPIRES}.", ("requestExpiresSeconds",))
    asked: dict[str, Any] = {
        "gates": checked(gates, ("gates",)),
        "is_automatic": is_automatic,
        "request_expires_seconds": request_expires_seconds,
    }
    why = inputs.reason(reason)
    known = await _current(change, scope)
    if known is None and not expected_revision:
        row = PromotionPolicy(
            org_id=change.org_id,
            only_project_id=scope.only_project_id,
            model_id=scope.model_id,
            stage=scope.target.stage,
            alias=scope.target.alias,
            revision=await next_revision(change, PromotionPolicy, scope.policies()),
            created_by=actor.principal_id,
            **asked,
        )
        if (first := await _first(change, actor, row)) is not None:
            await _note(change, actor, first, why)
            return first
        known = await _current(change, scope)
    if known is None:
        raise stale("policy", 0)
    revision = known.revision
    check_revision("policy", revision, expected_revision)
    if any(getattr(known, name) != value for name, value in asked.items()):
        await alter(change, actor, known, {**asked, "revision": revision + 1})
        await _note(change, actor, known, why)
    return known


async def remove_policy(
    change: Change,
    actor: Actor,
    *,
    policy_id: Annotated[UUID, inputs.Of("PromotionPolicy"), Doc("Which one.")],
    expected_revision: Annotated[int | None, Doc("Its revision as you know it; refused if it changed since.")] = None,
    reason: inputs.Reason = None,
) -> PromotionPolicy:
    """Let a policy hold no more: the next nearest does then. Its history stays; the last revision says who and why.

    Raises: Forbidden, NotFound, InvalidValue, StaleRevision.
    """
    policy = await find(change, PromotionPolicy, policy_id, "policy", lock=True)
    why = inputs.reason(reason)
    if await retire(change, actor, policy, "policy", expected_revision):
        await _note(change, actor, policy, why)
    return policy


async def _scope(change: Change, project_id: UUID | None, model_id: UUID | None, goal: Target) -> Scope:
    """What a policy is for. Raises: NotFound, InvalidValue."""
    if project_id is not None:
        await find(change, Project, project_id, "project")
    if model_id is not None:
        await find(change, Model, model_id, "model")
    if project_id is not None and model_id is not None:
        raise InvalidValue("A policy is for a project or for a model, not for both.", ("project",))
    return Scope(project_id, model_id, goal)


async def _current(change: Change, scope: Scope) -> PromotionPolicy | None:
    """The policy that is for exactly this, locked; None for none."""
    statement = select(PromotionPolicy).where(
        col(PromotionPolicy.org_id) == change.org_id, col(PromotionPolicy.removed_at).is_(None), scope.policies()
    )
    return (await change.execute(statement.with_for_update())).scalar_one_or_none()


async def _first(change: Change, actor: Actor, row: PromotionPolicy) -> PromotionPolicy | None:
    """Set a policy where there is none; None where somebody else did so at the same moment."""
    at_once = Conflict("Somebody else set this policy at the same moment.")
    try:
        async with change.begin_nested():
            return await add(change, actor, row, {KEY: at_once})
    except Conflict:
        return None


async def _note(change: Change, actor: Actor, policy: PromotionPolicy, reason: str | None) -> None:
    """Keep what a policy asks for from now on, or that it asks for nothing any more; have open requests looked at."""
    change.add(
        PromotionPolicyRevision(
            org_id=change.org_id,
            policy_id=policy.id,
            revision=policy.revision,
            gates=policy.gates,
            is_automatic=policy.is_automatic,
            request_expires_seconds=policy.request_expires_seconds,
            is_removal=policy.removed_at is not None,
            reason=reason,
            created_by=actor.principal_id,
        )
    )
    await change.flush()
    concerned = Target(policy.stage, policy.alias).of(PromotionRequest)
    requests = due(JobKind.SETTLE_REQUEST, PromotionRequest).where(
        col(PromotionRequest.org_id) == change.org_id, col(PromotionRequest.state) == RequestState.OPEN, concerned
    )
    await make_due(change, requests)
