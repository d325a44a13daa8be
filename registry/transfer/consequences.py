"""What else becomes true when things are written: numbers, edges of the lineage, jobs, histories, shares of traffic."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, literal, select
from sqlmodel import col

from db.base import utc_now
from db.belonging import route
from db.codes import DatasetRole, DesiredState, JobKind, LineageKind, RunStatus
from db.ids import uuid7
from db.session import Change
from db.tables import Deployment, DeploymentChange, Environment, Job, LineageEdge, Model, ModelVersion, Run
from registry.catalog import versions
from registry.graph.lineage import edge_columns
from registry.kernel.access import Actor
from registry.kernel.errors import Conflict
from registry.kernel.rows import find_all, record_of, shown
from registry.serving.deployments import TAKEN, check_free, hundredths, takes_traffic
from registry.transfer.bulk import arrays, core, insert_all, insertion
from registry.transfer.planning import refused
from registry.transfer.reading import Record

Consequence = Callable[[Change, Actor, Mapping[UUID, Record], Sequence[Mapping[str, Any]]], Awaitable[None]]
_IMPORTED = "Imported."


async def number(change: Change, records: Mapping[UUID, Record]) -> None:
    """Give new versions the next numbers of their models, in the order of their lines."""
    ids = sorted({one.values["model_id"] for one in records.values()})
    models = {model.id: model for model in await find_all(change, Model, ids, "{}", lock=True)}
    for record in sorted(records.values(), key=lambda one: one.line):
        record.values["number"] = versions.next_number(models[record.values["model_id"]])
    await change.flush()


async def inherit_runtimes(change: Change, records: Mapping[UUID, Record]) -> None:
    """Give new versions without a runtime the one of their run, as those that clients make."""
    heirs = [one.values for one in records.values() if one.values.get("run_id") and not one.values.get("runtime_id")]
    if not heirs:
        return
    runs = literal(sorted({values["run_id"] for values in heirs}), ARRAY(Uuid))
    statement = select(col(Run.id), col(Run.runtime_id)).where(
        col(Run.org_id) == change.org_id, col(Run.id) == any_(runs)
    )
    runtimes = {row.id: row.runtime_id for row in await change.execute(statement)}
    for values in heirs:
        values["runtime_id"] = runtimes[values["run_id"]]


async def link(
    change: Change,
    actor: Actor,
    kind: LineageKind,
    links: Sequence[tuple[str, UUID, str, UUID]],
    roles: Sequence[DatasetRole | None] = (),
) -> int:
    """Write edges, each from the kind and id of its upstream to those of its downstream. Returns: how many are new."""
    now = utc_now()
    rows: list[dict[str, Any]] = [
        {
            "org_id": change.org_id,
            "id": uuid7(),
            "created_at": now,
            **edge_columns(kind, (up_kind, up), (down_kind, down), role, now),
        }
        for (up_kind, up, down_kind, down), role in zip(links, roles or [None] * len(links), strict=True)
    ]
    if not rows:
        return 0
    names = list(rows[0])
    statement = insertion(LineageEdge, names).on_conflict_do_nothing().returning(core(LineageEdge).c.id)
    made = set((await change.execute(statement, arrays(rows, names))).scalars())
    for row in rows:
        if row["id"] in made:
            image = {name: row.get(name) for name in shown(LineageEdge)}
            found = route(LineageEdge, row.get)
            record_of(change, actor, LineageEdge.__name__, row["id"], "created", None, image, found)
    return len(made)


async def _trace(change: Change, actor: Actor, _: Mapping[UUID, Record], rows: Sequence[Mapping[str, Any]]) -> None:
    """Versions come from their runs and from the versions they were made from."""
    produced = [("Run", row["run_id"], "ModelVersion", row["id"]) for row in rows if row["run_id"]]
    derived = [
        ("ModelVersion", row["base_version_id"], "ModelVersion", row["id"]) for row in rows if row["base_version_id"]
    ]
    await link(change, actor, LineageKind.PRODUCED, produced)
    await link(change, actor, LineageKind.DERIVED, derived)


async def _watch(change: Change, _: Actor, __: Mapping[UUID, Record], rows: Sequence[Mapping[str, Any]]) -> None:
    """Runs that go on are looked after, as those that clients begin."""
    for row in rows:
        if row["status"] == RunStatus.RUNNING and row["heartbeat_timeout_seconds"] is not None:
            due = row["heartbeat_at"] + timedelta(seconds=row["heartbeat_timeout_seconds"])
            change.add(Job(org_id=change.org_id, kind=JobKind.WATCH_RUN, subject_id=row["id"], run_after=due))
    await change.flush()


async def _deploy(
    change: Change, actor: Actor, records: Mapping[UUID, Record], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Deployments begin their histories at revision 1, show in the lineage and keep within the traffic there is."""
    await _fit(change, records)
    names = ("version_id", "desired_state", "traffic_percent", "endpoint")
    changes: list[dict[str, Any]] = [
        {
            "org_id": change.org_id,
            "id": uuid7(),
            "created_at": row["created_at"],
            "deployment_id": row["id"],
            "revision": row["revision"],
            "reason": _IMPORTED,
            "created_by": actor.principal_id,
            **{name: row[name] for name in names},
        }
        for row in rows
    ]
    await insert_all(change, DeploymentChange, changes)
    for one in changes:
        row_id = UUID(str(one["id"]))
        found = route(DeploymentChange, one.get)
        record_of(change, actor, DeploymentChange.__name__, row_id, "created", None, one, found)
    running = [row for row in rows if row["desired_state"] == DesiredState.RUNNING]
    links = [("ModelVersion", row["version_id"], "Deployment", row["id"]) for row in running]
    await link(change, actor, LineageKind.DEPLOYED, links)


async def _fit(change: Change, records: Mapping[UUID, Record]) -> None:
    """Refuse shares of traffic that are more than what others leave, all of these counted. Raises: LineRefused."""
    environments = sorted({one.values["environment_id"] for one in records.values()})
    await find_all(change, Environment, environments, "{}", lock=True)
    owner = (col(Deployment.environment_id), col(Deployment.model_id))
    statement = (
        select(*owner, TAKEN.label("taken"))
        .where(
            col(Deployment.org_id) == change.org_id,
            col(Deployment.environment_id).in_(environments),
            takes_traffic(),
        )
        .group_by(*owner)
    )
    taken = {(row.environment_id, row.model_id): int(row.taken) for row in await change.execute(statement)}
    in_order = sorted(records.values(), key=lambda one: one.line)
    shares = [
        (one, (one.values["environment_id"], one.values["model_id"]), one.values.get("traffic_percent", 0.0))
        for one in in_order
        if one.values.get("desired_state", DesiredState.RUNNING) == DesiredState.RUNNING
    ]
    for _, owner_ids, share in shares:
        taken[owner_ids] -= hundredths(share)
    for one, owner_ids, share in shares:
        try:
            check_free(taken[owner_ids], [share], ("trafficPercent",))
        except Conflict as failure:
            raise refused(one, failure) from None
        taken[owner_ids] += hundredths(share)


CONSEQUENCES: Final[Mapping[type[Any], Consequence]] = {
    ModelVersion: _trace,
    Run: _watch,
    Deployment: _deploy,
}
