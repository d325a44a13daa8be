"""How Alembic reaches the database: over the connection that `db.migrate` hands it."""

from typing import Any, Literal

from alembic import context
from sqlmodel.sql.sqltypes import AutoString

import db.tables  # noqa: F401  # fills the metadata
from db.base import SCHEMA, Json, Name, Time, metadata
from db.comparison import COMPARISON


def render(kind: str, item: Any, _: Any) -> str | Literal[False]:
    """Write column types as SQLAlchemy's own, so that a migration does not change when a class of ours does."""
    if kind != "type":
        return False
    if isinstance(item, Time):
        return "sa.DateTime(timezone=True)"
    if isinstance(item, Name):
        return 'sa.Text(collation="C")'
    if isinstance(item, Json):
        return "postgresql.JSONB()"
    if isinstance(item, AutoString) or type(item).__name__ == "Code":
        return "sa.Text()"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table_schema=SCHEMA,
    **COMPARISON,
    render_item=render,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
