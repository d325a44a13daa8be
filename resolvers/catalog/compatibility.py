"""What changed since an earlier version: the signatures of versions, the schemas of dataset versions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, Select, Uuid, any_, bindparam, select, true

from db.base import SCHEMA, Row, columns, metadata
from db.tables import Content, DatasetSchema, DatasetVersion, ModelVersion, Signature
from registry.facts.signature_diff import PartChange, SignatureCompatibility, changes, verdict
from resolvers.loading.shapes import Reading, own
from resolvers.loading.visibility import is_over


@dataclass(frozen=True)
class Line:
    """How the versions of one kind follow each other, and the column with what is compared."""

    parent: str
    order: str
    holds: str
    content: type[Content]


LINES: Final[Mapping[type[Row], Line]] = {
    ModelVersion: Line("model_id", "number", "signature_id", Signature),
    DatasetVersion: Line("dataset_id", "id", "schema_id", DatasetSchema),
}


class Since(NamedTuple):
    """What changed since an earlier version; `since_id` is the id of that one."""

    since_id: UUID
    verdict: SignatureCompatibility
    changes: Sequence[PartChange]


@dataclass(frozen=True)
class ChangesSince:
    """What changed in each version since the one with the id `since`; the shape of a loader.

    Where none is given, since the last live one before it of the same line that says what is compared. None where the
    version or the earlier one says nothing. Two statements, however many versions there are.
    """

    table: type[Row]
    since: UUID | None

    async def read(self, reading: Reading, keys: list[Any]) -> list[Since | None]:
        """What changed in each of these versions."""
        chosen = {} if self.since is None else {"since": self.since}
        pairs = await reading.rows(_pairs(self.table, chosen=bool(chosen)), {"keys": keys, **chosen})
        wanted = {content for pair in pairs if pair.before != pair.after for content in (pair.before, pair.after)}
        contents: dict[UUID, Any] = {}
        if wanted:
            rows = await reading.rows(_contents(LINES[self.table].content), {"keys": list(wanted)})
            contents = {row.id: row for row in rows}
        found = {pair.id: _since(pair, contents) for pair in pairs}
        return [found.get(key) for key in keys]


def _since(pair: Any, contents: Mapping[UUID, Any]) -> Since:
    if pair.before == pair.after:
        return Since(pair.since_id, SignatureCompatibility.IDENTICAL, [])
    before, after = contents[pair.before], contents[pair.after]
    found = changes(before, after)
    return Since(pair.since_id, verdict(before, after, found), found)


@cache
def _pairs(table: type[Row], *, chosen: bool) -> Select[*tuple[Any, ...]]:
    """Each of `:keys` with what it holds, and the earlier version with what that holds."""
    line, known = LINES[table], metadata.tables[f"{SCHEMA}.{table.__tablename__}"]
    later, earlier = known.alias("later"), known.alias("earlier")
    candidates = select(earlier.c.id.label("since_id"), earlier.c[line.holds].label("before")).where(
        own(table, earlier), earlier.c[line.holds].is_not(None)
    )
    if chosen:
        candidates = candidates.where(earlier.c.id == bindparam("since", type_=Uuid))
    else:
        place = earlier.c[line.order]
        candidates = candidates.where(
            earlier.c[line.parent] == later.c[line.parent],
            place < later.c[line.order],
            ~is_over(earlier.c.deleted_at),
        )
        candidates = candidates.order_by(place.desc()).limit(1)
    found = candidates.lateral("found")
    return (
        select(later.c.id, later.c[line.holds].label("after"), found.c.since_id, found.c.before)
        .select_from(later.join(found, true()))
        .where(
            own(table, later),
            later.c.id == any_(bindparam("keys", type_=ARRAY(Uuid))),
            later.c[line.holds].is_not(None),
        )
    )


@cache
def _contents(table: type[Content]) -> Select[*tuple[Any, ...]]:
    named = {column.name: column for column in columns(table)}
    return select(*named.values()).where(own(table), named["id"] == any_(bindparam("keys", type_=ARRAY(Uuid))))
