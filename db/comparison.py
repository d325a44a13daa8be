"""What counts as a difference between the tables in the code and in the database."""

from typing import Any

from sqlalchemy import String

from db.base import SCHEMA


def _is_ours(name: str | None, kind: str, parents: Any) -> bool:
    return name == SCHEMA if kind == "schema" else name != "alembic_version"


def _differs(context: Any, column: Any, table_column: Any, found: Any, wanted: Any) -> bool | None:
    """Postgres makes no difference between text and varchar without a length; the rest is Alembic's judgment."""
    plain = getattr(wanted, "impl_instance", wanted)
    return False if isinstance(found, String) and isinstance(plain, String) else None


COMPARISON: dict[str, Any] = {"include_schemas": True, "include_name": _is_ours, "compare_type": _differs}
