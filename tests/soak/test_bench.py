"""The benchmark, at its smallest: that it measures what it says, not how fast anything is."""

import orjson
import pytest

from bench.__main__ import run
from bench.plan import Plan
from bench.report import Line, as_json
from bench.screens import SCREENS
from bench.seed import Shape

# Services of its own, a server and every comparison are started and run by the first test.


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    shape = Shape(models=2, versions=2, artifacts=1)
    large = Shape(models=2, versions=2, artifacts=1, experiments=2, runs=4, metrics=2, steps=3)
    return run(
        Plan(
            shape,
            large,
            history=2_000,
            rounds=1,
            batch=2,
            clients=2,
            imported_runs=2,
            told_rounds=1,
            told_s=0.2,
            crowd=10,
            large_bytes=9 * 1024**2,
        )
    )


def test_every_comparison_has_its_line(lines: list[Line]) -> None:
    assert [line.thing.partition(",")[0] for line in lines if not line.thing.startswith("screen")] == [
        *["nested query"] * 4,
        *["create a version"] * 2,
        *["promote a version"] * 3,
        "upload 64 KiB",
        "upload 9 MiB",
        *["wake-up"] * 8,
        "log 1 metric points",
        "log 1000 metric points",
        "history",
        "search for the name of a run",
        "import 20 lines",
    ]
    assert all(line.ratio > 0 for line in lines)


def test_the_nested_query_is_one_statement_an_edge_and_one_to_open_the_snapshot(lines: list[Line]) -> None:
    assert {(line.statements, line.baseline_statements) for line in lines[:4]} == {(4, 4), (4, 2)}


def test_every_screen_has_its_line_with_the_statements_of_both_sides(lines: list[Line]) -> None:
    shown = {line.thing.partition(",")[0]: line for line in lines if line.thing.startswith("screen")}
    assert list(shown) == [f"screen: {path.stem.partition('_')[2]}" for path in sorted(SCREENS.glob("*.graphql"))]
    assert all(line.statements == line.baseline_statements for line in shown.values())


def test_the_json_holds_every_line_with_its_ratio(lines: list[Line]) -> None:
    shown = orjson.loads(as_json(lines))["lines"]
    assert [line["ratio"] for line in shown] == [line.ratio for line in lines]
