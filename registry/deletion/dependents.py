"""What depends on what: from this one table deleting and restoring know what stands in the way.

Every thing is followed by what may depend on it. Team: projects. Project: models, experiments, runs, datasets. Model:
versions. Version: aliases, deployments, versions made from it. Environment: deployments. Experiment: runs. Run: child
runs, versions. Dataset: its versions. Dataset version: runs that used it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, literal, select, union_all
from sqlmodel import col

from db.base import Deletable, Row
from db.session import Change
from db.tables import (
    Alias,
    Artifact,
    Dataset,
    DatasetVersion,
    Deployment,
    Environment,
    Experiment,
    LineageEdge,
    Model,
    ModelVersion,
    Project,
    Run,
    Team,
)
from registry.kernel.errors import Dependent

MAX_LISTED = 20


@dataclass(frozen=True)
class Dependence:
    """Rows of `table` depend on a row of `on`: their `column` holds its id; without one an edge of the lineage does.

    `part` are those that are nothing without the other: they do not keep it from being deleted and go out of sight with
    it. They cannot come back before it does.
    """

    table: type[Row]
    on: type[Deletable]
    column: str | None
    part: bool = False


DEPENDENCES: Final = (
    Dependence(Project, Team, "team_id"),
    Dependence(Model, Project, "project_id"),
    Dependence(Experiment, Project, "project_id"),
    Dependence(Run, Project, "project_id"),
    Dependence(Dataset, Project, "project_id"),
    Dependence(ModelVersion, Model, "model_id"),
    Dependence(Run, Experiment, "experiment_id"),
    Dependence(Run, Run, "parent_run_id"),
    Dependence(ModelVersion, Run, "run_id"),
    Dependence(ModelVersion, ModelVersion, "base_version_id"),
    Dependence(Alias, ModelVersion, "version_id"),
    Dependence(Deployment, ModelVersion, "version_id"),
    Dependence(Deployment, Environment, "environment_id"),
    Dependence(DatasetVersion, Dataset, "dataset_id"),
    Dependence(Run, DatasetVersion, None),
    Dependence(Artifact, Run, "run_id", part=True),
    Dependence(Artifact, ModelVersion, "version_id", part=True),
)
_NAMES: Final[dict[type[Row], str]] = {ModelVersion: "label", DatasetVersion: "digest", Artifact: "path"}


def has_dependents(table: type[Deletable]) -> bool:
    """Whether anything can depend on rows of this table."""
    return any(one.on is table and not one.part for one in DEPENDENCES)


def is_dependent(table: type[Deletable]) -> bool:
    """Whether rows of this table depend on anything."""
    return any(True for _ in _needs(table))


def name_of(row: Row) -> str:
    """What people call a row."""
    return str(getattr(row, _NAMES.get(type(row), "name")))


async def dependents_of(change: Change, row: Deletable) -> tuple[list[Dependent], int]:
    """Live things that depend on a row, the first 20 by kind and age, and how many there are: one statement."""
    found = [_listed(one, row) for one in DEPENDENCES if one.on is type(row) and not one.part]
    if not found:
        return [], 0
    listed: list[Dependent] = []
    count: dict[int, int] = {}
    for place, kind, id_, name, total in await change.execute(union_all(*found)):
        listed.append(Dependent(kind, id_, name))
        count[place] = total
    listed.sort(key=lambda one: (one.kind, one.id))
    return listed[:MAX_LISTED], sum(count.values())


async def needed_by(change: Change, row: Row) -> list[tuple[type[Deletable], UUID]]:
    """What a row depends on, by table and id."""
    needed: list[tuple[type[Deletable], UUID]] = []
    for one in _needs(type(row)):
        if one.column is not None:
            value = getattr(row, one.column)
            needed += [] if value is None else [(one.on, value)]
            continue
        upstream = select(col(LineageEdge.upstream_id)).where(
            col(LineageEdge.org_id) == row.org_id,
            col(LineageEdge.downstream_id) == row.id,
            col(LineageEdge.upstream_kind) == one.on.__name__,
            col(LineageEdge.valid_to).is_(None),
        )
        needed += [(one.on, id_) for id_ in (await change.execute(upstream.distinct())).scalars()]
    return needed


def _needs(table: type[Row]) -> Iterator[Dependence]:
    return (one for one in DEPENDENCES if one.table is table)


def _listed(one: Dependence, row: Deletable) -> Select[Any]:
    """The first dependents of one sort with their number, each as place, kind, id, name and number."""
    table = one.table
    where: ColumnElement[bool] = col(table.org_id) == row.org_id
    if issubclass(table, Deletable):
        where &= col(table.deleted_at).is_(None)
    if one.column is not None:
        where &= getattr(table, one.column) == row.id
    else:
        where &= col(table.id).in_(
            select(col(LineageEdge.downstream_id)).where(
                col(LineageEdge.org_id) == row.org_id,
                col(LineageEdge.upstream_id) == row.id,
                col(LineageEdge.downstream_kind) == table.__name__,
                col(LineageEdge.valid_to).is_(None),
            )
        )
    name = getattr(table, _NAMES.get(table, "name"))
    first = select(col(table.id).label("id"), name.label("name"), func.count().over().label("total")).where(where)
    inner = first.order_by(col(table.id)).limit(MAX_LISTED).subquery()
    place = literal(DEPENDENCES.index(one))
    return select(place, literal(table.__name__), inner.c.id, inner.c.name, inner.c.total)
