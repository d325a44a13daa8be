"""What a version is made of stays as it is from the moment when others rely on it."""

from sqlalchemy import and_, exists, or_, select
from sqlmodel import col

from db.codes import Stage
from db.session import Change
from db.tables import Alias, Model, ModelVersion, PromotionPolicy, SlotRevision
from registry.catalog.stages import CHANGEABLE
from registry.kernel.errors import Conflict


async def check_changeable(change: Change, version: ModelVersion, path: str) -> None:
    """Refuse to give a version, locked, other files, a signature or a runtime once others rely on what it is.

    They do in PRODUCTION and from then on, in ARCHIVED, and while an alias that a policy protects points at it: what
    was approved is what runs, and what a rollback puts back is what ran. In STAGING it may still be completed: reviews
    and checks of it hold for its contents alone.

    Raises: Conflict, with what would help.
    """
    if version.stage not in CHANGEABLE:
        raise Conflict(
            f"This version is in stage {version.stage}: its contents stay as they are. Make a new version.", (path,)
        )
    if await was_in_production(change, version):
        raise Conflict("This version was in PRODUCTION: its contents stay as they are. Make a new version.", (path,))
    alias = await _protected_alias(change, version)
    if alias is not None:
        raise Conflict(
            f"The protected alias @{alias} points at this version: its contents stay as they are meanwhile."
            " Make a new version.",
            (path,),
        )


async def was_in_production(change: Change, version: ModelVersion) -> bool:
    """Whether a version is or ever was in PRODUCTION."""
    held = exists().where(
        col(SlotRevision.org_id) == change.org_id,
        col(SlotRevision.model_id) == version.model_id,
        col(SlotRevision.stage) == Stage.PRODUCTION,
        col(SlotRevision.version_id) == version.id,
    )
    return bool((await change.execute(select(held))).scalar_one())


async def _protected_alias(change: Change, version: ModelVersion) -> str | None:
    """The name of an alias of a version for which there is a policy, whichever it is; None for none."""
    own, policy = col(Alias.org_id) == change.org_id, PromotionPolicy
    holds = or_(
        col(policy.model_id) == col(Alias.model_id),
        and_(
            col(policy.model_id).is_(None),
            or_(col(policy.only_project_id).is_(None), col(policy.only_project_id) == col(Model.project_id)),
        ),
    )
    statement = (
        select(col(Alias.name))
        .join(Model, and_(col(Model.org_id) == col(Alias.org_id), col(Model.id) == col(Alias.model_id)))
        .join(policy, and_(col(policy.org_id) == col(Alias.org_id), col(policy.alias) == col(Alias.name), holds))
        .where(own, col(Alias.version_id) == version.id, col(policy.removed_at).is_(None))
        .order_by(col(Alias.name))
        .limit(1)
    )
    return (await change.execute(statement)).scalar_one_or_none()
