"""Where a version may be asked to go: to a stage, or under an alias."""

from dataclasses import dataclass
from typing import Annotated

from sqlalchemy import ColumnElement
from sqlmodel import col
from typing_extensions import Doc

from db.codes import Stage, TransitionKind
from db.tables import PromotionPolicy, PromotionRequest
from registry.catalog import stages
from registry.catalog.stages import SLOTS
from registry.kernel import inputs
from registry.kernel.access import Action
from registry.kernel.errors import InvalidValue

TO = Annotated[Stage | None, Doc("STAGING or PRODUCTION. Give either this or `alias`.")]
ALIAS = Annotated[str | None, Doc("An alias of the model, such as `champion`, with or without `@`.")]


@dataclass(frozen=True)
class Target:
    """A stage with a slot, or an alias: one of the two."""

    stage: Stage | None = None
    alias: str | None = None

    @property
    def name(self) -> str:
        """What people call it."""
        return str(self.stage) if self.alias is None else f"@{self.alias}"

    def of(self, table: type[PromotionPolicy] | type[PromotionRequest]) -> ColumnElement[bool]:
        """Whether a row is about this target."""
        if self.alias is None:
            return col(table.stage) == self.stage
        return col(table.alias) == self.alias


def target(to: Stage | None, alias: str | None) -> Target:
    """The target that was named. Raises: InvalidValue unless it is exactly one, with a slot if a stage."""
    if (to is None) == (alias is None):
        raise InvalidValue("Give either a stage, as `to`, or an alias.", ("to",))
    if alias is not None:
        return Target(alias=inputs.new_alias_name(alias, ("alias",)))
    if to not in SLOTS:
        raise InvalidValue("A version is promoted to STAGING or to PRODUCTION.", ("to",))
    return Target(stage=Stage(to))


def action(goal: Target, *, is_protected: bool) -> Action:
    """What somebody must be allowed to bring a version there; an alias is protected where a policy is for it."""
    if goal.stage is not None:
        return stages.action(TransitionKind.PROMOTION, Stage.DEVELOPMENT, goal.stage)
    return Action.PROMOTE_TO_PRODUCTION if is_protected else Action.WRITE
