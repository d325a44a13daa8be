"""What becomes of an open request: it holds what it is about, and completes, expires or is stale when that is due."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from sqlalchemy import exists, select
from sqlmodel import col
from typing_extensions import Doc

from db.base import utc_now
from db.codes import AliasRevisionKind, JobKind, RequestState, Stage, TransitionKind
from db.session import Change, Database, Within
from db.tables import Job, ModelVersion, PromotionRequest, PromotionReview
from registry.catalog.version_digest import digest_of
from registry.jobs import queue
from registry.jobs.queue import Lease
from registry.kernel import inputs
from registry.kernel.access import Action, Actor
from registry.kernel.errors import Conflict, NotFound
from registry.kernel.revisions import check_revision
from registry.kernel.rows import find, find_by
from registry.promotion import aliases, promotions
from registry.promotion.evaluation import Judgment, is_automatic, judge_within, policy_for
from registry.promotion.open_requests import MOVED_ON, close
from registry.promotion.slots import Held, Step
from registry.promotion.targets import Target, action
from registry.tenants.organizations import in_the_name_of, system

LOOK_AGAIN: Final = timedelta(seconds=30)
"""How often an open request is looked at although nothing is known to have changed: time opens gates, too."""

WHICH = Annotated[UUID, inputs.Of("PromotionRequest"), Doc("Which request.")]
_TOO_LATE: Final = "Nobody completed it in time."
_CHANGED: Final = "The version has other contents than those that were reviewed."


@dataclass(frozen=True)
class Place:
    """A target, held until the end of the transaction, with the version that is to go there."""

    target: Target
    version: ModelVersion
    revision: int
    version_id: UUID | None
    """What is there now."""
    held: Held | None
    """The slots; None for an alias."""
    alias: aliases.Held | None = None
    """None for a stage."""

    def check_expected(self, expected: int | None) -> None:
        """Refuse a caller who knows an older state of the target. Raises: StaleRevision."""
        what = "slot" if self.alias is None else "alias"
        check_revision(f"{what} {self.target.name}", self.revision, expected, self.version_id)


async def settle(database: Database, lease: Lease) -> None:
    """Look at an open request: expire it, call it stale, complete it, or look again later. Raises: LeaseLost."""
    async with database.change(lease.org_id) as change:
        seems_open = await _seems_open(change, lease.subject_id)
    async with database.change(lease.org_id) as change:
        had_news = await queue.finish(change, lease)
        request = await find(change, PromotionRequest, lease.subject_id, "request")
        if request.state != RequestState.OPEN:
            return
        try:
            place, request = await take(change, request.id)
        except NotFound:
            request = await find(change, PromotionRequest, request.id, "request", lock=True)
            if request.state != RequestState.OPEN:
                return
            await close(change, system(lease.org_id), [request], RequestState.STALE, "The version was deleted.")
            return
        if request.state != RequestState.OPEN:
            return
        await settle_now(change, place, request, seems_open)
        if request.state == RequestState.OPEN:
            when = utc_now() if had_news else next_look(await policy_of(change, place), request)
            change.add(look_at(request, when))


async def settle_now(change: Change, place: Place, request: PromotionRequest, seems_open: bool = True) -> None:
    """Do with an open request what is due: nothing, or one of the ways in which it ends without anybody's word."""
    nobody = system(change.org_id)
    if request.expires_at <= utc_now():
        await close(change, nobody, [request], RequestState.EXPIRED, _TOO_LATE)
        return
    if await is_outdated(change, place, request, await digest_of(Within(change), place.version)):
        moved = place.revision != request.target_revision
        await close(change, nobody, [request], RequestState.STALE, MOVED_ON if moved else _CHANGED)
        return
    # Gates are asked only where their answer has a consequence: the target is held meanwhile.
    if not seems_open or not is_automatic(await policy_of(change, place)):
        return
    judgment = await judge_within(change, place.version, place.target)
    if judgment.is_automatic and judgment.passed:
        author = await in_the_name_of(change, request.created_by)
        await do(change, author, place, request, judgment)


async def do(change: Change, actor: Actor, place: Place, request: PromotionRequest, judgment: Judgment) -> None:
    """Bring the version where the request wants it."""
    if place.held is not None and request.stage is not None:
        step = Step(TransitionKind.PROMOTION, request.reason, judgment=judgment, request=request)
        await promotions.put(change, actor, place.held, place.version, Stage(request.stage), step)
        await change.refresh(request)
        return
    if place.alias is not None:
        moved = aliases.Step(AliasRevisionKind.MOVE, request.reason, judgment, request)
        await aliases.put(change, actor, place.alias, place.version, moved)


async def hold(change: Change, version_id: UUID, goal: Target, path: str = "version") -> Place:
    """Hold a target, so that nobody else moves it. Raises: NotFound."""
    if goal.stage is not None:
        held, version = await promotions.take(change, version_id, path)
        slot = held.slots[goal.stage]
        return Place(goal, version, slot.revision, slot.version_id, held)
    version = await find(change, ModelVersion, version_id, path)
    alias = await aliases.hold(change, version, str(goal.alias))
    return Place(goal, version, alias.revision, alias.version_id, None, alias)


async def take(change: Change, request_id: UUID) -> tuple[Place, PromotionRequest]:
    """Hold what a request is about, and then the request itself. Raises: NotFound."""
    seen = await find(change, PromotionRequest, request_id, "request")
    place = await hold(change, seen.version_id, Target(seen.stage, seen.alias), "request")
    return place, await find(change, PromotionRequest, request_id, "request", lock=True)


def check_open(request: PromotionRequest, *, late: bool = False) -> None:
    """Refuse to act on a request that is closed, or should be. Raises: Conflict."""
    if request.state != RequestState.OPEN:
        raise Conflict(f"This request is {request.state}. Ask anew.", ("request",))
    if request.expires_at <= utc_now() and not late:
        raise Conflict("This request has expired. Ask anew.", ("request",))


async def is_outdated(change: Change, place: Place, request: PromotionRequest, digest: str) -> bool:
    """Whether a request was made, or reviewed, for something else than there is now, whose digest is given."""
    if place.revision != request.target_revision:
        return True
    if digest == request.digest:
        return False
    reviewed = exists().where(
        col(PromotionReview.org_id) == change.org_id,
        col(PromotionReview.request_id) == request.id,
        col(PromotionReview.digest) != digest,
    )
    return bool((await change.execute(select(reviewed))).scalar_one())


async def policy_of(change: Change, place: Place) -> Any | None:
    """The policy that holds for where a version is to go."""
    return await policy_for(Within(change), change.org_id, place.version.model_id, place.target)


async def needed(change: Change, place: Place) -> Action:
    """What somebody must be allowed to bring the version there."""
    return action(place.target, is_protected=await policy_of(change, place) is not None)


async def expire(change: Change, place: Place) -> None:
    """Close a request for the same that nobody completed in time: it must not stand in the way of a new one."""
    late = select(PromotionRequest).where(
        col(PromotionRequest.org_id) == change.org_id,
        col(PromotionRequest.version_id) == place.version.id,
        col(PromotionRequest.state) == RequestState.OPEN,
        col(PromotionRequest.expires_at) <= utc_now(),
        place.target.of(PromotionRequest),
    )
    found = (await change.execute(late.with_for_update())).scalars().all()
    await close(change, system(change.org_id), found, RequestState.EXPIRED, _TOO_LATE)


def next_look(policy: Any | None, request: PromotionRequest) -> datetime:
    """When to look at a request although there is no news: soon if it may complete by itself, else at its end."""
    return utc_now() + LOOK_AGAIN if is_automatic(policy) else request.expires_at


def look_at(request: PromotionRequest, when: datetime) -> Job:
    """The job that looks at a request then."""
    return Job(
        org_id=request.org_id,
        kind=JobKind.SETTLE_REQUEST,
        subject_id=request.id,
        run_after=when,
    )


async def _seems_open(change: Change, request_id: UUID) -> bool:
    """Whether a request may complete by itself now, as seen without holding what those need who bring it news."""
    request = await find(change, PromotionRequest, request_id, "request")
    version, goal = await find_by(change, ModelVersion, id=request.version_id), Target(request.stage, request.alias)
    if version is None or request.state != RequestState.OPEN:
        return False
    policy = await policy_for(Within(change), change.org_id, version.model_id, goal)
    return is_automatic(policy) and (await judge_within(change, version, goal)).passed
