"""A process that makes events at a steady rate, each with the time at which its change began, and wakes the others."""

import asyncio
import sys
import time
from uuid import UUID

import asyncpg
import orjson

from db.listening import CHANNEL, Wakeups
from db.url import asyncpg_dsn

_BEGIN = "select set_config('role', $1, true), set_config('app.org_id', $2, true)"


async def main(url: str, role: str, org: str, rate: int, seconds: float, coalesced: bool) -> None:
    """Append `rate` events a second, one in each transaction, and send a NOTIFY after the commit: each or coalesced."""
    connection, wakeups = await asyncpg.connect(asyncpg_dsn(url)), Wakeups(url)
    telling = asyncio.create_task(wakeups.run())
    begin = time.time()
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, begin + number / rate - time.time()))
        body = orjson.dumps({"v": 1, "at": time.time()}).decode()
        event = {"kind": "bench.told", "subject": "Bench:1", "actor": "Bench:1", "body": body}
        async with connection.transaction():
            await connection.execute(_BEGIN, role, org)
            await connection.execute("select ev.append($1, $2)", UUID(org), orjson.dumps([event]).decode())
        if coalesced:
            wakeups.tell(UUID(org))
        else:
            await connection.execute(f"notify {CHANNEL}, '{UUID(org).hex}'")
    # What was told last is still to be sent.
    await asyncio.sleep(0.1)
    telling.cancel()
    await asyncio.gather(telling, return_exceptions=True)
    await connection.close()


if __name__ == "__main__":
    url, role, org, rate, seconds, coalesced = sys.argv[1:]
    asyncio.run(main(url, role, org, int(rate), float(seconds), coalesced == "coalesced"))
