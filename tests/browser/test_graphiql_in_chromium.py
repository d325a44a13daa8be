"""The built GraphiQL page in a real browser: tokens stay private, examples run, nothing foreign is asked."""

import json
from collections.abc import AsyncIterator
from urllib.parse import quote, urlsplit

import pytest

from tests.browser.chromium import Tab, new_tab
from tests.browser.conftest import Served

EDITOR = "document.querySelector('.graphiql-query-editor .view-lines')?.textContent"
VARIABLES = "document.querySelector('.graphiql-editor-tool .view-lines')?.textContent"
ANSWER = "document.querySelector('.result-window .view-lines')?.textContent"
RUN = "document.querySelector('.graphiql-execute-button').click()"
TABS = "[...document.querySelectorAll('.graphiql-tab-button')].map((tab) => tab.textContent)"
STORED_TOKEN = "sessionStorage.getItem('model-registry:token')"
STORED_TABS = "localStorage.getItem('model-registry:graphiql:tabState')"
TOKEN_BOX = "document.querySelector('.token-box')?.textContent"


@pytest.fixture
async def tab(served: Served) -> AsyncIterator[Tab]:
    """A fresh browser, which at the end must have asked nobody but the server and complained of nothing."""
    async with new_tab() as tab:
        yield tab
        own = urlsplit(served.url).netloc
        assert [address for address in tab.addresses if urlsplit(address).netloc not in {own, ""}] == []
        assert tab.complaints == []


def shows(text: str, where: str) -> str:
    """A script that is true once `where` holds `text`, whatever kind of spaces the editor draws."""
    return f"{where}?.replaceAll('\\u00a0', ' ').includes({json.dumps(text)})"


def link(served: Served, **values: str) -> str:
    """The page's address with `values` in its fragment."""
    return f"{served.url}/graphiql#" + "&".join(f"{name}={quote(value)}" for name, value in values.items())


async def test_the_token_moves_from_the_address_bar_to_this_tab_alone(tab: Tab, served: Served) -> None:
    await tab.open(link(served, token=served.token))
    await tab.until(shows("greeting", EDITOR))

    assert await tab.run("location.href") == f"{served.url}/graphiql"
    assert await tab.run("history.length") == 2
    assert await tab.run(STORED_TOKEN) == served.token
    assert served.token not in await tab.run("JSON.stringify(localStorage)")
    assert served.token not in await tab.run("document.cookie + document.documentElement.outerHTML")


async def test_the_first_example_runs_with_its_variables(tab: Tab, served: Served) -> None:
    await tab.open(link(served, token=served.token))
    await tab.until(shows('"example"', VARIABLES))
    assert await tab.run(TABS) == ["Greeting", "Ticks"]

    await tab.run(RUN)

    await tab.until(shows("hello example", ANSWER))


async def test_a_subscription_delivers_over_the_web_socket(tab: Tab, served: Served) -> None:
    await tab.open(link(served, token=served.token, query="subscription Own { tick }"))
    await tab.until(shows("subscription Own", EDITOR))

    await tab.run(RUN)

    await tab.until(shows("tick 3", ANSWER))
    assert served.url.replace("http", "ws") + "/graphql" in tab.addresses


async def test_a_broken_stream_is_told_where_the_answer_stands(tab: Tab, served: Served) -> None:
    await tab.open(link(served, token=served.token, query="subscription Own { tick }"))
    await tab.until(shows("subscription Own", EDITOR))

    await tab.run("WebSocket.prototype.send = function () { this.close(4500, 'cut off') }, null")
    await tab.run(RUN)

    await tab.until(shows("The stream ended: cut off (4500).", ANSWER))


async def test_a_link_opens_its_query_ready_to_run(tab: Tab, served: Served) -> None:
    query = "query FromLink($name: String!) { greeting(name: $name) }"
    await tab.open(link(served, token=served.token, query=query, variables='{"name": "a + b"}'))
    await tab.until(shows('"a + b"', VARIABLES))

    await tab.run(RUN)

    await tab.until(shows("hello a + b", ANSWER))
    assert await tab.run(TABS) == ["FromLink", "Greeting", "Ticks"]
    assert await tab.run("location.hash") == ""


async def test_a_link_followed_from_the_open_page_adds_its_tab(tab: Tab, served: Served) -> None:
    await tab.open(link(served, token=served.token))
    await tab.until(STORED_TABS)

    await tab.open(link(served, query='query Later { later: greeting(name: "later") }'))

    await tab.until(shows("query Later", EDITOR))
    await tab.run(RUN)
    await tab.until(shows('"later": "hello later"', ANSWER))
    assert await tab.run(TABS) == ["Greeting", "Ticks", "Later"]


async def test_a_reload_needs_no_token_and_keeps_the_tabs(tab: Tab, served: Served) -> None:
    await tab.open(link(served, token=served.token, query='query Kept { greeting(name: "kept") }'))
    await tab.until(shows("query Kept", EDITOR))
    await tab.until(STORED_TABS)

    await tab.call("Page.reload")
    await tab.until(f"performance.getEntriesByType('navigation')[0].type === 'reload' && {shows('query Kept', EDITOR)}")

    await tab.run(RUN)
    await tab.until(shows("hello kept", ANSWER))
    assert await tab.run(TABS) == ["Kept", "Greeting", "Ticks"]


async def test_without_a_token_the_page_asks_for_one_and_goes_on(tab: Tab, served: Served) -> None:
    await tab.open(link(served, query='query Waiting { greeting(name: "at last") }'))
    assert "registry token create" in await tab.until(TOKEN_BOX)

    await tab.run("document.querySelector('#token').focus()")
    await tab.call("Input.insertText", text=f" {served.token} ")
    await tab.run("document.querySelector('.token-box form').requestSubmit()")

    await tab.until(shows("query Waiting", EDITOR))
    await tab.run(RUN)
    await tab.until(shows("hello at last", ANSWER))
    assert await tab.run(STORED_TOKEN) == served.token


async def test_a_refused_token_is_forgotten_with_a_reason(tab: Tab, served: Served) -> None:
    await tab.open(link(served, token="mrgp_revoked"))

    assert "did not accept the token" in await tab.until(TOKEN_BOX)
    assert await tab.run(STORED_TOKEN) is None
    # The browser itself notes each refusal, some of them later; nothing else may be noted.
    await tab.complains("status of 401")


async def test_a_token_refused_by_the_web_socket_is_forgotten_too(tab: Tab, served: Served) -> None:
    await tab.open(link(served, token=served.token, query="subscription Own { tick }"))
    await tab.until(shows("subscription Own", EDITOR))

    await tab.run("WebSocket.prototype.real_send = WebSocket.prototype.send, null")
    await tab.run(
        "WebSocket.prototype.send = function (text) { this.real_send(text.replace('mrgp_', 'mrgp_x')) }, null"
    )
    await tab.run(RUN)

    assert "did not accept the token" in await tab.until(TOKEN_BOX)
    assert await tab.run(STORED_TOKEN) is None


async def test_the_policy_stops_foreign_requests_and_scripts_in_the_page(tab: Tab, served: Served) -> None:
    await tab.open(link(served, token=served.token))
    await tab.until(shows("greeting", EDITOR))

    await tab.run("fetch('https://foreign.test/').catch(() => null)")
    await tab.run("document.head.append(Object.assign(document.createElement('script'), {text: 'window.ran = true'}))")

    assert await tab.run("window.ran") is None
    for text in ("connect-src 'self'", "script-src 'self'", "Content Security Policy"):
        await tab.complains(text)
    tab.addresses = [address for address in tab.addresses if "foreign.test" not in address]
