"""Deployments: which version of a model is to run where, with which share of the traffic, and why.

Whoever changes what is wanted holds the row of the environment first and then those of its deployments by id: the
shares of an environment are added up by one change at a time.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select
from sqlmodel import col
from typing_extensions import Doc

from db.base import unique_key
from db.codes import DesiredState, LineageKind
from db.session import Change
from db.tables import Deployment, DeploymentChange, Environment, Model, ModelVersion
from registry.graph import lineage
from registry.kernel import inputs
from registry.kernel.access import Action, Actor, require
from registry.kernel.errors import Conflict, InvalidValue, NameTaken
from registry.kernel.inputs import KEEP, Keep
from registry.kernel.revisions import check_revision
from registry.kernel.rows import add, alter, find, find_all

MAX_SHARES = 100
NAME_KEY = unique_key(Deployment, "environment_id", "name")

# Shares are added up in hundredths of a percent, which floats have no rounding in.
WHOLE: Final = 100_00
TAKEN: Final = func.coalesce(func.sum(func.round(col(Deployment.traffic_percent) * 100)), 0)
"""How many hundredths of a percent of the traffic some deployments take together."""


async def create(
    change: Change,
    actor: Actor,
    *,
    environment_id: Annotated[inputs.EnvironmentId, Doc("Where it is to run.")],
    version_id: Annotated[inputs.VersionId, Doc("What it is to run. It stays with the model of this version.")],
    name: Annotated[str, Doc(f"Unique in the environment; 1 to {inputs.MAX_NAME} characters.")],
    desired_state: Annotated[DesiredState, Doc("What it is to do.")] = DesiredState.RUNNING,
    traffic_percent: Annotated[
        float, Doc("Its share of the traffic of its model in its environment: 0 to 100, at most two decimals.")
    ] = 0.0,
    endpoint: Annotated[str | None, Doc("Where it answers. Kept as text; this server never opens it.")] = None,
    tags: Annotated[Sequence[inputs.Tag], Doc(f"At most {inputs.MAX_TAGS}.")] = (),
    reason: inputs.Reason = None,
) -> Deployment:
    """A new deployment at revision 1, of which nothing has been seen yet.

    Raises: Forbidden, NotFound, InvalidValue, NameTaken, Conflict when less of the traffic is free.
    """
    environment = await find(change, Environment, environment_id, "environment", lock=True)
    require(actor, Action.WRITE, environment)
    version = await find(change, ModelVersion, version_id, "version", lock=True)
    deployment = Deployment(
        org_id=change.org_id,
        model_id=version.model_id,
        environment_id=environment.id,
        name=inputs.name(name),
        version_id=version.id,
        desired_state=desired_state,
        traffic_percent=clean_percent(traffic_percent, ("trafficPercent",)),
        endpoint=_endpoint(endpoint),
        tags=inputs.tags(tags),
        created_by=actor.principal_id,
    )
    if desired_state == DesiredState.RUNNING:
        await _fit(change, deployment, {deployment.id: deployment.traffic_percent}, ("trafficPercent",))
    await add(change, actor, deployment, {NAME_KEY: NameTaken("deployment", deployment.name, "environment")})
    await _note(change, actor, deployment, reason)
    await _trace(change, actor, deployment)
    return deployment


async def update(
    change: Change,
    actor: Actor,
    *,
    deployment_id: Annotated[inputs.DeploymentId, Doc("Which one.")],
    version_id: Annotated[inputs.VersionId | Keep, Doc("What it is to run: another version of its model.")] = KEEP,
    desired_state: Annotated[DesiredState | Keep, Doc("What it is to do.")] = KEEP,
    traffic_percent: Annotated[
        float | Keep, Doc("Its new share of the traffic: 0 to 100, at most two decimals. See also `shiftTraffic`.")
    ] = KEEP,
    endpoint: Annotated[str | Keep | None, Doc("Where it answers; null removes it.")] = KEEP,
    tags: Annotated[Sequence[inputs.Tag] | Keep, Doc("All tags it is to have; others are removed.")] = KEEP,
    reason: inputs.Reason = None,
    expected_revision: Annotated[
        int | None, Doc("Its revision as you know it; refused if something else is wanted since.")
    ] = None,
) -> Deployment:
    """Change what is wanted of a deployment. What is not given stays; a difference makes a new revision.

    Raises: Forbidden, NotFound, InvalidValue, StaleRevision, Conflict when less of the traffic is free.
    """
    deployment = await _held(change, deployment_id)
    require(actor, Action.WRITE, deployment)
    check_revision("deployment", deployment.revision, expected_revision)
    wanted: dict[str, Any] = {}
    if version_id is not KEEP:
        wanted["version_id"] = (await _version(change, deployment, version_id)).id
    if desired_state is not KEEP:
        wanted["desired_state"] = desired_state
    if traffic_percent is not KEEP:
        wanted["traffic_percent"] = clean_percent(traffic_percent, ("trafficPercent",))
    if endpoint is not KEEP:
        wanted["endpoint"] = _endpoint(endpoint)
    if _takes_more(deployment, wanted):
        share = wanted.get("traffic_percent", deployment.traffic_percent)
        await _fit(change, deployment, {deployment.id: share}, ("trafficPercent",))
    await _want(change, actor, deployment, wanted, reason)
    return await alter(change, actor, deployment, inputs.description_of(KEEP, KEEP, tags))


async def shift_traffic(
    change: Change,
    actor: Actor,
    *,
    environment_id: Annotated[inputs.EnvironmentId, Doc("Where.")],
    model_id: Annotated[inputs.ModelId, Doc("Whose traffic.")],
    shares: Annotated[
        Sequence[inputs.TrafficShare], Doc(f"1 to {MAX_SHARES} deployments of the model there; others keep theirs.")
    ],
    reason: inputs.Reason = None,
) -> Environment:
    """Give several deployments of one model new shares of its traffic in one step, such as 90 and 10 for a canary.

    Raises: Forbidden, NotFound, InvalidValue, Conflict when the shares would add up to more than 100.
    """
    environment = await find(change, Environment, environment_id, "environment", lock=True)
    require(actor, Action.WRITE, environment)
    model = await find(change, Model, model_id, "model")
    if not 1 <= len(shares) <= MAX_SHARES:
        raise InvalidValue(f"Give 1 to {MAX_SHARES} shares.", ("shares",))
    ids = [one.deployment_id for one in shares]
    if len(set(ids)) < len(ids):
        raise InvalidValue("A deployment stands here twice.", ("shares",))
    percents = [
        clean_percent(one.traffic_percent, ("shares", str(place), "trafficPercent")) for place, one in enumerate(shares)
    ]
    deployments = await find_all(change, Deployment, ids, "shares.{}.deployment", lock=True)
    for place, one in enumerate(deployments):
        if (one.environment_id, one.model_id) != (environment.id, model.id):
            raise InvalidValue("This is of another environment or model.", ("shares", str(place), "deployment"))
    wanted = dict(zip(ids, percents, strict=True))
    await _fit(change, deployments[0], {one.id: wanted[one.id] for one in deployments if _runs(one)}, ("shares",))
    for one in deployments:
        await _want(change, actor, one, {"traffic_percent": wanted[one.id]}, reason)
    return environment


async def _fit(change: Change, deployment: Deployment, shares: Mapping[UUID, float], path: Sequence[str]) -> None:
    """Refuse shares that are more than what the other RUNNING deployments of the model leave in its environment.

    The row of the environment must be locked.

    Raises: Conflict, which says how much is free.
    """
    statement = select(TAKEN).where(
        col(Deployment.org_id) == change.org_id,
        col(Deployment.environment_id) == deployment.environment_id,
        col(Deployment.model_id) == deployment.model_id,
        takes_traffic(),
        col(Deployment.id).not_in(list(shares)),
    )
    check_free(int((await change.execute(statement)).scalar_one()), shares.values(), path)


def takes_traffic() -> ColumnElement[bool]:
    """Whether a deployment is to run, so that its share counts."""
    return and_(col(Deployment.desired_state) == DesiredState.RUNNING, col(Deployment.deleted_at).is_(None))


def check_free(taken: int, shares: Collection[float], path: Sequence[str]) -> None:
    """Refuse shares that are more than what others, who have `taken` so many hundredths of a percent, leave.

    Raises: Conflict, which says how much is free.
    """
    asked = sum(map(hundredths, shares))
    if asked > WHOLE - taken:
        free = max(WHOLE - taken, 0) / 100
        raise Conflict(
            f"{free:.2f} percent of this model's traffic in this environment are free; {asked / 100:.2f} are too many.",
            path,
        )


async def _trace(change: Change, actor: Actor, deployment: Deployment) -> None:
    """Make the lineage say what the deployment is to run: its version while it is to be RUNNING, nothing otherwise."""
    versions = [await find(change, ModelVersion, deployment.version_id, "version")] if _runs(deployment) else []
    await lineage.relink(change, actor, LineageKind.DEPLOYED, versions, deployment)


async def _held(change: Change, deployment_id: UUID) -> Deployment:
    """The deployment, locked after its environment."""
    found = await find(change, Deployment, deployment_id, "deployment")
    await find(change, Environment, found.environment_id, "deployment", lock=True)
    return await find(change, Deployment, deployment_id, "deployment", lock=True)


async def _version(change: Change, deployment: Deployment, version_id: UUID) -> ModelVersion:
    """The version of the deployment's model, locked: it is not deleted while it becomes what is wanted."""
    version = await find(change, ModelVersion, version_id, "version", lock=True)
    if version.model_id != deployment.model_id:
        raise InvalidValue("This is a version of another model. A deployment stays with its model.", ("version",))
    return version


async def _want(
    change: Change, actor: Actor, deployment: Deployment, wanted: Mapping[str, Any], reason: str | None
) -> None:
    """Set what is wanted. A difference is a new revision, with its reason, and shows in the lineage."""
    new = {name: value for name, value in wanted.items() if getattr(deployment, name) != value}
    if new:
        await alter(change, actor, deployment, {**new, "revision": deployment.revision + 1})
        await _note(change, actor, deployment, reason)
        await _trace(change, actor, deployment)


async def _note(change: Change, actor: Actor, deployment: Deployment, reason: str | None) -> None:
    """Keep what is wanted from this revision on."""
    row = DeploymentChange(
        org_id=change.org_id,
        deployment_id=deployment.id,
        revision=deployment.revision,
        version_id=deployment.version_id,
        desired_state=deployment.desired_state,
        traffic_percent=deployment.traffic_percent,
        endpoint=deployment.endpoint,
        reason=inputs.reason(reason),
        created_by=actor.principal_id,
    )
    await add(change, actor, row)


def _runs(deployment: Deployment) -> bool:
    return deployment.desired_state == DesiredState.RUNNING and deployment.deleted_at is None


def _takes_more(deployment: Deployment, wanted: Mapping[str, Any]) -> bool:
    """Whether a change takes traffic that the deployment did not have."""
    if wanted.get("desired_state", deployment.desired_state) != DesiredState.RUNNING:
        return False
    grows: bool = wanted.get("traffic_percent", 0.0) > deployment.traffic_percent
    return grows or not _runs(deployment)


def hundredths(percent: float) -> int:
    """A share of the traffic in hundredths of a percent."""
    return round(percent * 100)


def clean_percent(value: float, path: Sequence[str]) -> float:
    """A share as it is stored. Raises: InvalidValue."""
    if not (math.isfinite(value) and 0 <= value <= 100 and round(value, 2) == value):
        raise InvalidValue("A share is 0 to 100 percent, with at most two decimals.", path)
    return abs(value)


def _endpoint(value: str | None) -> str | None:
    return None if value is None else inputs.address(value, ("endpoint",))
