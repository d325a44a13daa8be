"""The GraphiQL page as an HTTP client sees it: what it is served with, what stands in it, and what happens unbuilt."""

import gzip
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette

from server.doors.graphiql import graphiql_routes

INDEX = """<!doctype html><html><head>
<meta name="registry-version" content="" />
<script type="application/json" id="default-tabs">[]</script>
</head></html>
"""
SCRIPT = "console.log('ready');\n" * 100


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """A built page of one file, in a folder with a space."""
    folder = tmp_path / "built page"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(INDEX)
    (folder / "assets" / "page-abc.js").write_text(SCRIPT)
    (folder / "assets" / "page-abc.js.gz").write_bytes(gzip.compress(SCRIPT.encode()))
    (folder / "assets" / "icons-abc.ttf").write_bytes(b"font")
    return folder


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    """Two examples, the second with variables, and a file that is none."""
    folder = tmp_path / "examples"
    folder.mkdir()
    (folder / "20_lineage.graphql").write_text("# Lineage\nquery Lineage($n: Int) { lineage(first: $n) }\n")
    (folder / "20_lineage.json").write_text('{"n": 5}')
    (folder / "10_models.graphql").write_text("# Models </script><!--\nquery Models { models }\n")
    (folder / "README.md").write_text("not an example")
    return folder


@pytest.fixture
def screens(tmp_path: Path) -> Path:
    """A second folder with one document."""
    folder = tmp_path / "screens"
    folder.mkdir()
    (folder / "10_home.graphql").write_text("# Home\nquery Home { models }\n")
    return folder


@pytest.fixture
async def client(dist: Path, examples: Path, screens: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an application that has these routes alone."""
    app = Starlette(routes=graphiql_routes(dist, (examples, screens), '2.0.0"<b>'))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://registry.test") as client:
        yield client


def tabs_in(page: str) -> list[dict[str, str]]:
    """The example tabs as a browser reads them: the text up to the first end tag."""
    found = re.search(r'<script type="application/json" id="default-tabs">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    tabs: list[dict[str, str]] = json.loads(found[1])
    return tabs


@pytest.mark.parametrize("path", ["/graphiql", "/graphiql/"])
async def test_the_page_opens_with_and_without_the_last_slash(client: httpx2.AsyncClient, path: str) -> None:
    answer = await client.get(path)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"


async def test_the_documents_are_tabs_in_the_order_of_folders_and_file_names(client: httpx2.AsyncClient) -> None:
    tabs = tabs_in((await client.get("/graphiql")).text)

    assert tabs == [
        {"query": "# Models </script><!--\nquery Models { models }\n"},
        {"query": "# Lineage\nquery Lineage($n: Int) { lineage(first: $n) }\n", "variables": '{"n": 5}'},
        {"query": "# Home\nquery Home { models }\n"},
    ]


async def test_an_example_cannot_close_the_script_element_it_stands_in(client: httpx2.AsyncClient) -> None:
    page = (await client.get("/graphiql")).text

    assert page.count("</script>") == 1
    assert "<!--" not in page


async def test_a_new_example_shows_at_the_next_visit(client: httpx2.AsyncClient, examples: Path) -> None:
    (examples / "30_events.graphql").write_text("subscription Events { events }")

    assert tabs_in((await client.get("/graphiql")).text)[2] == {"query": "subscription Events { events }"}


async def test_the_version_is_escaped_into_the_head(client: httpx2.AsyncClient) -> None:
    assert 'content="2.0.0&quot;&lt;b&gt;"' in (await client.get("/graphiql")).text


@pytest.mark.parametrize("path", ["/graphiql", "/graphiql/assets/page-abc.js", "/graphiql/assets/icons-abc.ttf"])
async def test_page_and_assets_carry_the_policy(client: httpx2.AsyncClient, path: str) -> None:
    headers = (await client.get(path)).headers

    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "connect-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"


async def test_an_asset_is_kept_for_ever_and_sent_compressed_where_accepted(client: httpx2.AsyncClient) -> None:
    packed = await client.get("/graphiql/assets/page-abc.js", headers={"Accept-Encoding": "gzip, br"})
    plain = await client.get("/graphiql/assets/page-abc.js", headers={"Accept-Encoding": "identity"})

    assert packed.text == plain.text == SCRIPT
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-type"] == plain.headers["content-type"]
    assert "javascript" in packed.headers["content-type"]
    assert packed.headers["etag"] != plain.headers["etag"]
    for answer in (packed, plain):
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["vary"] == "Accept-Encoding"


async def test_an_asset_the_browser_has_is_not_sent_again(client: httpx2.AsyncClient) -> None:
    first = await client.get("/graphiql/assets/page-abc.js")
    again = await client.get("/graphiql/assets/page-abc.js", headers={"If-None-Match": first.headers["etag"]})

    assert again.status_code == 304
    assert again.content == b""


@pytest.mark.parametrize(
    "path", ["page-old.js", "", "../index.html", "%2e%2e/index.html", "..%2f..%2fexamples%2f20_lineage.json"]
)
async def test_nothing_outside_the_assets_is_served(client: httpx2.AsyncClient, path: str) -> None:
    assert (await client.get(f"/graphiql/assets/{path}")).status_code == 404


async def test_unbuilt_the_page_says_how_to_build_it_and_needs_no_restart_after(
    client: httpx2.AsyncClient, dist: Path
) -> None:
    built = (dist / "index.html").rename(dist / "elsewhere.html")
    unbuilt = await client.get("/graphiql")
    built.rename(dist / "index.html")

    assert unbuilt.status_code == 503
    assert unbuilt.headers["content-type"].startswith("text/plain")
    assert "`make graphiql`" in unbuilt.text
    assert (await client.get("/graphiql")).status_code == 200


async def test_a_build_without_places_for_tabs_is_refused(client: httpx2.AsyncClient, dist: Path) -> None:
    (dist / "index.html").write_text("<!doctype html><html></html>")

    with pytest.raises(RuntimeError, match="make graphiql"):
        await client.get("/graphiql")


async def test_without_any_folder_the_routes_still_answer(tmp_path: Path) -> None:
    app = Starlette(routes=graphiql_routes(tmp_path / "none", (tmp_path / "neither",), "2.0.0"))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://registry.test") as client:
        assert (await client.get("/graphiql")).status_code == 503
        assert (await client.get("/graphiql/assets/page-abc.js")).status_code == 404
