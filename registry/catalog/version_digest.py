"""What a version is, in one digest, for as long as which decisions about it hold; and who made it so."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, bindparam, func, literal, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlmodel import col

from db.rows.artifacts import FAILED_STATES
from db.session import Reader
from db.tables import Artifact, Content, ModelVersion, Run, Runtime, Signature

_LINE, _FIELD = literal("\n"), literal("\t")


async def digests(reader: Reader, org_id: UUID, version_ids: Sequence[UUID]) -> Mapping[UUID, str]:
    """The digest of each version, by its id: one statement for all.

    SHA-256, in hexadecimal, over UTF-8 lines: the digest of the signature, that of the runtime (`-` for none), then one
    line a file in the order of its path, with path, kind, and SHA-256 or address, separated by tabs.
    """
    rows = await reader.rows(_STATEMENT, {"org_id": org_id, "versions": list(version_ids)})
    return {row.id: row.digest for row in rows}


async def digest_of(reader: Reader, version: Any) -> str:
    """The digest of one version, a row or its columns by name."""
    return (await digests(reader, version.org_id, [version.id]))[version.id]


async def authors(reader: Reader, version: Any) -> set[UUID]:
    """The principals who had a hand in a version: who made it or its run, or sent one of the files that it has."""
    run = select(col(Run.created_by)).where(col(Run.org_id) == version.org_id, col(Run.id) == version.run_id)
    files = select(col(Artifact.created_by)).where(
        col(Artifact.org_id) == version.org_id,
        col(Artifact.version_id) == version.id,
        col(Artifact.deleted_at).is_(None),
        col(Artifact.state).not_in(FAILED_STATES),
    )
    return {version.created_by, *(row.created_by for row in await reader.rows(run.union(files)))}


def _statement() -> Any:
    place = func.coalesce(col(Artifact.sha256), col(Artifact.external_uri), "")
    line = col(Artifact.path).concat(_FIELD).concat(col(Artifact.kind)).concat(_FIELD).concat(place)
    files = (
        select(func.string_agg(line, aggregate_order_by(_LINE, col(Artifact.folded_path), col(Artifact.id))))
        .where(
            col(Artifact.org_id) == bindparam("org_id"),
            col(Artifact.version_id) == col(ModelVersion.id),
            col(Artifact.deleted_at).is_(None),
            col(Artifact.state).not_in(FAILED_STATES),
        )
        .scalar_subquery()
    )
    facts = [_fact(Signature, col(ModelVersion.signature_id)), _fact(Runtime, col(ModelVersion.runtime_id))]
    text = func.concat_ws(_LINE, *facts, func.coalesce(files, ""))
    digest = func.encode(func.sha256(func.convert_to(text, "UTF8")), "hex")
    return select(col(ModelVersion.id), digest.label("digest")).where(
        col(ModelVersion.org_id) == bindparam("org_id"),
        col(ModelVersion.id) == any_(bindparam("versions", type_=ARRAY(Uuid))),
    )


def _fact(table: type[Content], key: Any) -> ColumnElement[str]:
    fact = select(col(table.digest)).where(col(table.org_id) == col(ModelVersion.org_id), col(table.id) == key)
    return func.coalesce(fact.scalar_subquery(), "-")


_STATEMENT = _statement()
