"""Whatever is read for somebody asks in one place what may be seen, and in one as of when: today "all" and "now"."""

import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import ColumnElement, Executable, FromClause, func, literal_column
from sqlalchemy.dialects import postgresql

from db.base import Tenant as TenantTable, utc_now
from db.belonging import KINDS
from db.projects import is_placed
from db.session import Database
from db.tables import Project
from registry.graph.lineage import Direction
from resolvers.loading import visibility
from resolvers.loading.loaders import Loaders
from resolvers.loading.records import record_of
from resolvers.loading.shapes import Reading
from tests.clients.ground import SCREENS, grow, variables_of
from tests.tenant import Tenant, found_tenant, uuid_of

ROOT = Path(__file__).parents[3]
ASKED: Final = {
    str(table.__tablename__)
    for name, table in KINDS.items()
    if (is_placed(table) or table is Project) and name != "SearchDocument"
}
"""The tables whose rows are of a project. Points are read below a row that was found; the search is asked below."""
MENTIONED = re.compile(r"\bregistry\.(\w+)(?![\w.(])")
# Walks are given their moment, and the price of a run is that of its time.
UNASKED_MOMENT = re.compile(r"\b(?!lineage_edge|price)\w+\.(?:deleted_at|valid_to) IS (?:NOT )?NULL")
PAST_READING = {
    "resolvers/context.py": "makes the reading, and closes the snapshot",
    "resolvers/loading/shapes.py": "is the reading",
    "resolvers/promotion/champions.py": "the rules judge by all rows",
    "resolvers/promotion/plans.py": "the rules judge by all rows",
}
"""Where the snapshot itself is used, and why."""


def mark(table: type[TenantTable], row: FromClause | None = None) -> tuple[ColumnElement[bool], ...]:
    """A condition that says of which table it was asked."""
    asked: ColumnElement[Any] = literal_column(f"'seen {table.__tablename__}'")
    return (asked == asked,)


def mark_events() -> tuple[ColumnElement[bool], ...]:
    """The same for events."""
    asked: ColumnElement[Any] = literal_column("'seen event'")
    return (asked == asked,)


def mark_moment(moment: ColumnElement[Any]) -> ColumnElement[bool]:
    """The same as before, and told from a column that nobody asked about."""
    return func.coalesce(moment).is_not(None)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The statements that are read for somebody from here on, marked with what they asked."""
    modules = [module for name, module in sys.modules.items() if name.startswith(("registry.", "resolvers."))]
    marks = {visibility.visible: mark, visibility.visible_events: mark_events, visibility.is_over: mark_moment}
    for module in modules:
        for asked, marked in marks.items():
            if getattr(module, asked.__name__, None) is asked:
                monkeypatch.setattr(module, asked.__name__, marked)
    # Statements that were made before know nothing of the marks, and those with marks are for this test alone.
    # The classes of records are no statements, and the types of the graph know them.
    kept = {one for module in modules for one in vars(module).values() if hasattr(one, "cache_clear")} - {record_of}
    sent: list[str] = []
    rows = Reading.rows

    async def note(self: Reading, statement: Executable, parameters: Any = None) -> Any:
        sent.append(str(statement.compile(dialect=postgresql.dialect())))  # type: ignore[attr-defined, no-untyped-call]
        return await rows(self, statement, parameters)

    monkeypatch.setattr(Reading, "rows", note)
    for one in kept:
        one.cache_clear()
    yield sent
    for one in kept:
        one.cache_clear()


@pytest.fixture(scope="module")
async def ground(database: Database, http: Any) -> tuple[Tenant, dict[str, str]]:
    """One of everything."""
    tenant = await found_tenant(database, http)
    return tenant, await grow(tenant, 1)


@pytest.mark.parametrize("screen", SCREENS)
async def test_every_statement_of_a_screen_asks_of_each_table_what_may_be_seen_and_as_of_when(
    screen: str, ground: tuple[Tenant, dict[str, str]], read: list[str]
) -> None:
    tenant, ids = ground
    await tenant.client(SCREENS[screen].read_text(), **variables_of(screen, ids))
    assert len(read) > 3
    for statement in read:
        for table in ASKED.intersection(MENTIONED.findall(statement)):
            assert f"'seen {table}'" in statement, f"{table}: {statement}"
        assert not UNASKED_MOMENT.findall(statement), statement
        if "registry.search(" in statement:
            assert "'seen project'" in statement


async def test_pages_of_events_ask_what_may_be_seen(ground: tuple[Tenant, dict[str, str]], read: list[str]) -> None:
    tenant, _ = ground
    answer = await tenant.client("{ events(first: 3) { totalCount nodes { sequence } } }")
    assert len(answer["events"]["nodes"]) == 3
    about = [statement for statement in read if "FROM ev.event" in statement and "halving" not in statement]
    assert len(about) == 2
    assert all("'seen event'" in statement for statement in about)


async def test_a_lineage_is_walked_as_of_the_time_of_reading(ground: tuple[Tenant, dict[str, str]]) -> None:
    tenant, _ = ground
    start = uuid_of(await tenant.version(run=await tenant.run()))
    lengths = []
    for at in (None, utc_now() - timedelta(days=1)):
        snapshot = tenant.database.new_snapshot(tenant.org_id)
        walk = await Loaders(Reading(snapshot, tenant.actor, at)).walk(Direction.UPSTREAM, 1, None).load(start)
        await snapshot.close()
        lengths.append(len(walk.steps))
    assert lengths == [1, 0]


def test_nothing_is_read_past_the_reading() -> None:
    files = {path.relative_to(ROOT).as_posix(): path.read_text() for path in (ROOT / "resolvers").rglob("*.py")}
    assert {name for name, text in files.items() if re.search(r"\.snapshot\b", text)} == PAST_READING.keys()


def test_today_all_is_seen_as_it_is_now() -> None:
    assert [visibility.visible(table) for table in KINDS.values()] == [()] * len(KINDS)
    assert visibility.visible_events() == ()
    assert str(visibility.is_over(literal_column("moment"))) == "moment IS NOT NULL"
