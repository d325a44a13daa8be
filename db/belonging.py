"""What rows belong to that hang below others: the model of a file's version, the project of a dataset's version."""

from collections.abc import Collection, Mapping
from typing import Final, TypeAlias
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

Owner: TypeAlias = tuple[str, UUID]
"""A row by its kind and its id."""

# One row for each that was asked for: every table is joined by its primary key, and only for the kinds that need it.
_BELONGING: Final = text("""
    select o.kind, o.id,
           coalesce(v.model_id, d.model_id) as model_id, coalesce(r.project_id, s.project_id) as project_id
      from unnest(:kinds, :ids) as o(kind, id)
      left join registry.artifact a on a.org_id = :org_id and o.kind = 'Artifact' and a.id = o.id
      left join registry.version v on v.org_id = :org_id
            and v.id = case o.kind when 'Artifact' then a.version_id when 'Version' then o.id end
      left join registry.deployment d on d.org_id = :org_id and o.kind = 'Deployment' and d.id = o.id
      left join registry.run r on r.org_id = :org_id
            and r.id = case o.kind when 'Artifact' then a.run_id when 'Run' then o.id end
      left join registry.dataset_version w on w.org_id = :org_id and o.kind = 'DatasetVersion' and w.id = o.id
      left join registry.dataset s on s.org_id = :org_id
            and s.id = case o.kind when 'DatasetVersion' then w.dataset_id when 'Dataset' then o.id end
""").bindparams(bindparam("kinds", type_=ARRAY(Text)), bindparam("ids", type_=ARRAY(Uuid)))


async def belonging(
    session: AsyncSession, org_id: UUID, owners: Collection[Owner]
) -> Mapping[Owner, tuple[UUID | None, UUID | None]]:
    """The model and the project that rows belong to, in one statement; no project where the model says it."""
    kinds, ids = [kind for kind, _ in owners], [row_id for _, row_id in owners]
    found = await session.execute(_BELONGING, {"org_id": org_id, "kinds": kinds, "ids": ids})
    return {(row.kind, row.id): (row.model_id, row.project_id) for row in found}
