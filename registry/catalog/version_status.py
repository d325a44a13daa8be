"""Whether the files of a version are all there and right: one rule for what shows it, filters by it and gates on it."""

from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, case, exists, literal, select

from db.base import columns
from db.codes import ArtifactState
from db.tables import Artifact

COMING = (ArtifactState.PENDING, ArtifactState.VERIFYING)


class ModelVersionStatus(StrEnum):
    """How far a version can be used as it is."""

    PENDING = "PENDING"
    READY = "READY"
    BROKEN = "BROKEN"


def counts(file: FromClause) -> ColumnElement[bool]:
    """Whether a file is part of what it was announced for: neither deleted nor given up."""
    return and_(file.c.deleted_at.is_(None), file.c.state != ArtifactState.ABANDONED)


def is_bad(file: FromClause) -> ColumnElement[bool]:
    """Whether a file of a version is not what was announced, and none that is right has taken its place.

    What was sent again under the same path and found right has.
    """
    right = columns(Artifact)[0].table.alias()
    place = [right.c[name] == file.c[name] for name in ("org_id", "version_id", "folded_path")]
    replaced = exists(
        select(literal(1)).where(*place, right.c.state == ArtifactState.AVAILABLE, right.c.deleted_at.is_(None))
    )
    return and_(file.c.state == ArtifactState.QUARANTINED, ~replaced)


def status(version: FromClause) -> ColumnElement[Any]:
    """The ModelVersionStatus of a version."""
    file = columns(Artifact)[0].table.alias()

    def some(condition: ColumnElement[bool]) -> ColumnElement[bool]:
        own = (file.c.org_id == version.c.org_id, file.c.version_id == version.c.id)
        return exists(select(literal(1)).where(*own, counts(file), condition))

    return case(
        (some(is_bad(file)), ModelVersionStatus.BROKEN.value),
        (some(file.c.state.in_(COMING)), ModelVersionStatus.PENDING.value),
        else_=ModelVersionStatus.READY.value,
    )
