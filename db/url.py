"""Database addresses as people write them, turned into what asyncpg takes."""

from urllib.parse import parse_qsl, quote, urlsplit

# What other drivers and hosting providers write and asyncpg would send to the server as an unknown setting.
_CLIENT_ONLY = frozenset(
    {
        "channel_binding",
        "client_encoding",
        "connect_timeout",
        "gssencmode",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "options",
        "pgbouncer",
        "pool_timeout",
        "prepared_statement_cache_size",
        "prepareThreshold",
        "schema",
        "sslcompression",
        "statement_cache_size",
        "tcp_user_timeout",
    }
)
_SSL_WORDS = {"true": "require", "1": "require", "on": "require", "false": "disable", "0": "disable", "off": "disable"}


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
    before_query, _, query = rest.partition("?")
    parameters = []
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name == "ssl":
            parameters.append(("sslmode", _SSL_WORDS.get(value.lower(), value)))
        elif name not in _CLIENT_ONLY:
            parameters.append((name, value))
    encoded = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters)
    return f"postgresql://{before_query}" + (f"?{encoded}" if encoded else "")


def without_password(url: str) -> str:
    """Host and database of an address, for logs and messages."""
    parts = urlsplit(url)
    return f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}"
