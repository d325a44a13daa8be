"""Databases, roles and logins that belong to one test, on the server of the suite."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from db import migrate
from db.roles import Roles, bootstrap
from db.url import asyncpg_dsn
from tests import services
from tests.patience import PATIENCE_S


@dataclass(frozen=True)
class Login:
    """A role that can log in."""

    name: str
    password: str = field(repr=False)

    def to(self, url: str) -> str:
        """The address of the same database as this login."""
        parts = urlsplit(url)
        place = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{self.name}:{quote(self.password, safe='')}@{place}"))


@dataclass
class Ground:
    """Makes things under names of its own and removes them in the order that the server asks for."""

    admin: asyncpg.Connection
    stem: str = field(default_factory=lambda: f"t{secrets.token_hex(5)}")
    databases: list[str] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)

    def roles(self) -> Roles:
        """Names of roles that nobody has made yet."""
        self.prefixes.append(f"{self.stem}_{len(self.prefixes)}")
        return Roles(self.prefixes[-1])

    async def database(self, owner: Login | None = None, template: str = "template0") -> str:
        """The address of a new database with nothing in it but what is in the template."""
        name = f"{self.stem}_db_{len(self.databases)}"
        await self.admin.execute(
            f"create database {name} template {template}" + (f" owner {owner.name}" if owner else "")
        )
        self.databases.append(name)
        return services.database_url(name)

    async def copied(self) -> tuple[str, Roles]:
        """A new database with every table, and the roles of the suite, which must stay as they are."""
        url = await self.database(template=services.TEMPLATE)
        await bootstrap(url, services.ROLES)
        return url, services.ROLES

    async def migrated(self) -> tuple[str, Roles]:
        """A new database that was migrated from nothing, and its own roles."""
        url, roles = await self.database(), self.roles()
        await bootstrap(url, roles)
        await migrate.upgrade(url, roles)
        return url, roles

    async def login(self, attributes: str = "") -> Login:
        """A new login with these attributes."""
        login = Login(f"{self.stem}_login_{len(self.logins)}", secrets.token_hex(8))
        await self.admin.execute(f"create role {login.name} login password '{login.password}' {attributes}")
        self.logins.append(login.name)
        # Giving it a database takes membership, which its maker has from the start only as a superuser.
        await self.admin.execute(f"grant {login.name} to current_user")
        return login

    async def clear(self) -> None:
        """Remove everything: what is owned before its owners, grants before who granted them."""
        for name in self.databases:
            await services.dropped(self.admin, name)
        for prefix in self.prefixes:
            for role in Roles(prefix).all:
                await self.admin.execute(f"drop role if exists {role}")
        for name in self.logins:
            await self.admin.execute(f"drop role {name}")


def with_parameters(url: str, parameters: str) -> str:
    """The address with more parameters."""
    return f"{url}{'&' if '?' in url else '?'}{parameters}"


async def connect(url: str) -> asyncpg.Connection:
    """A connection without a pool."""
    return await asyncpg.connect(asyncpg_dsn(url), timeout=PATIENCE_S)


async def execute(url: str, *statements: str) -> None:
    """Run statements one by one, as a person at a terminal does: each is a transaction of its own."""
    connection = await connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def fetch(url: str, query: str, *values: object) -> list[tuple[object, ...]]:
    """The rows of a query."""
    connection = await connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(query, *values)]
    finally:
        await connection.close()


@asynccontextmanager
async def new_ground() -> AsyncIterator[Ground]:
    """A ground for one test, cleared after it."""
    admin = await connect(services.server_url())
    ground = Ground(admin)
    try:
        yield ground
    finally:
        await ground.clear()
        await admin.close()
