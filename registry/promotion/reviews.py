"""Reviews of requests: who may decide, and what an approval or a rejection does."""

from collections.abc import Sequence
from typing import Annotated, Final

from typing_extensions import Doc

from db.base import unique_key
from db.codes import PrincipalKind, RequestState, ReviewDecision, Role
from db.session import Change, Within
from db.tables import ModelVersion, PromotionRequest, PromotionReview
from registry.catalog.version_digest import authors, digest_of
from registry.kernel import inputs
from registry.kernel.access import RANK, Action, Actor, require
from registry.kernel.errors import Conflict
from registry.kernel.inputs import MAX_REASON
from registry.kernel.rows import flush, record
from registry.promotion.evaluation import gates_of
from registry.promotion.gates.gate import Gate
from registry.promotion.gates.others import Approvals
from registry.promotion.open_requests import about, close
from registry.promotion.request_completion import WHICH, check_open, policy_of, settle_now, take
from registry.promotion.targets import Target

REVIEW_KEY: Final = unique_key(PromotionReview, "request_id", "created_by", "decision")

_OTHER: Final = "The version has other contents by now. Look again, and send the `digest` of what you have seen."


async def review(
    change: Change,
    actor: Actor,
    *,
    request_id: WHICH,
    decision: Annotated[ReviewDecision, Doc("APPROVED, or REJECTED, which closes the request.")],
    comment: Annotated[str | None, Doc(f"Why; at most {MAX_REASON} characters.")] = None,
    digest: Annotated[
        str | None,
        Doc(
            "The `digest` of what you looked at; that of the request, if absent. An approval is refused if it changed"
            " since."
        ),
    ] = None,
) -> PromotionRequest:
    """Approve or reject a request. Nobody may who asked for it, made the version or its run, or sent one of its files.

    With the last approval that an automatic policy waits for, the version goes where it was to go. Who approved may
    still reject while the request is open; any reviewer may reject, whatever role approvals count from.

    Raises: Forbidden, NotFound, InvalidValue, Conflict.
    """
    why = inputs.reason(comment, ("comment",))
    place, request = await take(change, request_id)
    require(actor, Action.REVIEW, request)
    check_open(request)
    await _check_reviewer(change, actor, place.version, request)
    digest_now = await digest_of(Within(change), place.version)
    if decision == ReviewDecision.APPROVED:
        _check_counts(actor, place.target, gates_of(await policy_of(change, place), place.target))
        if (digest or request.digest) != digest_now:
            raise Conflict(_OTHER, ("digest",))
    row = PromotionReview(
        org_id=change.org_id,
        request_id=request.id,
        decision=decision,
        comment=why,
        role=_role(actor),
        digest=digest_now,
        created_by=actor.principal_id,
    )
    change.add(row)
    await flush(change, {REVIEW_KEY: Conflict("You have approved this request already.", ("request",))})
    told = {"review_id": row.id, "comment": why, "digest": row.digest}
    record(change, actor, request, decision.lower(), None, told | about(request))
    if decision == ReviewDecision.REJECTED:
        await close(change, actor, [request], RequestState.REJECTED, why or "A reviewer said no.")
    else:
        await settle_now(change, place, request)
    return request


async def _check_reviewer(change: Change, actor: Actor, version: ModelVersion, request: PromotionRequest) -> None:
    """Refuse whoever must not decide about this version. Raises: Conflict."""
    if actor.kind != PrincipalKind.USER:
        raise Conflict("People review. Programs report checks, with reportCheck.", ("request",))
    if actor.principal_id == request.created_by:
        raise Conflict("You asked for this promotion: somebody else has to review it.", ("request",))
    if actor.principal_id in await authors(Within(change), version):
        raise Conflict("You had a hand in this version: somebody else has to review it.", ("request",))


def _check_counts(actor: Actor, goal: Target, gates: Sequence[Gate]) -> None:
    """Refuse an approval that no gate would count. Raises: Conflict."""
    roles = [gate.least_role(goal) for gate in gates if isinstance(gate, Approvals)]
    least = min(roles, key=RANK.__getitem__, default=Role.MAINTAINER)
    if RANK[least] > actor.rank_for(None):
        raise Conflict(f"Approvals here count from the role {least} upwards.", ("request",))


def _role(actor: Actor) -> Role:
    """The highest role of somebody who may review."""
    return list(Role)[actor.rank_for(None)]
