"""Lines that are a matter of rules which others hold too: what a version is made of, and where an alias points."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from db.base import Row
from db.session import Change
from db.tables import Alias, Model, ModelVersion
from registry.catalog.immutability import check_changeable
from registry.kernel.access import Actor
from registry.kernel.errors import Failure, Forbidden
from registry.kernel.rows import find_by
from registry.promotion import aliases
from registry.transfer.planning import refused
from registry.transfer.reading import Record


async def refuse_frozen(change: Change, files: Collection[Record]) -> None:
    """Refuse files for versions whose contents stay as they are, locked meanwhile. Raises: LineRefused."""
    for_versions = [file for file in files if "version_id" in file.values]
    versions = await _locked(change, ModelVersion, {file.values["version_id"] for file in for_versions})
    for file in for_versions:
        version = versions.get(file.values["version_id"])
        try:
            if version is not None:
                await check_changeable(change, version, "version")
        except Failure as failure:
            raise refused(file, failure) from None


async def hold_aliases(change: Change, records: Collection[Record]) -> None:
    """Lock the models of aliases, in the order in which everybody locks them."""
    await _locked(change, Model, {record.values["model_id"] for record in records})


async def point(change: Change, actor: Actor, record: Record) -> Alias:
    """Make an alias, held, point where a line says, as anybody does who sets one. Raises: LineRefused."""
    given = record.values
    where = {"version_id": given["version_id"], "name": given["name"], "created_at": given.get("created_at")}
    try:
        return await aliases.point(change, actor, **where)
    except (Failure, Forbidden) as failure:
        raise refused(record, failure) from None


async def try_to_point(change: Change, actor: Actor, record: Record) -> None:
    """Refuse what `point` would refuse, as far as the version is here already. Raises: LineRefused."""
    if await find_by(change, ModelVersion, id=record.values["version_id"]) is None:
        return
    told = len(change.events)
    async with change.begin_nested() as attempt:
        await point(change, actor, record)
        await attempt.rollback()
    del change.events[told:]


async def _locked(change: Change, table: type[Row], ids: Collection[UUID]) -> dict[UUID, Any]:
    """The rows with these ids by their ids, locked in the order of these; what is not here yet is left out."""
    if not ids:
        return {}
    statement = select(table).where(col(table.org_id) == change.org_id, col(table.id).in_(ids)).order_by(col(table.id))
    statement = statement.with_for_update(key_share=True).execution_options(populate_existing=True)
    return {row.id: row for row in (await change.execute(statement)).scalars()}
