"""Addresses of databases, in every spelling people bring along."""

import getpass
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import asyncpg
import pytest

from db.url import BadDatabaseUrl, asyncpg_dsn
from tests.db.ground import Ground, fetch, with_parameters

PASSWORD = "s3cr3t-of-ours"


@pytest.mark.parametrize(
    ("written", "understood"),
    [
        ("postgres://u:p@h/d", "postgresql://u:p@h/d"),
        ("POSTGRESQL://u:p@h/d", "postgresql://u:p@h/d"),
        ("postgresql+asyncpg://u:p@h:6000/d", "postgresql://u:p@h:6000/d"),
        ("Postgres+Psycopg2://u:p@h/d", "postgresql://u:p@h/d"),
        ("  'postgres://u:p@h/d'\n", "postgresql://u:p@h/d"),
        ('"postgres://u:p@h/d"', "postgresql://u:p@h/d"),
        ("postgresql://h", "postgresql://h"),
        ("postgresql:///d", "postgresql:///d"),
        ("postgresql://u:p@h1:6000,h2/d", "postgresql://u:p@h1:6000,h2/d"),
        ("postgresql://u:p@[::1]:6000,[fe80::1%25eth0]/d", "postgresql://u:p@[::1]:6000,[fe80::1%25eth0]/d"),
        ("postgresql://u:p%40%2F%3A@h/d%20e", "postgresql://u:p%40%2F%3A@h/d%20e"),
        ("postgresql://u:p@ss@h/d", "postgresql://u:p%40ss@h/d"),
        ("postgresql://u@%2Frun%2Fpostgresql/d", "postgresql://u@%2Frun%2Fpostgresql/d"),
        ("postgresql:///d?host=/run/postgresql", "postgresql:///d?host=%2Frun%2Fpostgresql"),
        ("postgres://u:p@h/d?sslmode=require", "postgresql://u:p@h/d?sslmode=require"),
        ("postgres://u:p@h/d?sslmode=Verify-Full", "postgresql://u:p@h/d?sslmode=verify-full"),
        ("postgres://u:p@h/d?sslmode=no-verify", "postgresql://u:p@h/d?sslmode=require"),
        ("postgres://u:p@h/d?ssl=true", "postgresql://u:p@h/d?sslmode=require"),
        ("postgres://u:p@h/d?ssl=False", "postgresql://u:p@h/d?sslmode=disable"),
        ("postgres://u:p@h/d?ssl=prefer", "postgresql://u:p@h/d?sslmode=prefer"),
        ("postgres://u:p@h/d?application_name=a+b%26c", "postgresql://u:p@h/d?application_name=a%20b%26c"),
        ("postgres://u:p@h/d?application_name=me@home", "postgresql://u:p@h/d?application_name=me%40home"),
        ("postgres://u:p@h/d?channel_binding=require&sslmode=require", "postgresql://u:p@h/d?sslmode=require"),
        ("postgres://u:p@h/d?pgbouncer=true&connection_limit=5", "postgresql://u:p@h/d"),
        ("postgres://u:p@h/d?statement_timeout=5000", "postgresql://u:p@h/d?statement_timeout=5000"),
        ("postgres://u:p@h/d?", "postgresql://u:p@h/d"),
    ],
)
def test_an_address_is_understood_as_people_write_it(written: str, understood: str) -> None:
    assert asyncpg_dsn(written) == understood


@pytest.mark.parametrize(
    "written",
    [
        f"mysql://u:{PASSWORD}@h/d",
        f"sqlite:///{PASSWORD}",
        f"u:{PASSWORD}@h/d",
        f"//u:{PASSWORD}@h/d",
        f"postgresqlx://u:{PASSWORD}@h/d",
        PASSWORD,
        "",
    ],
)
def test_another_kind_of_address_is_refused_with_what_to_write(written: str) -> None:
    with pytest.raises(BadDatabaseUrl, match="must begin with postgresql://") as refused:
        asyncpg_dsn(written)
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize("separator", ["#", "?", "/"])
@pytest.mark.parametrize("start", ["s3cr3t", "123"])
def test_a_separator_in_a_password_is_refused_without_repeating_what_is_around_it(separator: str, start: str) -> None:
    with pytest.raises(BadDatabaseUrl, match="percent-encoded") as refused:
        asyncpg_dsn(f"postgresql://u:{start}{separator}of-ours@h/d")
    assert start not in str(refused.value)
    assert "of-ours" not in str(refused.value)


@pytest.mark.parametrize("place", ["h:port", "h:1:2", "h1,h2:x", "[::1", "u:p@[::1]x"])
def test_a_place_that_is_none_is_refused(place: str) -> None:
    with pytest.raises(BadDatabaseUrl):
        asyncpg_dsn(f"postgresql://{place}/d")


def test_an_unknown_sslmode_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadDatabaseUrl, match="verify-full"):
        asyncpg_dsn("postgresql://h/d?sslmode=sometimes")


def test_what_comes_out_goes_in_again_unchanged() -> None:
    once = asyncpg_dsn("POSTGRES+psycopg://u:p@ss@h:6000/d?ssl=1&application_name=a+b&channel_binding=x")
    assert asyncpg_dsn(once) == once


@pytest.mark.parametrize(
    "spell",
    [
        lambda url: url.replace("postgresql://", "postgres://"),
        lambda url: url.replace("postgresql://", "POSTGRESQL+ASYNCPG://"),
        lambda url: f'"{url}"',
        lambda url: with_parameters(url, "application_name=a%20name&channel_binding=prefer&connect_timeout=5"),
        lambda url: with_parameters(url.replace("sslmode=disable", ""), "ssl=false"),
    ],
    ids=["postgres", "capitals and driver", "quotes", "parameters", "ssl=false"],
)
async def test_every_spelling_reaches_the_server(spell: Callable[[str], str], database_url: str) -> None:
    connection = await asyncpg.connect(asyncpg_dsn(spell(database_url)))
    assert await connection.fetchval("select 1") == 1
    await connection.close()


async def test_server_settings_in_the_address_hold_in_the_session(database_url: str) -> None:
    url = with_parameters(database_url, "application_name=a%20name&statement_timeout=12345")
    connection = await asyncpg.connect(asyncpg_dsn(url))
    assert await connection.fetchval("show application_name") == "a name"
    assert await connection.fetchval("show statement_timeout") == "12345ms"
    await connection.close()


async def test_of_several_hosts_the_first_that_answers_is_used(database_url: str) -> None:
    parts = urlsplit(database_url)
    parameters = dict(parse_qsl(parts.query))
    place = quote(parameters["host"], safe="") if "host" in parameters else f"{parts.hostname}"
    port = parameters.get("port") or parts.port or 5432
    user = f"{parts.username or getpass.getuser()}:{parts.password or ''}"
    # Nothing listens on port 1.
    several = f"postgresql://{user}@{place}:1,{place}:{port}{parts.path}?sslmode=disable"
    connection = await asyncpg.connect(asyncpg_dsn(several))
    assert await connection.fetchval("select current_database()") == unquote(parts.path[1:])
    await connection.close()


async def test_a_percent_encoded_password_reaches_the_server_decoded(ground: Ground) -> None:
    login = replace(await ground.login(), password="a:b/c?d#e@f g%h+ü")
    await ground.admin.execute(f"alter role {login.name} password '{login.password}'")
    assert await fetch(login.to(await ground.database()), "select session_user::text") == [(login.name,)]
