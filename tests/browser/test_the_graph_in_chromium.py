"""The whole server behind the page: a person explores the real graph in a real browser."""

from collections.abc import AsyncIterator
from urllib.parse import quote, urlsplit

import pytest

from tests.browser.chromium import Tab, new_tab
from tests.browser.conftest import require_page
from tests.browser.test_graphiql_in_chromium import ANSWER, EDITOR, RUN, shows
from tests.tenant import Tenant

QUERY = "query Own { models { nodes { name versions { nodes { label } } } } }"
BEATS = "subscription Beats { heartbeat(everySeconds: 1) { serverVersion } }"


@pytest.fixture
async def tab(live: str) -> AsyncIterator[Tab]:
    """A fresh browser, which must have asked nobody but the server."""
    require_page()
    async with new_tab() as tab:
        yield tab
        own = urlsplit(live).netloc
        assert [address for address in tab.addresses if urlsplit(address).netloc not in {own, ""}] == []
        assert tab.complaints == []


async def test_a_link_with_a_token_shows_what_is_registered(tab: Tab, live: str, tenant: Tenant) -> None:
    await tenant.version(await tenant.model(name="churn"), label="2.1.0")

    await tab.open(f"{live}/graphiql#token={tenant.client.token}&query={quote(QUERY)}")
    await tab.until(shows("query Own", EDITOR))
    await tab.run(RUN)

    await tab.until(shows('"churn"', ANSWER))
    await tab.until(shows('"2.1.0"', ANSWER))


async def test_a_subscription_beats_in_the_page(tab: Tab, live: str, tenant: Tenant) -> None:
    await tab.open(f"{live}/graphiql#token={tenant.client.token}&query={quote(BEATS)}")
    await tab.until(shows("subscription Beats", EDITOR))
    await tab.run(RUN)

    await tab.until(shows("serverVersion", ANSWER))
