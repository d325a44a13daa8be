"""Fills the database: models with versions with artifacts, in two organisations, so that filters have work to do."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from db.base import SCHEMA, Row, columns, utc_now
from db.codes import ArtifactKind, ArtifactState
from db.ids import uuid7
from db.tables import Artifact, Model, Version
from db.url import asyncpg_dsn
from registry.access import Actor

SURPLUS = 2
"""More rows of each kind than are asked for, so that every page has a next one."""


@dataclass(frozen=True)
class Shape:
    """How many models are asked for, how many versions of each, and how many artifacts of each version."""

    models: int = 100
    versions: int = 10
    artifacts: int = 3


async def seed(superuser_url: str, owners: Sequence[tuple[Actor, UUID]], shape: Shape) -> None:
    """Give the project of each owner more than `shape` asks for; all rows of a table come in one COPY."""
    rows: dict[type[Row], list[dict[str, Any]]] = {Model: [], Version: [], Artifact: []}
    for actor, project_id in owners:
        _grow(rows, actor, project_id, shape)
    connection = await asyncpg.connect(asyncpg_dsn(superuser_url))
    try:
        for table, found in rows.items():
            await _copy(connection, table, found)
        await connection.execute("vacuum analyze")
    finally:
        await connection.close()


def _grow(rows: dict[type[Row], list[dict[str, Any]]], actor: Actor, project_id: UUID, shape: Shape) -> None:
    common: dict[str, Any] = {"org_id": actor.org_id, "created_by": actor.principal_id}
    model = _defaults(Model(**common, project_id=project_id, name="", framework="sklearn"))
    version = _defaults(Version(**common, model_id=project_id, number=0, label=""))
    artifact = _defaults(
        Artifact(
            **common, kind=ArtifactKind.MODEL, path="", folded_path="", content_type="application/octet-stream",
            state=ArtifactState.AVAILABLE,
        )
    )  # fmt: skip
    # Never a whole second: Python leaves its fraction out where it is zero and Postgres writes it.
    began = utc_now().replace(microsecond=1)
    version_count, artifact_count = shape.versions + SURPLUS, shape.artifacts + SURPLUS
    for m in range(shape.models + SURPLUS):
        made: dict[str, Any] = {"id": uuid7(), "created_at": began + timedelta(seconds=m)}
        name = f"model-{m:05}"
        rows[Model].append({**model, **made, "name": name, "version_count": version_count})
        for v in range(1, version_count + 1):
            of_model = {"id": uuid7(), "created_at": made["created_at"] + timedelta(milliseconds=v)}
            rows[Version].append({**version, **of_model, "model_id": made["id"], "number": v, "label": f"1.{v}.0"})
            for a in range(artifact_count):
                path = f"weights/part-{a}.bin"
                file = {"path": path, "folded_path": path, "size_bytes": 1_000_000 + a, "sha256": f"{a:064x}"}
                rows[Artifact].append({**artifact, **file, "id": uuid7(), "version_id": of_model["id"]})


def _defaults(row: Row) -> dict[str, Any]:
    return {column.name: getattr(row, column.name) for column in columns(type(row))}


async def _copy(connection: asyncpg.Connection, table: type[Row], rows: Sequence[Mapping[str, Any]]) -> None:
    names = [column.name for column in columns(table)]
    records = [[_sent(row[name]) for name in names] for row in rows]
    await connection.copy_records_to_table(str(table.__tablename__), schema_name=SCHEMA, columns=names, records=records)


def _sent(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict) else value
