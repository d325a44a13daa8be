"""The project of every row: set by the database from what the row belongs to, whoever writes it and however.

A rule that forgot it, an import or a COPY cannot put a row into another project than what it is part of. Nothing moves
between projects, and where a row is put below another parent its project follows.
"""

from typing import Final

from db.base import SCHEMA, Deletable, Tenant, columns
from db.belonging import KINDS, kind_beside, parents
from db.tables import Project

UNPLACED: Final = {
    "run_metric": "Read below a run that was found. Of millions of rows a column would be a fifth, and its key slow.",
    "version_metric": "As the metrics of runs.",
    "resource_sample": "As the metrics of runs.",
    "deployment_metric": "As the metrics of runs; the report that brings them names the project.",
    "webhook": "Of the organization: it may be limited to a project, and is not part of it.",
    "webhook_delivery": "Of the organization, as its webhook.",
}
"""The tables that refer to a project, directly or through others, and whose rows do not name it, with the reasons."""


def follow(table: str) -> list[str]:
    """The statements that have the database set `project_id` in each row of a table, and keep it in step.

    Rows that name their project themselves are kept in it.
    """
    row = next(one for one in KINDS.values() if one.__tablename__ == table)
    if row.belongs_to == ("project_id",):
        return [
            f"create trigger project before update of project_id on {SCHEMA}.{table} for each row"
            f" when (new.project_id is distinct from old.project_id) execute function {SCHEMA}.stays_in_its_project()"
        ]
    beside = [kind_beside(column) for column, above in parents(row).items() if above is None]
    name, watched = f"{SCHEMA}.{table}", ", ".join([*row.belongs_to, *beside, "project_id"])
    return [
        f"create function {name}_project() returns trigger language plpgsql set search_path = pg_catalog, {SCHEMA}"
        f" as $$ begin new.project_id := {project_of(row)}; return new; end $$",
        f"revoke all on function {name}_project() from public",
        f"create trigger project before insert or update of {watched} on {name}"
        f" for each row execute function {name}_project()",
    ]


def project_of(table: type[Tenant]) -> str:
    """The project of a new row of a table, as an expression over `new`: that of the first parent that is set."""
    found = [_project(column, above) for column, above in parents(table).items()]
    return found[0] if len(found) == 1 else f"coalesce({', '.join(found)})"


def _project(column: str, above: type[Tenant] | None) -> str:
    if above is Project:
        return f"new.{column}"
    if above is not None:
        return f"(select project_id from {above.__tablename__} where org_id = new.org_id and id = new.{column})"
    kinds = sorted(name for name, table in KINDS.items() if issubclass(table, Deletable) and is_placed(table))
    cases = " ".join(f"when '{kind}' then {_project(column, KINDS[kind])}" for kind in kinds)
    return f"case new.{kind_beside(column)} {cases} end"


def is_placed(table: type[Tenant]) -> bool:
    """Whether the rows of a table name their project."""
    return any(column.name == "project_id" for column in columns(table))
