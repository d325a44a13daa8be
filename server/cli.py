"""The command line `registry`: serve, work, migrate, and what an operator does by hand."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Annotated, TypeVar
from uuid import UUID

import typer
from pydantic import ValidationError
from rich.console import Console

from db import migrate as migrations
from db.codes import PrincipalKind, Role
from db.errors import sqlstate, translate
from db.listening import Wakeups
from db.migrate import SchemaBehind, require_current
from db.restoring import renew_epochs
from db.roles import NeedsAdministrator, ServerTooOld, bootstrap
from db.session import Change, Database
from db.tables import ApiToken, Principal
from registry import organisations, tokens
from registry.access import Actor
from registry.errors import InvalidValue, RegistryError
from registry.faults import refusal_of
from registry.onboarding import token_for
from registry.transfer.importing import CHUNK, Importing, Report
from schema.build import build_schema
from schema.failures import traceback_of
from server import logs, transfer, worker
from server.app import UnsafeRole, checked, create_services
from server.embedded.errors import EmbeddedError
from server.following import telling
from server.local import local_services
from server.reference import settings_table
from server.serving import PortTaken, ServiceDied, serve as run_server
from server.settings import NotConfigured, Settings
from storage.errors import StoreError
from storage.store import ObjectStore

app = typer.Typer(name="registry", help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False)
db = typer.Typer(help="Prepare the database.", no_args_is_help=True)
storage = typer.Typer(help="Prepare the object store.", no_args_is_help=True)
token = typer.Typer(help="API tokens.", no_args_is_help=True)
app.add_typer(db, name="db")
app.add_typer(storage, name="storage")
app.add_typer(token, name="token")

EXPECTED = (
    EmbeddedError,
    NotConfigured,
    PortTaken,
    RegistryError,
    SchemaBehind,
    ServerTooOld,
    ServiceDied,
    StoreError,
    UnsafeRole,
)

_NO_SUCH_ROLE = "42704"

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Organisation = Annotated[str, typer.Option(help="The organisation; made if it is not there yet.")]
KnownOrganisation = Annotated[str, typer.Option("--organisation", help="The organisation.")]
PrincipalName = Annotated[str, typer.Option(help="The user or service account; made if it is not there yet.")]
Made = TypeVar("Made")


@app.command()
def serve() -> None:
    """Serve the graph. With no DATABASE_URL or MINIO_ENDPOINT it runs its own Postgres or S3 server, and a worker."""
    run_server(_settings(), out)


@app.command("worker")
def work() -> None:
    """Verify uploads, clear away abandoned ones, tell webhooks, until stopped. Any number of workers may run."""
    settings = _settings()
    logs.configure(settings.log_level, human=settings.debug)

    async def main() -> None:
        services = create_services(settings)
        try:
            await checked(services.database)
            async with telling(services.database, Wakeups(settings.listen_database)):
                await worker.run(services, worker.stop_on_signals())
        finally:
            await services.database.close()

    asyncio.run(main())


@app.command()
def migrate() -> None:
    """Bring the database schema to the newest revision. Safe to run from several places at once."""
    with local_services(_settings(), with_store=False) as local:
        settings = local.settings
        revision = asyncio.run(migrations.upgrade(settings.migration_database, settings.roles))
    out.print(f"The schema is at revision {revision}.")


@app.command("import")
def import_file(
    file: Annotated[str, typer.Argument(help="JSON Lines, also as .gz; - for standard input.")],
    organisation: KnownOrganisation = "default",
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
    """Take a file of models, runs and all else into an organisation. The same file again changes nothing."""

    async def bring_in(settings: Settings, database: Database, org_id: UUID) -> Report:
        actor = await transfer.actor_for(database, org_id, principal)
        importing = Importing(
            database, actor, settings.supported_frameworks, source, dry_run, chunk, keep_going or dry_run
        )
        return await transfer.bring_in(importing, file, err)

    report = _in_organisation(organisation, bring_in)
    transfer.told(report, out)
    for refusal in report.refused:
        err.print(str(refusal), markup=False)
    if report.refused:
        sys.exit(1)


@app.command("export")
def export_file(
    file: Annotated[str, typer.Argument(help="Where to write JSON Lines; compressed for .gz; - for standard output.")],
    organisation: KnownOrganisation = "default",
    project: Annotated[str | None, typer.Option(help="Only this project, by its name or its id.")] = None,
) -> None:
    """Write an organisation as it is now into a file that `import` takes. What is deleted stays behind."""
    exported = _in_organisation(
        organisation, lambda _, database, org_id: transfer.take_out(database, org_id, file, project, err)
    )
    err.print(f"{exported.counts.total()} lines.")
    if +exported.left_out:
        told = ", ".join(f"{name} ({count})" for name, count in (+exported.left_out).items())
        err.print(f"Left out, because they lead to other projects: {told}.", markup=False)


@app.command()
def schema() -> None:
    """Print the GraphQL schema."""
    out.print(build_schema().as_str(), markup=False)


@app.command("settings")
def list_settings() -> None:
    """Print every environment variable with its default and meaning, as a Markdown table."""
    out.print(settings_table(), markup=False)


@db.command("bootstrap")
def bootstrap_database(
    login: Annotated[
        list[str] | None, typer.Option(help="Another login that serves and works; may be given several times.")
    ] = None,
) -> None:
    """Make the database roles and schemas. Prints the SQL for an administrator where the login may not."""
    with local_services(_settings(), with_store=False) as local:
        settings = local.settings
        try:
            done = asyncio.run(bootstrap(settings.migration_database, settings.roles, tuple(login or ())))
        except Exception as error:
            if sqlstate(error) != _NO_SUCH_ROLE:
                raise
            raise NotConfigured(
                f"Not every login of --login is there: {', '.join(login or ())}. Make it by CREATE ROLE … LOGIN first."
            ) from error
    out.print("\n".join(f"{statement};" for statement in done) or "Everything is in place.", markup=False)


@db.command()
def restored() -> None:
    """Renew the epochs of all event feeds, after a restore or when a standby took over: see docs/restoring.md."""
    with local_services(_settings(), with_store=False) as local:
        settings = local.settings
        count = asyncio.run(renew_epochs(settings.migration_database, settings.roles))
    out.print(f"{count} feeds have a new epoch: their followers begin anew.")


@db.command()
def draft(message: Annotated[str, typer.Argument(help="What the migration does; the file is named for it.")]) -> None:
    """Write a migration for what the tables in the code have and the database lacks. Read it before you keep it."""
    with local_services(_settings(), with_store=False) as local:
        settings = local.settings
        asyncio.run(migrations.draft(settings.migration_database, settings.roles, message))


@storage.command("bootstrap")
def bootstrap_storage() -> None:
    """Make the buckets that are missing. The keys need the right to, once."""
    with local_services(_settings(), with_database=False) as local:
        settings = local.settings

        async def make() -> None:
            async with ObjectStore(settings.store) as store:
                for bucket in settings.buckets:
                    await store.ensure_bucket(bucket)

        asyncio.run(make())
    out.print(f"The buckets are there: {', '.join(settings.buckets)}.", markup=False)


@token.command("create")
def create_token(
    organisation: Organisation = "default",
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
    kind = PrincipalKind.SERVICE_ACCOUNT if service_account else None
    with local_services(_settings(), with_store=False) as local:
        lifetime = timedelta(minutes=expires_minutes or local.settings.access_token_expire_minutes)

        async def make() -> str:
            async with _database(local.settings) as database:
                return await token_for(database, organisation, principal, kind=kind, role=role, lifetime=lifetime)

        out.print(asyncio.run(make()), markup=False)


@token.command("list")
def list_tokens(organisation: KnownOrganisation = "default") -> None:
    """Print the tokens of an organisation, the oldest first: id, last four characters, whose, for what, how long."""

    async def listed(change: Change, system: Actor) -> list[str]:
        return [_line_of(row, principal) for row, principal in await tokens.known(change, system)]

    for line in _as_operator(organisation, listed):
        out.print(line, markup=False)


@token.command("revoke")
def revoke_token(
    name: Annotated[str, typer.Argument(metavar="TOKEN", help="Its id, or its last four characters.")],
    organisation: KnownOrganisation = "default",
) -> None:
    """Let a token open nothing any more: at the latest 5 seconds from now. To revoke it again changes nothing."""

    async def revoked(change: Change, system: Actor) -> ApiToken:
        found = await tokens.named(change, system, name)
        return await tokens.revoke(change, system, token_id=found.id)

    row = _as_operator(organisation, revoked)
    out.print(f"The token {row.id} that ends with {row.last_four} is revoked.", markup=False)


def _line_of(row: ApiToken, principal: Principal) -> str:
    end = f"revoked {row.revoked_at:%Y-%m-%d}" if row.revoked_at else f"expires {row.expires_at:%Y-%m-%d}"
    used = f"used {row.last_used_at:%Y-%m-%d}" if row.last_used_at else "never used"
    return "  ".join((str(row.id), f"…{row.last_four}", principal.name, row.name, end, used))


def _as_operator(organisation: str, act: Callable[[Change, Actor], Awaitable[Made]]) -> Made:
    """What `act` makes of one transaction of an organisation that is there."""

    async def run(_: Settings, database: Database, org_id: UUID) -> Made:
        async with database.change(org_id) as change:
            return await act(change, organisations.system(org_id))

    return _in_organisation(organisation, run)


def _in_organisation(organisation: str, act: Callable[[Settings, Database, UUID], Awaitable[Made]]) -> Made:
    """What `act` makes of an organisation that is there."""
    with local_services(_settings(), with_store=False) as local:

        async def run() -> Made:
            async with _database(local.settings) as database:
                org_id = await organisations.id_by_name(database, organisation.strip())
                if org_id is None:
                    raise InvalidValue(f"There is no organisation {organisation!r}.", ("organisation",))
                return await act(local.settings, database, org_id)

        return asyncio.run(run())


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    """One connection to a database that is new enough. Raises: SchemaBehind."""
    database = Database.connect(settings.database, settings.roles, pool_size=1)
    try:
        await require_current(database)
        yield database
    finally:
        await database.close()


def _settings() -> Settings:
    """The settings from the environment. Exits with 2 and a sentence for each variable that makes no sense."""
    try:
        return Settings()
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False, include_context=False):
            name = str(fault["loc"][0]).upper() if fault["loc"] else "settings"
            err.print(f"{name}: {fault['msg']}", markup=False)
        sys.exit(2)


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 refused or failed, 2 wrong usage or settings."""
    # Without this a SIGTERM during start-up would leave children to clean up by themselves.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        app()
    except NeedsAdministrator as error:
        err.print(f"{error}\n\n" + "\n".join(f"{statement};" for statement in error.statements), markup=False)
        sys.exit(1)
    except EXPECTED as error:
        err.print(str(error), markup=False)
        sys.exit(1)
    except Exception as error:
        err.print(_sentence_for(error) or traceback_of(error), markup=False)
        sys.exit(1)


def _sentence_for(error: Exception) -> str | None:
    """What to tell of an error of a service; None for a bug."""
    state = sqlstate(error) or ""
    if state.startswith("28"):
        return "The database refuses this login. Check user and password in DATABASE_URL and MIGRATION_DATABASE_URL."
    if state == "3D000":
        return "There is no such database on this server. Make it, or check the name at the end of DATABASE_URL."
    refusal = refusal_of(translate(error))
    return refusal.message if refusal else None
