"""Which revision the schema of a database has, and whether this program can work with it.

The revisions are read from the files of the migrations as text: to import Alembic, which runs them, takes longer than
most commands do.
"""

import re
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from db.base import SCHEMA
from db.errors import sqlstate
from db.session import Database

_VERSIONS = Path(__file__).parent / "migrations" / "versions"
_REVISION = re.compile(r"^(down_)?revision = [\"']([^\"']+)[\"']$", re.MULTILINE)
# No such role, not a member of it, no such schema, no such table.
_UNPREPARED = ("22023", "42501", "3F000", "42P01")


# The migrations of before the first release became one, which begins anew.
_BEGINNING = "2026_12_02"


class SchemaBehind(Exception):
    """The database has an older schema than this program needs, or none."""


class MadeInDevelopment(SchemaBehind):
    """The database was made by migrations that there are no more."""

    def __init__(self, current: str) -> None:
        super().__init__(
            f"This database was made by a development version, at revision {current}, from which no migration leads to"
            f" {head()}: the schema begins anew, in an empty database."
        )


def head() -> str:
    """The newest revision that this program knows."""
    known, followed = _revisions()
    heads = known - followed
    if len(heads) != 1:
        raise RuntimeError(f"This installation has {len(heads)} newest migrations and needs one.")
    return heads.pop()


def refuse_development(current: str | None) -> None:
    """Refuse a revision of before the first release that this program does not know. Raises: MadeInDevelopment."""
    if current is not None and current < _BEGINNING and current not in _revisions()[0]:
        raise MadeInDevelopment(current)


async def require_current(database: Database) -> tuple[str, ...]:
    """Refuse a database whose schema is older than this program, and return what is to be warned of.

    A revision that this program does not know is a newer one: while servers are replaced one by one, the old ones live
    with the schema of the new ones, which only adds.

    Raises: SchemaBehind, with the command to run.
    """
    try:
        async with database.as_nobody() as connection:
            current = (await connection.execute(text(f"select version_num from {SCHEMA}.alembic_version"))).scalar()
    except DBAPIError as error:
        if sqlstate(error) not in _UNPREPARED:
            raise
        current = None
    if current == head():
        return ()
    refuse_development(current)
    if current is None or current in _revisions()[0]:
        raise SchemaBehind(
            f"The database is at revision {current or 'none'}, this program needs {head()}."
            " Run `registry db bootstrap` once and `registry migrate`, then start again."
        )
    return (f"The database is at revision {current}, which is newer than this program's {head()}. Update the program.",)


def _revisions() -> tuple[set[str], set[str]]:
    """All revisions that this program knows, and those of them that another one follows."""
    known: set[str] = set()
    followed: set[str] = set()
    for path in _VERSIONS.glob("*.py"):
        for down, revision in _REVISION.findall(path.read_text()):
            (followed if down else known).add(revision)
    return known, followed
