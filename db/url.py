"""Database addresses as people write them, turned into what asyncpg takes."""

import re
from urllib.parse import parse_qsl, quote

# What other drivers and hosting providers write and asyncpg would send to the server as an unknown setting.
_CLIENT_ONLY = frozenset(
    {
        "channel_binding",
        "client_encoding",
        "connect_timeout",
        "connection_limit",
        "fallback_application_name",
        "gssencmode",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "load_balance_hosts",
        "options",
        "pgbouncer",
        "pool_timeout",
        "prepared_statement_cache_size",
        "prepareThreshold",
        "require_auth",
        "schema",
        "sslcompression",
        "sslnegotiation",
        "statement_cache_size",
        "tcp_user_timeout",
    }
)
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_SSL_WORDS = {
    **{mode: mode for mode in _SSL_MODES},
    **dict.fromkeys(("true", "1", "on", "no-verify"), "require"),
    **dict.fromkeys(("false", "0", "off"), "disable"),
}
# One host with its port, if any: a name, an address in brackets, or a percent-encoded folder.
_HOST = re.compile(r"(\[[^\[\]#/]+\]|[^\[\]:#/]*)(:[0-9]+)?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


class BadDatabaseUrl(ValueError):
    """The address cannot be understood. The message never repeats it: it holds a password."""


def asyncpg_dsn(url: str) -> str:
    """The same address for asyncpg.

    Takes `postgres://`, `postgresql://` and `postgresql+driver://` (also in capitals), several hosts, socket folders
    (`?host=/run/postgresql` or a percent-encoded host), `sslmode`, `ssl=true`, `application_name` and every other
    server setting as a parameter. Parameters that only other clients know are dropped.

    Raises:
        BadDatabaseUrl: not a Postgres address.
    """
    text = url.strip().strip("\"'")
    scheme, separator, rest = text.partition("://")
    dialect = scheme.lower().partition("+")[0]
    if not separator or dialect not in ("postgres", "postgresql"):
        raise BadDatabaseUrl(
            "DATABASE_URL must begin with postgresql:// and name a PostgreSQL server, version 15 or later."
        )
    place, _, query = rest.partition("?")
    authority, slash, database = place.partition("/")
    user, at, hosts = authority.rpartition("@")
    given = parse_qsl(query, keep_blank_values=True)
    # A password with an unescaped separator must fail here: whoever parses it next would repeat a part of it.
    whole = "#" not in rest and "@" not in database and all(_NAME.fullmatch(name) for name, _ in given)
    if not whole or not all(_HOST.fullmatch(host) for host in hosts.split(",")):
        raise BadDatabaseUrl(
            "DATABASE_URL is written postgresql://user:password@host:port/database, with every `/`, `?`,"
            " `#`, `@` and `:` inside a name or password percent-encoded."
        )
    parameters = [
        ("sslmode", _ssl_mode(value)) if name in ("ssl", "sslmode") else (name, value)
        for name, value in given
        if name not in _CLIENT_ONLY
    ]
    encoded = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters)
    known = user.replace("@", "%40") + at
    return f"postgresql://{known}{hosts}{slash}{database}" + (f"?{encoded}" if encoded else "")


def _ssl_mode(value: str) -> str:
    mode = _SSL_WORDS.get(value.lower())
    if mode is None:
        raise BadDatabaseUrl(f"The sslmode of DATABASE_URL is one of {', '.join(_SSL_MODES)}.")
    return mode
