"""What the server imports is asked for by name, within bounds."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OWN = ("db", "registry", "resolvers", "schema", "server", "storage")
WISH = re.compile(r"(?P<name>[a-z0-9-]+)(\[[a-z0-9,]+\])?(?P<bounds>[^;]*)(;.*)?")
NAMES = {found["name"] for wish in PROJECT["dependencies"] if (found := WISH.fullmatch(wish))}


def imported(node: ast.AST) -> Iterator[str]:
    """The top-level modules that code imports when it runs."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return
    if isinstance(node, ast.Import):
        yield from (alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        yield node.module.partition(".")[0]
    for child in ast.iter_child_nodes(node):
        yield from imported(child)


def imported_by_the_server() -> set[str]:
    files = [path for package in OWN for path in (ROOT / package).rglob("*.py")]
    modules = {module for path in files for module in imported(ast.parse(path.read_text()))}
    return modules - sys.stdlib_module_names - set(OWN)


@pytest.mark.parametrize("module", sorted(imported_by_the_server()))
def test_what_the_server_imports_is_a_dependency_of_its_own(module: str) -> None:
    distributions = {re.sub("[-_.]+", "-", name).lower() for name in packages_distributions().get(module, [])}
    assert distributions & NAMES, f"{module} belongs to {distributions or 'nothing that is installed'}"


@pytest.mark.parametrize("wish", [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["embedded"]])
def test_a_dependency_has_a_lower_and_an_upper_bound(wish: str) -> None:
    found = WISH.fullmatch(wish)
    assert found is not None
    assert re.fullmatch(r">=[0-9.]+,<[0-9.]+", found["bounds"])


def test_no_index_takes_the_server() -> None:
    assert PROJECT["name"] == "model-registry-server"
    assert "Private :: Do Not Upload" in PROJECT["classifiers"]


def test_pip_installs_from_the_list_that_everybody_looks_for() -> None:
    (line,) = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    assert line == "-r requirements/local.lock"
    assert (ROOT / "requirements/local.lock").is_file()
