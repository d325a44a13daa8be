"""However the owning process ends, its services end too, and the next start finds their data."""

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from server.embedded.postgres import start_postgres
from server.embedded.s3 import start_s3
from tests.patience import PATIENCE_S


async def write_a_row(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("create table kept as select 42 as answer")
    await connection.close()


async def the_row(dsn: str) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval("select answer from kept")
    finally:
        await connection.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_the_services_end_with_their_owner_and_keep_the_data(
    data_dir: Path, start_owner: Any, number: signal.Signals
) -> None:
    owner = start_owner(data_dir)
    await write_a_row(owner.report["dsn"])
    os.killpg(owner.process.pid, number)
    owner.process.wait(PATIENCE_S)
    owner.wait_until_nothing_is_left()
    assert "database system is shut down" in (data_dir / "postgres" / "postgres.log").read_text()
    with start_postgres(data_dir) as postgres, start_s3(data_dir) as s3:
        assert await the_row(postgres.dsn) == 42
        assert s3.endpoint == owner.report["endpoint"]


async def test_a_start_right_after_the_owner_was_killed_waits_for_the_old_services(
    data_dir: Path, start_owner: Any
) -> None:
    owner = start_owner(data_dir)
    await write_a_row(owner.report["dsn"])
    owner.process.kill()
    owner.process.wait(PATIENCE_S)
    with start_postgres(data_dir) as postgres, start_s3(data_dir):
        assert await the_row(postgres.dsn) == 42
    owner.wait_until_nothing_is_left()


async def test_everything_killed_at_once_is_recovered_from(data_dir: Path, start_owner: Any) -> None:
    owner = start_owner(data_dir)
    await write_a_row(owner.report["dsn"])
    for pid in (owner.process.pid, *owner.report["guardian_pids"], *owner.report["pids"]):
        # A service ends by itself as soon as its guardian is gone.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    owner.process.wait(PATIENCE_S)
    with start_postgres(data_dir) as postgres, start_s3(data_dir):
        assert await the_row(postgres.dsn) == 42
