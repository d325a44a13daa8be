"""The index of the search as statements: what a migration runs for each table whose rows can be found."""

from collections.abc import Sequence

from db.base import SCHEMA
from db.codes import SearchKind


def searchable(table: str, kind: SearchKind, watched: Sequence[str], parents: Sequence[str] = ()) -> list[str]:
    """The statements that keep a document for every row of a table, from now on and for the rows that are there.

    A document is made anew when one of the `watched` columns or `deleted_at` changes. Project, framework and,
    with less weight, the words of the name come from the row that the first filled one of `parents` refers to.
    """
    name = f"{SCHEMA}.{table}"
    parent = f"coalesce({', '.join(parents)})" if parents else "null::uuid"
    arguments = ", ".join(f"'{argument}'" for argument in (kind.value, *parents))
    return [
        f"create trigger search_document after insert or update of {', '.join((*watched, 'deleted_at'))} on {name}"
        f" for each row execute function {SCHEMA}.search_follow({arguments})",
        # Forced row-level security hides every row from the owner, who migrates.
        f"alter table {name} no force row level security",
        f"select {SCHEMA}.search_keep('{kind.value}', to_jsonb(t), {parent}) from {name} t order by id",
        f"alter table {name} force row level security",
    ]


def not_searchable(table: str, kind: SearchKind) -> list[str]:
    """The statements that undo `searchable`."""
    return [
        f"drop trigger search_document on {SCHEMA}.{table}",
        f"delete from {SCHEMA}.search_document where kind = '{kind.value}'",
    ]
