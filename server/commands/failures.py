"""What a command that fails says: a sentence for what is expected, a traceback for a bug."""

from db.errors import sqlstate, traceback_of, translate
from db.revision import SchemaBehind
from db.roles import NeedsAdministrator, ServerTooOld
from registry.kernel.errors import RegistryError
from registry.kernel.faults import refusal_of
from server.embedded.errors import EmbeddedError
from server.errors import NotConfigured, PortTaken, ServiceDied, UnsafeRole
from storage.errors import StoreError

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


def explanation(error: Exception) -> str:
    """What to print of an error."""
    if isinstance(error, NeedsAdministrator):
        return f"{error}\n\n" + "\n".join(f"{statement};" for statement in error.statements)
    if isinstance(error, EXPECTED):
        return str(error)
    return _sentence_for(error) or traceback_of(error)


def _sentence_for(error: Exception) -> str | None:
    """What to print of an error of a service; None for a bug."""
    state = sqlstate(error) or ""
    if state.startswith("28"):
        return "The database refuses this login. Check user and password in DATABASE_URL and MIGRATION_DATABASE_URL."
    if state == "3D000":
        return "There is no such database on this server. Make it, or check the name at the end of DATABASE_URL."
    refusal = refusal_of(translate(error))
    return refusal.message if refusal else None
