"""Who waits for whom in the database: the proof that something waits, in the place of a pause."""

import asyncio
from typing import Any, Protocol

from sqlalchemy import Executable, text

from tests.patience import eventually

# Not by pg_stat_activity: what it shows stays the same to the end of a transaction.
_IS_WAITED_FOR = text("select exists (select from pg_locks where pg_backend_pid() = any(pg_blocking_pids(pid)))")


class Holder(Protocol):
    """A transaction with locks that others may wait for."""

    async def execute(self, statement: Executable, /) -> Any:
        """The result of a statement."""
        ...


async def is_waited_for(holder: Holder) -> bool:
    """Whether another transaction waits for a lock of this one."""
    return bool((await holder.execute(_IS_WAITED_FOR)).scalar_one())


async def until_it_waits(task: "asyncio.Task[Any]", holder: Holder) -> None:
    """Return once what the task does waits for a lock of this transaction. Fails where the task ends instead."""

    async def has_come_as_far_as_it_can() -> bool:
        return task.done() or await is_waited_for(holder)

    await eventually(has_come_as_far_as_it_can)
    assert not task.done(), "it did not wait"
