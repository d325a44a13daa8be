"""Reports: what agents see of deployments, and what they measure there."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

from sqlalchemy.dialects.postgresql import insert
from typing_extensions import Doc

from db.base import utc_now
from db.codes import Health, ObservedState
from db.ids import uuid7
from db.session import Change
from db.tables import Deployment, DeploymentMetric, DeploymentReport, ModelVersion
from registry.automation import breaches
from registry.automation.breaches import MAX_METRICS
from registry.kernel import inputs
from registry.kernel.access import Action, Actor, require
from registry.kernel.errors import Conflict, InvalidValue
from registry.kernel.rows import alter, find, find_by, flush
from registry.serving import observed_lineage
from registry.tracking import metrics as metric_points

MAX_MESSAGE = 2_000
OLDEST = timedelta(days=30)
"""How late a report may come."""


async def take(
    change: Change,
    actor: Actor,
    *,
    deployment_id: Annotated[inputs.DeploymentId, Doc("Which deployment.")],
    observed_state: Annotated[ObservedState, Doc("What it does.")],
    version_id: Annotated[
        inputs.VersionId | None, Doc("The version it runs, of its model; as last reported if absent.")
    ] = None,
    health: Annotated[Health, Doc("How well it does it.")] = Health.UNKNOWN,
    health_message: Annotated[str | None, Doc(f"More about it; at most {MAX_MESSAGE} characters.")] = None,
    metrics: Annotated[Sequence[inputs.Measurement], Doc(f"What was measured; at most {MAX_METRICS} values.")] = (),
    observed_at: Annotated[
        datetime | None,
        Doc("When it was seen, up to 30 days ago; now if absent. An agent that sends the same again is heard once."),
    ] = None,
) -> Deployment:
    """Store what an agent saw of a deployment, and show it unless something later has been seen.

    A report is data and no event; that state, version or health became other than before is one. Where it changes what
    the deployment is seen to run, that shows in the lineage, from the moment when it was seen.

    Raises: Forbidden, NotFound, InvalidValue, Conflict when the agent has said something else of the same moment.
    """
    deployment = await find(change, Deployment, deployment_id, "deployment", lock=True)
    require(actor, Action.WRITE, deployment)
    moment = inputs.moment(observed_at or utc_now(), ("observedAt",), oldest=utc_now() - OLDEST)
    report = DeploymentReport(
        org_id=change.org_id,
        deployment_id=deployment.id,
        observed_state=observed_state,
        observed_version_id=version_id,
        health=health,
        health_message=inputs.text(health_message, ("healthMessage",), max_length=MAX_MESSAGE),
        observed_at=moment,
        created_by=actor.principal_id,
    )
    if version_id is not None:
        # What people have deleted may still be running.
        version = await find(change, ModelVersion, version_id, "version", deleted=True)
        if version.model_id != deployment.model_id:
            raise InvalidValue("This is a version of another model than the deployment's.", ("version",))
    known = await _known(change, report)
    if known is None:
        change.add(report)
        await _show(change, actor, deployment, report)
    points = await _measure(change, known or report, metrics)
    await breaches.tell(change, deployment, health, points)
    return deployment


async def _known(change: Change, report: DeploymentReport) -> DeploymentReport | None:
    """The report by which the agent has said this before; None for none.

    Raises: Conflict when it said something else.
    """
    key = {name: getattr(report, name) for name in ("deployment_id", "created_by", "observed_at")}
    known = await find_by(change, DeploymentReport, **key)
    if known is None:
        return None
    told = ("observed_state", "observed_version_id", "health", "health_message")
    if any(getattr(known, name) != getattr(report, name) for name in told):
        raise Conflict("You have reported something else of the same moment.", ("observedAt",))
    return known


async def _show(change: Change, actor: Actor, deployment: Deployment, report: DeploymentReport) -> None:
    """Make a report the last word about its deployment, unless it is older than that."""
    if deployment.observed_at is not None and report.observed_at < deployment.observed_at:
        return
    seen: dict[str, Any] = {"observed_state": report.observed_state, "health": report.health}
    if report.observed_version_id is not None:
        seen["observed_version_id"] = report.observed_version_id
    deployment.observed_at = report.observed_at
    if any(getattr(deployment, name) != value for name, value in seen.items()):
        before = observed_lineage.version_seen(deployment)
        await alter(change, actor, deployment, {**seen, "health_message": report.health_message}, verb="observed")
        if observed_lineage.version_seen(deployment) != before:
            await observed_lineage.trace(change, actor, deployment, report.observed_at)
    else:
        # Agents write times and counts into their messages: not each of them is an event.
        deployment.health_message = report.health_message


async def _measure(
    change: Change, report: DeploymentReport, metrics: Sequence[inputs.Measurement]
) -> Sequence[tuple[str, float | None]]:
    """Store the values of a report; one that is there already is replaced. Names and values, None for special ones."""
    if len(metrics) > MAX_METRICS:
        raise InvalidValue(f"These are more than {MAX_METRICS} metrics; send several reports.", ("metrics",))
    # By key, so that one statement never meets the same row twice; the last one given wins.
    points: dict[tuple[str, datetime], dict[str, Any]] = {}
    for place, metric in enumerate(metrics):
        path = ("metrics", str(place))
        name = inputs.name(metric.name, (*path, "name"))
        value, special = metric_points.measured(metric.value, metric.special, (*path, "value"))
        measured_at = report.observed_at
        if metric.measured_at is not None:
            measured_at = inputs.moment(metric.measured_at, (*path, "measuredAt"), oldest=utc_now() - OLDEST)
        points[name, measured_at] = {
            "org_id": change.org_id,
            "id": uuid7(),
            "created_at": utc_now(),
            "deployment_id": report.deployment_id,
            "report_id": report.id,
            "name": name,
            "value": value,
            "special": special,
            "measured_at": measured_at,
        }
    await flush(change)
    if points:
        statement = insert(DeploymentMetric).values([points[key] for key in sorted(points)])
        replaced = {name: statement.excluded[name] for name in ("report_id", "value", "special")}
        key_columns = ["org_id", "deployment_id", "name", "measured_at"]
        await change.execute(statement.on_conflict_do_update(index_elements=key_columns, set_=replaced))
    return [(point["name"], point["value"]) for point in points.values()]
