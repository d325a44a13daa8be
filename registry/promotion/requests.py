"""Requests for promotions: asked for, completed once the last gate is open, or withdrawn."""

from datetime import timedelta
from typing import Annotated

from typing_extensions import Doc

from db.base import utc_now
from db.codes import RequestState, TransitionKind
from db.session import Change, Within
from db.tables import PromotionRequest
from registry.catalog import stages
from registry.catalog.version_digest import digest_of
from registry.kernel import inputs
from registry.kernel.access import Action, Actor, require
from registry.kernel.errors import Conflict
from registry.kernel.inputs import MAX_REASON
from registry.kernel.rows import add
from registry.promotion import aliases
from registry.promotion.evaluation import REQUEST_EXPIRES_S, judge_within, open_request
from registry.promotion.open_requests import close
from registry.promotion.request_completion import (
    WHICH,
    check_open,
    do,
    expire,
    hold,
    is_outdated,
    look_at,
    needed,
    next_look,
    policy_of,
    settle_now,
    take,
)
from registry.promotion.targets import ALIAS, TO, target


async def ask(
    change: Change,
    actor: Actor,
    *,
    version_id: Annotated[inputs.VersionId, Doc("Which version.")],
    to: TO = None,
    alias: ALIAS = None,
    expected_revision: Annotated[
        int | None, Doc("The revision of the slot or alias as you know it; refused if it moved since.")
    ] = None,
    reason: Annotated[str | None, Doc(f"Why, for those who review; at most {MAX_REASON} characters.")] = None,
) -> PromotionRequest:
    """Ask for a version to go to the next stage or to get an alias, whether or not all gates are open yet.

    Where the policy is automatic and every gate is open, it has gone there at once.

    Raises: Forbidden, NotFound, InvalidValue, StaleRevision, Conflict where it cannot go there or is asked for already.
    """
    goal, why = target(to, alias), inputs.reason(reason)
    place = await hold(change, version_id, goal)
    require(actor, Action.WRITE, place.version)
    if goal.stage is not None:
        stages.check(TransitionKind.PROMOTION, place.version.stage, goal.stage)
    else:
        aliases.check(place.version, goal, place.version_id)
    place.check_expected(expected_revision)
    await expire(change, place)
    if await open_request(Within(change), place.version, goal, utc_now()) is not None:
        raise Conflict(f"There is an open request for this version to go to {goal.name}.", ("version",))
    policy = await policy_of(change, place)
    expires_seconds = REQUEST_EXPIRES_S if policy is None else policy.request_expires_seconds
    request = PromotionRequest(
        org_id=change.org_id,
        model_id=place.version.model_id,
        version_id=version_id,
        stage=goal.stage,
        alias=goal.alias,
        target_revision=place.revision,
        digest=await digest_of(Within(change), place.version),
        reason=why,
        expires_at=utc_now() + timedelta(seconds=expires_seconds),
        created_by=actor.principal_id,
    )
    await add(change, actor, request)
    change.add(look_at(request, next_look(policy, request)))
    await settle_now(change, place, request)
    return request


async def complete(
    change: Change,
    actor: Actor,
    *,
    request_id: WHICH,
    expected_revision: Annotated[
        int | None, Doc("The revision of the slot or alias as you know it; refused if it moved since.")
    ] = None,
) -> PromotionRequest:
    """Do what a request asks for, now that every gate is open.

    Raises: Forbidden, NotFound, InvalidValue, Conflict, StaleRevision, GateFailed.
    """
    place, request = await take(change, request_id)
    require(actor, await needed(change, place), place.version)
    check_open(request)
    place.check_expected(expected_revision)
    judgment = await judge_within(change, place.version, place.target)
    if await is_outdated(change, place, request, judgment.case.digest):
        raise Conflict("The request is stale: what it was made for has changed. Ask anew.", ("request",))
    judgment.require("request")
    await do(change, actor, place, request, judgment)
    return request


async def withdraw(
    change: Change,
    actor: Actor,
    *,
    request_id: WHICH,
    reason: Annotated[str | None, Doc(f"Why; at most {MAX_REASON} characters.")] = None,
) -> PromotionRequest:
    """Take a request back: one's own, or any for those who may promote.

    Raises: Forbidden, NotFound, InvalidValue, Conflict.
    """
    why = inputs.reason(reason)
    place, request = await take(change, request_id)
    require(actor, Action.WRITE, request)
    if request.created_by != actor.principal_id:
        require(actor, await needed(change, place), request)
    check_open(request, late=True)
    await close(change, actor, [request], RequestState.WITHDRAWN, why or "It was withdrawn.")
    return request
