"""Breaches: what deployments report of the version in production, against the bounds of automation rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Float,
    Select,
    Text,
    and_,
    bindparam,
    column,
    exists,
    func,
    literal,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by, distinct_on
from sqlmodel import col

from db.codes import DesiredState, Health, JobKind, TriggerKind
from db.session import Change
from db.tables import AutomationFiring, AutomationRule, Deployment, DeploymentMetric, DeploymentReport, Slot
from registry.jobs.schedule import due, make_due
from registry.promotion.gates.gate import number

MAX_METRICS = 100
"""How many values one report may hold."""
_SHOWN = 5


@dataclass(frozen=True)
class Breach:
    """Reports in a row of one deployment that are all bad; the latest first."""

    version_id: UUID
    deployment_id: UUID
    measured: Sequence[str]
    sentence: str


async def tell(
    change: Change, deployment: Deployment, health: Health, points: Sequence[tuple[str, float | None]]
) -> None:
    """Have the rules looked at to which something in a report of a deployment is a breach; a good report wakes nobody.

    `points` are names and values, None for what is no finite number.
    """
    if not points and health != Health.UNHEALTHY:
        return
    names, values = [name for name, _ in points], [value for _, value in points]
    point = (
        func.unnest(literal(names, ARRAY(Text)), literal(values, ARRAY(Float)))
        .table_valued(column("name", Text), column("value", Float), name="point")
        .render_derived()
    )
    bounds = or_(
        point.c.value.is_(None),
        point.c.value < col(AutomationRule.minimum),
        point.c.value > col(AutomationRule.maximum),
    )
    broken = exists().select_from(point).where(point.c.name == col(AutomationRule.metric), bounds)
    place = col(AutomationRule.environment_id)
    rules = due(JobKind.FIRE_RULE, AutomationRule).where(
        col(AutomationRule.org_id) == change.org_id,
        col(AutomationRule.model_id) == deployment.model_id,
        col(AutomationRule.is_enabled),
        col(AutomationRule.removed_at).is_(None),
        or_(place.is_(None), place == deployment.environment_id),
        or_(
            and_(col(AutomationRule.trigger) == TriggerKind.METRIC_BREACH, broken),
            and_(col(AutomationRule.trigger) == TriggerKind.UNHEALTHY, literal(health == Health.UNHEALTHY)),
        ),
    )
    await make_due(change, rules)


async def find_breach(change: Change, rule: AutomationRule) -> Breach | None:
    """The reports that a rule has to act on now; None where there are none, or where it has acted on the slot as it is.

    Counted is what was measured after the version came into the slot, by running deployments, at times of which their
    last report with a version names this one.
    """
    of_metric = rule.trigger == TriggerKind.METRIC_BREACH
    found = (await change.execute(_values(rule) if of_metric else _states(rule))).one_or_none()
    if found is None:
        return None
    count = len(found.measured)
    where = f"in {count} report{'s' if count > 1 else ''} of {found.name}"
    measured, sentence = list(found.measured), f"health was UNHEALTHY {where}"
    if of_metric:
        measured = [special or number(value) for value, special in zip(found.measured, found.specials, strict=True)]
        sentence = _out_of_bounds(rule, found.measured, measured, where)
    return Breach(found.version_id, found.deployment_id, measured, sentence)


def _out_of_bounds(rule: AutomationRule, values: Sequence[float | None], shown: Sequence[str], where: str) -> str:
    """What a metric was, where, and on which side of its bounds."""
    finite = [value for value in values if value is not None]
    sides = []
    if rule.minimum is not None and any(value < rule.minimum for value in finite):
        sides.append(f"below {number(rule.minimum)}")
    if rule.maximum is not None and any(value > rule.maximum for value in finite):
        sides.append(f"above {number(rule.maximum)}")
    if len(finite) < len(values):
        sides.append("no finite number")
    distinct = list(dict.fromkeys(shown))
    more = " and others" if len(distinct) > _SHOWN else ""
    return f"{rule.metric} was {', '.join(distinct[:_SHOWN])}{more} {where}, {' or '.join(sides)}"


def _values(rule: AutomationRule) -> Select[*tuple[Any, ...]]:
    """The latest value of a metric in each of the latest reports of a deployment, where enough are and all are bad.

    How far it looks back is bounded: a deployment that runs another version has no end of points that do not count.
    """
    moment, report = col(DeploymentMetric.measured_at), col(DeploymentMetric.report_id)
    measured = (
        select(
            col(DeploymentMetric.value), col(DeploymentMetric.special), moment.label("moment"),
            # What was stored before reports were kept with their values counts as a report of its own.
            func.coalesce(report, col(DeploymentMetric.id)).label("report"),
        )
        .where(
            col(DeploymentMetric.org_id) == col(Deployment.org_id),
            col(DeploymentMetric.deployment_id) == col(Deployment.id),
            col(DeploymentMetric.name) == rule.metric,
            moment > col(Slot.updated_at),
        )
        .order_by(moment.desc())
        .limit((rule.reports or 1) * MAX_METRICS)
        .correlate(Deployment, Slot)
        .subquery("measured")
    )  # fmt: skip
    of_it = _version_at(measured, measured.c.moment) == col(Slot.version_id)
    points = select(measured).where(of_it).correlate(Deployment, Slot).lateral("point")
    of_report = points.c.report, points.c.moment.desc()
    latest = select(points).ext(distinct_on(points.c.report)).order_by(*of_report).lateral("latest")
    last = select(latest).order_by(latest.c.moment.desc()).limit(rule.reports).lateral("last")
    bad: list[ColumnElement[bool]] = [last.c.value.is_(None)]
    if rule.minimum is not None:
        bad.append(func.coalesce(last.c.value < rule.minimum, False))
    if rule.maximum is not None:
        bad.append(func.coalesce(last.c.value > rule.maximum, False))
    return _in_a_row(rule, last, or_(*bad), ("measured", last.c.value), ("specials", last.c.special))


def _states(rule: AutomationRule) -> Select[*tuple[Any, ...]]:
    """The latest reports of each deployment that say how healthy it is, where all of enough say UNHEALTHY."""
    moment = col(DeploymentReport.observed_at)
    felt = (
        select(col(DeploymentReport.health), moment.label("moment"), col(DeploymentReport.id).label("id"))
        .where(
            col(DeploymentReport.org_id) == col(Deployment.org_id),
            col(DeploymentReport.deployment_id) == col(Deployment.id),
            # Written out, as the index that leaves these out is used only where the statement says so in every plan.
            col(DeploymentReport.health) != bindparam(None, Health.UNKNOWN, literal_execute=True),
            moment > col(Slot.updated_at),
        )
        .order_by(moment.desc(), col(DeploymentReport.id).desc())
        .limit((rule.reports or 1) * MAX_METRICS)
        .correlate(Deployment, Slot)
        .subquery("felt")
    )
    last = (
        select(felt.c.health, felt.c.moment)
        .where(_version_at(felt, felt.c.moment) == col(Slot.version_id))
        .order_by(felt.c.moment.desc(), felt.c.id.desc())
        .limit(rule.reports)
        .correlate(Deployment, Slot)
        .lateral("last")
    )
    return _in_a_row(rule, last, last.c.health == Health.UNHEALTHY, ("measured", last.c.health))


def _version_at(table: Any, moment: Any) -> Any:
    """The version that the deployment of a row said it ran at a moment."""
    said = DeploymentReport.__table__.alias("said")  # type: ignore[attr-defined]  # set by SQLModel
    return (
        select(said.c.observed_version_id)
        .where(
            said.c.org_id == col(Deployment.org_id),
            said.c.deployment_id == col(Deployment.id),
            said.c.observed_version_id.is_not(None),
            said.c.observed_at <= moment,
        )
        .order_by(said.c.observed_at.desc(), said.c.id.desc())
        .limit(1)
        .correlate(Deployment, table)
        .scalar_subquery()
    )


def _in_a_row(
    rule: AutomationRule, last: Any, bad: ColumnElement[bool], *shown: tuple[str, ColumnElement[Any]]
) -> Select[*tuple[Any, ...]]:
    """The first deployment whose last reports are enough and all bad, with what they said, latest first."""
    fired = exists().where(
        col(AutomationFiring.org_id) == col(Slot.org_id),
        col(AutomationFiring.rule_id) == rule.id,
        col(AutomationFiring.rule_revision) == rule.revision,
        col(AutomationFiring.slot_revision) == col(Slot.revision),
    )
    statement: Select[*tuple[Any, ...]] = (
        select(
            col(Slot.version_id),
            col(Deployment.id).label("deployment_id"),
            col(Deployment.name),
            *[func.array_agg(aggregate_order_by(what, last.c.moment.desc())).label(name) for name, what in shown],
        )
        .select_from(Slot)
        .join(
            Deployment,
            and_(col(Deployment.org_id) == col(Slot.org_id), col(Deployment.model_id) == col(Slot.model_id)),
        )
        .join(last, true())
        .where(
            col(Slot.org_id) == rule.org_id,
            col(Slot.model_id) == rule.model_id,
            col(Slot.stage) == rule.stage,
            col(Slot.version_id).is_not(None),
            col(Deployment.deleted_at).is_(None),
            col(Deployment.desired_state) == DesiredState.RUNNING,
            ~fired,
        )
        .group_by(col(Slot.version_id), col(Deployment.id), col(Deployment.name))
        .having(func.count() == rule.reports, func.bool_and(bad))
        .order_by(col(Deployment.id))
        .limit(1)
    )
    if rule.environment_id is not None:
        statement = statement.where(col(Deployment.environment_id) == rule.environment_id)
    return statement
