"""The locks agree with each other, are hashed, and name no registry."""

import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = {path.stem: path for path in (ROOT / "requirements").glob("*.lock")}
NPM_LOCKS = [
    ROOT / folder / "package-lock.json" for folder in ("web/graphiql", "tests/clients/http_audit", "tests/clients")
]
PIN = re.compile(r"^([a-z0-9-]+)==([^\s;]+)", re.MULTILINE)


def pins(lock: str) -> dict[str, str]:
    return dict(PIN.findall(LOCKS[lock].read_text()))


def test_the_locks_are_those_that_the_commands_use() -> None:
    assert LOCKS.keys() == {"server", "local", "dev", "build", "node"}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_address(lock: str) -> None:
    assert not re.search(r"://|^--(?!hash)|^\s+--(?!hash)", LOCKS[lock].read_text(), re.MULTILINE)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(lock: str) -> None:
    requirements = re.split(r"\n(?=\S)", LOCKS[lock].read_text().strip())
    assert all(PIN.match(requirement) and "--hash=sha256:" in requirement for requirement in requirements)


@pytest.mark.parametrize(("inner", "outer"), [("server", "local"), ("local", "dev"), ("build", "local")])
def test_a_lock_contains_the_one_before_it_with_the_same_versions(inner: str, outer: str) -> None:
    assert pins(inner).items() <= pins(outer).items()


def test_what_the_project_asks_for_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    names = [re.split(r"[\[<>=; ]", wish)[0] for wish in sum(extras.values(), project["project"]["dependencies"])]
    assert set(names) <= pins("dev").keys()
    asked = {re.split(r"[\[<>=; ]", wish)[0] for wish in project["build-system"]["requires"]}
    assert asked == {re.split(r"[\[<>=; ]", wish)[0] for wish in extras["build"]} <= pins("build").keys()


@pytest.mark.parametrize("lock", NPM_LOCKS, ids=lambda lock: lock.parent.name)
def test_a_lock_of_npm_names_no_address_and_hashes_everything(lock: Path) -> None:
    assert "://" not in lock.read_text()
    packages = json.loads(lock.read_text())["packages"]
    assert [path for path, package in packages.items() if path and "integrity" not in package] == []


@pytest.mark.parametrize("lock", NPM_LOCKS, ids=lambda lock: lock.parent.name)
def test_what_is_asked_of_npm_is_one_version_and_locked(lock: Path) -> None:
    manifest = json.loads(lock.with_name("package.json").read_text())
    asked = manifest.get("dependencies", {}) | manifest.get("devDependencies", {})
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in asked.values())
    packages = json.loads(lock.read_text())["packages"]
    assert asked == {name: packages[f"node_modules/{name}"]["version"] for name in asked}
