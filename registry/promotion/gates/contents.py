"""Gates over what a version is made of: its files, what is said of it, and where it came from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator
from sqlalchemy import and_, literal, or_, select
from sqlmodel import col
from typing_extensions import Doc

from db.base import Deletable, columns
from db.codes import ArtifactKind, ArtifactState, LineageKind, RunStatus
from db.tables import Artifact, DatasetVersion, LineageEdge, ModelVersion, Run
from registry.catalog import version_status
from registry.graph import lineage
from registry.kernel.errors import InvalidValue
from registry.promotion.gates.gate import Case, Gate, GateVerdict, Path

_SHOWN = 5
_FAILED: Final = (RunStatus.FAILED, RunStatus.CANCELED, RunStatus.LOST)
_UPSTREAM: Final[Mapping[str, tuple[type[Deletable], Any, str]]] = {
    "DatasetVersion": (DatasetVersion, col(DatasetVersion.digest), "data"),
    "Run": (Run, col(Run.name), "run"),
    "ModelVersion": (ModelVersion, col(ModelVersion.label), "version"),
}


@dataclass(frozen=True)
class Integrity(Gate):
    """The bytes of every file were read back and are what was announced. Holds everywhere, for rollbacks too."""

    allow_external: Annotated[
        bool, Doc("Whether files that are kept elsewhere, and that nobody here has read, may pass.")
    ] = False

    async def judge(self, case: Case) -> GateVerdict:
        """Look for files that are not verified."""
        table = columns(Artifact)[0].table
        statement = select(table.c.path, table.c.state, version_status.is_bad(table).label("is_bad")).where(
            table.c.org_id == case.org_id, table.c.version_id == case.version.id, version_status.counts(table)
        )
        files = await case.reader.rows(statement.order_by(table.c.path))
        verified = [file.path for file in files if file.state == ArtifactState.AVAILABLE]
        coming = [file.path for file in files if file.state in version_status.COMING]
        bad = [file.path for file in files if file.is_bad]
        external = [file.path for file in files if file.state == ArtifactState.EXTERNAL]
        if bad:
            return self.fails(f"Not what was announced: {_some(bad)}. Upload again, or delete them.", len(bad), 0)
        if external and not self.allow_external:
            what = f"Kept elsewhere and never read: {_some(external)}."
            return self.fails(f"{what} Upload them, or allow external files in the policy.", len(external), 0)
        if coming:
            return self.waits(f"Not yet verified: {_some(coming)}. Complete their uploads, or wait.", len(coming), 0)
        return self.passes(f"{len(verified)} files are verified.", 0, 0)


@dataclass(frozen=True)
class RequiredArtifacts(Gate):
    """There is a file of each of these kinds."""

    kinds: Annotated[Sequence[ArtifactKind], AfterValidator(tuple), Doc("At least one of each.")]

    def checked(self, path: Path) -> "RequiredArtifacts":
        """At least one kind."""
        if not self.kinds:
            raise InvalidValue("Name at least one kind.", (*path, "kinds"))
        return RequiredArtifacts(tuple(dict.fromkeys(self.kinds)))

    async def judge(self, case: Case) -> GateVerdict:
        """Look for the kinds that are missing."""
        here = (ArtifactState.AVAILABLE, ArtifactState.EXTERNAL, ArtifactState.VERIFYING)
        statement = select(col(Artifact.kind)).where(
            col(Artifact.org_id) == case.org_id,
            col(Artifact.version_id) == case.version.id,
            col(Artifact.deleted_at).is_(None),
            col(Artifact.state).in_(here),
        )
        found = {row[0] for row in await case.reader.rows(statement.distinct())}
        missing = [kind for kind in self.kinds if kind not in found]
        counts = len(self.kinds) - len(missing), len(self.kinds)
        if missing:
            return self.fails(f"No file of kind {', '.join(missing)}: upload one of each.", *counts)
        return self.passes(f"There are files of kind {', '.join(self.kinds)}.", *counts)


@dataclass(frozen=True)
class RequiredFacts(Gate):
    """The version says what it takes and gives, what it was made with, and from which data."""

    signature: Annotated[bool, Doc("It has a signature.")] = False
    runtime: Annotated[bool, Doc("It has a runtime.")] = False
    datasets: Annotated[bool, Doc("Its run tells which dataset versions it used.")] = False

    def checked(self, path: Path) -> "RequiredFacts":
        """At least one fact."""
        if not (self.signature or self.runtime or self.datasets):
            raise InvalidValue("Require at least one of `signature`, `runtime` and `datasets`.", path)
        return self

    async def judge(self, case: Case) -> GateVerdict:
        """Look for the facts that are missing."""
        wanted = [name for name in ("signature", "runtime", "datasets") if getattr(self, name)]
        missing = [name for name in wanted if not await self._has(case, name)]
        counts = len(wanted) - len(missing), len(wanted)
        if missing:
            return self.fails(f"It has no {' and no '.join(missing)}: add what is missing.", *counts)
        return self.passes(f"It has {' and '.join(wanted)}.", *counts)

    @staticmethod
    async def _has(case: Case, name: str) -> bool:
        if name != "datasets":
            return getattr(case.version, f"{name}_id") is not None
        statement = select(col(LineageEdge.id)).where(
            col(LineageEdge.org_id) == case.org_id,
            col(LineageEdge.downstream_id) == case.version.run_id,
            col(LineageEdge.kind) == LineageKind.USED,
            col(LineageEdge.valid_to).is_(None),
        )
        return bool(await case.reader.rows(statement.limit(1)))


@dataclass(frozen=True)
class CleanLineage(Gate):
    """Nothing that the version comes from is gone or went wrong: no data or version deleted, no run that failed."""

    depth: Annotated[int, Doc(f"How many steps upstream are looked at, 1 to {lineage.MAX_DEPTH}.")] = lineage.MAX_DEPTH

    def checked(self, path: Path) -> "CleanLineage":
        """A depth that walks reach."""
        if not 1 <= self.depth <= lineage.MAX_DEPTH:
            raise InvalidValue(f"A depth is 1 to {lineage.MAX_DEPTH}.", (*path, "depth"))
        return self

    async def judge(self, case: Case) -> GateVerdict:
        """Walk upstream. What lies beyond the depth is not looked at; what no walk could see is not clean."""
        found = await lineage.walk(
            case.reader, case.org_id, [case.version.id], lineage.Direction.UPSTREAM, depth=self.depth
        )
        walk = found[case.version.id]
        # What lies beyond the depth is nobody's concern; that the walk ran out of edges or of time is.
        deepest = max((step.depth for step in walk.steps), default=0)
        if walk.truncated and (deepest < self.depth or len(walk.edges) >= lineage.MAX_EDGES):
            return self.fails(f"Its lineage is too long to be looked at whole: {len(walk.steps)} things were seen.")
        stains = [
            stain
            for kind in _UPSTREAM
            if (ids := [step.id for step in walk.steps if step.kind == kind])
            for stain in await self._stains(case, kind, ids)
        ]
        if stains:
            return self.fails(f"It comes from {_some(stains)}: make it anew from what is sound.", len(stains), 0)
        return self.passes(f"Nothing is wrong with the {len(walk.steps)} things that it comes from.", 0, 0)

    @staticmethod
    async def _stains(case: Case, kind: str, ids: Sequence[UUID]) -> list[str]:
        """What is wrong with the things of one kind."""
        table, name, word = _UPSTREAM[kind]
        status = col(Run.status) if table is Run else literal(None)
        bad = or_(col(table.deleted_at).is_not(None), status.in_(_FAILED))
        own = and_(col(table.org_id) == case.org_id, col(table.id).in_(ids))
        statement = select(name.label("name"), status.label("status"), col(table.deleted_at)).where(own, bad)
        return [
            f"the {word} {row.name} that is {'deleted' if row.deleted_at else str(row.status).lower()}"
            for row in await case.reader.rows(statement.limit(_SHOWN + 1))
        ]


def _some(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
