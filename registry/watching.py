"""What workers do with runs: find those that went silent."""

from db.session import Database
from registry import jobs, runs
from registry.jobs import Lease
from registry.organisations import system
from storage.store import ObjectStore


async def watch_run(database: Database, _store: ObjectStore, lease: Lease) -> None:
    """Look after a run whose time-out is over. Raises: LeaseLost, DatabaseUnavailable."""
    async with database.change(lease.org_id) as change:
        await jobs.finish(change, lease)
        await runs.look_after(change, system(lease.org_id), lease.subject_id)
