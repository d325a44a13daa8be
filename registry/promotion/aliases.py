"""Aliases: names of a model, such as `champion`, that point at one of its versions and can be moved.

What a name pointed at is written down as numbered revisions, which go on when it is removed and set again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col
from typing_extensions import Doc

from db.codes import AliasRevisionKind, RequestState, Stage
from db.session import Change, Within
from db.tables import Alias, AliasRevision, Model, ModelVersion, PromotionRequest
from registry.kernel import inputs
from registry.kernel.access import Action, Actor, require
from registry.kernel.errors import Conflict, NotFound
from registry.kernel.revisions import check_revision
from registry.kernel.rows import database_time, find, find_by, image, record
from registry.promotion.evaluation import Judgment, asked, judge_within, kept_of, policy_for
from registry.promotion.open_requests import DONE, close, outdate
from registry.promotion.targets import Target, action

MODEL = Annotated[inputs.ModelId, Doc("Of which model.")]
NAME = Annotated[str, Doc(f"Such as `champion`, with or without `@`; 1 to {inputs.MAX_LABEL} characters.")]
ExpectedRevision = Annotated[
    int | None,
    Doc("Its revision as you know it, 0 for a name that was never set in this model; refused if it moved since."),
]


@dataclass(frozen=True)
class Held:
    """A name of a model, ours until the end of the transaction, and where its history stands."""

    model_id: UUID
    name: str
    alias: Alias | None
    """None while the name points at nothing."""
    last: AliasRevision | None
    version_id: UUID | None
    revision: int
    """0 for a name that was never set."""
    moment: datetime
    """When what happens now happens, by the clock of the database, and never before what happened last."""

    def check_expected(self, expected: int | None) -> None:
        """Refuse a caller who knows an older state. Raises: StaleRevision."""
        check_revision(f"alias @{self.name}", self.revision, expected, self.version_id)


@dataclass(frozen=True)
class Step:
    """Why an alias is to point at something else: what its history says besides at what."""

    kind: AliasRevisionKind
    reason: str | None = None
    judgment: Judgment | None = None
    request: PromotionRequest | None = None


async def point(
    change: Change,
    actor: Actor,
    *,
    version_id: Annotated[inputs.VersionId, Doc("The version it is to point at.")],
    name: NAME,
    expected_revision: ExpectedRevision = None,
    reason: inputs.Reason = None,
    created_at: datetime | None = None,
) -> Alias:
    """Make an alias point at a version of its model. Its first revision is 1; each move and removal adds 1.

    `created_at` is when a new one was made, if that was not now.

    Where a policy protects the alias, its gates have to be open and whoever moves it has to be allowed to promote.
    Nothing happens where it points there already. An open request for it is completed.

    Raises: Forbidden, NotFound, InvalidValue, Conflict for an archived version, StaleRevision, GateFailed.
    """
    version = await find(change, ModelVersion, version_id, "version")
    require(actor, Action.WRITE, version)
    target, why = Target(alias=inputs.new_alias_name(name)), inputs.reason(reason)
    held = await hold(change, version, str(target.alias))
    held.check_expected(expected_revision)
    require(actor, await needed(change, held.model_id, target), version)
    if held.alias is not None and held.version_id == version.id:
        return held.alias
    check(version, target, held.version_id)
    judgment = await judge_within(change, version, target)
    judgment.require()
    step = Step(AliasRevisionKind.MOVE, why, judgment, await asked(change, judgment))
    return await put(change, actor, held, version, step, created_at)


async def remove(
    change: Change,
    actor: Actor,
    *,
    model_id: MODEL,
    name: NAME,
    expected_revision: ExpectedRevision = None,
    reason: inputs.Reason = None,
) -> Model:
    """Take an alias from a model. Its history stays; set anew, it goes on with the next revision.

    Raises: Forbidden, NotFound, InvalidValue, StaleRevision.
    """
    model = await find(change, Model, model_id, "model", lock=True)
    target, why = Target(alias=inputs.alias_name(name)), inputs.reason(reason)
    require(actor, await needed(change, model.id, target), model)
    held = await held_of(change, model.id, str(target.alias))
    if held.alias is None:
        raise NotFound("Alias", ("name",))
    held.check_expected(expected_revision)
    await outdate(change, actor, model.id, col(PromotionRequest.alias) == target.alias)
    await _note(change, actor, held, None, Step(AliasRevisionKind.REMOVAL, why))
    record(change, actor, held.alias, "removed", image(held.alias), None)
    await change.delete(held.alias)
    return model


def check(version: Any, target: Target, held_id: UUID | None) -> None:
    """Refuse to let an alias that points at `held_id` point at a version that it cannot get. Raises: Conflict."""
    if version.id == held_id:
        raise Conflict(f"{target.name} points at this version already: there is nothing left to do.", ("version",))
    if version.stage == Stage.ARCHIVED:
        said = f"This version is archived. Reactivate it first, or choose another one for {target.name}."
        raise Conflict(said, ("version",))


async def hold(change: Change, version: ModelVersion, name: str) -> Held:
    """Lock a name of a version's model, whether or not it points at anything, and the version as it is then."""
    # The model: a name that points at nothing has no row.
    await find(change, Model, version.model_id, "version", lock=True)
    # Nobody archives it meanwhile, and what a protected alias points at stays as it is.
    await find(change, ModelVersion, version.id, "version", lock=True)
    return await held_of(change, version.model_id, name)


async def held_of(change: Change, model_id: UUID, name: str) -> Held:
    """A name of a model that is locked."""
    alias = await find_by(change, Alias, model_id=model_id, name=name)
    revisions = select(AliasRevision).filter_by(org_id=change.org_id, model_id=model_id, name=name)
    latest = revisions.order_by(col(AliasRevision.revision).desc()).limit(1)
    last = (await change.execute(latest)).scalar_one_or_none()
    # A server of the release before moves aliases without a word in their history.
    revision = max([row.revision for row in (alias, last) if row is not None], default=0)
    now = await database_time(change)
    moment = now if last is None else max(now, last.valid_from)
    return Held(model_id, name, alias, last, None if alias is None else alias.version_id, revision, moment)


async def put(
    change: Change, actor: Actor, held: Held, version: ModelVersion, step: Step, created_at: datetime | None = None
) -> Alias:
    """Make an alias point at a version that may have it, and complete the request of the step.

    Other requests for the alias end. The caller has checked that all this is allowed.
    """
    completed = None if step.request is None else step.request.id
    await outdate(change, actor, held.model_id, col(PromotionRequest.alias) == held.name, completed)
    alias, before = held.alias, None
    if alias is None:
        alias = Alias(
            org_id=change.org_id,
            model_id=held.model_id,
            version_id=version.id,
            name=held.name,
            revision=held.revision + 1,
            created_at=created_at or held.moment,
            created_by=actor.principal_id,
        )
        change.add(alias)
        after = image(alias)
    else:
        before = {"version_id": held.version_id, "revision": held.revision}
        alias.version_id, alias.revision, alias.updated_at = version.id, held.revision + 1, held.moment
        after = {"version_id": alias.version_id, "revision": alias.revision}
    await _note(change, actor, held, version.id, step)
    is_back = step.kind == AliasRevisionKind.ROLLBACK
    verb = "rolled_back" if is_back else "created" if held.alias is None else "moved"
    record(change, actor, alias, verb, before, after | {"request_id": completed, "reason": step.reason})
    if step.request is not None:
        await close(change, actor, [step.request], RequestState.COMPLETED, DONE)
    return alias


async def needed(change: Change, model_id: UUID, target: Target) -> Action:
    """What somebody must be allowed to have an alias of a model point elsewhere."""
    policy = await policy_for(Within(change), change.org_id, model_id, target)
    return action(target, is_protected=policy is not None)


async def _note(change: Change, actor: Actor, held: Held, version_id: UUID | None, step: Step) -> None:
    """Write down what a name points at from now on, as its next revision."""
    if held.last is not None:
        held.last.valid_to = held.moment
    judged: Mapping[str, Any] = kept_of(step.judgment)
    change.add(
        AliasRevision(
            org_id=change.org_id,
            model_id=held.model_id,
            name=held.name,
            revision=held.revision + 1,
            kind=step.kind,
            version_id=version_id,
            request_id=None if step.request is None else step.request.id,
            reason=step.reason,
            created_by=actor.principal_id,
            valid_from=held.moment,
            **judged,
        )
    )
    await change.flush()
