"""Deleting and restoring as mutations, the same for every kind of thing."""

from typing import Any

from db.base import Deletable
from registry.deletion.deletion import DELETIONS
from registry.deletion.dependents import has_dependents, is_dependent
from registry.deletion.rules import DELETING, RESTORING
from registry.kernel.batches import Dependence
from registry.kernel.errors import Conflict, Failure, InUse, InvalidValue, NameTaken, NotFound
from schema.building.batches import batch
from schema.building.mutations import Named, change


def delete(table: type[Deletable], *, description: str) -> Any:
    """The mutation `deleteThing`."""
    how = DELETIONS[table]
    errors: list[type[Failure]] = [NotFound, InvalidValue]
    errors += [Conflict] if how.guard else []
    errors += [InUse] if has_dependents(table) else []
    return change(DELETING[table], table, action=how.action, errors=errors, description=description)


def restore(table: type[Deletable]) -> Any:
    """The mutation `restoreThing`."""
    how = DELETIONS[table]
    errors: list[type[Failure]] = [NotFound, InvalidValue]
    errors += [NameTaken] if how.renamed else []
    errors += [Conflict] if is_dependent(table) else []
    renamed = f", under another {how.renamed} where its own is taken by now" if how.renamed else ""
    return change(
        RESTORING[table],
        table,
        action=how.action,
        errors=errors,
        description=f"Brings back a deleted {how.word}{renamed}.",
    )


def delete_many(single: Named, *, description: str) -> Any:
    """The batch of a `delete`: an item may depend on another one, which is then deleted after it."""
    return batch(single, dependence=Dependence.DEPENDENTS_FIRST, description=description)


def restore_many(single: Named, *, description: str) -> Any:
    """The batch of a `restore`: an item may depend on another one, which is then restored before it."""
    return batch(single, dependence=Dependence.DEPENDENTS_LAST, description=description)
