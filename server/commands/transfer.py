"""`registry import` and `registry export`: files, progress and what is told at the end."""

import gzip
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, BinaryIO, cast
from uuid import UUID

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from db.codes import PrincipalKind, Role
from db.session import Database
from db.tables import Principal, Project
from registry.kernel.access import Actor
from registry.kernel.errors import BadInput, InvalidValue, RegistryError
from registry.kernel.inputs import name as clean_name
from registry.kernel.rows import find_by
from registry.tenants import organizations
from registry.transfer.exporting import Exported, export
from registry.transfer.importing import Importing, Report
from registry.transfer.scoping import find_project
from resolvers import ids
from server.commands.environment import in_organization
from server.consoles import err, out
from server.settings import Settings

STANDARD = "-"
_OUTCOMES = ("created", "updated", "unchanged", "refused")


class FileUnusable(RegistryError):
    """A file cannot be read or written."""

    code = "FILE_UNUSABLE"


def import_file(
    settings: Settings,
    organization: str,
    file: str,
    *,
    source: str,
    principal: str,
    dry_run: bool,
    chunk: int,
    keep_going: bool,
) -> Report:
    """Import a file into an organization, telling how far it is. Raises: FileUnusable, and what the import raises."""

    async def bring_in(database: Database, org_id: UUID) -> Report:
        actor = await _actor_for(database, org_id, principal)
        importing = Importing(
            database, actor, settings.supported_frameworks, source, dry_run, chunk, keep_going or dry_run
        )
        with _opened(file, "rb") as stream, _progress() as progress:
            task = progress.add_task("lines", total=None)
            importing.told = lambda report: progress.update(task, completed=report.lines)
            return await importing.run(stream)

    return in_organization(settings, organization, bring_in)


def export_file(settings: Settings, organization: str, file: str, project: str | None) -> Exported:
    """Export an organization, or one project by its name or id, into a file, telling how far it is.

    Raises: FileUnusable, InvalidValue.
    """

    async def take_out(database: Database, org_id: UUID) -> Exported:
        project_id = None if project is None else await find_project(database, org_id, _local(project))
        with _opened(file, "wb") as stream, _progress() as progress:
            task = progress.add_task("lines", total=None)
            system = organizations.system(org_id)
            return await export(
                database, system, stream, lambda counts: progress.update(task, completed=counts.total()), project_id
            )

    return in_organization(settings, organization, take_out)


def print_report(report: Report) -> None:
    """Print what became of the lines, kind by kind, and which were refused."""
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
    for refusal in report.refused:
        err.print(str(refusal), markup=False)


def print_exported(exported: Exported) -> None:
    """Print how many lines were exported, and what was left out."""
    err.print(f"{exported.counts.total()} lines.")
    if +exported.left_out:
        told = ", ".join(f"{name} ({count})" for name, count in (+exported.left_out).items())
        err.print(f"Left out, because they lead to other projects: {told}.", markup=False)


async def _actor_for(database: Database, org_id: UUID, principal: str) -> Actor:
    """Who imports: a principal with its own roles. One that is missing is made: a service account and maintainer."""
    system = organizations.system(org_id)
    async with database.change(org_id) as change:
        found = await find_by(change, Principal, name=clean_name(principal, ("as",)))
        if found is None:
            kind, role = PrincipalKind.SERVICE_ACCOUNT, Role.MAINTAINER
            found = await organizations.add_principal(change, system, name=principal, kind=kind, role=role)
        return await organizations.acting(change, found)


def _local(project: str) -> str:
    """The id of a project by its id in the graph; any other text as it is."""
    try:
        return str(ids.decode_as(Project.__name__, project, "project"))
    except BadInput:
        return project


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


def _progress() -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.completed:,} {task.description}"), TimeElapsedColumn())
    return Progress(*columns, console=err, transient=True, disable=not err.is_terminal)
