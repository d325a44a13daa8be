"""Automation rules: what is done with the versions of a model by itself, and when. Workers act on them: `firing`."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, select
from sqlmodel import col
from typing_extensions import Doc

from db.codes import JobKind, Stage, TriggerKind
from db.session import Change
from db.tables import AutomationRule, Environment, Model
from registry.catalog.stages import SLOTS
from registry.jobs.schedule import due, make_due
from registry.kernel import inputs
from registry.kernel.access import Action, Actor, require
from registry.kernel.errors import InvalidValue
from registry.kernel.inputs import OneOf
from registry.kernel.revisions import check_revision, next_revision, retire, stale
from registry.kernel.rows import add, alter, find
from registry.promotion.gates.gate import Path, bounds

MAX_REPORTS: Final = 100
MAX_COOL_DOWN_S: Final = 30 * 86_400
COOL_DOWN_S: Final = 3_600
KEY: Final = "automation_rule_key"

Reports = Annotated[int, Doc(f"How many reports in a row of one deployment have to be bad, 1 to {MAX_REPORTS}.")]
InEnvironment = Annotated[
    inputs.EnvironmentId | None, Doc("Only deployments in this environment count; in all of them, if absent.")
]
CoolDown = Annotated[
    int,
    Doc(
        f"For how many seconds after a rollback by a rule the model is left alone, 0 to {MAX_COOL_DOWN_S}. Nothing is"
        " rolled back or promoted to PRODUCTION by a rule meanwhile; the longest among the rules of a model counts."
    ),
]


class Trigger(ABC):
    """When a rule acts, and with that on which slot. A kind is a dataclass whose fields are declared as for rules."""

    @abstractmethod
    def columns(self, path: Path) -> dict[str, Any]:
        """What is stored of it. Raises: InvalidValue where its settings cannot be meant."""


@dataclass(frozen=True)
class GatesOpen(Trigger):
    """A version passes every gate for a stage: it is promoted, the newest first.

    Only one that is newer than what the slot holds or held last, and that nobody has archived, demoted or rolled back.
    To PRODUCTION none is promoted during the cool-down after a rollback by a rule.
    """

    to: Annotated[Stage, Doc("STAGING, or PRODUCTION for the version in STAGING.")]

    def columns(self, path: Path) -> dict[str, Any]:
        """The slot it fills."""
        if self.to not in SLOTS:
            raise InvalidValue("A version is promoted to STAGING or to PRODUCTION.", (*path, "gatesOpen", "to"))
        return {"trigger": TriggerKind.GATES_OPEN, "stage": self.to}


@dataclass(frozen=True)
class MetricBreach(Trigger):
    """A metric that deployments of the version in PRODUCTION report is out of bounds: the model is rolled back.

    Values count that were measured since the version came there, while the deployment reported that it runs this very
    version. A value that is no finite number, such as NaN, is out of any bounds. Counted are reports that hold the
    metric, by the latest value in each, however many it holds; in a row means by when these values were measured.
    """

    metric: Annotated[str, Doc("Which metric of the reports.")]
    minimum: Annotated[float | None, Doc("The least value that is good.")] = None
    maximum: Annotated[float | None, Doc("The greatest value that is good.")] = None
    reports: Reports = 3
    environment_id: InEnvironment = None
    cool_down_seconds: CoolDown = COOL_DOWN_S

    def columns(self, path: Path) -> dict[str, Any]:
        """Its bounds: at least one, finite, and not the one beyond the other."""
        here = (*path, "metricBreach")
        bounds(self.minimum, self.maximum, here, "every value would be out of bounds")
        return {
            "trigger": TriggerKind.METRIC_BREACH,
            "metric": inputs.name(self.metric, (*here, "metric")),
            "minimum": self.minimum,
            "maximum": self.maximum,
            **_rollback(here, self.reports, self.environment_id, self.cool_down_seconds),
        }


@dataclass(frozen=True)
class Unhealthy(Trigger):
    """Deployments of the version in PRODUCTION report that they are UNHEALTHY: the model is rolled back.

    Reports that do not say how healthy it is are passed over.
    """

    reports: Reports = 3
    environment_id: InEnvironment = None
    cool_down_seconds: CoolDown = COOL_DOWN_S

    def columns(self, path: Path) -> dict[str, Any]:
        """How many reports, where, and how often."""
        common = _rollback((*path, "unhealthy"), self.reports, self.environment_id, self.cool_down_seconds)
        return {"trigger": TriggerKind.UNHEALTHY, **common}


TRIGGERS: Final[Mapping[str, type[Trigger]]] = {kind.__name__: kind for kind in (GatesOpen, MetricBreach, Unhealthy)}
_SETTINGS: Final = (
    "trigger",
    "stage",
    "metric",
    "minimum",
    "maximum",
    "reports",
    "environment_id",
    "cool_down_seconds",
)


async def set_rule(
    change: Change,
    actor: Actor,
    *,
    model_id: Annotated[inputs.ModelId, Doc("For which model.")],
    name: Annotated[
        str, Doc(f"What it is called in reasons; unique in the model, 1 to {inputs.MAX_LABEL} characters.")
    ],
    trigger: Annotated[Trigger, OneOf("Trigger", TRIGGERS), Doc("When it acts, and with that what it does.")],
    is_enabled: Annotated[
        bool, Doc("Whether it acts. False if absent: a rule that is set again without it is switched off.")
    ] = False,
    expected_revision: Annotated[
        int | None, Doc("Its revision as you know it, 0 for none yet; refused if it changed since.")
    ] = None,
) -> AutomationRule:
    """Say what is to be done by itself, in place of what a rule of this name said. It acts in the name of who set it.

    Once this is answered, nothing happens any more by what it said before.

    Raises: Forbidden, NotFound, InvalidValue, StaleRevision.
    """
    require(actor, Action.ADMINISTER)
    model = await find(change, Model, model_id, "model")
    called = inputs.name(name, max_length=inputs.MAX_LABEL)
    asked: dict[str, Any] = {**dict.fromkeys(_SETTINGS), **trigger.columns(("trigger",)), "is_enabled": is_enabled}
    if asked["environment_id"] is not None:
        kind = type(trigger).__name__
        path = f"trigger.{kind[0].lower()}{kind[1:]}.environment"
        await find(change, Environment, asked["environment_id"], path)
    known = await _current(change, model.id, called)
    revision = 0 if known is None else known.revision
    check_revision("rule", revision, expected_revision)
    if known is None:
        first_revision = await next_revision(change, AutomationRule, _called(model.id, called))
        row = AutomationRule(
            org_id=change.org_id,
            model_id=model.id,
            name=called,
            revision=first_revision,
            set_by=actor.principal_id,
            created_by=actor.principal_id,
            **asked,
        )
        # Somebody else may set it at the same moment.
        rule = await add(change, actor, row, {KEY: stale("rule", first_revision)})
    elif any(getattr(known, name) != value for name, value in asked.items()):
        values = {**asked, "revision": revision + 1, "set_by": actor.principal_id}
        rule = await alter(change, actor, known, values)
    else:
        return known
    await _look(change, rule)
    return rule


async def remove_rule(
    change: Change,
    actor: Actor,
    *,
    rule_id: Annotated[UUID, inputs.Of("AutomationRule"), Doc("Which one.")],
    expected_revision: Annotated[int | None, Doc("Its revision as you know it; refused if it changed since.")] = None,
) -> AutomationRule:
    """Let a rule act no more. Its history stays.

    Raises: Forbidden, NotFound, StaleRevision.
    """
    rule = await find(change, AutomationRule, rule_id, "rule", lock=True)
    if await retire(change, actor, rule, "rule", expected_revision):
        await _look(change, rule)
    return rule


def _rollback(path: Path, reports: int, environment_id: UUID | None, cool_down_seconds: int) -> dict[str, Any]:
    """The columns of rules that roll back. Raises: InvalidValue."""
    if not 1 <= reports <= MAX_REPORTS:
        raise InvalidValue(f"A rule looks at 1 to {MAX_REPORTS} reports in a row.", (*path, "reports"))
    if not 0 <= cool_down_seconds <= MAX_COOL_DOWN_S:
        raise InvalidValue(f"A cool-down takes 0 to {MAX_COOL_DOWN_S} seconds.", (*path, "coolDownSeconds"))
    return {
        "stage": Stage.PRODUCTION,
        "reports": reports,
        "environment_id": environment_id,
        "cool_down_seconds": cool_down_seconds,
    }


def _called(model_id: UUID, name: str) -> ColumnElement[bool]:
    """Whether a rule, present or removed, is the one of this name."""
    return and_(col(AutomationRule.model_id) == model_id, col(AutomationRule.name) == name)


async def _current(change: Change, model_id: UUID, name: str) -> AutomationRule | None:
    """The rule of this name, locked; None for none."""
    statement = select(AutomationRule).where(
        col(AutomationRule.org_id) == change.org_id,
        _called(model_id, name),
        col(AutomationRule.removed_at).is_(None),
    )
    # A worker that notes what a rule did refers to it, and has its job: it must not wait for whoever waits for the job.
    return (await change.execute(statement.with_for_update(key_share=True))).scalar_one_or_none()


async def _look(change: Change, rule: AutomationRule) -> None:
    """Have a worker look at a rule that is other than before. Waits for one that acts on it at this moment."""
    this = col(AutomationRule.org_id) == change.org_id, col(AutomationRule.id) == rule.id
    await make_due(change, due(JobKind.FIRE_RULE, AutomationRule).where(*this))
