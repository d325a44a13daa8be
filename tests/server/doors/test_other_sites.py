"""Frontends on other sites: a browser lets their pages use the API where the operator named their origin."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from pydantic import ValidationError

from server.app import create_app
from server.settings import Settings
from tests.tenant import Tenant

FRONTEND, STRANGER = "https://app.example", "https://evil.example"
ASKED = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,graphql-require-preflight",
}
NAME = {"query": "{ organization { name } }"}


@pytest.fixture
async def shared(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """The application, which pages of the frontend may use."""
    app = create_app(settings.model_copy(update={"allowed_origins": (FRONTEND,), "database_pool_size": 1}))
    transport = httpx2.ASGITransport(app=app)
    async with app.state.services.store, httpx2.AsyncClient(transport=transport, base_url="http://t") as client:
        yield client
    await app.state.services.database.close()
    await app.state.health.aside.close()


async def test_a_page_of_the_frontend_may_ask(shared: httpx2.AsyncClient, tenant: Tenant) -> None:
    allowed = await shared.options("/graphql", headers={"origin": FRONTEND, **ASKED})
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, FRONTEND)
    authorization = {"authorization": f"Bearer {tenant.client.token}"}
    answer = await shared.post("/graphql", json=NAME, headers={"origin": FRONTEND, **authorization})
    assert answer.json()["data"]["organization"]["name"]
    assert answer.headers["access-control-allow-origin"] == FRONTEND
    assert "access-control-allow-credentials" not in answer.headers
    assert "Origin" in answer.headers["vary"]
    assert "X-Request-Id" in answer.headers["access-control-expose-headers"]


async def test_a_page_of_the_frontend_reads_why_it_is_refused(shared: httpx2.AsyncClient) -> None:
    refused = await shared.post("/graphql", json=NAME, headers={"origin": FRONTEND})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, FRONTEND)


async def test_a_page_of_any_other_site_may_not(shared: httpx2.AsyncClient) -> None:
    refused = await shared.options("/graphql", headers={"origin": STRANGER, **ASKED})
    assert (refused.status_code, refused.headers.get("access-control-allow-origin")) == (400, None)
    answer = await shared.post("/graphql", json=NAME, headers={"origin": STRANGER})
    assert "access-control-allow-origin" not in answer.headers


async def test_unless_the_operator_says_so_nobody_may(http: httpx2.AsyncClient) -> None:
    refused = await http.options("/graphql", headers={"origin": FRONTEND, **ASKED})
    assert refused.status_code == 405
    assert not [name for name in refused.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "origin", ["*", "https://app.example/", "app.example", "https://App.example", "null", "ftp://a"]
)
def test_what_is_no_origin_is_refused_at_the_start(origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_ORIGINS", f"{FRONTEND},{origin}")
    with pytest.raises(ValidationError, match="is no origin"):
        Settings()
