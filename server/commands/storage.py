"""`registry storage`: prepare the object store."""

import asyncio

from server.settings import Settings
from storage.store import ObjectStore


def bootstrap(settings: Settings) -> None:
    """Make the buckets that are missing."""

    async def make() -> None:
        async with ObjectStore(settings.store) as store:
            for bucket in settings.buckets:
                await store.ensure_bucket(bucket)

    asyncio.run(make())
