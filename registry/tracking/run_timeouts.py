"""What workers do with runs: find those that went silent."""

from db.session import Database
from registry.jobs import queue
from registry.jobs.queue import Lease
from registry.tenants.organizations import system
from registry.tracking import runs


async def watch_run(database: Database, lease: Lease) -> None:
    """Look after a run whose time-out is over. Raises: LeaseLost, DatabaseUnavailable."""
    async with database.change(lease.org_id) as change:
        await queue.finish(change, lease)
        await runs.look_after(change, system(lease.org_id), lease.subject_id)
