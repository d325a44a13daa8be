"""The graph breaks no promise of the last release, unless the changelog says so."""

import json
import re
from pathlib import Path

import pytest

from tests.node_tools import run

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RELEASED = ROOT / "schema/released.graphql"
CURRENT = ROOT / "schema/schema.graphql"

pytestmark = pytest.mark.usefixtures("installed")


def announced(changelog: str) -> set[str]:
    """What stands in backticks under "Breaking" of what is not released yet, such as `Model.name`."""
    unreleased = re.search(r"^## \[Unreleased\]\n(.*?)(?=^## |\Z)", changelog, re.DOTALL | re.MULTILINE)
    breaking = re.search(
        r"^### Breaking\n(.*?)(?=^### |\Z)", unreleased[1] if unreleased else "", re.DOTALL | re.MULTILINE
    )
    return set(re.findall(r"`([^`]+)`", breaking[1])) if breaking else set()


async def broken(before: Path, after: Path) -> dict[str, str]:
    """Where a schema breaks clients of the one before it, with a sentence each."""
    ran = await run(HERE, "node", "diff.mjs", str(before), str(after))
    assert ran.status == 0, ran.stderr
    return {change["path"]: change["message"] for change in json.loads(ran.stdout) if change["level"] == "BREAKING"}


async def test_what_breaks_clients_of_the_last_release_is_in_the_changelog() -> None:
    changes = await broken(RELEASED, CURRENT)
    silent = changes.keys() - announced((ROOT / "CHANGELOG.md").read_text())
    assert [changes[path] for path in sorted(silent)] == []


async def test_a_field_that_goes_or_can_be_null_and_an_argument_that_comes_break_clients(tmp_path: Path) -> None:
    text = "type Query { model(id: ID!): Model }\ntype Model { name: String! tags: [String!]! }"
    after = "type Query { model(id: ID!, project: ID!): Model }\ntype Model { name: String owner: String }"
    (tmp_path / "before.graphql").write_text(text)
    (tmp_path / "after.graphql").write_text(after)
    found = await broken(tmp_path / "before.graphql", tmp_path / "after.graphql")
    assert found.keys() == {"Query.model.project", "Model.name", "Model.tags"}


def test_only_what_stands_under_breaking_of_the_next_release_is_announced() -> None:
    changelog = """# Changelog
## [Unreleased]
### Added
- `Model.owner`.
### Breaking
- `Model.tags` is a page now; `Query.model.project` must be given.
## [2.0.0]
### Breaking
- `Model.name`.
"""
    assert announced(changelog) == {"Model.tags", "Query.model.project"}
    assert announced("# Changelog\n## [Unreleased]\n### Added\n- `Model.owner`.\n") == set()
