"""The three database roles, and the statements that make them.

`owner` owns every table and cannot log in; `app` sees one organization per transaction; `worker` sees the job table
and the event feed of all organizations and nothing else. Roles belong to the whole cluster, so their prefix is
configurable. Whoever logs in is a member of them and switches role at the start of each transaction.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from db.base import SCHEMA
from db.url import asyncpg_dsn

EVENT_SCHEMA = "ev"
MINIMUM_SERVER = 150000


@dataclass(frozen=True)
class Roles:
    """Names of the roles, all beginning with `prefix`."""

    prefix: str = "registry"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", self.prefix):
            raise ValueError("The role prefix must be lower-case letters, digits and underscores, at most 41 of them.")

    @property
    def owner(self) -> str:
        """Owns all; NOLOGIN."""
        return f"{self.prefix}_owner"

    @property
    def app(self) -> str:
        """Acts inside one organization."""
        return f"{self.prefix}_app"

    @property
    def worker(self) -> str:
        """Finds work in all organizations."""
        return f"{self.prefix}_worker"

    @property
    def all(self) -> tuple[str, str, str]:
        """Every role."""
        return (self.owner, self.app, self.worker)


class NeedsAdministrator(Exception):
    """The login may not make the roles. `statements` are what an administrator has to run, in order."""

    def __init__(self, statements: Sequence[str]) -> None:
        super().__init__("This login may not create roles. Have an administrator run the statements.")
        self.statements = tuple(statements)


class ServerTooOld(Exception):
    """The server is older than PostgreSQL 15."""


async def bootstrap(url: str, roles: Roles, also: Sequence[str] = ()) -> list[str]:
    """Make the roles and the schemas, whatever of them is missing, and let the login use them.

    `also` names further logins that may act as `app` and `worker`. Running it again changes nothing.

    Returns: the statements it ran, in order.
    Raises: NeedsAdministrator, ServerTooOld.
    """
    connection = await asyncpg.connect(asyncpg_dsn(url), timeout=10)
    try:
        if connection.get_server_version().major * 10000 < MINIMUM_SERVER:
            raise ServerTooOld("PostgreSQL 15 or later is needed.")
        statements = await _missing(connection, roles, also)
        try:
            async with connection.transaction():
                for statement in statements:
                    await connection.execute(statement)
        except asyncpg.InsufficientPrivilegeError as error:
            raise NeedsAdministrator(statements) from error
        return statements
    finally:
        await connection.close()


async def _missing(connection: asyncpg.Connection, roles: Roles, also: Sequence[str]) -> list[str]:
    """The statements that are still to be run on this server."""
    login = await connection.fetchval("select current_user")
    database = await connection.fetchval("select quote_ident(current_database())")
    existing = {
        row[0] for row in await connection.fetch("select rolname from pg_roles where rolname = any($1)", roles.all)
    }
    schemas = {row[0] for row in await connection.fetch("select nspname from pg_namespace")}
    may_create = roles.owner in existing and await connection.fetchval(
        "select has_database_privilege($1, current_database(), 'CREATE')", roles.owner
    )
    statements = [f"create role {role} nologin" for role in roles.all if role not in existing]
    for member in dict.fromkeys((login, *also)):
        for role in roles.all if member == login else (roles.app, roles.worker):
            if role not in existing or not await _may_become(connection, member, role):
                statements.append(f"grant {role} to {_quoted(member)}")
    if not may_create:
        statements.append(f"grant create on database {database} to {roles.owner}")
    missing_schemas = [schema for schema in (SCHEMA, EVENT_SCHEMA) if schema not in schemas]
    if missing_schemas:
        # As the owner and not with AUTHORIZATION: the one way that works for every login on every server version. Not
        # `set local`: an administrator may run each statement as a transaction of its own, where that does nothing.
        statements.append(f"set role {roles.owner}")
        statements.extend(f"create schema {schema}" for schema in missing_schemas)
        statements.append("reset role")
    return statements


async def _may_become(connection: asyncpg.Connection, member: str, role: str) -> bool:
    """Whether `member` was granted `role` by name. Being a superuser does not count: the login may lose that."""
    return bool(
        await connection.fetchval(
            "select exists (select from pg_auth_members m join pg_roles r on r.oid = m.roleid"
            " join pg_roles u on u.oid = m.member where u.rolname = $1 and r.rolname = $2"
            " and coalesce((to_jsonb(m) ->> 'set_option')::boolean, true))",
            member,
            role,
        )
    )


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
