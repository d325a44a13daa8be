"""Rollback of aliases: letting a name point again, in one step, at a version that it pointed at before."""

from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlmodel import col
from typing_extensions import Doc

from db.codes import AliasRevisionKind, TransitionKind
from db.session import Change, Within
from db.tables import Alias, AliasRevision, Model, ModelVersion, Transition
from registry.kernel import inputs
from registry.kernel.access import Action, Actor, require
from registry.kernel.errors import Conflict, NotFound
from registry.kernel.rows import find
from registry.promotion import aliases
from registry.promotion.aliases import Held, Step
from registry.promotion.evaluation import judge_within, policy_for
from registry.promotion.targets import Target

_NO_WAY_BACK = (
    "There is nothing earlier that {name} can go back to: each version that it pointed at is deleted, archived"
)
_NO_WAY_BACK += " by hand or was rolled back itself. Name one with `to`, or set the alias."


async def roll_back(
    change: Change,
    actor: Actor,
    *,
    model_id: aliases.MODEL,
    name: aliases.NAME,
    to: Annotated[
        inputs.VersionId | None, Doc("A version that it pointed at before; the one before the present, if absent.")
    ] = None,
    expected_revision: aliases.ExpectedRevision = None,
    reason: inputs.RequiredReason,
) -> Alias:
    """Let an alias point again at a version that it pointed at before; one that was removed is there again.

    Without `to` it is the latest that was neither deleted nor archived by hand nor left by a rollback. Of the gates of
    a policy it asks only whether the bytes are what they were; what was changed since is not put back under one.

    Raises: Forbidden, NotFound, InvalidValue, Conflict, StaleRevision, GateFailed.
    """
    model = await find(change, Model, model_id, "model", lock=True)
    target = Target(alias=inputs.new_alias_name(name))
    policy = await policy_for(Within(change), change.org_id, model.id, target)
    require(actor, Action.WRITE if policy is None else Action.ROLL_BACK, model)
    why = inputs.required_reason(reason)
    if to is not None:
        await find(change, ModelVersion, to, "to")
    held = await aliases.held_of(change, model.id, str(target.alias))
    if held.revision == 0:
        raise NotFound("Alias", ("name",))
    held.check_expected(expected_revision)
    earlier = await _before(change, held) if to is None else await _named(change, held, to)
    version = await find(change, ModelVersion, earlier.version_id, "to", lock=True)
    # Whatever else the policy asks for: this was good once, and is to help now.
    judgment = await judge_within(change, version, target, integrity_alone=True)
    path = "name" if to is None else "to"
    judgment.require(path)
    if policy is not None and earlier.digest not in (None, judgment.case.digest):
        said = f"ModelVersion {version.label} has other contents than when {target.name} pointed at it. Set the alias."
        raise Conflict(said, (path,))
    return await aliases.put(change, actor, held, version, Step(AliasRevisionKind.ROLLBACK, why, judgment))


async def _before(change: Change, held: Held) -> Any:
    """The version to go back to. Raises: Conflict where there is none."""
    for earlier in await _pointed_at(change, held):
        if earlier.left_by != AliasRevisionKind.ROLLBACK and earlier.went_by != TransitionKind.ARCHIVAL:
            return earlier
    raise Conflict(_NO_WAY_BACK.format(name=f"@{held.name}"), ("name",))


async def _named(change: Change, held: Held, version_id: UUID) -> Any:
    """The version that was named. Raises: Conflict where it cannot come back, with the reason."""
    if held.version_id == version_id:
        raise Conflict(f"@{held.name} points at this version already.", ("to",))
    for earlier in await _pointed_at(change, held, version_id):
        if earlier.went_by == TransitionKind.ARCHIVAL:
            raise Conflict("This version was archived by hand and stays so. Reactivate it and set the alias.", ("to",))
        return earlier
    raise Conflict(f"@{held.name} never pointed at this version. Set the alias.", ("to",))


async def _pointed_at(change: Change, held: Held, version_id: UUID | None = None) -> list[Any]:
    """What a name pointed at before and does not now, latest first: id, digest then, how left, by what its stage came.

    Versions that are deleted are left out, as nobody can use them. `version_id` looks for one alone.
    """
    left_by = func.lead(col(AliasRevision.kind)).over(order_by=col(AliasRevision.revision)).label("left_by")
    revisions = (
        select(col(AliasRevision.version_id), col(AliasRevision.digest), col(AliasRevision.revision), left_by)
        .where(
            col(AliasRevision.org_id) == change.org_id,
            col(AliasRevision.model_id) == held.model_id,
            col(AliasRevision.name) == held.name,
        )
        .subquery()
    )
    latest = (
        select(*revisions.c)
        .ext(distinct_on(revisions.c.version_id))
        .where(revisions.c.version_id.is_distinct_from(held.version_id))
        .order_by(revisions.c.version_id, revisions.c.revision.desc())
        .subquery()
    )
    went_by = (
        select(col(Transition.kind))
        .where(col(Transition.org_id) == change.org_id, col(Transition.version_id) == latest.c.version_id)
        .order_by(col(Transition.number).desc())
        .limit(1)
        .scalar_subquery()
    )
    statement = (
        select(latest.c.version_id, latest.c.digest, latest.c.left_by, went_by.label("went_by"))
        .join(ModelVersion, (col(ModelVersion.org_id) == change.org_id) & (col(ModelVersion.id) == latest.c.version_id))
        .where(col(ModelVersion.deleted_at).is_(None))
        .order_by(latest.c.revision.desc())
    )
    if version_id is not None:
        statement = statement.where(latest.c.version_id == version_id)
    return list((await change.execute(statement)).all())
