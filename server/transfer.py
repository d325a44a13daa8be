"""`registry import` and `registry export`: files, progress and what is told at the end."""

import gzip
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, BinaryIO, cast
from uuid import UUID

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from db.codes import PrincipalKind, Role
from db.session import Database
from db.tables import Principal, Project
from registry import organisations
from registry.access import Actor
from registry.changes import find_by
from registry.errors import BadInput, InvalidValue, RegistryError
from registry.inputs import name as clean_name
from registry.transfer.exporting import Exported, export
from registry.transfer.importing import Importing, Report
from registry.transfer.scoping import find_project
from resolvers import ids

STANDARD = "-"
_OUTCOMES = ("created", "updated", "unchanged", "refused")


class FileUnusable(RegistryError):
    """A file cannot be read or written."""

    code = "FILE_UNUSABLE"


async def actor_for(database: Database, org_id: UUID, principal: str) -> Actor:
    """Who imports: a principal with its own roles. One that is missing is made: a service account and maintainer."""
    system = organisations.system(org_id)
    async with database.change(org_id) as change:
        found = await find_by(change, Principal, name=clean_name(principal, ("as",)))
        if found is None:
            kind, role = PrincipalKind.SERVICE_ACCOUNT, Role.MAINTAINER
            found = await organisations.add_principal(change, system, name=principal, kind=kind, role=role)
        return await organisations.acting(change, found)


async def bring_in(importing: Importing, file: str, err: Console) -> Report:
    """Import a file, telling how far it is. Raises: FileUnusable, and what the import raises."""
    with _opened(file, "rb") as stream, _progress(err) as progress:
        task = progress.add_task("lines", total=None)
        importing.told = lambda report: progress.update(task, completed=report.lines)
        return await importing.run(stream)


async def take_out(database: Database, org_id: UUID, file: str, project: str | None, err: Console) -> Exported:
    """Export an organisation, or one project by its name or id, into a file, telling how far it is.

    Raises: FileUnusable, InvalidValue.
    """
    project_id = None if project is None else await find_project(database, org_id, _local(project))
    with _opened(file, "wb") as stream, _progress(err) as progress:
        task = progress.add_task("lines", total=None)
        system = organisations.system(org_id)
        return await export(
            database, system, stream, lambda counts: progress.update(task, completed=counts.total()), project_id
        )


def _local(project: str) -> str:
    """The id of a project by its id in the graph; any other text as it is."""
    try:
        return str(ids.decode_as(Project.__name__, project, "project"))
    except BadInput:
        return project


def told(report: Report, out: Console) -> None:
    """Print what became of the lines, kind by kind."""
    table = Table(box=None, pad_edge=False)
    table.add_column("kind")
    for outcome in _OUTCOMES:
        table.add_column(outcome, justify="right")
    for kind, counts in report.counts.items():
        if counts.total():
            table.add_row(kind, *[str(counts[outcome]) for outcome in _OUTCOMES])
    out.print(table)
    if report.skipped:
        out.print(f"The first {report.skipped} lines were in already.")


@contextmanager
def _opened(file: str, mode: str) -> Iterator[BinaryIO]:
    """The file, compressed where its name says so, or standard input or output."""
    try:
        with _open(file, mode) as stream:
            yield cast(BinaryIO, stream)
    except (gzip.BadGzipFile, EOFError) as error:
        raise InvalidValue(f"{file} is no whole gzip file: {error}") from error
    except OSError as error:
        # Only what concerns files has a name; a service that does not answer has none.
        if error.filename is None:
            raise
        raise FileUnusable(f"{error.filename}: {error.strerror}.") from error


def _open(file: str, mode: str) -> IO[bytes] | nullcontext[IO[bytes]]:
    if file == STANDARD:
        return nullcontext(sys.stdin.buffer if mode == "rb" else sys.stdout.buffer)
    if file.endswith(".gz"):
        return cast(IO[bytes], gzip.open(file, mode))
    return cast(IO[bytes], Path(file).open(mode))


def _progress(err: Console) -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.completed:,} {task.description}"), TimeElapsedColumn())
    return Progress(*columns, console=err, transient=True, disable=not err.is_terminal)
