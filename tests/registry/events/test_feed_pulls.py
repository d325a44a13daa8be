"""What a process keeps of the feed, and how much of it one statement brings."""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import pytest

from db.session import Event
from registry.events import feed as feeds
from registry.events.feed import Feed, Ring
from tests.patience import eventually
from tests.registry.events.test_feed import Process, process, reading, stored
from tests.tenant import Tenant, found_tenant


@pytest.fixture
async def one(database_url: str) -> AsyncIterator[Process]:
    async with process(database_url) as running:
        yield running


async def test_what_is_new_of_many_is_pulled_in_slices(
    one: Process, tenant: Tenant, neighbor: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    third = await found_tenant(tenant.database, tenant.http)
    org_ids = [each.org_id for each in (tenant, neighbor, third)]
    pulls: list[tuple[int, int]] = []
    pull, take = Feed._pull_slice, Feed._take

    async def noted(self: Feed, asked: Any, pulled: int) -> None:
        pulls.append((len(asked), pulled))
        await pull(self, asked, pulled)

    def counted(self: Feed, org_id: UUID, ring: Ring, news: Sequence[Any], pulled: int) -> None:
        assert len(news) <= pulled
        take(self, org_id, ring, news, pulled)

    monkeypatch.setattr(feeds, "_SLICE", 2)
    monkeypatch.setattr(feeds, "_AT_ONCE", 4)
    monkeypatch.setattr(one.feed, "_at_once", 4)
    monkeypatch.setattr(Feed, "_pull_slice", noted)
    monkeypatch.setattr(Feed, "_take", counted)
    kinds = [f"a.{number}" for number in range(9)]
    async with (
        reading(one.feed, org_ids[0]) as first,
        reading(one.feed, org_ids[1]) as second,
        reading(one.feed, org_ids[2]) as last,
    ):
        for org_id in org_ids:
            await one.write(org_id, *kinds)
        for reader in (first, second, last):
            await reader.has(10)
            assert reader.kinds == kinds
    assert all(asked <= 2 and asked * pulled <= 4 for asked, pulled in pulls)


async def test_a_pull_that_fails_asks_for_less_the_next_time_and_for_all_again_in_the_end(
    one: Process, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    pull = Feed._pull_slice

    async def failing(self: Feed, rings: Any, pulled: int) -> None:
        asked.append(pulled)
        if pulled > 100:
            raise TimeoutError
        await pull(self, rings, pulled)

    monkeypatch.setattr(Feed, "_pull_slice", failing)
    async with reading(one.feed, tenant.org_id) as reader:
        await one.write(tenant.org_id, *["a.one"] * 150)
        await reader.has(151)
    assert asked[0] == 500
    assert min(asked) == 100
    monkeypatch.setattr(Feed, "_pull_slice", pull)
    async with reading(one.feed, tenant.org_id):
        await eventually(lambda: one.feed._at_once == feeds._AT_ONCE)


def test_a_ring_keeps_no_more_of_an_event_than_it_counts(tenant: Tenant) -> None:
    event = stored(tenant.org_id, tenant.org_id, 1, '{"after": {"name": "x"}}')
    assert event.body == {"after": {"name": "x"}}
    assert "body" not in vars(event)


async def test_listeners_hear_what_arrives_and_where_something_may_have_been_missed(
    one: Process, tenant: Tenant
) -> None:
    heard: list[list[str]] = []
    one.feed.listeners.append(lambda org_id, found: heard.append([event.kind for event in found]))
    async with reading(one.feed, tenant.org_id) as reader:
        assert heard == [[]], "nobody listened before"
        async with one.database.change(tenant.org_id) as change:
            change.events.append(Event("a.one", "Team:1", "Principal:1", {"v": 1}))
        await reader.has(2)
    assert heard == [[], ["a.one"]]
