"""What else becomes true when things are written: numbers, edges of the lineage, jobs, histories, shares of traffic."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select
from sqlmodel import col

from db.base import utc_now
from db.belonging import route
from db.codes import DatasetRole, DesiredState, JobKind, LineageKind, RunStatus
from db.ids import uuid7
from db.session import Change
from db.tables import Deployment, DeploymentChange, Environment, Job, LineageEdge, Model, Run, Version
from registry.kernel.access import Actor
from registry.kernel.errors import Conflict
from registry.kernel.rows import find_all, record_of, shown
from registry.transfer.bulk import arrays, core, insert_all, insertion
from registry.transfer.planning import refused
from registry.transfer.reading import Record

Consequence = Callable[[Change, Actor, Mapping[UUID, Record], Sequence[Mapping[str, Any]]], Awaitable[None]]
_IMPORTED = "Imported."
_ROUNDING = 0.001


async def number(change: Change, records: Mapping[UUID, Record]) -> None:
    """Give new versions the next numbers of their models, in the order of their lines."""
    ids = sorted({one.values["model_id"] for one in records.values()})
    # The locks make numbers dense, as in `versions.create`.
    models = {model.id: model for model in await find_all(change, Model, ids, "{}", lock=True)}
    for record in sorted(records.values(), key=lambda one: one.line):
        model = models[record.values["model_id"]]
        model.version_count += 1
        record.values["number"] = model.version_count
    await change.flush()


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
            "kind": kind,
            "role": role,
            "upstream_kind": up_kind,
            "upstream_id": up,
            "downstream_kind": down_kind,
            "downstream_id": down,
            "valid_from": now,
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
    produced = [("Run", row["run_id"], "Version", row["id"]) for row in rows if row["run_id"]]
    derived = [("Version", row["base_version_id"], "Version", row["id"]) for row in rows if row["base_version_id"]]
    await link(change, actor, LineageKind.PRODUCED, produced)
    await link(change, actor, LineageKind.DERIVED, derived)


async def _watch(change: Change, _: Actor, __: Mapping[UUID, Record], rows: Sequence[Mapping[str, Any]]) -> None:
    """Runs that go on are looked after, as those that clients begin."""
    for row in rows:
        if row["status"] == RunStatus.RUNNING and row["heartbeat_timeout_s"] is not None:
            due = row["heartbeat_at"] + timedelta(seconds=row["heartbeat_timeout_s"])
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
    links = [("Version", row["version_id"], "Deployment", row["id"]) for row in running]
    await link(change, actor, LineageKind.DEPLOYED, links)


async def _fit(change: Change, records: Mapping[UUID, Record]) -> None:
    """Refuse shares of traffic that add up to more than all. Raises: LineRefused."""
    environments = sorted({one.values["environment_id"] for one in records.values()})
    await find_all(change, Environment, environments, "{}", lock=True)
    owner = (col(Deployment.environment_id), col(Deployment.model_id))
    statement = (
        select(*owner)
        .where(
            col(Deployment.org_id) == change.org_id,
            col(Deployment.environment_id).in_(environments),
            col(Deployment.desired_state) == DesiredState.RUNNING,
            col(Deployment.deleted_at).is_(None),
        )
        .group_by(*owner)
        .having(func.sum(Deployment.traffic_percent) > 100 + _ROUNDING)
    )
    full = {tuple(row) for row in await change.execute(statement)}
    for record in records.values():
        if (record.values["environment_id"], record.values["model_id"]) in full:
            told = "The shares of this model's traffic in this environment add up to more than 100 percent."
            raise refused(record, Conflict(told, ("trafficPercent",)))


CONSEQUENCES: Final[Mapping[type[Any], Consequence]] = {
    Version: _trace,
    Run: _watch,
    Deployment: _deploy,
}
