"""Contents: facts that many things share and nobody changes, kept once in an organization under their digest."""

import hashlib
from collections.abc import Mapping
from typing import Any, TypeVar

import orjson
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from db.session import Change
from db.tables import Content
from registry.kernel.access import Actor
from registry.kernel.rows import image, record

AnyContent = TypeVar("AnyContent", bound=Content)


def digest_of(values: Mapping[str, Any]) -> str:
    """What identifies these values: the SHA-256 of their JSON with sorted keys."""
    return f"sha256:{hashlib.sha256(orjson.dumps(values, option=orjson.OPT_SORT_KEYS)).hexdigest()}"


async def keep(change: Change, actor: Actor, table: type[AnyContent], values: Mapping[str, Any]) -> AnyContent:
    """The row of a table of contents with these values: the one that is there, or a new one.

    Two changes that keep the same values at the same moment get the same row: the later one waits for the earlier.
    """
    row = table(org_id=change.org_id, digest=digest_of(values), **values)
    made = await change.execute(
        insert(table)
        .values(row.model_dump())
        .on_conflict_do_nothing(index_elements=["org_id", "digest"])
        .returning(col(table.id))
    )
    if made.one_or_none() is not None:
        record(change, actor, row, "created", None, image(row))
        return row
    own = (col(table.org_id) == change.org_id, col(table.digest) == row.digest)
    return (await change.execute(select(table).where(*own))).scalar_one()
