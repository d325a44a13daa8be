"""Fills the database by COPY: models with versions with artifacts, experiments with runs with metric points."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from db.base import SCHEMA, Row, columns, utc_now
from db.codes import ArtifactKind, ArtifactState, DatasetRole, LineageKind, Phase, RunStatus, Stage
from db.ids import uuid7
from db.tables import (
    Artifact,
    Dataset,
    DatasetVersion,
    Experiment,
    LineageEdge,
    Model,
    ModelVersion,
    Run,
    RunMetric,
    VersionMetric,
)
from db.url import asyncpg_dsn
from registry.kernel.access import Actor

SURPLUS = 2
"""More rows of each kind than are asked for, so that every page has a next one."""

FRAMEWORKS = ("sklearn", "pytorch", "xgboost", "onnx")
PHASES = (Phase.TRAINING, Phase.VALIDATION)
DATASET_VERSIONS = 3
_DISTINCT_VALUES = 97
_POINT_COLUMNS = ("org_id", "run_id", "phase", "name", "step", "value", "measured_at")


@dataclass(frozen=True)
class Shape:
    """How many models there are, how many versions of each, how many artifacts of each version; how many runs there are
    in how many experiments, how many metrics each of them has and how many points each metric.
    """

    models: int = 100
    versions: int = 10
    artifacts: int = 3
    experiments: int = 0
    runs: int = 0
    metrics: int = 0
    steps: int = 0

    @property
    def points(self) -> int:
        """How many metric points the runs have together."""
        return self.runs * self.metrics * self.steps


async def seed(superuser_url: str, owners: Sequence[tuple[Actor, UUID]], shape: Shape) -> None:
    """Give the project of each owner more than `shape` asks for; all rows of a table come in one COPY.

    As a superuser, since row-level security allows no COPY, and without events: this fills a database to measure on.
    """
    rows: dict[type[Any], list[dict[str, Any]]] = {}
    for actor, project_id in owners:
        experiments = _experiments(rows, actor, project_id, shape)
        data = _datasets(rows, actor, project_id, shape)
        runs = _runs(rows, actor, project_id, experiments, shape)
        _models(rows, actor, project_id, runs, shape)
        _lineage(rows, actor, data, runs)
    connection = await asyncpg.connect(asyncpg_dsn(superuser_url))
    try:
        for table, found in rows.items():
            await copy(connection, table, found)
        if shape.points:
            await connection.copy_to_table(
                str(RunMetric.__tablename__), schema_name=SCHEMA, columns=_POINT_COLUMNS,
                source=_points(rows[Run], shape),
            )  # fmt: skip
        await connection.execute("vacuum analyze")
    finally:
        await connection.close()


def _experiments(
    rows: dict[type[Any], list[dict[str, Any]]], actor: Actor, project_id: UUID, shape: Shape
) -> list[UUID]:
    row = defaults(Experiment(org_id=actor.org_id, created_by=actor.principal_id, project_id=project_id, name=""))
    made = [
        {**row, "id": uuid7(), "name": f"experiment-{number:04}", "description": f"Which depth suits task {number}?"}
        for number in range(shape.experiments)
    ]
    rows.setdefault(Experiment, []).extend(made)
    return [one["id"] for one in made]


def _datasets(rows: dict[type[Any], list[dict[str, Any]]], actor: Actor, project_id: UUID, shape: Shape) -> list[UUID]:
    """As many datasets as experiments. Returns: the ids of their versions."""
    common: dict[str, Any] = {"org_id": actor.org_id, "created_by": actor.principal_id}
    dataset = defaults(Dataset(**common, project_id=project_id, name=""))
    version = defaults(DatasetVersion(**common, dataset_id=project_id, digest=""))
    datasets, versions = rows.setdefault(Dataset, []), rows.setdefault(DatasetVersion, [])
    made = []
    for number in range(shape.experiments):
        datasets.append({**dataset, "id": uuid7(), "name": f"dataset-{number:04}"})
        for which in range(DATASET_VERSIONS):
            digest = f"sha256:{which:02x}{number:062x}"
            made.append({**version, "id": uuid7(), "dataset_id": datasets[-1]["id"], "digest": digest})
    versions += made
    return [one["id"] for one in made]


def _lineage(
    rows: dict[type[Any], list[dict[str, Any]]], actor: Actor, data: Sequence[UUID], runs: Sequence[UUID]
) -> None:
    """Each run learned from one dataset version; each version came from its run."""
    edge = defaults(
        LineageEdge(
            org_id=actor.org_id, kind=LineageKind.USED, upstream_kind="DatasetVersion", upstream_id=actor.org_id,
            downstream_kind="Run", downstream_id=actor.org_id,
        )
    )  # fmt: skip
    edges = rows.setdefault(LineageEdge, [])
    for number, run in enumerate(runs if data else ()):
        ends = {"upstream_id": data[number % len(data)], "downstream_id": run}
        edges.append({**edge, **ends, "id": uuid7(), "role": DatasetRole.TRAINING})
    for version in rows[ModelVersion]:
        if version["org_id"] == actor.org_id and version["run_id"] is not None:
            kinds = {"kind": LineageKind.PRODUCED, "upstream_kind": "Run", "downstream_kind": "ModelVersion"}
            ends = {"upstream_id": version["run_id"], "downstream_id": version["id"]}
            edges.append({**edge, **kinds, **ends, "id": uuid7()})


def _runs(
    rows: dict[type[Any], list[dict[str, Any]]],
    actor: Actor,
    project_id: UUID,
    experiments: Sequence[UUID],
    shape: Shape,
) -> list[UUID]:
    began = utc_now().replace(microsecond=1) - timedelta(days=30)
    row = defaults(Run(org_id=actor.org_id, created_by=actor.principal_id, project_id=project_id, name=""))
    made = []
    for number in range(shape.runs):
        started_at = began + timedelta(minutes=number)
        made.append(
            {
                **row,
                "id": uuid7(),
                "name": f"run-{number:05}",
                # One experiment has far more runs than the others, as it is everywhere.
                "experiment_id": experiments[0 if number % 2 else number % len(experiments)] if experiments else None,
                "status": RunStatus.FAILED if number % 10 == 0 else RunStatus.FINISHED,
                "parameters": {"depth": number % 12, "rate": (number % 7 + 1) / 100, "optimizer": "adam"},
                "tags": {"team": f"team-{number % 5}"},
                "started_at": started_at,
                "ended_at": started_at + timedelta(seconds=30 + number % 600),
                "heartbeat_at": started_at,
            }
        )
    rows.setdefault(Run, []).extend(made)
    return [one["id"] for one in made]


async def _points(runs: Sequence[Mapping[str, Any]], shape: Shape) -> AsyncIterator[bytes]:
    """The metric points of the runs as COPY reads them, a run at a time.

    Runs share their series, begun at another place each: what a line costs is nearly what joining it costs.
    """
    measured_at = utc_now().isoformat()
    series = list(_series(shape, measured_at))
    for number, run in enumerate(runs):
        head = f"{run['org_id']}\t{run['id']}\t"
        shift = number % _DISTINCT_VALUES
        yield "".join(f"{head}{place}{_value(step + shift)}{tail}" for place, step, tail in series).encode()


def _series(shape: Shape, measured_at: str) -> Iterator[tuple[str, int, str]]:
    for metric in range(shape.metrics):
        phase = PHASES[metric % len(PHASES)]
        for step in range(shape.steps):
            yield f"{phase}\tmetric-{metric // len(PHASES)}\t{step}\t", step * (metric + 1), f"\t{measured_at}\n"


def _value(place: int) -> str:
    return f"0.{place % _DISTINCT_VALUES:02}"


def _models(
    rows: dict[type[Any], list[dict[str, Any]]], actor: Actor, project_id: UUID, runs: Sequence[UUID], shape: Shape
) -> None:
    common: dict[str, Any] = {"org_id": actor.org_id, "created_by": actor.principal_id}
    model = defaults(Model(**common, project_id=project_id, name="", framework="sklearn"))
    version = defaults(ModelVersion(**common, model_id=project_id, number=0, label=""))
    artifact = defaults(
        Artifact(
            **common, kind=ArtifactKind.MODEL, path="", folded_path="", content_type="application/octet-stream",
            state=ArtifactState.AVAILABLE, bucket="bench", object_key="bench",
        )
    )  # fmt: skip
    # Never a whole second: Python leaves its fraction out where it is zero and Postgres writes it.
    began = utc_now().replace(microsecond=1)
    version_count, artifact_count = shape.versions + SURPLUS, shape.artifacts + SURPLUS
    models, versions, artifacts, metrics = (
        rows.setdefault(table, []) for table in (Model, ModelVersion, Artifact, VersionMetric)
    )
    for m in range(shape.models + SURPLUS):
        made: dict[str, Any] = {"id": uuid7(), "created_at": began + timedelta(seconds=m)}
        named = {"name": f"model-{m:05}", "framework": FRAMEWORKS[m % len(FRAMEWORKS)]}
        models.append({**model, **made, **named, "version_count": version_count})
        for v in range(1, version_count + 1):
            of_model = {
                "id": uuid7(),
                "created_at": made["created_at"] + timedelta(milliseconds=v),
                "stage": Stage.DEVELOPMENT if v > 2 else Stage.ARCHIVED,
                "run_id": runs[len(versions) % len(runs)] if runs else None,
            }
            versions.append({**version, **of_model, "model_id": made["id"], "number": v, "label": f"1.{v}.0"})
            metrics.append(_accuracy(actor.org_id, of_model["id"], v, began))
            for a in range(artifact_count):
                path = f"weights/part-{a}.bin"
                file = {"path": path, "folded_path": path, "size_bytes": 1_000_000 + a, "sha256": f"{a:064x}"}
                artifacts.append({**artifact, **file, "id": uuid7(), "version_id": of_model["id"]})


def _accuracy(org_id: UUID, version_id: UUID, number: int, measured_at: datetime) -> dict[str, Any]:
    return {
        "org_id": org_id, "version_id": version_id, "phase": Phase.TEST, "name": "accuracy", "step": 0,
        "value": number % _DISTINCT_VALUES / 100, "special": None, "measured_at": measured_at,
    }  # fmt: skip


def defaults(row: Row) -> dict[str, Any]:
    """The columns of a row with their values."""
    return {column.name: getattr(row, column.name) for column in columns(type(row))}


async def copy(connection: asyncpg.Connection, table: type[Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Copy rows of one table, each with all of its columns."""
    names = [column.name for column in columns(table)]
    records = [[_sent(row[name]) for name in names] for row in rows]
    await connection.copy_records_to_table(str(table.__tablename__), schema_name=SCHEMA, columns=names, records=records)


def _sent(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict) else value
