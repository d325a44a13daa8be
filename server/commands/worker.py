"""`registry worker`: the worker as a process of its own."""

import asyncio

from db.listening import Wakeups
from server.following import telling
from server.services import checked, create_services
from server.settings import Settings
from server.telemetry import logs
from server.workers import worker


def work(settings: Settings) -> None:
    """Work until SIGINT or SIGTERM. Raises: NotConfigured, SchemaBehind, UnsafeRole."""
    logs.configure(settings.log_level, human=settings.debug)

    async def main() -> None:
        services = create_services(settings)
        try:
            await checked(services.database)
            async with telling(services.database, Wakeups(settings.listen_database)):
                await worker.run(services, worker.stop_on_signals())
        finally:
            await services.database.close()

    asyncio.run(main())
