"""Each screen of a user interface is one query: it runs over real data, in a few statements however much there is."""

import re
from collections.abc import Iterator

import httpx2
import pytest

from db.session import Database
from tests.clients.ground import SCREENS, grow, variables_of
from tests.tenant import Tenant, found_tenant

STATEMENTS = {
    "home": 36,
    "model": 27,
    "version": 60,
    "experiment": 16,
    "run": 25,
    "dataset": 24,
    "deployments": 10,
    "search": 9,
    "compare": 10,
}
"""What a screen asks of the database, the opening of its snapshot included."""

EMPTY = {
    "version": {
        "node.artifacts.nodes.failure", "node.downstream.links.role", "node.promotionPlan.obstacle",
        "node.upstream.steps.node.deletedAt", "node.downstream.steps.node.deletedAt",
    },
    "run": {"node.artifacts.nodes.failure", "node.cost.missing"},
    "dataset": {"dataset.versions.nodes.downstream.steps.node.deletedAt"},
}  # fmt: skip
"""What a screen shows of some things only, and of none here."""

every_screen = pytest.mark.parametrize("screen", SCREENS)


@pytest.fixture(scope="module")
async def ground(database: Database, http: httpx2.AsyncClient) -> tuple[Tenant, dict[str, str]]:
    """Two of everything."""
    tenant = await found_tenant(database, http)
    return tenant, await grow(tenant, 2)


def seen(answer: object, path: str = "") -> Iterator[tuple[str, bool]]:
    """Each place of an answer, without its positions in lists, and whether something stands there."""
    if isinstance(answer, dict):
        yield path, True
        for name, value in answer.items():
            yield from seen(value, f"{path}.{name}".removeprefix("."))
    elif isinstance(answer, list):
        yield path, bool(answer)
        for value in answer:
            yield from seen(value, path)
    else:
        yield path, answer is not None


def never_filled(answer: object) -> set[str]:
    """The places of an answer where nothing ever stands."""
    places = list(seen(answer))
    return {path for path, _ in places} - {path for path, filled in places if filled}


def test_every_screen_is_counted() -> None:
    assert STATEMENTS.keys() == SCREENS.keys()


@every_screen
async def test_a_screen_shows_all_that_it_asks_for(screen: str, ground: tuple[Tenant, dict[str, str]]) -> None:
    tenant, ids = ground
    answer = await tenant.client(SCREENS[screen].read_text(), **variables_of(screen, ids))
    assert None not in answer.values()
    assert never_filled(answer) == EMPTY.get(screen, set())


@every_screen
async def test_a_screen_needs_nothing_but_what_it_is_about(screen: str, ground: tuple[Tenant, dict[str, str]]) -> None:
    tenant, ids = ground
    document = SCREENS[screen].read_text()
    demanded = re.findall(r"\$(\w+): \[?\w+!", document)
    answer = await tenant.client(document, **{name: variables_of(screen, ids)[name] for name in demanded})
    assert None not in answer.values()


@every_screen
async def test_a_screen_takes_the_same_few_statements_however_much_there_is(
    screen: str, tenant: Tenant, ground: tuple[Tenant, dict[str, str]], statements: list[str]
) -> None:
    for owner, ids in ((tenant, await grow(tenant, 3)), ground):
        statements.clear()
        await owner.client(SCREENS[screen].read_text(), **variables_of(screen, ids))
        assert len(statements) == STATEMENTS[screen], f"{len(statements)}: " + "\n".join(statements)
