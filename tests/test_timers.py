"""What is counted of the time-outs of a block."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.timers import counted_waits, watched_timers


@pytest.fixture(autouse=True)
async def _timers_are_watched() -> AsyncIterator[None]:
    with watched_timers():
        yield


async def test_waits_one_after_the_other_add_up_and_those_side_by_side_count_once() -> None:
    with counted_waits() as waits:
        for _ in range(3):
            await asyncio.gather(asyncio.sleep(0.05), asyncio.sleep(0.05))
    assert waits.total_s == pytest.approx(0.15)


async def test_a_time_out_that_is_not_met_counts_nothing_and_neither_does_that_of_another_task() -> None:
    other = asyncio.create_task(asyncio.sleep(0.01))
    with counted_waits() as waits:
        async with asyncio.timeout(0.5):
            await other
    assert waits.total_s == 0


async def test_a_time_out_that_ends_a_wait_counts_and_not_what_it_ended() -> None:
    with counted_waits() as waits, pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await asyncio.sleep(3600)
    assert 0 < waits.total_s <= 0.01
