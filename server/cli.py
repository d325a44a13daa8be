"""The command line `registry`: serve, work, migrate, and what an operator does by hand."""

# ruff: noqa: PLC0415
# A command imports what it runs on, here and nowhere else: the graph, Alembic and the client of the object store take
# seconds, and to make a token or to show a help text needs none of them.

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from db.codes import PrincipalKind, Role
from registry.transfer.limits import CHUNK
from server.consoles import err, out

if TYPE_CHECKING:
    from server.settings import Settings


class CommandLine(TyperGroup):
    """The commands. Exit codes: 0 done, 1 refused or failed, 2 wrong usage or settings."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command that the arguments name; what it fails with is printed."""
        try:
            return super().main(*args, **kwargs)
        except Exception as error:
            from server.commands.failures import explanation

            err.print(explanation(error), markup=False)
            sys.exit(1)


app = typer.Typer(name="registry", cls=CommandLine, help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False)
db = typer.Typer(help="Prepare the database.", no_args_is_help=True)
storage = typer.Typer(help="Prepare the object store.", no_args_is_help=True)
token = typer.Typer(help="API tokens.", no_args_is_help=True)
app.add_typer(db, name="db")
app.add_typer(storage, name="storage")
app.add_typer(token, name="token")

Organization = Annotated[str, typer.Option(help="The organization; made if it is not there yet.")]
KnownOrganization = Annotated[str, typer.Option("--organization", help="The organization.")]
PrincipalName = Annotated[str, typer.Option(help="The user or service account; made if it is not there yet.")]


@contextmanager
def _services(*, database: bool = False, store: bool = False) -> Iterator["Settings"]:
    """The settings, in which each service that is needed has an address: one without is run for the block."""
    from server.commands.environment import read_settings

    settings = read_settings()
    if (settings.database_url or not database) and (settings.minio_endpoint or not store):
        yield settings
        return
    from server.local import local_services

    with local_services(settings, with_database=database, with_store=store) as local:
        yield local.settings


@app.command()
def serve() -> None:
    """Serve the graph. With no DATABASE_URL or MINIO_ENDPOINT it runs its own Postgres or S3 server, and a worker."""
    with _services() as settings:
        # Behind the settings, so that one that makes no sense is told at once.
        from server import serving

        serving.serve(settings, out)


@app.command("worker")
def work() -> None:
    """Verify uploads, clear away abandoned ones, tell webhooks, until stopped. Any number of workers may run."""
    from server.commands import worker

    with _services() as settings:
        worker.work(settings)


@app.command()
def migrate() -> None:
    """Bring the database schema to the newest revision. Safe to run from several places at once."""
    from server.commands import database

    with _services(database=True) as settings:
        revision = database.migrate(settings)
    out.print(f"The schema is at revision {revision}.")


@app.command("import")
def import_file(
    file: Annotated[str, typer.Argument(help="JSON Lines, also as .gz; - for standard input.")],
    organization: KnownOrganization = "default",
    source: Annotated[
        str, typer.Option(help="Where the file is from: the keys in it mean the same things in each file of a source.")
    ] = "default",
    principal: Annotated[
        str, typer.Option("--as", help="Who imports; made as a service account if it is not there yet.")
    ] = "import",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only look what would happen.")] = False,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Go on after a line that is refused, and list all of them.")
    ] = False,
    chunk: Annotated[int, typer.Option(help="How many lines are in together or not at all.", min=1)] = CHUNK,
) -> None:
    """Take a file of models, runs and all else into an organization. The same file again changes nothing."""
    from server.commands import transfer

    with _services(database=True) as settings:
        report = transfer.import_file(
            settings,
            organization,
            file,
            source=source,
            principal=principal,
            dry_run=dry_run,
            chunk=chunk,
            keep_going=keep_going,
        )
    transfer.print_report(report)
    if report.refused:
        sys.exit(1)


@app.command("export")
def export_file(
    file: Annotated[str, typer.Argument(help="Where to write JSON Lines; compressed for .gz; - for standard output.")],
    organization: KnownOrganization = "default",
    project: Annotated[str | None, typer.Option(help="Only this project, by its name or its id.")] = None,
) -> None:
    """Write an organization as it is now into a file that `import` takes. What is deleted stays behind."""
    from server.commands import transfer

    with _services(database=True) as settings:
        exported = transfer.export_file(settings, organization, file, project)
    transfer.print_exported(exported)


@app.command()
def schema() -> None:
    """Print the GraphQL schema."""
    from schema.build import build_schema

    out.print(build_schema().as_str(), markup=False)


@app.command("settings")
def list_settings() -> None:
    """Print every environment variable with its default and meaning, as a Markdown table."""
    from server.reference import settings_table

    out.print(settings_table(), markup=False)


@db.command("bootstrap")
def bootstrap_database(
    login: Annotated[
        list[str] | None, typer.Option(help="Another login that serves and works; may be given several times.")
    ] = None,
) -> None:
    """Make the database roles and schemas. Prints the SQL for an administrator where the login may not."""
    from server.commands import database

    with _services(database=True) as settings:
        done = database.bootstrap(settings, login or ())
    out.print("\n".join(f"{statement};" for statement in done) or "Everything is in place.", markup=False)


@db.command()
def restored() -> None:
    """Renew the epochs of all event feeds, after a restore or when a standby took over: see docs/restoring.md."""
    from server.commands import database

    with _services(database=True) as settings:
        count = database.renew_epochs(settings)
    out.print(f"{count} feeds have a new epoch: their followers begin anew.")


@db.command()
def draft(message: Annotated[str, typer.Argument(help="What the migration does; the file is named for it.")]) -> None:
    """Write a migration for what the tables in the code have and the database lacks. Read it before you keep it."""
    from server.commands import database

    with _services(database=True) as settings:
        database.draft(settings, message)


@storage.command("bootstrap")
def bootstrap_storage() -> None:
    """Make the buckets that are missing. The keys need the right to, once."""
    from server.commands import storage

    with _services(store=True) as settings:
        storage.bootstrap(settings)
    out.print(f"The buckets are there: {', '.join(settings.buckets)}.", markup=False)


@token.command("create")
def create_token(
    organization: Organization = "default",
    principal: PrincipalName = "admin",
    role: Annotated[
        Role | None, typer.Option(help="The role of a principal that is made now.", show_default=Role.OWNER)
    ] = None,
    service_account: Annotated[
        bool, typer.Option("--service-account", help="Make a service account and not a user.")
    ] = False,
    expires_minutes: Annotated[int | None, typer.Option(help="How long it is valid.", min=1)] = None,
) -> None:
    """Print a new API token. It is shown once; the database keeps only its hash."""
    from server.commands import tokens

    kind = PrincipalKind.SERVICE_ACCOUNT if service_account else None
    with _services(database=True) as settings:
        made = tokens.create(settings, organization, principal, kind=kind, role=role, expires_minutes=expires_minutes)
    out.print(made, markup=False)


@token.command("list")
def list_tokens(organization: KnownOrganization = "default") -> None:
    """Print the tokens of an organization, the oldest first: id, last four characters, whose, for what, how long."""
    from server.commands import tokens

    with _services(database=True) as settings:
        lines = tokens.lines(settings, organization)
    for line in lines:
        out.print(line, markup=False)


@token.command("revoke")
def revoke_token(
    name: Annotated[str, typer.Argument(metavar="TOKEN", help="Its id, or its last four characters.")],
    organization: KnownOrganization = "default",
) -> None:
    """Let a token open nothing any more: at the latest 5 seconds from now. To revoke it again changes nothing."""
    from server.commands import tokens

    with _services(database=True) as settings:
        row = tokens.revoke(settings, organization, name)
    out.print(f"The token {row.id} that ends with {row.last_four} is revoked.", markup=False)


def main() -> None:
    """Run the command line."""
    # Without this a SIGTERM during start-up would leave children to clean up by themselves.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    app()
